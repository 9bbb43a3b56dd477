"""Change events to canonical batches: rows with their own types, and poison for what does not fit."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from maestro.formats import wal2json
from maestro.kernel.errors import BadInputError
from maestro.lake.envelopes import UNAVAILABLE, Reader, Record, Versions

COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("size", pa.int32()),
        pa.field("cost", pa.decimal128(10, 2)),
        pa.field("ratio", pa.float64()),
        pa.field("done", pa.bool_()),
        pa.field("day", pa.date32()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("local", pa.timestamp("ms")),
        pa.field("body", pa.binary()),
    ]
)
ROW = {
    "id": "a",
    "size": 7,
    "cost": "Opg=",
    "ratio": 0.5,
    "done": True,
    "day": 20_780,
    "at": "2026-11-23T03:45:01.956071Z",
    "local": 1_500,
    "body": "AQI=",
}


def record(op="c", after=None, before=None, key=None, lsn=10, number=0, **source):
    value = {
        "op": op,
        "after": after,
        "before": before,
        "source": {"lsn": lsn, "ts_us": 1_000_000, **source},
    }
    key = {"id": (after or before or {}).get("id")} if key is None else key
    return Record("t/0", number, json.dumps(key).encode(), json.dumps(value).encode())


def read(*records, columns=COLUMNS, **options):
    return Reader("t", ["id"], columns, **options).read(records)


def reasons(found):
    return [(each.reason, each.position) for each in found.poison]


def test_a_row_has_the_types_of_its_table():
    found = read(record(after=ROW))
    assert found.batch.to_pylist() == [
        {
            "id": "a",
            "size": 7,
            "cost": Decimal("150.00"),
            "ratio": 0.5,
            "done": True,
            "day": dt.date(2026, 11, 23),
            "at": dt.datetime(2026, 11, 23, 3, 45, 1, 956071, tzinfo=dt.UTC),
            "local": dt.datetime(1970, 1, 1, 0, 0, 1, 500_000),  # noqa: DTZ001 -- a column without zone
            "body": b"\x01\x02",
            "_op": "c",
            "_version": 10,
            "_event_time": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
            "_source": "t",
        }
    ]


def test_a_value_that_does_not_fit_is_poison_and_the_rest_goes_on():
    bad = [
        {"size": 3.7},
        {"size": 2**40},
        {"size": "7"},
        {"cost": "1,5"},
        {"cost": 1.234},
        {"done": 1},
        {"at": "yesterday"},
        {"at": "2026-11-23T03:45:01"},
        {"body": "*"},
        {"ratio": "x"},
    ]
    records = [record(after=ROW | each, number=number) for number, each in enumerate(bad)]
    found = read(*records, record(after=ROW, number=99))
    assert sorted(reasons(found)) == [("wrong_type", number) for number in range(10)]
    assert found.batch.num_rows == 1


def test_when_no_event_fits_there_is_no_batch():
    found = read(record(after=ROW | {"size": "x"}))
    assert found.batch is None
    assert "size" in found.poison[0].detail


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(after=ROW | {"new": 1}), "unknown_column"),
        (record(after=ROW | {"id": None}), "null_key"),
        (record(op="d", before=None, key={"other": 1}), "null_key"),
        (record(after=ROW, lsn=None), "no_version"),
        (record(op="z", after=ROW), "bad_envelope"),
        (record(op="u", after=ROW | {"body": UNAVAILABLE}), "unavailable_value"),
        (Record("t/0", 0, None, b"{"), "bad_envelope"),
    ],
)
def test_each_bad_event_has_its_reason_and_its_bytes(bad, reason):
    found = read(bad)
    assert reasons(found) == [(reason, 0)]
    assert found.poison[0].payload == bad.value
    assert found.batch is None


def test_a_large_value_left_as_it_was_is_taken_from_the_old_row():
    found = read(record(op="u", after=ROW | {"body": UNAVAILABLE}, before=ROW))
    assert found.batch["body"].to_pylist() == [b"\x01\x02"]


def test_a_delete_brings_its_key_and_what_else_is_known():
    found = read(
        record(op="d", key={"id": "a"}), record(op="d", before=ROW | {"body": UNAVAILABLE, "gone": 1})
    )
    assert found.batch.select(["id", "size", "body", "_op"]).to_pylist() == [
        {"id": "a", "size": None, "body": None, "_op": "d"},
        {"id": "a", "size": 7, "body": None, "_op": "d"},
    ]


def test_tombstones_and_transactions_are_no_changes_and_heartbeats_tell_the_time():
    found = read(
        Record("t/0", 1, b'{"id":"a"}', None),
        Record("t/0", 2, None, b'{"status":"BEGIN","id":"5","ts_ms":1}'),
        Record("h/0", 3, None, b'{"ts_ms":7}'),
        Record("h/0", 4, None, b'{"ts_ms":5}'),
    )
    assert (found.batch, found.poison, found.heartbeat_us) == (None, [], 7_000)


def test_a_truncate_has_a_version_and_nothing_else():
    row = read(record(op="t", key={})).batch.to_pylist()[0]
    assert (row["_op"], row["_version"], row["id"]) == ("t", 10, None)


def test_offsets_order_where_there_is_no_lsn():
    found = read(record(after=ROW, lsn=None, number=5), versions=Versions.OFFSET)
    assert found.batch["_version"].to_pylist() == [5]


class TestColumnsFromTheSource:
    @staticmethod
    def with_schema(payload, *fields):
        schema = {"type": "struct", "fields": [{"type": "struct", "field": "after", "fields": list(fields)}]}
        return Record("t/0", 0, b'{"id":"a"}', json.dumps({"schema": schema, "payload": payload}).encode())

    def test_the_first_schema_that_rides_along_makes_the_table(self):
        time = {"field": "at", "type": "int64", "name": "io.debezium.time.MicroTime"}
        body = {"op": "c", "after": {"id": "a", "at": 3_600_000_000}, "source": {"lsn": 1}}
        reader = Reader("t", ["id"])
        found = reader.read([self.with_schema(body, {"field": "id", "type": "string"}, time)])
        assert found.batch.select(["id", "at"]).to_pylist() == [{"id": "a", "at": "01:00:00"}]
        assert not reader.columns.field("id").nullable

    def test_units_are_those_that_the_schema_tells(self):
        seconds = {"field": "local", "type": "int64", "name": "io.debezium.time.MicroTimestamp"}
        body = {"op": "c", "after": {"id": "a", "local": 1_500_000}, "source": {"lsn": 1}}
        columns = pa.schema([COLUMNS.field("id"), COLUMNS.field("local")])
        found = Reader("t", ["id"], columns).read(
            [self.with_schema(body, {"field": "id", "type": "string"}, seconds)]
        )
        assert found.batch["local"].cast(pa.int64()).to_pylist() == [1_500]

    def test_without_schema_contract_or_table_nobody_knows_the_columns(self):
        found = Reader("t", ["id"]).read([record(after=ROW)])
        assert reasons(found) == [("no_columns", 0)]

    def test_a_delete_may_come_first(self):
        columns = Reader("t", ["id"])
        assert columns.read([record(op="t", key={})]).batch.num_rows == 1

    @pytest.mark.parametrize(
        ("name", "arrow"),
        [
            ("smallint", pa.int16()),
            ("integer", pa.int32()),
            ("bigint", pa.int64()),
            ("real", pa.float32()),
            ("double precision", pa.float64()),
            ("numeric(10,2)", pa.decimal128(10, 2)),
            ("numeric(5)", pa.decimal128(5, 0)),
            ("numeric", pa.decimal128(38, 18)),
            ("boolean", pa.bool_()),
            ("date", pa.date32()),
            ("timestamp(3) without time zone", pa.timestamp("us")),
            ("timestamp with time zone", pa.timestamp("us", tz="UTC")),
            ("bytea", pa.binary()),
            ("character varying(20)", pa.string()),
            ("jsonb", pa.string()),
            ("integer[]", pa.string()),
        ],
    )
    def test_postgresql_types_have_their_like(self, name, arrow):
        from maestro.lake.wire_columns import schema_of

        assert schema_of({"x": wal2json.pg_type(name)}).field("x").type == arrow


class TestWal2json:
    LINE = (
        '{"action":"U","xid":726,"timestamp":"2026-11-25 09:04:11.227285+00","lsn":"1/10","schema":"public",'
        '"table":"t","columns":[{"name":"id","type":"bigint","value":2},{"name":"n","type":"numeric(40,5)",'
        '"value":123456789012345678901234567890.12345},{"name":"b","type":"bytea","value":"dead"}],'
        '"identity":[{"name":"id","type":"bigint","value":1}]}'
    )

    def test_a_row_with_another_key_is_a_delete_and_a_create_of_one_version(self):
        gone, made = wal2json.envelopes(wal2json.decode(self.LINE), ["id"])
        assert (gone.op, gone.key, gone.after) == ("d", {"id": 1}, None)
        assert (made.op, made.key, made.after["id"]) == ("c", {"id": 2}, 2)
        assert gone.origin.lsn == made.origin.lsn == (1 << 32) + 16

    def test_digits_are_kept(self):
        columns = pa.schema([("id", pa.int64()), ("n", pa.decimal128(38, 5)), ("b", pa.binary())])
        reader = Reader("t", ["id"], columns, whole=True)
        told = [
            (Record("t", 1, None, b""), each)
            for each in wal2json.envelopes(wal2json.decode(self.LINE), ["id"])
        ]
        row = reader.read_envelopes(told).batch.to_pylist()[1]
        assert row["n"] == Decimal("123456789012345678901234567890.12345")
        assert row["b"] == b"\xde\xad"

    def test_a_column_that_an_update_leaves_out_is_unknown(self):
        columns = pa.schema([("id", pa.int64()), ("n", pa.decimal128(38, 5)), ("large", pa.string())])
        line = self.LINE.replace('"name":"b","type":"bytea","value":"dead"', '"name":"id","value":2')
        told = [
            (Record("t", 1, None, b""), each) for each in wal2json.envelopes(wal2json.decode(line), ["large"])
        ]
        found = Reader("t", ["id"], columns, whole=True).read_envelopes(told)
        assert [each.reason for each in found.poison] == ["unavailable_value"]

    def test_truncates_deletes_and_rows(self):
        for action, op in (("T", "t"), ("D", "d"), ("I", "c")):
            line = self.LINE.replace('"action":"U"', f'"action":"{action}"')
            if action == "I":
                line = line.replace('"identity"', '"other"')
            assert [each.op for each in wal2json.envelopes(wal2json.decode(line), ["id"])] == [op]

    @pytest.mark.parametrize(
        "bad",
        [
            "{",
            '{"action":"B","lsn":"0/1"}',
            '{"action":"D","lsn":"x"}',
            '{"action":"D","lsn":"0/1","timestamp":"x"}',
        ],
    )
    def test_what_is_no_change_is_told(self, bad):
        with pytest.raises(BadInputError) as caught:
            wal2json.envelopes(wal2json.decode(bad), ["id"])
        assert caught.value.code == "bad_envelope"

    def test_a_change_may_lack_its_time(self):
        assert wal2json.micros_of("") is None

    @pytest.mark.parametrize("number", [0, 1, (1 << 32) + 16, (1 << 63) - 1])
    def test_lsns_round_trip(self, number):
        assert wal2json.lsn_of(wal2json.lsn_text(number)) == number


class TestColumnsByWhatTheSourceCallsThem:
    @staticmethod
    def column(values, arrow, told):
        from maestro.lake.wire_columns import column_of

        array, wrong = column_of(values, arrow, told)
        return array.to_pylist(), wrong

    def test_a_zone_is_neither_lost_nor_made_up(self):
        from maestro.formats.connect_types import WireType

        found, wrong = self.column(
            [1_000_000], pa.timestamp("us", tz="UTC"), WireType("timestamp", zoned=False)
        )
        assert found == [None]
        assert "with zone" in wrong[0]

    def test_what_the_source_calls_otherwise_is_read_as_the_table_has_it(self):
        from maestro.formats.connect_types import WireType

        assert self.column([7], pa.timestamp("us"), WireType("int"))[0] == [
            dt.datetime(1970, 1, 1, 0, 0, 0, 7)  # noqa: DTZ001 -- a column without zone
        ]
        assert 0 in self.column([True], pa.int64(), WireType("boolean"))[1]

    def test_nested_columns_hold_what_was_sent(self):
        assert self.column([[1, 2], None], pa.list_(pa.int64()), None) == ([[1, 2], None], {})
