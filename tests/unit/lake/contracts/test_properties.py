"""What a verdict promises, held against data: instances and records that the old schema made, read by the new one."""

import io
import json

import fastavro
import jsonschema
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from maestro.lake.contracts import Mode, check, load_contract
from maestro.lake.contracts.verdict import Mode as AllModes

NAMES = st.sampled_from(["a", "b", "ab"])
WORDS = st.sampled_from(["", "x", "ab", "abc", "2026-01-01"])
LOOSE = {
    "type_asserted",
    "required_attribute_unnamed",
    "required_attribute_with_default_added",
    "required_property_with_default_added_to_unopen_content_model",
}
"""Advice: what the field's rules let pass although a validator may refuse."""

# ---- JSON Schema ----

bounds = st.integers(0, 3)


def maybe(**parts):
    return st.fixed_dictionaries({}, optional=parts)


strings = maybe(minLength=bounds, maxLength=bounds, pattern=st.sampled_from(["a", "^x", ".*"])).map(
    lambda it: {"type": "string", **it}
)
numbers = st.builds(
    lambda kind, it: {"type": kind, **it},
    st.sampled_from(["number", "integer"]),
    maybe(
        minimum=bounds,
        maximum=bounds,
        exclusiveMinimum=bounds,
        exclusiveMaximum=bounds,
        multipleOf=st.sampled_from([1, 2, 0.5]),
    ),
)
plain = st.sampled_from(
    [{"type": "boolean"}, {"type": "null"}, {}, True, False, {"type": ["string", "null"]}, {"const": "x"}]
)
enums = st.lists(st.sampled_from(["x", 1, None, True]), min_size=1, max_size=3, unique_by=repr).map(
    lambda it: {"enum": it}
)


def arrays(inner):
    return maybe(
        items=inner.filter(lambda it: isinstance(it, dict)) | st.lists(inner, min_size=1, max_size=2),
        additionalItems=inner,
        minItems=bounds,
        maxItems=bounds,
        uniqueItems=st.booleans(),
        contains=inner,
    ).map(lambda it: {"type": "array", **it})


def objects(inner):
    return maybe(
        properties=st.dictionaries(NAMES, inner, max_size=3),
        required=st.lists(NAMES, max_size=2, unique=True),
        additionalProperties=inner,
        patternProperties=st.dictionaries(st.sampled_from(["^a", "b"]), inner, min_size=1, max_size=2),
        minProperties=bounds,
        maxProperties=bounds,
        propertyNames=st.sampled_from([{"maxLength": 1}, {"minLength": 1}]),
        dependencies=st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True) | inner, max_size=1),
    ).map(lambda it: {"type": "object", **it})


def combined(inner):
    return st.builds(
        lambda word, parts: {word: parts},
        st.sampled_from(["anyOf", "allOf"]),
        st.lists(inner, min_size=1, max_size=2),
    ) | inner.map(lambda it: {"not": it})


schemas = st.recursive(
    strings | numbers | plain | enums,
    lambda inner: arrays(inner) | objects(inner) | combined(inner),
    max_leaves=5,
)
instances = st.recursive(
    st.sampled_from([None, True, 0, 1, 2, 0.5, 3]) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def changed(draw, schema):
    """The schema with one thing in it replaced, added or left out."""
    if not isinstance(schema, dict) or not schema or draw(st.integers(0, 5)) == 0:
        return draw(schemas)
    keyword = draw(st.sampled_from(sorted(schema)))
    value = schema[keyword]
    if draw(st.integers(0, 3)) == 0:
        return {name: each for name, each in schema.items() if name != keyword}
    if keyword == "properties" and value:
        name = draw(st.sampled_from(sorted(value)))
        return {**schema, keyword: {**value, name: draw(changed(value[name]))}}
    if keyword in {"anyOf", "allOf", "items"} and isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return {
            **schema,
            keyword: [draw(changed(each)) if at == place else each for place, each in enumerate(value)],
        }
    if isinstance(value, dict) and keyword in {"items", "not", "additionalProperties", "contains"}:
        return {**schema, keyword: draw(changed(value))}
    other = draw(schemas)
    return (
        {**schema, **other} if isinstance(other, dict) and other.get("type") == schema.get("type") else other
    )


pairs = schemas.flatmap(lambda schema: st.tuples(st.just(schema), changed(schema)))


@given(pairs, st.lists(instances, min_size=8, max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_instances_of_the_old_schema_are_instances_of_a_compatible_new_one(pair, values):
    old, new = pair
    verdict = check(json.dumps(new), json.dumps(old), "BACKWARD", "json-schema")
    assume(verdict.compatible and not LOOSE & {each.rule for each in verdict.advice})
    before, after = jsonschema.Draft7Validator(old), jsonschema.Draft7Validator(new)
    for value in values:
        if before.is_valid(value):
            assert after.is_valid(value), (old, new, value)


@given(schemas)
@settings(max_examples=60)
def test_a_json_schema_may_follow_itself_in_every_mode(schema):
    for mode in Mode:
        assert check(json.dumps(schema), json.dumps(schema), mode, "json-schema").compatible


@given(schemas, schemas)
@settings(max_examples=60)
def test_forward_is_backward_the_other_way_round(one, other):
    one, other = json.dumps(one), json.dumps(other)
    backward, forward = (
        check(one, other, "BACKWARD", "json-schema"),
        check(other, one, "FORWARD", "json-schema"),
    )
    assert backward.compatible == forward.compatible
    full = check(one, other, "FULL", "json-schema").compatible
    assert full == (backward.compatible and check(one, other, "FORWARD", "json-schema").compatible)
    assert check(one, other, AllModes.NONE, "json-schema").compatible


# ---- Avro ----

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
DEFAULTS = {
    "null": None,
    "boolean": True,
    "int": 1,
    "long": 2,
    "float": 0.5,
    "double": 1.5,
    "bytes": "x",
    "string": "s",
}


@st.composite
def avro_types(draw, depth=2):
    kinds = ["primitive", "primitive", "enum", "fixed"] + (
        ["array", "map", "record", "union"] if depth else []
    )
    kind = draw(st.sampled_from(kinds))
    if kind == "primitive":
        return draw(st.sampled_from(PRIMITIVES))
    if kind in {"enum", "fixed"}:
        return draw(named())
    inner = avro_types(depth - 1)
    if kind == "array":
        return {"type": "array", "items": draw(inner)}
    if kind == "map":
        return {"type": "map", "values": draw(inner)}
    if kind == "union":
        return draw(st.lists(st.sampled_from(PRIMITIVES), min_size=1, max_size=3, unique=True))
    return draw(records(inner))


@st.composite
def named(draw):
    if draw(st.booleans()):
        symbols = draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=3, unique=True))
        default = draw(st.sampled_from([None, *symbols]))
        return {
            "type": "enum",
            "name": "E",
            "symbols": symbols,
            **({} if default is None else {"default": default}),
        }
    return {"type": "fixed", "name": "F", "size": draw(st.integers(1, 2))}


@st.composite
def records(draw, inner):
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    fields = []
    for name in names:
        type_ = draw(inner)
        field = {"name": name, "type": type_}
        if isinstance(type_, str) and draw(st.booleans()):
            field["default"] = DEFAULTS[type_]
        fields.append(field)
    return {"type": "record", "name": "R", "fields": fields}


def named_once(schema, seen=None):
    """Whether no named type is defined twice, which the generator does not see to."""
    seen = [] if seen is None else seen
    if isinstance(schema, list):
        return all(named_once(each, seen) for each in schema)
    if not isinstance(schema, dict):
        return True
    if "name" in schema and schema["type"] in {"record", "enum", "fixed"}:
        seen.append(schema["name"])
    parts = [schema.get("items"), schema.get("values"), *(each["type"] for each in schema.get("fields", ()))]
    return all(named_once(each, seen) for each in parts) and len(seen) == len(set(seen))


avro_schemas = avro_types().filter(named_once)


def datum(draw, schema):
    """A value of an Avro type."""
    if isinstance(schema, list):
        return datum(draw, draw(st.sampled_from(schema)))
    kind = schema if isinstance(schema, str) else schema["type"]
    makers = {
        "null": lambda: None,
        "boolean": lambda: draw(st.booleans()),
        "int": lambda: draw(st.integers(-(2**31), 2**31 - 1)),
        "long": lambda: draw(st.integers(-(2**63), 2**63 - 1)),
        "float": lambda: draw(st.floats(width=32, allow_nan=False)),
        "double": lambda: draw(st.floats(allow_nan=False)),
        "bytes": lambda: draw(st.sampled_from([b"", b"x"])),
        "string": lambda: draw(WORDS),
        "enum": lambda: draw(st.sampled_from(schema["symbols"])),
        "fixed": lambda: b"x" * schema["size"],
        "array": lambda: [datum(draw, schema["items"]) for _ in range(draw(st.integers(0, 2)))],
        "map": lambda: {name: datum(draw, schema["values"]) for name in draw(st.sets(NAMES, max_size=2))},
        "record": lambda: {field["name"]: datum(draw, field["type"]) for field in schema["fields"]},
    }
    return makers[kind]()


@st.composite
def avro_changed(draw, schema):
    """The schema with one thing in it changed, more often kindly than not."""
    if isinstance(schema, str):
        return draw(
            st.sampled_from([*PRIMITIVES, [schema], ["null", schema] if schema != "null" else schema])
        )
    if isinstance(schema, list):
        return draw(st.sampled_from([schema[:1], [*schema, {"type": "map", "values": "int"}], schema[0]]))
    if schema["type"] in {"array", "map"}:
        part = "items" if schema["type"] == "array" else "values"
        return {**schema, part: draw(avro_changed(schema[part]))}
    if schema["type"] == "enum":
        kept = {name: value for name, value in schema.items() if name != "default"}
        return {**kept, "symbols": draw(st.sampled_from([[*schema["symbols"], "Z"], schema["symbols"][:1]]))}
    if schema["type"] == "fixed":
        return draw(st.sampled_from([{**schema, "size": 3}, {**schema, "name": "G", "aliases": ["F"]}]))
    fields = list(schema["fields"])
    if fields and draw(st.booleans()):
        at = draw(st.integers(0, len(fields) - 1))
        fields[at] = {**fields[at], "type": draw(avro_changed(fields[at]["type"]))}
        fields[at].pop("default", None)
    elif fields and draw(st.booleans()):
        fields.append({**fields.pop(), "name": "renamed", "aliases": [schema["fields"][-1]["name"]]})
    elif fields and draw(st.booleans()):
        fields.pop()
    else:
        fields.append({"name": "new", "type": "long", **draw(st.sampled_from([{"default": 7}, {}]))})
    return {**schema, "fields": fields}


avro_pairs = avro_schemas.flatmap(lambda schema: st.tuples(st.just(schema), avro_changed(schema)))


@given(avro_pairs, st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_avro_data_of_the_old_schema_is_read_with_a_compatible_new_one(pair, data):
    old, new = pair
    assume(check(json.dumps(new), json.dumps(old), "BACKWARD", "avro").compatible)
    writer, reader = fastavro.parse_schema(old), fastavro.parse_schema(new)
    file = io.BytesIO()
    fastavro.schemaless_writer(file, writer, datum(data.draw, old))
    file.seek(0)
    fastavro.schemaless_reader(file, writer, reader)


@given(avro_schemas)
@settings(max_examples=80)
def test_an_avro_schema_may_follow_itself_and_has_avros_canonical_form(schema):
    text = json.dumps(schema)
    for mode in Mode:
        assert check(text, text, mode, "avro").compatible
    ours = load_contract(text.encode(), "avro").canonical
    assert ours == fastavro.schema.to_parsing_canonical_form(schema)


@given(avro_pairs)
@settings(max_examples=150)
def test_avros_own_checker_agrees(pair):
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import parse

    one, other = pair
    checker = ReaderWriterCompatibilityChecker()
    theirs = checker.get_compatibility(parse(json.dumps(one)), parse(json.dumps(other)))
    ours = check(json.dumps(one), json.dumps(other), "BACKWARD", "avro").compatible
    assert ours == (theirs.compatibility is SchemaCompatibilityType.compatible)
