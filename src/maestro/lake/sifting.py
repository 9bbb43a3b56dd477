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
    good: Any = None
    for reason, detail, fault in _faults(batch, spec, now):
        bad = pc.fill_null(fault, True)
        if not pc.any(bad).as_py():
            continue
        fresh = bad if good is None else pc.and_(bad, good)
        poison.extend(poison_of(batch.filter(fresh), reason, detail))
        good = pc.invert(bad) if good is None else pc.and_(good, pc.invert(bad))
    return Sifted(batch if good is None else batch.filter(good), tuple(poison))


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
    """Faults, each with the rows that have it; null where it cannot be told, because of an earlier fault."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array([str(op) for op in Op])
    unknown = pc.invert(pc.is_in(batch[OP], value_set=known))
    yield PoisonReason.UNKNOWN_OP, "_op is none of c, r, u, d, t.", unknown
    yield PoisonReason.NO_VERSION, "_version is null or negative.", pc.less(batch[VERSION], 0)
    for column in spec.key:
        yield PoisonReason.NULL_KEY, f"{column} is null.", pc.and_(pc.is_null(batch[column]), _is_row(batch))
    if spec.partition_by is not None:
        full = pc.and_(_is_row(batch), pc.not_equal(batch[OP], str(Op.DELETE)))
        absent = pc.and_(full, _absent(batch[spec.partition_by]))
        yield PoisonReason.NO_PARTITION, f"{spec.partition_by} is null or empty.", absent
    limit = pa.scalar(now + MAX_AHEAD, pa.timestamp("us", tz="UTC"))
    ahead = pc.fill_null(pc.greater(batch[EVENT_TIME], limit), False)
    yield PoisonReason.CLOCK_FAR_OFF, f"_event_time is after {now + MAX_AHEAD:%Y-%m-%dT%H:%MZ}.", ahead


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
