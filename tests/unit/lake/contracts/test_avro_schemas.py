"""Avro: what is a schema, which change is which rule, and its canonical form."""

import json

import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts import check, load_contract


def record(*fields, name="R", **more):
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name, type_, **more):
    return {"name": name, "type": type_, **more}


def enum(*symbols, **more):
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size, name="F", **more):
    return {"type": "fixed", "name": name, "size": size, **more}


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


def decimal(precision, scale):
    return logical("bytes", "decimal", precision=precision, scale=scale)


def load(schema, references=None):
    return load_contract(json.dumps(schema).encode(), "avro", references)


def found(new, old):
    return [(each.rule.value, each.path) for each in load(new).reads(load(old))]


@pytest.mark.parametrize(
    ("old", "new", "rule", "path"),
    [
        ("int", "string", "type_mismatch", ""),
        ("long", "int", "type_mismatch", ""),
        ("int", record(), "type_mismatch", ""),
        (record(), record(name="S"), "name_mismatch", ""),
        (fixed(1), fixed(2), "fixed_size_mismatch", "/size"),
        (enum("A", "B"), enum("A"), "missing_enum_symbols", "/symbols"),
        (record(), record(field("a", "int")), "reader_field_missing_default_value", "/fields/a"),
        (["int", "string"], ["int"], "missing_union_branch", ""),
        (["int", "string"], "int", "type_mismatch", "/1"),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "boolean"}, "type_mismatch", "/items"),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "boolean"}, "type_mismatch", "/values"),
        (["null", record(field("a", "long"))], ["null", record(field("a", "int"))], "type_mismatch", "/1/fields/a"),
        (decimal(10, 2), decimal(10, 3), "decimal_changed", ""),
        (decimal(10, 2), decimal(9, 2), "decimal_changed", ""),
        (fixed(8, logicalType="decimal", precision=9), fixed(8, logicalType="decimal", precision=8), "decimal_changed", ""),
        (logical("long", "timestamp-millis"), logical("long", "timestamp-micros"), "logical_type_changed", ""),
    ],
)  # fmt: skip
def test_what_breaks(old, new, rule, path):
    assert (rule, path) in found(new, old)
    verdict = check(json.dumps(new), json.dumps(old), "BACKWARD", "avro")
    assert not verdict.compatible
    assert all(each.path.startswith("/") and each.remedy for each in verdict.violations)


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("int", "double", ["type_promoted"]),
        ("bytes", "string", ["type_promoted"]),
        (decimal(10, 2), decimal(12, 2), ["type_promoted"]),
        ("long", logical("long", "timestamp-millis"), ["logical_type_came_or_went"]),
        (record(), record(field("a", "int", default=1)), ["field_added"]),
        (record(field("a", "int")), record(), ["field_removed"]),
        (record(field("a", "int")), record(field("b", "int", aliases=["a"])), ["field_renamed"]),
        (record(field("a", "int", default=1)), record(field("a", "int", default=2)), ["default_changed"]),
        (enum("A"), enum("A", "B"), ["enum_symbols_added"]),
        (enum("A", "B"), enum("A", default="A"), []),
        (["null", "int"], ["null", "int", "string"], ["union_extended"]),
        ("int", ["null", "int"], []),
        (["int"], "long", ["type_promoted"]),
        (record(name="x.Old"), record(name="New", aliases=["x.Old"]), []),
        (record(name="x.R"), record(name="y.R"), []),
        (fixed(1, "Old"), fixed(1, "New", aliases=["Old"]), []),
    ],
)
def test_what_breaks_nobody(old, new, rules):
    assert [rule for rule, _ in found(new, old)] == rules
    assert check(json.dumps(new), json.dumps(old), "BACKWARD", "avro").compatible


def linked(value):
    return record(field("value", value), field("next", ["null", "R"], default=None))


def test_recursive_records_are_compared_once():
    assert check(json.dumps(linked("long")), json.dumps(linked("int"))).compatible
    verdict = check(json.dumps(linked("int")), json.dumps(linked("long")))
    assert [each.path for each in verdict.violations] == ["/fields/value"]


def test_records_that_refer_to_one_another_end_soon():
    names = [f"T{at}" for at in range(14)]

    def schema(last):
        inner = "long"
        types = []
        for at, name in enumerate(names):
            before = names[:at]
            types.append(record(*(field(each.lower(), ["null", each], default=None) for each in before),
                                field("v", last if at == 0 else inner), name=name))  # fmt: skip
        return json.dumps(types)

    assert check(schema("long"), schema("long"), "FULL", "avro").compatible
    verdict = check(schema("int"), schema("long"), "BACKWARD", "avro")
    assert not verdict.compatible
    assert all(each.path.endswith("/v") for each in verdict.violations)


@pytest.mark.parametrize(
    ("schema", "field_"),
    [
        (3, "/"),
        ({}, "/"),
        ("unknown", "/"),
        ({"type": "array"}, "/"),
        ([["int"]], "/0"),
        (["int", "int"], "/1"),
        (record(name="1"), "/name"),
        (record(name=None), "/name"),
        (record(namespace=3), "/namespace"),
        (record(namespace="a..b"), "/namespace"),
        (record(aliases="a"), "/aliases"),
        ({"type": "record", "name": "R", "fields": {}}, "/fields"),
        (record(field("a", "int"), field("a", "int")), "/fields/a"),
        (record({"type": "int"}), "/fields/0"),
        (record(field("a-b", "int")), "/fields/0"),
        (record({"name": "a"}), "/fields/a"),
        (record(field("a", "int", default="x")), "/fields/a/default"),
        (record(field("a", fixed(1)), field("b", fixed(2))), "/fields/b/type"),
        (fixed(-1), "/size"),
        (fixed(True), "/size"),
        (enum("A", "A"), "/symbols"),
        (enum("1"), "/symbols"),
        ({"type": "enum", "name": "E"}, "/symbols"),
        (enum("A", default="B"), "/default"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema, field_):
    with pytest.raises(BadInputError) as caught:
        load(schema)
    assert (caught.value.code, caught.value.field) == ("bad_schema", field_)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("null", [None], [0]),
        ("boolean", [True], [1]),
        ("int", [1], [2**31, True, "1"]),
        ("long", [2**40], [2**63]),
        ("float", [1.5, "NaN"], ["x", True]),
        ("bytes", ["ÿ"], ["€", 1]),
        ("string", ["x"], [1]),
        (["null", "int"], [None, 3], ["x"]),
        ({"type": "array", "items": "int"}, [[1]], [["x"], {}]),
        ({"type": "map", "values": "int"}, [{"a": 1}], [{"a": "x"}, []]),
        (enum("A"), ["A"], ["B"]),
        (fixed(2), ["ab"], ["abc", 3]),
        (record(field("x", "int"), field("y", "int", default=1), name="Q"), [{"x": 1}], [{}, {"x": "s"}, 3]),
    ],
)
def test_defaults_fit_their_types(type_, good, bad):
    for value in good:
        load(record(field("a", type_, default=value)))
    for value in bad:
        with pytest.raises(BadInputError, match="does not fit"):
            load(record(field("a", type_, default=value)))


def test_logical_types_that_do_not_fit_are_ignored():
    for odd in (
        logical("string", "date"),
        logical("bytes", "decimal"),
        logical("bytes", "decimal", precision=1, scale=2),
    ):
        assert load(odd).schema.logical is None


def test_names_take_the_namespace_around_them():
    inner = record(field("e", {"type": "enum", "name": "E", "symbols": ["A"]}), field("again", "E"), name="I")
    schema = record(field("i", inner), field("e", "a.b.E"), name="O", namespace="a.b")
    form = json.loads(load(schema).canonical)
    assert form["name"] == "a.b.O"
    assert form["fields"][0]["type"]["name"] == "a.b.I"
    assert form["fields"][1]["type"] == "a.b.E"


def test_the_canonical_form_leaves_out_what_decoding_does_not_need():
    schema = {"type": {"type": "string"}, "doc": "x"}
    assert load(schema).canonical == '"string"'
    assert load(record(field("a", fixed(2), default="ab", doc="d"), doc="d")).canonical == (
        '{"name":"R","type":"record","fields":[{"name":"a","type":{"name":"F","type":"fixed","size":2}}]}'
    )


def test_named_types_of_other_schemas_are_known():
    money = json.dumps(record(field("cents", "long"), name="shop.Money")).encode()
    contract = load(record(field("total", "shop.Money")), {"money": money})
    assert str(contract.columns.fields[0].type) == "struct<cents: int64 not null>"


def test_bare_names_and_lists_are_avro():
    assert load_contract(b" string\n").format == "avro"
    assert load_contract(b'["null", "int"]').format == "avro"
    assert load_contract(b'{"type": "enum", "name": "E", "symbols": []}').format == "avro"


def test_what_is_nested_too_deeply_is_refused_and_not_a_traceback(monkeypatch):
    schema = "int"
    for _ in range(60):
        schema = {"type": "array", "items": schema}
    contract = load(schema)
    assert not any(finding.rule.breaks for finding in contract.reads(contract))

    def overflow(*_):
        raise RecursionError

    monkeypatch.setattr("maestro.lake.contracts.avro.resolve._Comparison.findings", overflow)
    with pytest.raises(BadInputError, match="too deeply"):
        list(contract.reads(contract))
    monkeypatch.setattr("maestro.lake.contracts.contract.parse_avro", overflow)
    with pytest.raises(BadInputError, match="too deeply"):
        load(schema)


def test_a_type_may_be_named_in_an_object():
    old = record(field("a", fixed(1)))
    old["fields"].append(field("b", "F"))
    new = record(field("a", fixed(1)), field("b", {"type": "F"}))
    assert found(new, {**old, "fields": [field("a", fixed(1)), field("b", "F")]}) == []
