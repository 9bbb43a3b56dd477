"""When the demo's runs come, and how long each takes: made up, or read from a trace of real arrivals."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

from maestro.kernel.errors import BadInputError
from maestro_sidecar.demo.tenants import DemoTenant

__all__ = ["Arrival", "Trace", "made_up", "read_trace"]

SPAN = 9.0
"""Seconds over which arrivals are spread: beyond the opening of every window, far below a minute."""
_SHORTEST, _LONGEST = 0.05, 0.6
"""Seconds that a run may take."""
_SECONDS_A_TOKEN = 0.001
_MOST_ROWS = 2_000_000
_REMEDY = "Use a CSV with a header whose first column is TIMESTAMP, such as 2023-11-16 18:15:46.68."


@attrs.frozen
class Arrival:
    """One run of the demo.

    Attributes:
        after: seconds from the start of the demo at which it first asks for a slot.
        tenant: whose.
        package: what it runs.
        run: its id.
        seconds: how long its process works.
    """

    after: float
    tenant: str
    package: str
    run: str
    seconds: float


@attrs.frozen
class Trace:
    """What was read of a trace.

    Attributes:
        file: its name.
        rows: arrivals in it.
        seconds: from its first arrival to its last.
        taken: offset from the first arrival and tokens, of the arrivals that the demo replays, in order.
    """

    file: str
    rows: int
    seconds: float
    taken: Sequence[tuple[float, float]]

    @property
    def compression(self) -> float:
        """How many seconds of the trace go into one of the demo."""
        return self.seconds / SPAN if self.seconds else 1.0

    def arrivals(self, tenants: Sequence[DemoTenant]) -> list[Arrival]:
        """The arrivals in the time of the demo, dealt to the tenants in turn."""
        return [
            _arrival(
                number,
                tenants,
                offset / self.compression,
                min(max(tokens * _SECONDS_A_TOKEN, _SHORTEST), _LONGEST),
            )
            for number, (offset, tokens) in enumerate(self.taken)
        ]


def made_up(runs: int, tenants: Sequence[DemoTenant]) -> list[Arrival]:
    """Arrivals at an even pace with durations that differ; the same ones every time."""
    return [
        _arrival(number, tenants, SPAN * number / runs, _SHORTEST + number * 37 % 53 / 100)
        for number in range(runs)
    ]


def read_trace(path: Path, runs: int) -> Trace:
    """Read a trace and take about ``runs`` of its arrivals, every n-th, so that its ups and downs stay.

    Raises:
        BadInputError: it cannot be read or holds a row that is none; names the line.
    """
    try:
        with _opened(path) as text:
            rows = sorted(_rows(path, text))
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise BadInputError(
            f"cannot be read: {error}.", field="--trace", value=str(path), remedy=_REMEDY
        ) from error
    if not rows:
        raise BadInputError("holds no arrivals.", field="--trace", value=str(path), remedy=_REMEDY)
    first = rows[0][0]
    step = -(-len(rows) // runs)
    taken = [(at - first, tokens) for at, tokens in rows[::step]]
    return Trace(path.name, len(rows), rows[-1][0] - first, taken)


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            yield text
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield text


def _rows(path: Path, text: io.TextIOBase) -> Iterator[tuple[float, float]]:
    """Epoch seconds and tokens (of the last column, 0 without one) of each row."""
    reader = csv.reader(text)
    header = next(reader, [])
    if not header or header[0].strip().upper() != "TIMESTAMP":
        raise BadInputError(
            "does not begin with a TIMESTAMP column.", field="--trace", value=str(path), remedy=_REMEDY
        )
    for row in reader:
        if not row:
            continue
        if reader.line_num > _MOST_ROWS:
            raise BadInputError(
                f"has more than {_MOST_ROWS} rows.", field="--trace", value=str(path), remedy="Cut it."
            )
        try:
            at = datetime.fromisoformat(row[0].strip())
            tokens = float(row[-1]) if len(row) > 1 else 0.0
        except ValueError as error:
            raise BadInputError(
                f"line {reader.line_num} is no arrival: {error}.",
                field="--trace",
                value=",".join(row),
                remedy=_REMEDY,
            ) from error
        # Only differences count, so a time without a zone is as good as any.
        yield (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), tokens


def _arrival(number: int, tenants: Sequence[DemoTenant], after: float, seconds: float) -> Arrival:
    tenant = tenants[number % len(tenants)]
    package = tenant.packages[number // len(tenants) % len(tenant.packages)]
    return Arrival(after, tenant.name, package, f"{tenant.name}-{number:05}", seconds)
