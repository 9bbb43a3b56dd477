"""Contracts as tables: their columns as Arrow has them, and the Open Data Contract Standard."""

import json
from datetime import timedelta

import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts import check, load_contract
from maestro.lake.contracts.odcs import read_data_contract


def columns(schema, format_):
    fields = load_contract(json.dumps(schema).encode(), format_).columns.fields
    return {field.name: field.shown for field in fields}


def avro(**types):
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": type_} for name, type_ in types.items()],
    }


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


def test_avro_types():
    schema = avro(
        a="int",
        b=["null", "long"],
        c={"type": "array", "items": ["string", "null"]},
        d={"type": "map", "values": "double"},
        e={"type": "enum", "name": "E", "symbols": ["A"]},
        f={"type": "fixed", "name": "F", "size": 3},
        g=avro(x="float") | {"name": "G"},
        h=logical("bytes", "decimal", precision=9, scale=2),
        i=logical("int", "date"),
        j=logical("int", "time-millis"),
        k=logical("long", "timestamp-micros"),
        m=logical("long", "local-timestamp-nanos"),
        n=logical("string", "uuid"),
        o="null",
        p=[logical("long", "timestamp-millis"), "null"],
        q="bytes",
        r="boolean",
        s={"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
    )
    assert columns(schema, "avro") == {
        "a": "int32 not null",
        "b": "int64",
        "c": "list<string> not null",
        "d": "map<string not null, float64 not null> not null",
        "e": "string not null",
        "f": "fixed_size_binary[3] not null",
        "g": "struct<x: float32 not null> not null",
        "h": "decimal(9, 2) not null",
        "i": "date32 not null",
        "j": "time[ms] not null",
        "k": "timestamp[us, tz=UTC] not null",
        "m": "timestamp[ns] not null",
        "n": "string not null",
        "o": "null",
        "p": "timestamp[ms, tz=UTC]",
        "q": "binary not null",
        "r": "bool not null",
        "s": "fixed_size_binary[12] not null",
    }


def test_json_schema_types():
    number = {"type": "number"}
    schema = {
        "type": "object",
        "required": ["a", "n"],
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": ["string", "null"]},
            "c": {"type": "array", "items": number},
            "d": {"type": "object", "additionalProperties": number},
            "e": {"enum": ["x", "y", None]},
            "f": {"type": "string", "format": "date-time"},
            "g": {"type": "string", "format": "date", "minLength": 1},
            "h": {"anyOf": [{"type": "integer"}, number]},
            "i": {"const": True},
            "j": {"enum": [1, 2.5]},
            "k": {
                "allOf": [
                    {"type": "object", "properties": {"x": number}},
                    {"type": "object", "required": ["x"]},
                ]
            },
            "m": {"type": "string", "enum": ["a"]},
            "n": {"type": "object", "properties": {"x": {"type": "boolean"}}},
            "o": {"type": "null"},
            "p": {"enum": [1, 2]},
            "q": {
                "allOf": [
                    {"type": "string", "format": "date"},
                    {"enum": ["2026-01-01"]},
                    {"not": {"const": "x"}},
                ]
            },
        },
    }
    assert columns(schema, "json-schema") == {
        "a": "int64 not null",
        "b": "string",
        "c": "list<float64 not null>",
        "d": "map<string not null, float64 not null>",
        "e": "string",
        "f": "timestamp[us, tz=UTC]",
        "g": "date32",
        "h": "float64",
        "i": "bool",
        "j": "float64",
        "k": "struct<x: float64>",
        "m": "string",
        "n": "struct<x: bool> not null",
        "o": "null",
        "p": "int64",
        "q": "date32",
    }


@pytest.mark.parametrize(
    ("schema", "format_", "field"),
    [
        ("int", "avro", "/"),
        (avro(a=["int", "string"]), "avro", "/fields/a"),
        (
            {"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]},
            "avro",
            "/fields/a",
        ),
        ({"type": "string"}, "json-schema", "#/"),
        ({"type": "object", "properties": {"a": {}}}, "json-schema", "#/properties/a"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "json-schema", "#/properties/a"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "json-schema", "#/properties/a"),
        (
            {"type": "object", "properties": {"a": {"type": ["string", "integer"]}}},
            "json-schema",
            "#/properties/a",
        ),
        ({"type": "object", "properties": {"a": {"enum": [1, "x"]}}}, "json-schema", "#/properties/a"),
        (
            {"type": "object", "properties": {"a": {"allOf": [{"type": "boolean"}, {"type": "integer"}]}}},
            "json-schema",
            "#/properties/a",
        ),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "json-schema", "#/properties/a"),
    ],
)
def test_what_no_table_can_hold_is_refused_with_its_place(schema, format_, field):
    contract = load_contract(json.dumps(schema).encode(), format_)
    with pytest.raises(BadInputError) as caught:
        contract.arrow_schema()
    assert (caught.value.code, caught.value.field) == ("not_tabular", field)


def test_the_arrow_schema_is_pyarrows():
    schema = load_contract(json.dumps(avro(a="int", b=["null", "string"])).encode()).arrow_schema()
    assert str(schema) == "a: int32 not null\nb: string"


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: executions
name: Executions
version: 1.0.0
status: active
schema:
  - name: executions
    properties:
      - {name: executionId, logicalType: string, primaryKey: true, primaryKeyPosition: 1}
      - {name: attempt, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, logicalTypeOptions: {format: i32}}
      - {name: cost, logicalType: number, physicalType: "NUMERIC(10, 2)"}
      - {name: score, logicalType: number, logicalTypeOptions: {format: f32}}
      - {name: weight, logicalType: number}
      - {name: started, logicalType: timestamp, required: true}
      - {name: local, logicalType: timestamp, logicalTypeOptions: {timezone: false}}
      - {name: tags, logicalType: array, items: {logicalType: string}}
      - {name: where, logicalType: object, properties: [{name: zone, logicalType: string}]}
      - {name: raw, physicalType: BINARY}
slaProperties:
  - {property: latency, value: 2, unit: min}
  - {property: freshness, value: 90, unit: seconds}
  - {property: retention, value: 3, unit: y}
"""


def test_a_data_contract_has_columns_keys_and_a_freshness():
    contract = load_contract(CONTRACT.encode())
    assert {field.name: field.shown for field in contract.columns.fields} == {
        "executionId": "string not null",
        "attempt": "int32 not null",
        "cost": "decimal(10, 2)",
        "score": "float32",
        "weight": "float64",
        "started": "timestamp[us, tz=UTC] not null",
        "local": "timestamp[us]",
        "tags": "list<string>",
        "where": "struct<zone: string>",
        "raw": "binary",
    }
    assert check(CONTRACT, CONTRACT, "FULL_TRANSITIVE").compatible


def parsed(**changes):
    base = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": "x",
        "version": "1",
        "status": "active",
        "schema": [{"name": "t", "properties": [{"name": "a", "logicalType": "string"}]}],
    }
    return base | changes


def column(**more):
    return [{"name": "t", "properties": [{"name": "a", **more}]}]


def test_its_promises_and_tables_are_read():
    two = [*parsed()["schema"], {"name": "u", "properties": [{"name": "b", "logicalType": "date"}]}]
    contract = read_data_contract(
        parsed(
            schema=two, slaProperties=[{"property": "latency", "value": 1.5, "unit": "h"}, "odd"], name="N"
        )
    )
    assert (contract.name, contract.status, contract.freshness) == ("N", "active", timedelta(hours=1.5))
    assert contract.keys == {"t": (), "u": ()}
    assert contract.table("u").fields[0].name == "b"
    with pytest.raises(BadInputError, match=r"Name one of: t, u\."):
        contract.table()
    assert read_data_contract(parsed()).freshness is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (3, "kind"),
        (parsed(kind="Other"), "kind"),
        (parsed(apiVersion="v2.2.2"), "apiVersion"),
        (parsed(schema=[]), "schema"),
        (parsed(schema=[3]), "schema[0].name"),
        (parsed(schema=[{"name": "t"}]), "/t/properties"),
        (parsed(schema=[{"name": "t", "properties": [3]}]), "/t/properties[0].name"),
        (parsed(schema=column(logicalType="odd")), "/t/a/logicalType"),
        (parsed(schema=column()), "/t/a/logicalType"),
        (parsed(schema=column(logicalType="array")), "/t/a/items"),
        (parsed(schema=column(physicalType="VARCHAR2(3)")), "/t/a"),
        (
            parsed(slaProperties=[{"property": "latency", "value": 1, "unit": "moon"}]),
            "slaProperties[0].unit",
        ),
        (parsed(slaProperties=[{"property": "latency", "value": 0, "unit": "s"}]), "slaProperties[0].value"),
    ],
)
def test_what_is_no_data_contract_is_refused_with_its_place(document, field):
    with pytest.raises(BadInputError) as caught:
        read_data_contract(document)
    assert caught.value.field == field


def test_bad_yaml_and_bad_formats_are_refused():
    with pytest.raises(BadInputError, match="no YAML"):
        load_contract(b"kind: DataContract\n  a: [")
    with pytest.raises(BadInputError, match="avro, json-schema, arrow"):
        load_contract(b"{}", "protobuf")
    with pytest.raises(BadInputError, match="Ask for arrow"):
        load_contract(CONTRACT.encode(), "avro")
    verdict = check('"int"', '{"type": "object"}')
    assert [each.rule for each in verdict.violations] == ["format_differs"]
    assert check('"int"', '{"type": "object"}', "NONE").compatible
    with pytest.raises(BadInputError, match="another format is another subject"):
        load_contract(b'"int"').reads(load_contract(b"{}"))
