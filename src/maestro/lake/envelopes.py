"""Change events to canonical batches: what a record says becomes a row, what it cannot say becomes poison.

The version of a change is its LSN where the source is PostgreSQL, the record's offset elsewhere
(``Versions``); the two are never mixed in one table, since they are not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from maestro.formats import debezium
from maestro.formats.connect_types import WireType
from maestro.formats.debezium import Envelope, Kind
from maestro.kernel.errors import BadInputError
from maestro.lake.changes import change_schema
from maestro.lake.wire_columns import column_of, schema_of
from maestro.ports.lake import Poison

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["UNAVAILABLE", "Read", "Reader", "Record", "Versions"]

UNAVAILABLE = "__debezium_unavailable_value"
"""What Debezium writes for a toasted value that an update did not touch (``unavailable.value.placeholder``)."""
_LONGEST_PAYLOAD = 256 * 1024


class Versions(StrEnum):
    """Where a change's version comes from."""

    LSN = "lsn"
    OFFSET = "offset"


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it was read: its lane and number there, and its bytes."""

    lane: str
    number: int
    key: bytes | None
    value: bytes | None


class Read(msgspec.Struct, frozen=True):
    """What became of some records: a batch (None when none is a change), poison, and the newest heartbeat."""

    batch: pa.Table | None
    poison: Sequence[Poison]
    heartbeat_us: int | None = None


class _Row(msgspec.Struct, gc=False):
    record: Record
    envelope: Envelope
    values: Mapping[str, Any]
    version: int


class Reader:
    """Reads the records of one table's changes.

    Args:
        source: ``_source`` of its rows.
        key: the columns that name a row.
        columns: the table's own columns; None: taken from the first record whose schema rides along.
        versions: what orders the changes.
        whole: the source leaves out only what it does not know (wal2json): a column that an update does not name
            is unknown, not null.
    """

    def __init__(
        self,
        source: str,
        key: Sequence[str],
        columns: pa.Schema | None = None,
        versions: Versions = Versions.LSN,
        *,
        whole: bool = False,
    ) -> None:
        self.source, self.key, self.columns, self.versions = source, tuple(key), columns, versions
        self._whole = whole

    def read(self, records: Sequence[Record]) -> Read:
        """Debezium's records as a batch. Raises BadInputError (``no_columns``): nobody told the table's columns."""
        told: list[tuple[Record, Envelope]] = []
        poison: list[Poison] = []
        for record in records:
            try:
                told.append((record, debezium.decode(record.key, record.value)))
            except BadInputError as error:
                poison.append(self._poison(record, error.code, str(error)))
        return self.read_envelopes(told, poison)

    def read_envelopes(self, told: Sequence[tuple[Record, Envelope]], poison: Sequence[Poison] = ()) -> Read:
        """Envelopes that are decoded already, beside the poison found so far. Raises as ``read``."""
        bad = list(poison)
        rows: list[_Row] = []
        heartbeat: int | None = None
        for record, envelope in told:
            if envelope.kind is Kind.HEARTBEAT and envelope.captured_us is not None:
                heartbeat = max(heartbeat or 0, envelope.captured_us)
            elif envelope.kind in (Kind.CHANGE, Kind.TRUNCATE):
                try:
                    rows.append(self._row(record, envelope))
                except BadInputError as error:
                    bad.append(self._poison(record, error.code, str(error)))
        batch = self._batch(rows, bad) if rows else None
        return Read(batch, bad, heartbeat)

    def _row(self, record: Record, envelope: Envelope) -> _Row:
        """The row's values, with all that can be wrong with it but its types."""
        version = record.number if self.versions is Versions.OFFSET else envelope.origin.lsn
        if version is None:
            raise BadInputError(
                "the change has none.",
                field="source.lsn",
                code="no_version",
                remedy="Order by offsets (--version offset), or read a PostgreSQL connector's topic.",
            )
        if envelope.kind is Kind.TRUNCATE:
            return _Row(record, envelope, {}, version)
        if self.columns is None:
            self.columns = self._first_columns(envelope)
        if envelope.op == "d":
            return _Row(record, envelope, self._deleted(envelope), version)
        values = _available(envelope, self.columns.names if self._whole and envelope.op == "u" else ())
        unknown = values.keys() - set(self.columns.names)
        if unknown:
            raise BadInputError(
                "is no column of the table's contract.",
                field=min(unknown),
                code="unknown_column",
                remedy="Register a schema that has it, or take it out of the producer.",
            )
        self._require_key(values)
        return _Row(record, envelope, values, version)

    def _deleted(self, envelope: Envelope) -> Mapping[str, Any]:
        """The old row's key and, where the source told the whole of it, the rest too (its partition may matter)."""
        row = {**(envelope.before or {}), **envelope.key}
        self._require_key(row)
        known = set((self.columns or schema_of({})).names)
        return {name: row[name] for name in row.keys() & known if row[name] != UNAVAILABLE}

    def _require_key(self, row: Mapping[str, Any]) -> None:
        for name in self.key:
            if row.get(name) is None:
                raise BadInputError(
                    "is a column of the key and has no value.",
                    field=name,
                    code="null_key",
                    remedy="Name the table's key with --key, and give the source's table a primary key.",
                )

    def _first_columns(self, envelope: Envelope) -> pa.Schema:
        if envelope.types is None:
            raise BadInputError(
                "nobody told the table's columns: there is no table yet, no contract, and no schema in the events.",
                field="columns",
                code="no_columns",
                remedy="Give the contract (--contract FILE), or let the converter write schemas.",
            )
        return schema_of(envelope.types, self.key)

    def _batch(self, rows: list[_Row], bad: list[Poison]) -> pa.Table | None:
        import pyarrow as pa

        arrays: list[pa.Array] = []
        wrong: dict[int, tuple[str, str]] = {}
        columns = self.columns if self.columns is not None else pa.schema([])
        for field in columns:
            values = [row.values.get(field.name) for row in rows]
            array, faults = column_of(values, field.type, self._told(rows, field.name))
            arrays.append(array)
            for place, message in faults.items():
                wrong.setdefault(place, (field.name, message))
        arrays += self._ours(rows)
        table = pa.Table.from_arrays(arrays, schema=change_schema(columns))
        if not wrong:
            return table
        for place, (name, message) in wrong.items():
            bad.append(self._poison(rows[place].record, "wrong_type", f"{name}: {message}"))
        keep = pa.array([place not in wrong for place in range(len(rows))])
        left = table.filter(keep)
        return left if left.num_rows else None

    def _told(self, rows: Sequence[_Row], name: str) -> WireType | None:
        """What the schema beside the events says of a column: the first that says something speaks for the batch."""
        for row in rows:
            if row.envelope.types is not None and name in row.envelope.types:
                return row.envelope.types[name]
        return None

    def _ours(self, rows: Sequence[_Row]) -> list[pa.Array]:
        import pyarrow as pa

        times = [debezium.micros_of(row.envelope) for row in rows]
        return [
            pa.array([row.envelope.op for row in rows], type=pa.string()),
            pa.array([row.version for row in rows], type=pa.int64()),
            pa.array(times, type=pa.timestamp("us", tz="UTC")),
            pa.array([self.source] * len(rows), type=pa.string()),
        ]

    def _poison(self, record: Record, reason: str, detail: str) -> Poison:
        payload = record.value if record.value is not None else record.key or b""
        return Poison(reason, detail, record.lane, record.number, payload[:_LONGEST_PAYLOAD])


def _available(envelope: Envelope, columns: Sequence[str]) -> Mapping[str, Any]:
    """The new row; a value that the update did not touch and did not tell is taken from the old row."""
    row = envelope.after or {}
    before = envelope.before or {}
    absent = [name for name, value in row.items() if value == UNAVAILABLE]
    absent += [name for name in columns if name not in row]
    if not absent:
        return row
    filled = dict(row)
    for name in absent:
        if before.get(name, UNAVAILABLE) == UNAVAILABLE:
            raise BadInputError(
                "was not told: the update left a large value as it was, and the source keeps no old rows.",
                field=name,
                code="unavailable_value",
                remedy="ALTER TABLE … REPLICA IDENTITY FULL, then send the row again.",
            )
        filled[name] = before[name]
    return filled
