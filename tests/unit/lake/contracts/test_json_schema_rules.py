"""JSON Schema: which change is which rule, and whom it breaks (ADR-1124)."""

import json

import pytest

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts import check, load_contract

CLOSED, OPEN = {"additionalProperties": False}, {}
STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
OBJECT, ARRAY = {"type": "object"}, {"type": "array"}
NEW_DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
OLD_DRAFT = {"$schema": "http://json-schema.org/draft-04/schema#"}
PARTLY = {"additionalProperties": STRING}
IF = {"if": {"properties": {"k": {"const": 1}}}, "then": {"required": ["a"]}}


def props(content, required=(), **schemas):
    return {**OBJECT, **content, "properties": schemas, **({"required": list(required)} if required else {})}


def tuple_of(*items, rest=None):
    return {**ARRAY, "items": list(items), **({} if rest is None else {"additionalItems": rest})}


def found(new, old):
    """Rules of all findings, those that break first marked so."""
    reader, writer = (load_contract(json.dumps(each).encode(), "json-schema") for each in (new, old))
    return {(finding.rule.value, finding.rule.breaks) for finding in reader.reads(writer)}


BREAKS = [
    (STRING, NUMBER, "type_changed"),
    (NUMBER, INTEGER, "type_narrowed"),
    (STRING, STRING | {"pattern": "a"}, "pattern_added"),
    (STRING | {"pattern": "a"}, STRING | {"pattern": "b"}, "pattern_changed"),
    (STRING, STRING | {"format": "date"}, "format_added"),
    (STRING | {"format": "time"}, STRING | {"format": "date"}, "format_changed"),
    (STRING, STRING | {"contentEncoding": "base64"}, "content_added"),
    (STRING, STRING | {"minLength": 1}, "min_length_added"),
    (STRING | {"maxLength": 9}, STRING | {"maxLength": 8}, "max_length_decreased"),
    (NUMBER, NUMBER | {"maximum": 1}, "maximum_added"),
    (NUMBER | {"minimum": 1}, NUMBER | {"minimum": 2}, "minimum_increased"),
    (NUMBER | {"minimum": 1}, NUMBER | {"exclusiveMinimum": 1}, "exclusive_minimum_added"),
    (
        OLD_DRAFT | NUMBER | {"maximum": 5},
        OLD_DRAFT | NUMBER | {"maximum": 5, "exclusiveMaximum": True},
        "exclusive_maximum_added",
    ),
    (NUMBER, NUMBER | {"multipleOf": 2}, "multiple_of_added"),
    (NUMBER | {"multipleOf": 2}, NUMBER | {"multipleOf": 4}, "multiple_of_expanded"),
    (NUMBER | {"multipleOf": 0.3}, NUMBER | {"multipleOf": 0.2}, "multiple_of_changed"),
    ({"enum": [1, 2]}, {"enum": [1]}, "enum_array_narrowed"),
    ({"enum": [1, 2]}, {"enum": [1, 3]}, "enum_array_changed"),
    ({"const": 1}, {"const": 2}, "enum_array_changed"),
    (props(OPEN, a=STRING), props(OPEN, ["a"], a=STRING), "required_attribute_added"),
    (OBJECT, OBJECT | {"required": ["a"]}, "required_attribute_added"),
    (props(OPEN), props(OPEN, ["a"], a=STRING), "required_property_added_to_open_content_model"),
    (
        props(OPEN),
        props(OPEN, ["a"], a=STRING | {"default": ""}),
        "required_property_with_default_added_to_open_content_model",
    ),
    (props(OPEN), props(OPEN, a=STRING), "optional_property_added_to_open_content_model"),
    (props(CLOSED), props(CLOSED, ["a"], a=STRING), "required_property_added_to_unopen_content_model"),
    (props(CLOSED, a=STRING), props(CLOSED), "property_removed_from_closed_content_model"),
    (props(PARTLY, a=NUMBER), props(PARTLY), "property_removed_not_covered_by_partially_open_content_model"),
    (props(PARTLY), props(PARTLY, a=NUMBER), "property_added_not_covered_by_partially_open_content_model"),
    (props(OPEN), props(CLOSED), "additional_properties_removed"),
    (props(OPEN), props(PARTLY), "additional_properties_narrowed"),
    (
        NEW_DRAFT | props(OPEN),
        NEW_DRAFT | props({"unevaluatedProperties": False}),
        "unevaluated_properties_removed",
    ),
    (
        NEW_DRAFT | props(OPEN),
        NEW_DRAFT | props({"unevaluatedProperties": STRING}),
        "unevaluated_properties_narrowed",
    ),
    (
        NEW_DRAFT | props({"unevaluatedProperties": STRING}),
        NEW_DRAFT | props({"unevaluatedProperties": NUMBER}),
        "type_changed",
    ),
    (OBJECT, OBJECT | {"patternProperties": {"^x": STRING}}, "pattern_property_added"),
    (
        OBJECT | CLOSED | {"patternProperties": {"^x": STRING}},
        OBJECT | CLOSED | {"patternProperties": {}},
        "pattern_property_removed",
    ),
    (
        OBJECT | {"patternProperties": {"^x": STRING}},
        OBJECT | {"patternProperties": {"^x": NUMBER}},
        "type_changed",
    ),
    (OBJECT | PARTLY, OBJECT | PARTLY | {"patternProperties": {"^x": NUMBER}}, "type_changed"),
    (OBJECT, OBJECT | {"propertyNames": {"maxLength": 3}}, "property_names_added"),
    (
        OBJECT | {"propertyNames": {"maxLength": 3}},
        OBJECT | {"propertyNames": {"maxLength": 2}},
        "max_length_decreased",
    ),
    (OBJECT, OBJECT | {"maxProperties": 1}, "max_properties_added"),
    (OBJECT, OBJECT | {"dependencies": {"a": ["b"]}}, "dependency_array_added"),
    (
        OBJECT | {"dependencies": {"a": ["b"]}},
        OBJECT | {"dependencies": {"a": ["b", "c"]}},
        "dependency_array_extended",
    ),
    (
        OBJECT | {"dependencies": {"a": ["b"]}},
        OBJECT | {"dependencies": {"a": ["c"]}},
        "dependency_array_changed",
    ),
    (OBJECT, OBJECT | {"dependencies": {"a": OBJECT}}, "dependency_schema_added"),
    (
        OBJECT | {"dependencies": {"a": {"maxProperties": 3}}},
        OBJECT | {"dependencies": {"a": {"maxProperties": 2}}},
        "max_properties_decreased",
    ),
    (
        NEW_DRAFT | OBJECT,
        NEW_DRAFT | OBJECT | {"dependentRequired": {"a": ["b"]}},
        "dependency_array_added",
    ),
    (ARRAY, ARRAY | {"items": STRING}, "schema_added"),
    (ARRAY, ARRAY | {"uniqueItems": True}, "unique_items_added"),
    (ARRAY, ARRAY | {"minItems": 2}, "min_items_added"),
    (tuple_of(STRING), tuple_of(STRING, rest=False), "additional_items_removed"),
    (tuple_of(STRING), tuple_of(STRING, rest=STRING), "additional_items_narrowed"),
    (
        NEW_DRAFT | ARRAY | {"prefixItems": [STRING]},
        NEW_DRAFT | ARRAY | {"prefixItems": [STRING], "unevaluatedItems": False},
        "unevaluated_items_removed",
    ),
    (
        NEW_DRAFT | ARRAY | {"prefixItems": [STRING]},
        NEW_DRAFT | ARRAY | {"prefixItems": [STRING], "items": False},
        "additional_items_removed",
    ),
    (NEW_DRAFT | ARRAY | {"items": STRING}, NEW_DRAFT | ARRAY | {"items": NUMBER}, "type_changed"),
    (NEW_DRAFT | ARRAY, NEW_DRAFT | ARRAY | {"items": False}, "additional_items_removed"),
    (tuple_of(STRING), tuple_of(STRING, NUMBER), "item_added_to_open_content_model"),
    (
        tuple_of(STRING, NUMBER, rest=False),
        tuple_of(STRING, rest=False),
        "item_removed_from_closed_content_model",
    ),
    (
        tuple_of(STRING, NUMBER, rest=False),
        tuple_of(STRING, rest=STRING),
        "item_removed_not_covered_by_partially_open_content_model",
    ),
    (
        tuple_of(STRING, rest=STRING),
        tuple_of(STRING, NUMBER, rest=STRING),
        "item_added_not_covered_by_partially_open_content_model",
    ),
    (ARRAY, ARRAY | {"contains": STRING}, "contains_added"),
    (ARRAY | {"contains": STRING}, ARRAY | {"contains": NUMBER}, "contains_changed"),
    (
        NEW_DRAFT | ARRAY | {"contains": STRING},
        NEW_DRAFT | ARRAY | {"contains": STRING, "minContains": 2},
        "min_contains_increased",
    ),
    (
        NEW_DRAFT | ARRAY | {"contains": STRING | {"maxLength": 1}, "maxContains": 2},
        NEW_DRAFT | ARRAY | {"contains": STRING, "maxContains": 2},
        "contains_changed",
    ),
    ({"anyOf": [STRING, NUMBER]}, {"oneOf": [STRING, NUMBER]}, "combined_type_changed"),
    ({"anyOf": [STRING, OBJECT]}, {"anyOf": [STRING, ARRAY]}, "combined_type_subschemas_changed"),
    ({"anyOf": [STRING, {"maxLength": 5}]}, {"anyOf": [STRING, {"maxLength": 4}]}, "max_length_decreased"),
    ({"allOf": [STRING]}, {"allOf": [STRING, {"maxLength": 5}]}, "product_type_extended"),
    ({"oneOf": [STRING, NUMBER]}, {"oneOf": [STRING]}, "sum_type_narrowed"),
    ({"not": STRING | {"maxLength": 3}}, {"not": STRING | {"maxLength": 5}}, "not_type_extended"),
    (OBJECT | IF, OBJECT | IF | {"if": {"required": ["k"]}}, "condition_changed"),
    (OBJECT | IF, OBJECT | IF | {"then": {"required": ["a", "b"]}}, "required_attribute_added"),
    (STRING, STRING | {"enum": ["x"]}, "type_changed"),
    (STRING | {"enum": ["x", "y"]}, STRING | {"enum": ["x"]}, "enum_array_narrowed"),
    (STRING | {"not": {"const": "a"}}, NUMBER | {"not": {"const": "a"}}, "type_changed"),
    ({"type": ["string", "null"]}, STRING, "type_changed"),
    ({"type": ["string", "null"]}, {"type": ["string"]}, "sum_type_narrowed"),
    (True, STRING, "type_changed"),
]
KIND = [
    (INTEGER, NUMBER, "type_extended"),
    (STRING | {"pattern": "a"}, STRING, "pattern_removed"),
    (STRING | {"format": "date"}, STRING, "format_removed"),
    (STRING | {"maxLength": 8}, STRING | {"maxLength": 9}, "max_length_increased"),
    (NUMBER | {"maximum": 8}, NUMBER, "maximum_removed"),
    (NUMBER | {"exclusiveMaximum": 8}, NUMBER | {"maximum": 8}, "exclusive_maximum_removed"),
    (NUMBER | {"multipleOf": 4}, NUMBER | {"multipleOf": 2.0}, "multiple_of_reduced"),
    (NUMBER | {"multipleOf": 4}, NUMBER, "multiple_of_removed"),
    ({"const": 1}, {"enum": [1, 2]}, "enum_array_extended"),
    (props(OPEN, ["a"], a=STRING), props(OPEN, a=STRING), "required_attribute_removed"),
    (props(OPEN), props(OPEN, a={}), "property_with_empty_schema_added_to_open_content_model"),
    (props(CLOSED), props(CLOSED, a=STRING), "optional_property_added_to_unopen_content_model"),
    (props(OPEN, a=STRING), props(OPEN), "property_removed_from_open_content_model"),
    (props(CLOSED, a=False), props(CLOSED), "property_with_false_removed_from_closed_content_model"),
    (props(PARTLY, a=STRING), props(PARTLY), "property_removed_is_covered_by_partially_open_content_model"),
    (props(PARTLY), props(PARTLY, a=STRING), "property_added_is_covered_by_partially_open_content_model"),
    (
        props(CLOSED | {"patternProperties": {"[": NUMBER, "^z": NUMBER, "^a": STRING}}),
        props(CLOSED | {"patternProperties": {"[": NUMBER, "^z": NUMBER, "^a": STRING}}, ab=STRING),
        "property_added_is_covered_by_partially_open_content_model",
    ),
    (props(CLOSED), props(OPEN), "additional_properties_added"),
    (props(PARTLY), props(OPEN), "additional_properties_extended"),
    (
        NEW_DRAFT | props({"unevaluatedProperties": False}),
        NEW_DRAFT | props(OPEN),
        "unevaluated_properties_added",
    ),
    (
        NEW_DRAFT | props({"unevaluatedProperties": STRING}),
        NEW_DRAFT | props({"unevaluatedProperties": True}),
        "unevaluated_properties_extended",
    ),
    (
        NEW_DRAFT | props({"unevaluatedProperties": STRING}, a=STRING),
        NEW_DRAFT | props({"unevaluatedProperties": STRING}),
        "property_removed_is_covered_by_partially_open_content_model",
    ),
    (OBJECT | {"propertyNames": {"maxLength": 2}}, OBJECT, "property_names_removed"),
    (OBJECT | {"dependencies": {"a": ["b"]}}, OBJECT, "dependency_array_removed"),
    (
        OBJECT | {"dependencies": {"a": ["b", "c"]}},
        OBJECT | {"dependencies": {"a": ["b"]}},
        "dependency_array_narrowed",
    ),
    (OBJECT | {"dependencies": {"a": OBJECT}}, OBJECT, "dependency_schema_removed"),
    (ARRAY | {"items": STRING}, ARRAY, "schema_removed"),
    (ARRAY | {"uniqueItems": True}, ARRAY, "unique_items_removed"),
    (tuple_of(STRING, rest=False), tuple_of(STRING), "additional_items_added"),
    (tuple_of(STRING, rest=STRING), tuple_of(STRING), "additional_items_extended"),
    (tuple_of(STRING, rest=INTEGER), tuple_of(STRING, rest=NUMBER), "type_extended"),
    (tuple_of(STRING), tuple_of(STRING, True), "item_with_empty_schema_added_to_open_content_model"),
    (tuple_of(rest=False), tuple_of(STRING, rest=False), "item_added_to_closed_content_model"),
    (tuple_of(STRING, NUMBER), tuple_of(STRING), "item_removed_from_open_content_model"),
    (
        tuple_of(STRING, False, rest=False),
        tuple_of(STRING, rest=False),
        "item_with_false_removed_from_closed_content_model",
    ),
    (
        tuple_of(STRING, STRING, rest=STRING),
        tuple_of(STRING, rest=STRING),
        "item_removed_is_covered_by_partially_open_content_model",
    ),
    (
        tuple_of(STRING, rest=STRING),
        tuple_of(STRING, STRING, rest=STRING),
        "item_added_is_covered_by_partially_open_content_model",
    ),
    (ARRAY | {"contains": STRING}, ARRAY, "contains_removed"),
    ({"allOf": [STRING, {"maxLength": 5}]}, {"allOf": [STRING]}, "product_type_narrowed"),
    ({"oneOf": [STRING]}, {"oneOf": [STRING, NUMBER]}, "sum_type_extended"),
    ({"oneOf": [STRING, NUMBER]}, {"anyOf": [STRING, NUMBER]}, "combined_type_extended"),
    ({"anyOf": [STRING]}, {"oneOf": [STRING, NUMBER]}, "combined_type_extended"),
    ({"allOf": [STRING, NUMBER]}, {"oneOf": [STRING]}, "combined_type_extended"),
    (STRING, {"anyOf": [STRING, NUMBER]}, "sum_type_extended"),
    (STRING | {"enum": ["x"]}, STRING, "product_type_narrowed"),
    ({"not": STRING}, {"not": STRING | {"maxLength": 3}}, "not_type_narrowed"),
]
SILENT = [
    (STRING, True),
    (STRING, {}),
    (False, STRING),
    (STRING, {"allOf": [STRING]}),
    ({"anyOf": [STRING]}, STRING),
    (props(OPEN, a={"$ref": "#/definitions/x"}) | {"definitions": {"x": STRING}}, props(OPEN, a=STRING)),
    ({"type": "string", "connect.type": "bytes"}, {"type": "number", "connect.type": "bytes"}),
    (NUMBER | {"multipleOf": 0.5}, NUMBER | {"multipleOf": 0.50}),
    (OBJECT | CLOSED, OBJECT | CLOSED | {"patternProperties": {}}),
    (OBJECT, OBJECT | {"additionalProperties": {}}),
    (OBJECT, OBJECT | {"patternProperties": {"x": {}}, "additionalProperties": {}}),
    (OBJECT, OBJECT | {"propertyNames": {}}),
    (ARRAY, ARRAY | {"items": {}}),
    (
        NEW_DRAFT | props({"unevaluatedProperties": False}),
        NEW_DRAFT | props({"unevaluatedProperties": False}),
    ),
    (NEW_DRAFT | props(OPEN), NEW_DRAFT | props({"unevaluatedProperties": True})),
    (NEW_DRAFT | ARRAY, NEW_DRAFT | ARRAY | {"items": True}),
    (OBJECT | IF, OBJECT | IF),
]


@pytest.mark.parametrize(("old", "new", "rule"), BREAKS, ids=lambda it: it if isinstance(it, str) else None)
def test_what_breaks(old, new, rule):
    assert (rule, True) in found(new, old)
    verdict = check(json.dumps(new), json.dumps(old), "BACKWARD", "json-schema")
    assert not verdict.compatible
    assert all(each.remedy and each.message and each.path.startswith("#/") for each in verdict.violations)


@pytest.mark.parametrize(("old", "new", "rule"), KIND, ids=lambda it: it if isinstance(it, str) else None)
def test_what_breaks_nobody(old, new, rule):
    rules = found(new, old)
    assert (rule, False) in rules
    assert not any(breaks for _, breaks in rules)


@pytest.mark.parametrize(("old", "new"), SILENT)
def test_what_is_no_change(old, new):
    assert not any(breaks for _, breaks in found(new, old))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ({"minLength": 1}, STRING | {"minLength": 1}, "type_asserted"),
        (props(OPEN, a={}), props(OPEN, ["a"], a={"default": 1}), "required_attribute_with_default_added"),
        (props(OPEN, a=STRING), props(OPEN, ["b"], a=STRING), "required_attribute_unnamed"),
        (
            props(CLOSED),
            props(CLOSED, ["a"], a=STRING | {"default": ""}),
            "required_property_with_default_added_to_unopen_content_model",
        ),
        ({"not": STRING | {"minLength": 1}}, {"not": {"minLength": 1}}, "type_asserted"),
        (
            ARRAY | {"contains": {"minLength": 1}},
            ARRAY | {"contains": STRING | {"minLength": 1}},
            "type_asserted",
        ),
    ],
)
def test_what_the_field_lets_pass_is_advice(old, new, rule):
    verdict = check(json.dumps(new), json.dumps(old), "BACKWARD", "json-schema")
    assert verdict.compatible
    assert rule in [each.rule for each in verdict.advice]


def test_messages_name_the_property_and_what_was_there():
    old = props(OPEN, home=props(OPEN, zip=STRING | {"maxLength": 9}))
    new = props(OPEN, home=props(OPEN, zip=STRING | {"maxLength": 5}))
    (violation,) = check(json.dumps(new), json.dumps(old)).violations
    assert violation.path == "#/properties/home/properties/zip/maxLength"
    assert violation.message.startswith("Property 'home.zip': ")
    assert violation.message.endswith("(9 → 5)")


# ---- references and recursion ----


def tree(**leaf):
    node = {**OBJECT, "properties": {"value": leaf, "next": {"$ref": "#/definitions/node"}}}
    return {"$ref": "#/definitions/node", "definitions": {"node": node}}


def test_recursive_schemas_are_compared():
    assert check(json.dumps(tree(type="string")), json.dumps(tree(type="string")), "FULL").compatible
    verdict = check(json.dumps(tree(type="number")), json.dumps(tree(type="string")))
    assert verdict.violations[0].path == "#/properties/value"
    assert {each.rule for each in verdict.violations} == {"type_changed"}


def test_a_break_behind_a_cycle_of_alternatives_is_not_masked():
    def schema(first, second):
        def node(kind, target):
            below = {"oneOf": [{"$ref": f"#/definitions/{target}"}]}
            return {**OBJECT, "properties": {"id": {"type": kind}, "ref": below}}

        definitions = {"T0": node(first, "T2"), "T1": node(second, "T2"), "T2": node("integer", "T0")}
        root = {"oneOf": [{"$ref": "#/definitions/T0"}, {"$ref": "#/definitions/T1"}]}
        return json.dumps({**OBJECT, "definitions": definitions, "properties": {"root": root}})

    assert not check(schema("boolean", "number"), schema("integer", "boolean")).compatible


def test_mutually_recursive_alternatives_end():
    names = [f"T{at}" for at in range(12)]

    def union():
        return {"oneOf": [{"$ref": f"#/definitions/{name}"} for name in names]}

    definitions = {name: {**OBJECT, "properties": {"a": union(), "b": union()}} for name in names}
    schema = json.dumps({**OBJECT, "properties": {"x": union()}, "definitions": definitions})
    assert check(schema, schema, "FULL").compatible


@pytest.mark.parametrize(
    "schema",
    [
        NEW_DRAFT | {"$ref": "#/$defs/x", "$defs": {"x": STRING}},
        NEW_DRAFT | {"$ref": "#/definitions/x", "$defs": {"x": STRING}},
        NEW_DRAFT | {"$ref": "#name", "$defs": {"x": STRING | {"$anchor": "name"}}},
        NEW_DRAFT | {"$dynamicRef": "#name", "$defs": {"x": STRING | {"$dynamicAnchor": "name"}}},
        {"$ref": "#name", "definitions": {"x": STRING | {"$id": "#name"}}},
        {"$id": "http://x/a.json", "$ref": "b.json", "definitions": {"x": STRING | {"$id": "b.json"}}},
        {"$id": "urn:a:b", "allOf": [{"$ref": "#/definitions/x"}], "definitions": {"x": STRING}},
        OLD_DRAFT | {"$ref": "#/definitions/a~1b~0", "definitions": {"a/b~": STRING}},
        {"$ref": "#/anyOf/0", "anyOf": [STRING]},
        NEW_DRAFT | {"$ref": "#/$defs/x", "title": "beside", "$defs": {"x": STRING}},
    ],
)
def test_references_are_followed(schema):
    assert check(json.dumps(STRING), json.dumps(schema), "BACKWARD", "json-schema").compatible
    assert not check(json.dumps(NUMBER), json.dumps(schema), "BACKWARD", "json-schema").compatible


def test_a_reference_beside_other_words_is_one_demand_of_several_since_2019():
    schema = NEW_DRAFT | {"$ref": "#/$defs/x", "maxLength": 5, "$defs": {"x": STRING}}
    longer = NEW_DRAFT | {"$ref": "#/$defs/x", "maxLength": 4, "$defs": {"x": STRING}}
    assert found(longer, schema) == {("max_length_decreased", True)}
    ignored = {"$ref": "#/definitions/x", "maxLength": 5, "definitions": {"x": STRING}}
    assert not found({**ignored, "maxLength": 4}, ignored)


def test_schemas_of_schemas_hold_anything():
    schema = props(OPEN, a={"$ref": "http://json-schema.org/draft-07/schema#"})
    assert not found(schema, schema)


@pytest.mark.parametrize(
    "reference",
    ["#/definitions/none", "other.json", "#/definitions/x/0", "#/enum/0", "#/anyOf/7", "#/title/x"],
)
def test_a_reference_to_nothing_is_refused(reference):
    schema = {
        "title": "t",
        "enum": [1],
        "anyOf": [STRING],
        "definitions": {"x": STRING},
        "allOf": [{"$ref": reference}],
    }
    with pytest.raises(BadInputError, match="nothing is fetched"):
        load_contract(json.dumps(schema).encode(), "json-schema")


def test_a_reference_to_itself_is_refused():
    with pytest.raises(BadInputError, match="refers to itself"):
        check('{"$ref": "#"}', '{"$ref": "#"}')


def test_other_documents_are_handed_in():
    references = {"address.json": b'{"type": "object", "properties": {"zip": {"type": "string"}}}'}
    text = b'{"type": "object", "properties": {"home": {"$ref": "address.json#/properties/zip"}}}'
    contract = load_contract(text, "json-schema", references)
    assert str(contract.columns.fields[0].type) == "string"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"type": 3},
        {"required": "a"},
        {"maxLength": -1},
        {"minimum": "1"},
        {"multipleOf": 0},
        {"properties": {"a": 3}},
        {"items": 3},
        {"pattern": 3},
        {"allOf": STRING},
        {"enum": 3},
        {"not": 3},
        [1],
        3,
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema):
    with pytest.raises(BadInputError) as caught:
        load_contract(json.dumps(schema).encode(), "json-schema")
    assert caught.value.code == "bad_schema"
    assert caught.value.field.startswith("#")


def test_depth_is_no_matter_for_a_verdict():
    deep = STRING
    for _ in range(60):
        deep = {"not": {"not": deep}} if deep is STRING else {"not": deep}
    assert check(json.dumps(deep), json.dumps(deep), "BACKWARD", "json-schema").compatible
    chain = {f"d{at}": props(OPEN, next={"$ref": f"#/definitions/d{at + 1}"}) for at in range(2000)}
    schema = json.dumps({"$ref": "#/definitions/d0", "definitions": chain | {"d2000": STRING}})
    assert check(schema, schema, "BACKWARD", "json-schema").compatible
    with pytest.raises(BadInputError) as caught:
        _ = load_contract(schema.encode(), "json-schema").columns
    assert caught.value.code == "schema_too_complex"


def test_too_many_pairs_are_refused(monkeypatch):
    monkeypatch.setattr("maestro.lake.contracts.json_schema.differences.MOST_PAIRS", 3)
    schema = json.dumps(props(OPEN, a=STRING, b=STRING, c=STRING, d=STRING))
    with pytest.raises(BadInputError, match="too often"):
        check(schema, schema)


@pytest.mark.parametrize(
    ("declared", "draft"),
    [
        ("http://json-schema.org/draft-04/schema#", 4),
        ("http://json-schema.org/draft-06/schema#", 6),
        ("https://json-schema.org/draft/2019-09/schema", 2019),
        ("http://json-schema.org/schema#", 7),
        ("https://example.org/own", 2020),
    ],
)
def test_the_draft_is_what_is_declared(declared, draft):
    contract = load_contract(json.dumps({"$schema": declared}).encode(), "json-schema")
    assert contract.schema.draft == draft


def test_without_a_declaration_newer_words_tell():
    assert load_contract(b'{"type": "object"}', "json-schema").schema.draft == 7
    assert load_contract(b'{"prefixItems": []}', "json-schema").schema.draft == 2020
    assert load_contract(b"true", "json-schema").schema.draft == 7


def test_a_schema_that_demands_itself_without_end_is_compared():
    node = {"$ref": "#/$defs/x", "minLength": 1}
    endless = NEW_DRAFT | {"$ref": "#/$defs/x", "maxLength": 5, "$defs": {"x": node}}
    (violation,) = check(json.dumps(endless), json.dumps(NUMBER), "BACKWARD", "json-schema").violations
    assert violation.message.endswith("(number → reference and string)")
