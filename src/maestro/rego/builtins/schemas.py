"""JSON Schema (``json.match_schema``, ``json.verify_schema``) by the jsonschema package, in gojsonschema's words.

Draft 7. Patterns run on RE2, and a reference to another document is an error: nothing is fetched.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from maestro.rego.builtins.patterns import compiled
from maestro.rego.builtins.registry import Family
from maestro.rego.errors import BuiltinError
from maestro.rego.json_text import jsonable, read_json, write_json
from maestro.rego.values import type_name

__all__ = ["family"]

family = Family()

_MODULES = ("jsonschema", "re2")
_KEPT = 16
_TYPES = ("array", "boolean", "integer", "number", "null", "object", "string")


def _document(value: Any) -> Any:
    """What an operand stands for: an object or array itself, a string its JSON."""
    if type(value) is str:
        try:
            return _plain(read_json(value))
        except ValueError as error:
            raise BuiltinError("invalid JSON string") from error
    if type(value) in {dict, list}:
        return _plain(jsonable(value))
    raise BuiltinError("wrong type, expected string or object")


def _plain(value: Any) -> Any:
    # Decimals are no numbers to jsonschema; a float is near enough to judge a bound by.
    return json.loads(write_json(value))


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001 - jsonschema's own interface
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped] # jsonschema ships no types

    if validator.is_type(instance, "string") and compiled(pattern).search(instance.encode()) is None:
        yield ValidationError(f"Does not match pattern '{pattern}'")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001 - as above
    if not validator.is_type(instance, "object"):
        return
    for pattern, below in patterns.items():
        for name, item in instance.items():
            if compiled(pattern).search(name.encode()) is not None:
                yield from validator.descend(item, below, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if not validator.is_type(instance, "object"):
        return
    patterns = [compiled(pattern) for pattern in schema.get("patternProperties", ())]
    for name, item in instance.items():
        if name in schema.get("properties", ()) or any(p.search(name.encode()) for p in patterns):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(item, allowed, path=name)
        elif allowed is False:
            yield ValidationError(f"Additional property {name} is not allowed")


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft7Validator, validators  # type: ignore[import-untyped] # as above

    return validators.extend(
        Draft7Validator,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional,
        },
    )


@functools.lru_cache(_KEPT)
def _schema(text: str) -> Any:
    """The checked schema of a JSON text."""
    from jsonschema.exceptions import SchemaError

    schema = json.loads(text)
    try:
        # The metaschema knows `format: regex`, which is checked below and not by Python's engine.
        _validator().check_schema(schema, format_checker=None)
    except SchemaError as error:
        raise BuiltinError(_bad_schema(error)) from error
    _check_patterns(schema)
    return _validator()(schema, format_checker=_formats())


@functools.cache
def _formats() -> Any:
    from jsonschema import Draft7Validator

    checker = Draft7Validator.FORMAT_CHECKER
    checker.checkers.pop("regex", None)
    return checker


def _bad_schema(error: Any) -> str:
    if error.path and (error.path[-1] == "type" or (len(error.path) > 1 and error.path[-2] == "type")):
        if isinstance(error.instance, str):
            expected = f"[{' '.join(_TYPES)}]"
            given = f"/{error.instance}/"
            return f"has a primitive type that is NOT VALID -- given: {given} Expected valid values are:{expected}"
        return "Invalid type. Expected: type, given: string/Array Of Strings"
    where = ".".join(str(part) for part in error.path)
    return f"{where}: {error.message}" if where else "schema is invalid"


def _check_patterns(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _check_patterns(item)
    if isinstance(schema, dict):
        for name, item in schema.items():
            if name == "pattern" and isinstance(item, str):
                compiled(item)
            elif name == "patternProperties" and isinstance(item, dict):
                for pattern in item:
                    compiled(pattern)
            _check_patterns(item)


@family.builtin("json.verify_schema", modules=_MODULES)
def verify_schema(schema: Any) -> list[Any]:
    """Whether a document is a JSON Schema, and what is wrong with it."""
    try:
        _schema(json.dumps(_document(schema), sort_keys=True))
    except BuiltinError as error:
        return [False, f"jsonschema: {error}"]
    except RecursionError:
        return [False, "jsonschema: nested too deeply"]
    return [True, None]


@family.builtin("json.match_schema", modules=_MODULES)
def match_schema(document: Any, schema: Any) -> list[Any]:
    """Whether a document fits a JSON Schema, and where it does not."""
    from referencing.exceptions import Unresolvable

    instance = _document(document)
    validator = _schema(json.dumps(_document(schema), sort_keys=True))
    try:
        errors = sorted(validator.iter_errors(instance), key=lambda error: [str(part) for part in error.path])
    except Unresolvable as error:
        raise BuiltinError(f"Object has no key or cannot be resolved: {error}") from error
    found = [shown for error in errors for shown in _shown(error)]
    return [not found, found]


def _shown(error: Any) -> Iterator[dict[str, str]]:
    where = ".".join(str(part) for part in error.path) or "(Root)"
    kind, words = _WORDS.get(error.validator, (error.validator, None))
    if error.validator == "type":
        expected = error.validator_value
        expected = ",".join(expected) if isinstance(expected, list) else expected
        words = f"Invalid type. Expected: {expected}, given: {_given(error.instance)}"
    elif error.validator == "required":
        # One error names one property: its own word is the message's first.
        name = re.match(r"'(.*)' is a required property", error.message)
        words = f"{name[1] if name else ''} is required"
    elif words is None:
        words = error.message
    else:
        last = str(error.path[-1]) if error.path else "(Root)"
        listed = error.validator_value if isinstance(error.validator_value, list) else []
        allowed = ", ".join(json.dumps(item, separators=(",", ":")) for item in listed)
        value = json.dumps(error.validator_value, separators=(",", ":"))
        words = words.format(value=error.validator_value, json=value, field=last, allowed=allowed)
    yield {"type": kind, "field": where, "desc": words, "error": f"{where}: {words}"}


def _given(instance: Any) -> str:
    if isinstance(instance, float) and instance.is_integer():
        return "integer"
    return {int: "integer", float: "number"}.get(type(instance)) or type_name(instance)


_WORDS: dict[str, tuple[str, str | None]] = {
    "type": ("invalid_type", ""),
    "required": ("required", ""),
    "enum": ("enum", "{field} must be one of the following: {allowed}"),
    "const": ("const", "{field} does not match: {json}"),
    "anyOf": ("number_any_of", "Must validate at least one schema (anyOf)"),
    "oneOf": ("number_one_of", "Must validate one and only one schema (oneOf)"),
    "allOf": ("number_all_of", "Must validate all the schemas (allOf)"),
    "not": ("number_not", "Must not validate the schema (not)"),
    "minItems": ("array_min_items", "Array must have at least {value} items"),
    "maxItems": ("array_max_items", "Array must have at most {value} items"),
    "contains": ("contains", "At least one of the items must match"),
    "additionalItems": ("array_no_additional_items", "No additional items allowed on array"),
    "minProperties": ("array_min_properties", "Must have at least {value} properties"),
    "maxProperties": ("array_max_properties", "Must have at most {value} properties"),
    "additionalProperties": ("additional_property_not_allowed", None),
    "minLength": ("string_gte", "String length must be greater than or equal to {value}"),
    "maxLength": ("string_lte", "String length must be less than or equal to {value}"),
    "pattern": ("pattern", "Does not match pattern '{value}'"),
    "format": ("format", "Does not match format '{value}'"),
    "multipleOf": ("multiple_of", "Must be a multiple of {value}"),
    "minimum": ("number_gte", "Must be greater than or equal to {value}"),
    "exclusiveMinimum": ("number_gt", "Must be greater than {value}"),
    "maximum": ("number_lte", "Must be less than or equal to {value}"),
    "exclusiveMaximum": ("number_lt", "Must be less than {value}"),
}
