"""The suite for lake tables: whatever an engine does below, readers see what applying the history in order gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis
from hypothesis import strategies as st

from maestro.kernel.errors import BadInputError
from maestro.lake import read
from maestro.lake.changes import batch_of
from maestro.ports.capabilities import Capability
from maestro.ports.lake import LakeTable, TableSpec
from maestro.testing.conformance.suite import Suite, capabilities_of, raises
from maestro.testing.strategies.changes import (
    AT,
    SOURCE_NAME,
    SPEC,
    columns,
    histories,
    rows_after,
    tellings,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LakeTableConformance"]

_WAYS = st.lists(
    st.sampled_from(["merge", "merge", "append", "fold", "reopen", "replay"]), min_size=40, max_size=40
)


class LakeTableConformance(Suite[LakeTable]):
    """``make`` opens a table in the folder, declared as ``spec``, with ``columns()`` as its own."""

    port: ClassVar[str] = "lake"
    spec: ClassVar[TableSpec] = SPEC
    truncates: ClassVar[bool] = True
    """Whether the engine takes truncates."""

    def test_any_telling_of_a_history_gives_the_same_table(self) -> None:
        """Any split, order, repetition and replay: the model is a dictionary."""

        @hypothesis.given(data=st.data())
        @self.settings()
        def holds(data: st.DataObject) -> None:
            history = data.draw(histories(truncates=self.truncates), label="history")
            batches = data.draw(tellings(history), label="batches")
            ways = data.draw(_WAYS, label="ways")
            self._tell(history, batches, ways)

        holds()

    def _tell(self, history: Any, batches: Any, ways: Iterable[str]) -> None:
        with self.bench() as bench:
            durable = Capability.DURABLE in capabilities_of(bench.store)
            for number, (batch, way) in enumerate(zip(batches, ways, strict=False)):
                told, at = batch_of(batch, columns()), {SOURCE_NAME: number}
                taken = bench.store.append if way == "append" else bench.store.merge
                assert taken(told, at, now=AT).applied, f"batch {number} was taken for an old one"
                if way == "fold":
                    bench.store.fold(now=AT)
                elif way == "reopen" and durable:
                    bench.reopen()
                elif way == "replay":
                    again = bench.store.merge(told, at, now=AT)
                    assert not again.applied, f"batch {number} was applied twice"
            self._sees(bench.store, rows_after(history))
            bench.store.fold(now=AT)
            self._sees(bench.store, rows_after(history))

    def test_a_batch_and_its_position_come_together(self) -> None:
        """Positions are told after the batch, also by another handle, and only grow."""
        with self.bench() as bench:
            assert bench.store.position(SOURCE_NAME) is None
            bench.store.merge(_batch(_row(1)), {SOURCE_NAME: 5, "other": 0}, now=AT)
            other = bench.another() if Capability.SHARED in capabilities_of(bench.store) else bench.store
            assert (other.position(SOURCE_NAME), other.position("other")) == (5, 0)
            stale = bench.store.merge(_batch(_row(2)), {SOURCE_NAME: 4}, now=AT)
            assert not stale.applied, "a position below the one kept was taken"
            bench.store.merge(_batch(_row(3)), {SOURCE_NAME: 3, "other": 1}, now=AT)
            assert other.position(SOURCE_NAME) == 5, "a position went back"
            self._sees(other, [_live(1), _live(3)])

    def test_counts_tell_what_became_of_events(self) -> None:
        """Inserted, updated, deleted, stale."""
        with self.bench() as bench:
            first = bench.store.merge(_batch(_row(1), _row(2), _row(3)), {SOURCE_NAME: 1}, now=AT)
            assert (first.inserted, first.updated, first.deleted, first.stale) == (3, 0, 0, 0), first
            changes = [_row(1, version=9, op="u"), _row(2, version=9, op="d"), _row(3, version=2, op="u")]
            second = bench.store.merge(_batch(*changes), {SOURCE_NAME: 2}, now=AT)
            counts = (second.inserted, second.updated, second.deleted, second.stale, second.logged)
            assert counts in {(0, 1, 1, 1, 0), (0, 0, 0, 0, 3)}, second
            self._sees(bench.store, [_live(1, version=9), _live(3)])

    def test_a_late_change_does_not_bring_back_what_was_deleted(self) -> None:
        """The tombstone outlives the delete."""
        with self.bench() as bench:
            bench.store.merge(_batch(_row(1)), {SOURCE_NAME: 1}, now=AT)
            bench.store.merge(_batch(_row(1, version=20, op="d")), {SOURCE_NAME: 2}, now=AT)
            bench.store.fold(now=AT)
            bench.store.merge(_batch(_row(1, version=15, op="u")), {SOURCE_NAME: 3}, now=AT)
            bench.store.fold(now=AT)
            self._sees(bench.store, [])
            bench.store.merge(_batch(_row(1, version=21)), {SOURCE_NAME: 4}, now=AT)
            self._sees(bench.store, [_live(1, version=21)])

    def test_events_that_cannot_be_applied_are_set_aside(self) -> None:
        """One event's fault is one event's fate."""
        with self.bench() as bench:
            bad = [
                _row(2) | {"tenant": None},
                _row(3) | {"_op": "x"},
                _row(4) | {"_version": None},
                _row(5) | {"day": None},
                _row(6) | {"_event_time": AT + timedelta(days=2)},
            ]
            merged = bench.store.merge(_batch(_row(1), *bad), {SOURCE_NAME: 1}, now=AT)
            assert merged.quarantined == len(bad), merged
            assert bench.store.status().quarantined == len(bad)
            assert bench.store.position(SOURCE_NAME) == 1
            self._sees(bench.store, [_live(1)])

    def test_a_row_that_moves_to_another_partition_is_set_aside(self) -> None:
        """The declaration says that none does; at the latest a fold finds it."""
        with self.bench() as bench:
            bench.store.merge(_batch(_row(1)), {SOURCE_NAME: 1}, now=AT)
            bench.store.merge(_batch(_row(1, version=9, op="u") | {"day": "day-2"}), {SOURCE_NAME: 2}, now=AT)
            bench.store.fold(now=AT)
            assert bench.store.status().quarantined == 1
            self._sees(bench.store, [_live(1)])

    def test_other_columns_are_refused_whole(self) -> None:
        """Nothing is cast, dropped or widened, and the position stays."""
        import pyarrow as pa

        good = _batch(_row(2))
        place = good.schema.get_field_index("n")
        for bad in (
            good.set_column(place, "n", good["n"].cast(pa.float64())),
            good.set_column(place, "n", good["n"].cast(pa.int32())),
            good.append_column("extra", pa.array(["x"])),
            good.drop_columns(["note"]),
        ):
            self._refuses(bad)

    def _refuses(self, bad: pa.Table) -> None:
        with self.bench() as bench:
            bench.store.merge(_batch(_row(1)), {SOURCE_NAME: 1}, now=AT)
            error = raises(BadInputError, lambda: bench.store.merge(bad, {SOURCE_NAME: 2}, now=AT))
            assert error.code == "schema_drift", error
            assert bench.store.position(SOURCE_NAME) == 1
            self._sees(bench.store, [_live(1)])

    def test_two_handles_that_know_nothing_of_each_other(self) -> None:
        """Each looks again when the other was first: nothing is lost or doubled."""
        with self.bench() as bench:
            if Capability.SHARED not in capabilities_of(bench.store):
                return
            other = bench.another()
            for turn in range(4):
                one = _batch(*(_row(run, version=10 + 2 * turn, op="u") for run in range(4)))
                two = _batch(*(_row(run, version=11 + 2 * turn, op="u") for run in range(2, 6)))
                bench.store.merge(one, {"one": turn}, now=AT)
                other.merge(two, {"two": turn}, now=AT)
                assert not other.merge(one, {"one": turn}, now=AT).applied
            wanted = [_live(run, version=16 if run < 2 else 17) for run in range(6)]
            self._sees(bench.store, wanted)
            self._sees(other, wanted)

    def _sees(self, table: LakeTable, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Readers see these rows and no others."""
        found = sorted(read(table).to_pylist(), key=lambda row: (row["tenant"], row["run"]))
        told = [{name: row.get(name) for name in columns().names} for row in wanted]
        assert found == told, f"read() gives {found}, wanted {told}"
        some = read(table, ["n"])["n"].sort().to_pylist()
        assert some == sorted(row["n"] or 0 for row in told), "read(columns) gives other rows than read()"


def _batch(*rows: Mapping[str, Any]) -> pa.Table:
    return batch_of(rows, columns())


def _row(run: int, version: int = 3, op: str = "c") -> dict[str, Any]:
    """A change of one row; a delete brings the key and its day."""
    ours = {"_op": op, "_version": version, "_event_time": AT, "_source": SOURCE_NAME}
    row = _live(run, version)
    return ours | (row if op != "d" else {name: row[name] for name in ("tenant", "run", "day")})


def _live(run: int, version: int = 3) -> dict[str, Any]:
    return {"tenant": "acme", "run": run, "day": f"day-{run % 3}", "n": version, "note": f"v{version}"}
