"""Arrow and Parquet schemas: what may follow what (ADR-1123)."""

import io
import json

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts import Contract, check, load_contract
from maestro.lake.contracts.arrow.model import ArrowSchema


def schema(**columns):
    """``name="int64"``, ``name="int64 not null"``."""
    return json.dumps(
        {
            "fields": [
                {
                    "name": name,
                    "type": text.removesuffix(" not null"),
                    "nullable": not text.endswith(" not null"),
                }
                for name, text in columns.items()
            ]
        }
    )


def rules(verdict):
    return [(violation.path, violation.rule) for violation in verdict.violations]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int32", "int64"),
        ("int8", "int16"),
        ("uint8", "uint64"),
        ("float", "double"),
        ("halffloat", "float"),
        ("decimal128(10, 2)", "decimal128(12, 2)"),
        ("decimal128(38, 2)", "decimal256(40, 2)"),
        ("list<item: int32>", "list<element: int64>"),
        ("map<string, int32>", "map<string, int64>"),
        ("struct<a: int32>", "struct<a: int64>"),
    ],
)
def test_promotions_are_safe_backward_alone(old, new):
    assert check(schema(a=new), schema(a=old), "BACKWARD").compatible
    assert not check(schema(a=new), schema(a=old), "FORWARD").compatible
    assert not check(schema(a=new), schema(a=old), "FULL").compatible


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("int64", "int32", "column_type_narrowed"),
        ("double", "float", "column_type_narrowed"),
        ("decimal128(12, 2)", "decimal128(10, 2)", "column_type_narrowed"),
        ("decimal128(10, 2)", "decimal128(12, 4)", "column_type_changed"),
        ("int64", "double", "column_type_changed"),
        ("int64", "uint64", "column_type_changed"),
        ("int32", "string", "column_type_changed"),
        ("timestamp[us]", "timestamp[us, tz=UTC]", "column_type_changed"),
        ("timestamp[ms]", "timestamp[us]", "column_type_changed"),
        ("date32", "date64", "column_type_changed"),
        ("string", "binary", "column_type_changed"),
        ("list<item: int64>", "int64", "column_type_changed"),
        ("list<item: int64>", "list<item: int64>[3]", "column_type_changed"),
        ("fixed_size_binary[4]", "fixed_size_binary[8]", "column_type_changed"),
    ],
)
def test_other_changes_of_a_type_are_not(old, new, rule):
    assert rules(check(schema(a=new), schema(a=old))) == [("/a", rule)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("string", "large_string"),
        ("string", "string_view"),
        ("binary", "large_binary"),
        ("list<item: int64>", "large_list<item: int64>"),
        ("dictionary<values=string, indices=int32, ordered=0>", "string"),
    ],
)
def test_encodings_of_the_same_values_are_one_type(one, other):
    assert check(schema(a=one), schema(a=other), "FULL").compatible
    assert (
        load_contract(schema(a=one).encode()).fingerprint
        == load_contract(schema(a=other).encode()).fingerprint
    )


def test_a_nullable_column_may_come_and_a_column_may_go():
    assert check(schema(a="int64", b="string"), schema(a="int64")).compatible
    assert check(schema(a="int64"), schema(a="int64", b="string")).compatible


def test_a_required_column_may_not_come_and_under_forward_not_go():
    old, new = schema(a="int64"), schema(a="int64", b="string not null")
    assert rules(check(new, old)) == [("/b", "required_column_added")]
    assert rules(check(old, new, "FORWARD")) == [("/b", "required_column_added")]


def test_nulls_may_be_allowed_and_not_forbidden():
    assert check(schema(a="int64"), schema(a="int64 not null")).compatible
    verdict = check(schema(a="int64 not null"), schema(a="int64"))
    assert rules(verdict) == [("/a", "column_nulls_forbidden")]


def test_order_means_nothing():
    one, other = (
        schema(a="int64", b="struct<x: int8, y: string>"),
        schema(b="struct<y: string, x: int8>", a="int64"),
    )
    assert check(one, other, "FULL").compatible
    assert load_contract(one.encode()).fingerprint == load_contract(other.encode()).fingerprint


def test_a_rename_is_a_drop_and_an_add_and_advice_says_so():
    verdict = check(schema(id="int64", name="string"), schema(id="int64", label="string"))
    assert verdict.compatible
    assert [(each.path, each.rule) for each in verdict.advice] == [("/name", "possible_rename")]
    required = check(schema(name="string not null"), schema(label="string not null"))
    assert rules(required) == [("/name", "required_column_added")]


def test_case_counts_and_advice_says_so():
    verdict = check(schema(Name="string"), schema(name="int64"))
    assert [each.rule for each in verdict.advice] == ["column_case_differs"]


def test_nested_findings_name_their_path():
    old = schema(a="list<item: struct<b: map<string, decimal128(9, 2)>>>")
    new = schema(a="list<item: struct<b: map<string, decimal128(8, 2)>>>")
    (violation,) = check(new, old).violations
    assert violation.path == "/a/item/b/value"
    assert "decimal(9, 2) does not fit" in violation.message
    assert violation.remedy


def test_none_is_always_compatible_and_lists_what_it_found():
    verdict = check(schema(a="string"), schema(a="int64"), "NONE")
    assert verdict.compatible
    assert {each.direction for each in verdict.advice} == {"backward", "forward"}


def test_transitive_modes_look_at_every_version_and_name_it():
    first, second, new = schema(a="int64"), schema(b="string"), schema(a="string", b="string")
    assert check(new, [first, second], "BACKWARD").compatible
    verdict = check(new, [first, second], "BACKWARD_TRANSITIVE")
    assert [(each.version, each.rule) for each in verdict.violations] == [(1, "column_type_changed")]
    assert verdict.document()["violations"][0]["version"] == 1


def test_the_first_version_follows_nothing():
    assert check(schema(a="int64"), []).compatible


@pytest.mark.parametrize(
    "arrow",
    [
        pa.schema([pa.field("a", pa.decimal256(50, 3)), pa.field("b", pa.duration("ns"), nullable=False)]),
        pa.schema([("a", pa.map_(pa.string(), pa.list_(pa.int8())))]),
        pa.schema([("a", pa.struct([pa.field("odd, name: int64", pa.time32("s"), nullable=False)]))]),
        pa.schema([("a", pa.list_(pa.field("item", pa.int64(), nullable=False), 3)), ("b", pa.binary(16))]),
        pa.schema([("a", pa.timestamp("ns", "+02:00")), ("b", pa.timestamp("s")), ("c", pa.date64())]),
        pa.schema(
            [("a", pa.month_day_nano_interval()), ("b", pa.null()), ("c", pa.uint16()), ("d", pa.bool_())]
        ),
    ],
)
def test_a_parquet_file_or_arrow_stream_is_a_contract_and_comes_back(arrow):
    contract = load_contract(arrow.serialize().to_pybytes(), "arrow")
    assert contract.arrow_schema() == arrow
    assert load_contract(contract.canonical.encode(), "arrow").fingerprint == contract.fingerprint


def test_the_schema_of_a_parquet_file_is_read():
    file = io.BytesIO()
    pq.write_table(
        pa.table({"id": pa.array([1], pa.int64()), "c": pa.array(["x"]).dictionary_encode()}), file
    )
    contract = load_contract(file.getvalue())
    assert str(contract.columns.fields[1].type) == "string"
    with pytest.raises(BadInputError, match="cannot be read"):
        load_contract(file.getvalue()[:40])


def test_an_arrow_file_and_extension_types_are_read():
    file = io.BytesIO()
    table = pa.table({"a": pa.array([b"x" * 16], pa.binary(16)).cast(pa.uuid())})
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert str(load_contract(file.getvalue()).columns.fields[0].type) == "fixed_size_binary[16]"


def test_what_pyarrow_cannot_make_is_refused():
    contract = load_contract(schema(a="time64[ns]").encode())
    odd = attrs.evolve(
        contract.schema.fields[0], type=attrs.evolve(contract.schema.fields[0].type, name="odd")
    )
    with pytest.raises(BadInputError, match="no way to make"):
        Contract(contract.format, ArrowSchema((odd,))).arrow_schema()


def test_shorter_spellings_are_read():
    document = {"fields": [
        {"name": "s", "type": "struct", "fields": [{"name": "x", "type": "int8"}]},
        {"name": "d", "type": "decimal(9)"},
        {"name": "m", "type": "map<string, int64, keys_sorted>"},
    ]}  # fmt: skip
    read = load_contract(json.dumps(document).encode()).columns.fields
    texts = [str(each.type) for each in read]
    assert texts == ["struct<x: int8>", "decimal(9, 0)", "map<string not null, int64>"]


def test_arrows_integration_form_is_read():
    fields = [
        ({"name": "int", "isSigned": True, "bitWidth": 64}, [], "int64"),
        ({"name": "int", "isSigned": False, "bitWidth": 8}, [], "uint8"),
        ({"name": "floatingpoint", "precision": "DOUBLE"}, [], "float64"),
        ({"name": "decimal", "precision": 10, "scale": 2}, [], "decimal(10, 2)"),
        ({"name": "utf8"}, [], "string"),
        ({"name": "date", "unit": "DAY"}, [], "date32"),
        ({"name": "time", "unit": "MICROSECOND", "bitWidth": 64}, [], "time[us]"),
        ({"name": "duration", "unit": "SECOND"}, [], "duration[s]"),
        ({"name": "timestamp", "unit": "MILLISECOND", "timezone": "UTC"}, [], "timestamp[ms, tz=UTC]"),
        ({"name": "interval", "unit": "YEAR_MONTH"}, [], "month_interval"),
        ({"name": "fixedsizebinary", "byteWidth": 4}, [], "fixed_size_binary[4]"),
        ({"name": "struct"}, [("x", "int64")], "struct<x: int64>"),
        ({"name": "list"}, [("item", "int64")], "list<int64>"),
        ({"name": "fixedsizelist", "listSize": 2}, [("item", "int64")], "list<int64>[2]"),
    ]
    document = {
        "schema": {
            "fields": [
                {
                    "name": f"f{at}",
                    "type": raw,
                    "nullable": True,
                    "children": [{"name": n, "type": t} for n, t in kids],
                }
                for at, (raw, kids, _) in enumerate(fields)
            ]
        }
    }
    entries = {
        "name": "entries",
        "type": {"name": "struct"},
        "children": [
            {"name": "key", "type": "string", "nullable": False},
            {"name": "value", "type": "int64"},
        ],
    }
    document["schema"]["fields"].append({"name": "m", "type": {"name": "map"}, "children": [entries]})
    read = load_contract(json.dumps(document).encode()).columns.fields
    assert [str(field.type) for field in read] == [text for *_, text in fields] + [
        "map<string not null, int64>"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "int63",
        "list<",
        "struct<a int64>",
        "decimal128(0, 2)",
        "decimal128(x)",
        "timestamp[h]",
        "timestamp[]",
        "map<string>",
        "list<item: int64> x",
        "",
        "fixed_size_binary[x]",
        "struct<int64>",
        "§",
        "time64",
        "list<item: int64 not>",
    ],
)
def test_what_is_no_type_is_refused_with_its_field(text):
    with pytest.raises(BadInputError) as caught:
        load_contract(schema(price=text).encode(), "arrow")
    assert caught.value.field == "/price"
    assert "int64" in caught.value.remedy


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '{"type": "record", "fields": []}',
        '{"fields": [{"name": "a"}]}',
        "{",
        '{"fields": [{"name": "a", "type": "int8"}, {"name": "a", "type": "int8"}]}',
        '{"fields": [{"name": "a", "type": {"name": "int"}}]}',
        '{"fields": [{"name": "a", "type": {"name": "odd"}}]}',
    ],
)
def test_what_is_no_schema_is_refused(document):
    with pytest.raises(BadInputError):
        load_contract(document.encode(), "arrow")


def test_an_unknown_mode_lists_the_known():
    with pytest.raises(BadInputError, match="FULL_TRANSITIVE"):
        check(schema(a="int8"), schema(a="int8"), "SIDEWAYS")
