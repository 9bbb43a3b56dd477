"""Whether a table is what its source says, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from maestro.lake.changes import OP, Op
from maestro.lake.dedupe import dedupe
from maestro.lake.keys import match, members

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Comparison", "compare", "expected"]

_SAMPLE = 10


@attrs.frozen
class Comparison:
    """What differs.

    Attributes:
        rows: rows that should be there.
        missing: of them, those that are not.
        extra: rows that should not be there.
        different: rows whose values are not the source's.
        sample: some of each: ``{"kind", "key", "column"?, "expected"?, "found"?}``.
    """

    rows: int
    missing: int
    extra: int
    different: int
    sample: tuple[Mapping[str, Any], ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.different)


def expected(changes: pa.Table, key: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """The live rows that a whole history leads to."""
    import pyarrow.compute as pc

    found = dedupe(changes, key, {}).changes
    return found.filter(pc.not_equal(found[OP], str(Op.DELETE))).select(list(columns))


def compare(wanted: pa.Table, found: pa.Table, key: Sequence[str]) -> Comparison:
    """Compare rows by key and value; nulls are equal to nulls, and so is NaN to NaN.

    A key that the table holds twice counts as extra once.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = wanted.filter(pc.invert(members(wanted, _distinct(found, key), key)))
    place = match(found, wanted, key)
    unknown = found.filter(pc.is_null(place))
    known = place.drop_null()
    twice = len(known) - len(pc.unique(known))
    theirs, ours = found.filter(pc.is_valid(place)), wanted.take(known)
    sample = [{"kind": "missing", "key": row} for row in _keys(missing, key)]
    sample += [{"kind": "extra", "key": row} for row in _keys(unknown, key)]
    different: Any = pa.nulls(len(ours), pa.bool_()).fill_null(False)
    for column in wanted.column_names:
        unequal = _unequal(ours[column], theirs[column])
        different = pc.or_(different, unequal)
        if len(sample) < _SAMPLE and pc.any(unequal).as_py():
            sample += _samples(ours.filter(unequal), theirs.filter(unequal), key, column)
    changed = pc.sum(different).as_py() or 0
    return Comparison(len(wanted), len(missing), len(unknown) + twice, changed, tuple(sample[:_SAMPLE]))


def _unequal(ours: Any, theirs: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(ours.type):
        return pa.array(
            [a != b for a, b in zip(ours.to_pylist(), theirs.to_pylist(), strict=True)], pa.bool_()
        )
    same = pc.equal(ours, theirs)
    if pa.types.is_floating(ours.type):
        same = pc.or_kleene(same, pc.and_(pc.is_nan(ours), pc.is_nan(theirs)))
    both_null = pc.and_(pc.is_null(ours), pc.is_null(theirs))
    return pc.invert(pc.or_(pc.fill_null(same, False), both_null)).combine_chunks()


def _samples(ours: pa.Table, theirs: pa.Table, key: Sequence[str], column: str) -> list[dict[str, Any]]:
    pairs = zip(
        _keys(ours, key),
        ours[column].slice(0, _SAMPLE).to_pylist(),
        theirs[column].slice(0, _SAMPLE).to_pylist(),
        strict=True,
    )
    return [
        {"kind": "different", "key": row, "column": column, "expected": a, "found": b} for row, a, b in pairs
    ]


def _keys(rows: pa.Table, key: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.select(list(key)).slice(0, _SAMPLE).to_pylist()
    return found


def _distinct(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.select(list(key)).group_by(list(key)).aggregate([])
