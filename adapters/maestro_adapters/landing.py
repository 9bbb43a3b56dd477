"""Changes as Parquet files in a folder, and nothing merged: what is left when the flag ``cdc_lakehouse`` is off.

Each commit is one file of the plan's form, which ``maestro lake merge`` reads later. A file appears whole, by a rename,
and carries the positions that it leads to, so a batch and its positions are one commit here too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from maestro.kernel.errors import BadInputError, PortError
from maestro.ports.capabilities import Capability
from maestro.ports.lake import (
    Folded,
    Merged,
    Poison,
    Positions,
    TableSpec,
    TableStatus,
    Upkeep,
    check_positions,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetLanding"]

_NAME: Final = re.compile(r"changes-(\d{12})\.parquet", re.ASCII)
_POSITIONS: Final = b"maestro.positions"
_DIGITS: Final = 12


class ParquetLanding:
    """A folder of change files, written by one follower (``LakeTable``, as far as it can be one).

    Args:
        folder: made when missing. Files may be taken away once they are merged, but for the newest: it knows how far
            the source was taken.
        spec: what is declared of the table to be.
    """

    def __init__(self, folder: str | Path, spec: TableSpec) -> None:
        self._folder, self._spec = Path(folder), spec
        self._next = 1
        self._positions: dict[str, int] = {}
        with _disk(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.glob(".changes-*"):
                left.unlink()
            newest = self._newest()
        if newest is not None:
            self._next = int(newest.stem.rpartition("-")[2]) + 1
            self._positions = self._told(newest)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Durable; its calls wait for the disk."""
        return frozenset({Capability.BLOCKING, Capability.DURABLE})

    @property
    def spec(self) -> TableSpec:
        """What was declared."""
        return self._spec

    def schema(self) -> pa.Schema | None:
        """Not known: files are as the source has them."""
        return None

    def position(self, source: str) -> int | None:
        """How far the lane has been landed."""
        return self._positions.get(source)

    def append(self, batch: pa.Table, positions: Positions, *, now: datetime) -> Merged:  # noqa: ARG002 -- the port says so
        """One more file."""
        check_positions(positions)
        if all(number <= self._positions.get(lane, -1) for lane, number in positions.items()):
            return Merged(applied=False)
        merged = self._positions | {
            lane: max(number, self._positions.get(lane, 0)) for lane, number in positions.items()
        }
        size = self._write(batch, merged)
        self._positions, self._next = merged, self._next + 1
        return Merged(applied=True, logged=batch.num_rows, bytes_written=size, version=self._next - 1)

    merge = append

    def fold(self, *, now: datetime) -> Folded:  # noqa: ARG002 -- the port says so
        """Nothing to fold into."""
        return Folded(Merged(applied=False))

    def quarantine(self, poison: Sequence[Poison], *, now: datetime) -> None:
        """Keep events aside, one JSON object a line."""
        with _disk(self._folder), (self._folder / "quarantine.jsonl").open("ab") as file:
            for each in poison:
                file.write(msgspec.json.encode({"quarantinedAt": now, **msgspec.to_builtins(each)}) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:  # noqa: ARG002 -- the port says so
        """Refused with BadInputError: changes are no rows."""
        raise BadInputError(
            "holds changes, not rows.",
            field="TABLE",
            value=str(self._folder),
            remedy="Merge them first: maestro lake merge FOLDER TABLE.",
        )

    def status(self) -> TableStatus:
        """Files and bytes."""
        files = sorted(self._folder.glob("changes-*.parquet"))
        return TableStatus(
            str(self._folder),
            "parquet",
            self._next - 1,
            0,
            len(files),
            sum(file.stat().st_size for file in files),
            positions=dict(self._positions),
        )

    def upkeep(self, *, now: datetime) -> Upkeep:  # noqa: ARG002 -- the port says so
        """None."""
        return Upkeep()

    def close(self) -> None:
        """Nothing is open."""

    def _newest(self) -> Path | None:
        return max((file for file in self._folder.iterdir() if _NAME.fullmatch(file.name)), default=None)

    def _told(self, file: Path) -> dict[str, int]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            metadata: dict[bytes, Any] = pq.read_schema(file).metadata or {}
            return msgspec.json.decode(metadata[_POSITIONS], type=dict[str, int])
        except (pa.ArrowException, KeyError, msgspec.DecodeError) as error:
            raise BadInputError(
                "is no file that a follower landed.",
                field="TABLE",
                value=str(file),
                remedy="Land into a folder of its own.",
            ) from error

    def _write(self, batch: pa.Table, positions: Positions) -> int:
        import pyarrow.parquet as pq

        file = self._folder / f"changes-{self._next:0{_DIGITS}}.parquet"
        hidden = file.with_name(f".{file.name}")
        told = {**(batch.schema.metadata or {}), _POSITIONS: msgspec.json.encode(positions)}
        with _disk(self._folder):
            with hidden.open("wb") as out:
                pq.write_table(batch.replace_schema_metadata(told), out, compression="zstd")
                out.flush()
                os.fsync(out.fileno())
            hidden.rename(file)
            _sync(self._folder)
            return file.stat().st_size


def _sync(folder: Path) -> None:
    """The rename is on disk only when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _disk:  # noqa: N801 -- reads as the statement it is
    """Around file operations: the system's refusals as PortErrors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise PortError(
                f"{self._folder} cannot be written: {error.strerror or error}.",
                code="store_full" if error.errno == 28 else "store_failed",
                retry_after=5.0 if error.errno == 28 else None,
                remedy="Free disk." if error.errno == 28 else "Correct the folder or its rights.",
            ) from error
