"""Whatever comes in, the answer is a success or a 4xx problem of the OpenAPI document; never a 500."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro_sidecar.openapi import document

OPENAPI = document()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in OPENAPI["paths"].items()
    for method, operation in operations.items()
    if not path.startswith("/api/contracts")  # which has manners of its own: test_contracts.py
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
TOKENS = st.sampled_from(["op", "run", "acme", "both"])

words = st.sampled_from(
    ["acme", "ns/a", "ns/*", "*", "r-1", "UTC", "Europe/Berlin", "22:00", "06:00", "24:00", "mon"]
)
texts = st.one_of(words, st.text(max_size=12), st.datetimes().map(lambda t: t.isoformat() + "Z"))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)


def shaped(schema):
    """Values that fit a JSON Schema of ours, and some that nearly do."""
    schema = resolved(schema)
    return st.one_of(fitting(schema), fitting(schema), anything)


def resolved(schema):
    while "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def fitting(schema):
    if "anyOf" in schema:
        return st.one_of([shaped(part) for part in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    makers = {
        "object": objects,
        "array": lambda s: st.lists(shaped(s.get("items") or {}), max_size=4),
        "integer": lambda s: st.integers(s.get("minimum"), s.get("maximum")),
        "number": lambda _: st.floats(allow_nan=False, allow_infinity=False),
        "string": lambda _: texts,
        "boolean": lambda _: st.booleans(),
    }
    return makers.get(schema.get("type"), lambda _: anything)(schema)


def objects(schema):
    properties = schema.get("properties", {})
    if not properties:
        return st.dictionaries(words, shaped(schema.get("additionalProperties") or {}), max_size=4)
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: shaped(part) for name, part in properties.items() if name in required},
        optional={name: shaped(part) for name, part in properties.items() if name not in required},
    )


def header_values(name):
    tags = st.sampled_from(['"1"', '"2"', "*", 'W/"1"', '"1", "2"', '""', "1", '"x', '"' + "9" * 40 + '"'])
    return tags if name.startswith("If-") else st.text(st.characters(codec="latin-1"), max_size=20)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(data=st.data())
def test_every_operation_holds_its_contract(ask, data, method, path, operation):
    # One sidecar for all examples of an operation: what one stored, the next one meets.
    query, headers = [], {}
    where = path
    for parameter in operation.get("parameters", ()):
        name, place = parameter["name"], parameter["in"]
        if place == "path":
            where = where.replace(f"{{{name}}}", data.draw(st.sampled_from(["r-1", "a:b~c", "a b", "é"])))
        elif place == "query" and data.draw(st.booleans()):
            query.append(
                f"{name}={data.draw(st.sampled_from(['acme', '1', '0', 'true', '%00', '%ff', 'x%20y', '']))}"
            )
        elif place == "header" and data.draw(st.booleans()):
            headers[name] = data.draw(header_values(name))
    body = None
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = data.draw(st.one_of(shaped(schema).map(as_json), st.binary(max_size=64)))
    response = ask(
        method,
        "?".join([where, *(["&".join(query)] if query else [])]),
        body,
        token=data.draw(TOKENS),
        headers=headers,
    )
    # The client of conftest.py has held status, media type and code against the document.
    if path == "/health" and response.status == 500:
        return  # OPA's way to say that no bundle decides
    assert response.status < 500
    if response.status >= 400:
        assert response.code
        assert response.headers["x-request-id"]


def as_json(value):
    return json.dumps(value).encode("utf-8", "surrogatepass")


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused_or_decided(ask, body):
    for method, where in (
        ("POST", "/api/limits/decisions"),
        ("POST", "/api/limits/runs"),
        ("PUT", "/api/limits/windows"),
        ("PUT", "/api/limits/package-caps"),
    ):
        assert ask(method, where, body, token="op" if method == "PUT" else "run").status < 500
