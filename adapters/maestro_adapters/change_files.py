"""Change events in files: Parquet micro-batches in the plan's form, or Debezium's records as JSON lines.

SOURCE is one file, a folder, or an S3 prefix as Arrow reads it (``s3://bucket/prefix?endpoint_override=…``). Files are
taken in the order of their names. Each is a lane of its own, its number the time it was last written, in microseconds:
a file that comes late under an early name is not missed, and one that is written anew is read anew. What was read
before is harmless, since a table's rows are guarded by their versions.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from maestro.kernel.errors import BadInputError, MaestroError
from maestro.lake.envelopes import Reader, Record
from maestro.lake.plan_form import columns_of_values, from_plan_form
from maestro.ports.changes import Backlog, Polled, Recall
from maestro.ports.lake import Poison, Positions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ChangeFiles", "read_debezium", "read_parquet"]

ReadFile = Callable[[bytes, str], tuple[Any, Sequence[Poison]]]
"""Reads one file's bytes, whose lane is given: a batch or None, and poison."""

_SUFFIXES = (".parquet", ".jsonl", ".json", ".jsonl.gz", ".json.gz", ".ndjson")


@attrs.frozen
class _File:
    path: str
    lane: str
    number: int
    size: int


class ChangeFiles:
    """The changes of one table from files (``ChangeSource``).

    Args:
        address: a file, a folder or an S3 prefix.
        read: reads one file.
        name: the source's name, with which its lanes begin.
    """

    def __init__(self, address: str | Path, read: ReadFile, *, name: str = "files") -> None:
        self._address, self._read_file, self._name = str(address), read, name
        self._waiting: list[_File] = []
        self._known: set[tuple[str, int]] = set()
        self._recall: Recall | None = None
        self._paused = False
        self._failure: MaestroError | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self._name

    def start(self, recall: Recall) -> None:
        """Take those files that the table does not have.

        Raises:
            BadInputError: there is nothing under the address, or it cannot be read.
        """
        self._recall = recall
        self._known.clear()
        self._waiting = self._new()

    def poll(self, events: int, size: int, wait: float) -> Polled:  # noqa: ARG002  # files do not announce themselves
        """The next files, at least one if there is one, up to about so many events and bytes.

        Raises:
            BadInputError: the next file is damaged or in another form; names it. Those before it were brought.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._paused:
            return Polled()
        self._waiting = self._waiting or self._new()
        batches: list[pa.Table] = []
        positions: dict[str, int] = {}
        poison: list[Poison] = []
        rows = taken = 0
        while self._waiting and (not positions or (rows < events and taken < size)):
            file = self._waiting[0]
            try:
                batch, bad = self._read(file)
            except MaestroError as error:
                if not positions:
                    raise
                self._failure = error
                break
            if _differs(batches, batch):
                break
            self._waiting.pop(0)
            positions[file.lane] = file.number
            poison.extend(bad)
            taken += file.size
            if batch is not None:
                batches.append(batch)
                rows += len(batch)
        return Polled(_joined(batches), positions, tuple(poison), taken)

    def acknowledge(self, positions: Positions) -> None:
        """Files stay where they are."""

    def pause(self) -> None:
        """Bring nothing until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False

    def backlog(self) -> Backlog:
        """What waits, in bytes."""
        return Backlog(bytes=sum(file.size for file in self._waiting))

    def close(self) -> None:
        """Nothing is held."""

    def _new(self) -> list[_File]:
        """Files that neither the table has nor we have brought."""
        listed = [file for file in self._list() if (file.lane, file.number) not in self._known]
        known = self._recall([file.lane for file in listed]) if self._recall and listed else {}
        self._known.update((file.lane, file.number) for file in listed)
        return [file for file in listed if known.get(file.lane, -1) < file.number]

    def _list(self) -> list[_File]:
        from pyarrow import fs

        system, path = self._system()
        try:
            found = system.get_file_info(path)
            if found.type == fs.FileType.Directory:
                inside = system.get_file_info(fs.FileSelector(path, recursive=True))
                chosen = [one for one in inside if one.is_file and _is_ours(one.path, path)]
            else:
                chosen = [found]
        except OSError as error:
            raise _unreadable(self._address, error) from error
        if found.type == fs.FileType.NotFound:
            raise _unreadable(self._address, FileNotFoundError("no such file or folder"))
        return [
            _File(one.path, f"{self._name}:{one.path}", (one.mtime_ns or 0) // 1000, one.size or 0)
            for one in sorted(chosen, key=lambda one: one.path)
        ]

    def _system(self) -> tuple[Any, str]:
        from pyarrow import fs

        if "://" in self._address:
            system, path = fs.FileSystem.from_uri(self._address)
            return system, path
        return fs.LocalFileSystem(), str(Path(self._address).absolute())

    def _read(self, file: _File) -> tuple[Any, Sequence[Poison]]:
        system, _ = self._system()
        try:
            with system.open_input_stream(file.path, compression=None) as stream:
                data = stream.read()
        except OSError as error:
            raise _unreadable(file.path, error) from error
        try:
            return self._read_file(data, file.lane)
        except MaestroError as error:
            error.add_note(file.path)
            raise


def read_parquet(source: str) -> ReadFile:
    """Reads the plan's form; rows that do not name their source get this one."""

    def read(data: bytes, _lane: str) -> tuple[Any, Sequence[Poison]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(io.BytesIO(data))
        except (pa.ArrowException, OSError) as error:
            raise BadInputError(
                f"is no whole Parquet file: {' '.join(str(error).split())[:200]}.",
                field="SOURCE",
                code="bad_file",
                remedy="Write it again; its place is kept, and what came before it is merged.",
            ) from error
        batch = from_plan_form(rows, source)
        return (batch if len(batch) else None), ()

    return read


def read_debezium(source: str, key: Sequence[str], columns: pa.Schema | None) -> ReadFile:
    """Reads JSON lines ``{"key": …, "value": …}``, or bare values, gzipped or not.

    Args:
        source: ``_source`` of the rows.
        key: the key's columns.
        columns: the table's own; None learns them from the first file.
    """
    reader = Reader(source, key, columns)

    def read(data: bytes, lane: str) -> tuple[Any, Sequence[Poison]]:
        records = list(_records(data, lane))
        if reader.columns is None:
            reader.columns = _learned(records)
        found = reader.read(records)
        return found.batch, found.poison

    return read


class _Line(msgspec.Struct):
    key: msgspec.Raw = msgspec.Raw(b"null")
    value: msgspec.Raw = msgspec.Raw(b"")


def _records(data: bytes, lane: str) -> Iterator[Record]:
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise BadInputError(
            f"is no whole gzip file: {error}.", field="SOURCE", code="bad_file", remedy="Write it again."
        ) from error
    decoder = msgspec.json.Decoder(_Line)
    for number, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        try:
            told = decoder.decode(line)
        except msgspec.DecodeError:
            yield Record(lane, number, None, bytes(line))
            continue
        if bytes(told.value):
            key = bytes(told.key)
            yield Record(lane, number, None if key == b"null" else key, bytes(told.value))
        else:
            yield Record(lane, number, None, bytes(line))


def _learned(records: Sequence[Record]) -> pa.Schema | None:
    """Columns from the rows themselves, unless a schema rides along and tells more."""
    from maestro.formats import debezium

    rows = []
    for record in records:
        try:
            envelope = debezium.decode(record.key, record.value)
        except BadInputError:
            continue
        if envelope.types is not None:
            return None
        if envelope.after is not None:
            rows.append(envelope.after)
    return columns_of_values(rows)


def _differs(batches: Sequence[pa.Table], batch: pa.Table | None) -> bool:
    """Whether a file has other columns than those before it: it is brought alone, for the table to judge."""
    return bool(batches and batch is not None and not batches[0].schema.equals(batch.schema))


def _joined(batches: Sequence[pa.Table]) -> pa.Table | None:
    import pyarrow as pa

    return pa.concat_tables(batches) if batches else None


def _is_ours(path: str, root: str) -> bool:
    inside = path[len(root) :]
    return path.endswith(_SUFFIXES) and not any(part.startswith(("_", ".")) for part in inside.split("/"))


def _unreadable(path: str, error: Exception) -> BadInputError:
    why = getattr(error, "strerror", None) or str(error)
    return BadInputError(
        f"cannot be read: {why}.",
        field="SOURCE",
        value=path,
        code="bad_file",
        remedy="Name a file, a folder or an S3 prefix that this user may read.",
    )
