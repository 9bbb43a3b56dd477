"""Debezium's records, as bytes: each kind is told apart, each type read, and nothing bent or skipped."""

import base64
import contextlib
import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.formats.connect_types import WireType, decimal_of, read_value, wire_types
from maestro.formats.debezium import Envelope, Kind, decode, instant_of, type_of
from maestro.kernel.errors import BadInputError

SOURCE = {
    "version": "3.3.1.Final",
    "connector": "postgresql",
    "name": "spine",
    "ts_ms": 1_795_405_565_944,
    "snapshot": "false",
    "db": "shop",
    "sequence": '["22192256","22192256"]',
    "ts_us": 1_795_405_565_944_556,
    "schema": "public",
    "table": "executions",
    "txId": 730,
    "lsn": 22_192_256,
    "xmin": None,
}
ROW = {"execution_id": "a", "status": "running"}


def record(**fields):
    return json.dumps({"before": None, "after": None, "source": SOURCE, **fields}).encode()


def key(**columns):
    return json.dumps(columns).encode()


class TestKinds:
    def test_a_change_tells_row_operation_origin_and_instant(self):
        found = decode(key(execution_id="a"), record(op="u", after=ROW, before=ROW, ts_ms=7))
        assert (found.kind, found.op, found.after, found.before) == (Kind.CHANGE, "u", ROW, ROW)
        assert found.key == {"execution_id": "a"}
        assert (found.origin.lsn, found.origin.table) == (22_192_256, "executions")
        assert instant_of(found) == dt.datetime(2026, 11, 23, 3, 46, 5, 944556, tzinfo=dt.UTC)
        assert found.captured_us == 7_000

    @pytest.mark.parametrize("value", [None, b"null", b'{"schema":null,"payload":null}'])
    def test_a_null_value_is_a_tombstone(self, value):
        found = decode(key(execution_id="a"), value)
        assert (found.kind, found.key) == (Kind.TOMBSTONE, {"execution_id": "a"})

    def test_a_tombstone_may_lack_its_key(self):
        assert decode(None, None) == Envelope(kind=Kind.TOMBSTONE)

    def test_a_truncate_has_neither_key_nor_row(self):
        found = decode(None, record(op="t"))
        assert (found.kind, found.key, found.after) == (Kind.TRUNCATE, {}, None)

    def test_begin_and_end_of_a_transaction(self):
        begin = b'{"status":"BEGIN","id":"571:53195829","ts_ms":1486500577125,"event_count":null}'
        assert decode(b'{"id":"571"}', begin).kind is Kind.TRANSACTION

    def test_a_heartbeat_tells_how_far_the_connector_read(self):
        found = decode(b'{"serverName":"spine"}', b'{"ts_ms":1486500577125,"ts_us":1486500577125001}')
        assert (found.kind, found.captured_us) == (Kind.HEARTBEAT, 1_486_500_577_125_001)

    def test_a_logical_message_is_no_row(self):
        message = record(op="m", message={"prefix": "foo", "content": "Ymfy"})
        assert decode(None, message).kind is Kind.MESSAGE

    def test_a_delete_may_bring_its_key_alone(self):
        assert decode(key(execution_id="a"), record(op="d")).key == {"execution_id": "a"}

    def test_a_key_may_ride_with_its_schema_or_be_null(self):
        wrapped = b'{"schema":{"type":"struct"},"payload":{"execution_id":"a"}}'
        assert decode(wrapped, record(op="d")).key == {"execution_id": "a"}
        assert decode(b"null", record(op="t")).key == {}
        assert decode(b'{"schema":null,"payload":null}', record(op="t")).key == {}

    def test_a_source_without_an_instant_has_none(self):
        bare = decode(None, json.dumps({"op": "c", "after": ROW}).encode())
        assert (instant_of(bare), bare.captured_us, type_of(bare, "status")) == (None, None, None)

    @pytest.mark.parametrize(("micros", "year"), [(10**18, 9999), (-(10**18), 1)])
    def test_an_instant_beyond_the_calendar_is_its_edge(self, micros, year):
        far = decode(None, record(op="c", after=ROW, source=SOURCE | {"ts_us": micros}))
        assert instant_of(far).year == year

    def test_milliseconds_do_when_there_are_no_microseconds(self):
        old = decode(None, record(op="c", after=ROW, source=SOURCE | {"ts_us": None}))
        assert instant_of(old).microsecond == 944_000


class TestBadRecords:
    @pytest.mark.parametrize(
        ("value", "field"),
        [
            (b"\xff\xfe", "value"),
            (b'{"op":"c","after":{"a":1}', "value"),
            (b'{"op":"c","after":[1]}', "value"),
            (b"[]", "value"),
            (b'{"a":1}', "op"),
            (b'{"status":"BEGIN"}', "op"),
            (record(op="x", after=ROW), "op"),
            (record(op="c"), "after"),
            (record(op="d"), "before"),
        ],
    )
    def test_a_record_of_no_known_kind_names_its_field(self, value, field):
        with pytest.raises(BadInputError) as caught:
            decode(None, value)
        assert (caught.value.code, caught.value.field) == ("bad_envelope", field)

    @pytest.mark.parametrize("bad", [b"{", b"[1]", b"7"])
    def test_so_does_a_key(self, bad):
        with pytest.raises(BadInputError, match="key"):
            decode(bad, record(op="u", after=ROW))

    @pytest.mark.parametrize("schema", [{"type": "struct"}, {"type": 7}])
    def test_a_schema_of_something_else_is_refused(self, schema):
        body = json.dumps({"schema": schema, "payload": {"op": "c", "after": ROW}}).encode()
        with pytest.raises(BadInputError, match="schema"):
            decode(None, body)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_a_record_or_bad_input(self, value):
        with contextlib.suppress(BadInputError):
            assert isinstance(decode(None, value), Envelope)


def field(name, type_="int64", logical=None, **more):
    return {"field": name, "type": type_, "name": logical, "optional": False, **more}


class TestSchemas:
    def test_the_schema_tells_each_column(self):
        columns = [
            field("id", "string"),
            field(
                "cost", "bytes", "org.apache.kafka.connect.data.Decimal", parameters={"scale": "2"}, version=1
            ),
            field("made", "int64", "io.debezium.time.MicroTimestamp"),
            field("seen", "string", "io.debezium.time.ZonedTimestamp"),
            field("odd", "map"),
            {"type": "string"},
        ]
        row = {"type": "struct", "field": "before", "fields": columns}
        schema = {"type": "struct", "fields": [{"type": "string", "field": "op"}, row]}
        body = json.dumps({"schema": schema, "payload": {"op": "c", "after": {"id": "a"}}}).encode()
        found = decode(None, body)
        assert type_of(found, "id") == WireType("string", optional=False)
        assert type_of(found, "cost") == WireType("decimal", scale=2, optional=False)
        assert type_of(found, "made") == WireType("timestamp", "us", optional=False)
        assert type_of(found, "seen").zoned
        assert type_of(found, "odd").name == "other"
        assert type_of(found, "gone") is None

    def test_answers_are_kept_by_the_bytes_of_the_schema(self):
        schema = json.dumps(
            {"fields": [{"type": "struct", "field": "after", "fields": [field("id")]}]}
        ).encode()
        assert wire_types(schema) is wire_types(bytes(bytearray(schema)))

    def test_a_table_may_have_columns_named_schema_and_payload(self):
        found = decode(b'{"schema":"public"}', record(op="u", after={"schema": "x"}))
        assert found.key == {"schema": "public"}


def local(seconds):
    """A timestamp without zone, so many seconds after the epoch's midnight."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)).replace(tzinfo=None)


class TestValues:
    @pytest.mark.parametrize(
        ("value", "wanted", "means"),
        [
            (True, WireType("boolean"), True),
            (7, WireType("int"), 7),
            (7, WireType("float"), 7.0),
            ("Infinity", WireType("float"), float("inf")),
            ("a", WireType("string"), "a"),
            ("AQI=", WireType("bytes"), b"\x01\x02"),
            ('{"a":1}', WireType("json"), '{"a":1}'),
            ({"a": 1}, WireType("json"), '{"a":1}'),
            (20_780, WireType("date"), dt.date(2026, 11, 23)),
            ("2026-11-23Z", WireType("date"), dt.date(2026, 11, 23)),
            (3_600_000, WireType("time", "ms"), dt.time(1)),
            (3_600_000_001, WireType("time", "us"), dt.time(1, 0, 0, 1)),
            ("01:00:00Z", WireType("time"), dt.time(1)),
            (1_500, WireType("timestamp", "ms"), local(1.5)),
            (1_500, WireType("timestamp", "ns"), local(0.000001)),
            ("1970-01-01T00:00:01.5Z", WireType("timestamp"), local(1.5)),
            (
                "1970-01-01T02:00:00+02:00",
                WireType("timestamp", zoned=True),
                dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
            ),
            ([1, 2], WireType("array"), [1, 2]),
            ({"x": 1}, WireType("other"), {"x": 1}),
            (None, WireType("int"), None),
        ],
    )
    def test_each_type_is_read(self, value, wanted, means):
        assert read_value(value, wanted) == means

    @pytest.mark.parametrize(
        ("value", "wanted"),
        [
            (3.7, "int"),
            (True, "int"),
            ("7", "int"),
            (1, "boolean"),
            ("x", "float"),
            (True, "float"),
            (7, "string"),
            ("*", "bytes"),
            ("yesterday", "date"),
            ("noon", "time"),
            ("?", "timestamp"),
            (10**19, "timestamp"),
            ("1,5", "decimal"),
            (True, "decimal"),
            ({"scale": 1}, "decimal"),
        ],
    )
    def test_nothing_is_bent_into_another_type(self, value, wanted):
        with pytest.raises(BadInputError) as caught:
            read_value(value, WireType(wanted))
        assert caught.value.code == "wrong_type"

    def test_a_decimal_is_read_in_all_four_ways(self):
        assert decimal_of("Opg=", 2) == Decimal("150.00")
        assert decimal_of({"scale": 2, "value": "Opg="}, None) == Decimal("150.00")
        assert decimal_of("150.00", None) == decimal_of(150, None) == Decimal(150)
        assert decimal_of("-1.5", 2) == Decimal("-1.5")

    @given(
        st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12)
    )
    def test_precise_decimals_round_trip(self, number):
        unscaled = int(number.scaleb(3))
        body = unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)
        assert decimal_of(base64.b64encode(body).decode(), 3) == number
