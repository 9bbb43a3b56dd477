"""Sets aside the changes of a batch that cannot be applied, each with its reason, so that the rest can go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.changes import EVENT_TIME, OP, SOURCE, VERSION, Op
from maestro.lake.reasons import PoisonReason
from maestro.ports.lake import Poison, TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAX_AHEAD", "Sifted", "poison_of", "sift"]

MAX_AHEAD = timedelta(days=1)
"""How far ahead of our clock an event time may be: beyond it a clock is wrong by more than a zone."""


@attrs.frozen
class Sifted:
    """Changes that can be applied, and those that cannot."""

    changes: pa.Table
    poison: tuple[Poison, ...]


def sift(batch: pa.Table, spec: TableSpec, *, now: datetime) -> Sifted:
    """Split a batch whose columns conform; a row that has several faults is told the first of them."""
    import pyarrow.compute as pc

    poison: list[Poison] = []
    for reason, detail, bad in _faults(batch, spec, now):
        if pc.any(bad).as_py():
            poison.extend(poison_of(batch.filter(bad), reason, detail))
            batch = batch.filter(pc.invert(bad))
    return Sifted(batch, tuple(poison))


def poison_of(rows: pa.Table, reason: PoisonReason, detail: str) -> Iterator[Poison]:
    """Each row as an event in quarantine."""
    import msgspec

    for row in rows.to_pylist():
        yield Poison(
            reason=reason,
            detail=detail,
            source=row[SOURCE] or "",
            position=row[VERSION],
            payload=msgspec.json.encode(row, enc_hook=repr),
        )


def _faults(batch: pa.Table, spec: TableSpec, now: datetime) -> Iterator[tuple[PoisonReason, str, Any]]:
    """Faults with the rows that have them. The filters see what those before them left, so each is computed late."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rest = batch

    def take(reason: PoisonReason, detail: str, bad: Any) -> tuple[PoisonReason, str, Any]:
        nonlocal rest
        rest = rest.filter(pc.invert(bad))
        return reason, detail, bad

    known = pa.array([str(op) for op in Op])
    yield take(
        PoisonReason.UNKNOWN_OP,
        "_op is none of c, r, u, d, t.",
        pc.invert(pc.is_in(rest[OP], value_set=known)),
    )
    negative = pc.fill_null(pc.less(rest[VERSION], 0), True)
    yield take(PoisonReason.NO_VERSION, "_version is null or negative.", negative)
    for column in spec.key:
        bad = pc.and_(pc.is_null(rest[column]), _is_row(rest))
        yield take(PoisonReason.NULL_KEY, f"{column} is null.", bad)
    if spec.partition_by is not None:
        full = pc.and_(_is_row(rest), pc.not_equal(rest[OP], str(Op.DELETE)))
        bad = pc.and_(full, _absent(rest[spec.partition_by]))
        yield take(PoisonReason.NO_PARTITION, f"{spec.partition_by} is null or empty.", bad)
    limit = pa.scalar(now + MAX_AHEAD, pa.timestamp("us", tz="UTC"))
    ahead = pc.fill_null(pc.greater(rest[EVENT_TIME], limit), False)
    yield take(PoisonReason.CLOCK_FAR_OFF, f"_event_time is after {now + MAX_AHEAD:%Y-%m-%dT%H:%MZ}.", ahead)


def _is_row(batch: pa.Table) -> Any:
    """Which changes are of a row, not of the whole table."""
    import pyarrow.compute as pc

    return pc.not_equal(batch[OP], str(Op.TRUNCATE))


def _absent(column: Any) -> Any:
    """Null, or the empty string, which Delta's layout cannot tell from null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return pc.fill_null(pc.equal(column, ""), True)
    return pc.is_null(column)
