"""Which keyword says something of which kind of value, by draft, and what its own value may be.

Sources: JSON Schema Validation and Core, drafts 4, 6, 7, 2019-09, 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from maestro.kernel.errors import BadInputError

__all__ = [
    "ARRAYS",
    "CRITERIA",
    "NAMED",
    "NUMBERS",
    "OBJECTS",
    "STRINGS",
    "SUBSCHEMAS",
    "TYPES",
    "draft_of",
    "subschemas",
]

OLDEST: Final = 4
"""The draft with ``id``, boolean exclusive bounds, and without ``const``."""
CONDITIONS: Final = 7
"""The first draft with ``if``."""
SIBLINGS: Final = 2019
"""The first draft in which ``$ref`` does not silence its neighbours."""
TUPLES: Final = 2020
"""The first draft in which tuples are ``prefixItems``."""

TYPES: Final = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
STRINGS: Final = frozenset(
    {"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema"}
)
NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
ARRAYS: Final = frozenset(
    {
        "items",
        "additionalItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "prefixItems",
        "unevaluatedItems",
    }
)
OBJECTS: Final = frozenset(
    {
        "properties", "required", "minProperties", "maxProperties", "dependencies", "patternProperties",
        "additionalProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
    }
)  # fmt: skip
CRITERIA: Final = ("allOf", "anyOf", "oneOf")

SUBSCHEMAS: Final = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties", *CRITERIA, "prefixItems",
    }
)  # fmt: skip
"""Keywords whose value is a schema or an array of schemas."""
NAMED: Final = frozenset(
    {"properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies"}
)
"""Keywords whose value maps names to schemas."""

_SINCE_2019: Final = frozenset(
    {"prefixItems", "unevaluatedItems", "unevaluatedProperties", "dependentRequired", "dependentSchemas", "$anchor",
     "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "minContains", "maxContains"}
)  # fmt: skip
_DRAFTS: Final = {"04": 4, "05": 4, "06": 6, "07": 7, "2019-09": 2019, "2020-12": 2020}
_DRAFT: Final = re.compile(r"https?://json-schema\.org/draft[-/](?P<name>[\d-]+)/(hyper-)?schema#?")


def draft_of(raw: Any) -> int:
    """The draft that a document is written in: what it declares, else 7, else 2020 when it uses words of then.

    Returns:
        4, 6, 7, 2019 or 2020. A document that names a dialect of its own is read as 2020-12.
    """
    if isinstance(raw, dict) and isinstance(raw.get("$schema"), str):
        match = _DRAFT.fullmatch(raw["$schema"])
        if match is None and "json-schema.org/schema" in raw["$schema"]:
            return 7
        return _DRAFTS.get(match["name"], 2020) if match else 2020
    return 2020 if any(_SINCE_2019 & each.keys() for each, _ in walk(raw, "#")) else 7


def subschemas(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas directly within one, with the pointer's steps to each."""
    for keyword, value in raw.items():
        if keyword in NAMED and isinstance(value, dict):
            for name, below in value.items():
                if isinstance(below, dict | bool):
                    yield f"{keyword}/{escaped(name)}", below
        elif keyword in SUBSCHEMAS and isinstance(value, dict | bool):
            yield keyword, value
        elif keyword in SUBSCHEMAS and isinstance(value, list):
            for at, below in enumerate(value):
                yield f"{keyword}/{at}", below


def walk(raw: Any, where: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every schema object of a document, itself first, with its pointer.

    Raises:
        BadInputError: ``bad_schema``, something that must be a schema is none.
    """
    if isinstance(raw, bool):
        return
    if not isinstance(raw, dict):
        raise BadInputError(
            "is not a schema.",
            field=where,
            value=raw,
            code="bad_schema",
            remedy="Write an object, true or false.",
        )
    yield raw, where
    for step, below in subschemas(raw):
        yield from walk(below, f"{where}/{step}")


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_schema, value))


def _are_named(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


def _is_type(value: Any) -> bool:
    return all(
        isinstance(each, str) and each in TYPES for each in (value if isinstance(value, list) else [value])
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_Check = Callable[[Any], bool]
_MUST: Final[Mapping[str, tuple[_Check, str]]] = {
    **dict.fromkeys(
        (
            "maxLength",
            "minLength",
            "maxItems",
            "minItems",
            "maxProperties",
            "minProperties",
            "minContains",
            "maxContains",
        ),
        (_is_count, "a whole number, 0 or more"),
    ),
    **dict.fromkeys(("minimum", "maximum"), (_is_number, "a number")),
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum"),
        (lambda it: _is_number(it) or isinstance(it, bool), "a number"),
    ),
    "multipleOf": (lambda it: _is_number(it) and it > 0, "a number above 0"),
    "type": (_is_type, "a type's name or an array of them"),
    "enum": (_is_list, "an array"),
    "required": (lambda it: _are_names(it) or isinstance(it, bool), "an array of names"),
    **dict.fromkeys(("pattern", "format", "$ref", "$id", "$anchor"), (_is_text, "a text")),
    **dict.fromkeys(CRITERIA, (_are_schemas, "an array of schemas")),
    "prefixItems": (_are_schemas, "an array of schemas"),
    "items": (lambda it: _is_schema(it) or _are_schemas(it), "a schema or an array of schemas"),
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "definitions"), (_are_named, "names with schemas")
    ),
    **dict.fromkeys(
        ("additionalProperties", "additionalItems", "contains", "not", "propertyNames", "if", "then", "else"),
        (_is_schema, "a schema"),
    ),
}


def require_valid(raw: Any) -> None:
    """Every keyword we judge by has a value of its kind.

    Raises:
        BadInputError: ``bad_schema``; names the keyword's place, its value and what it must be.
    """
    for schema, where in walk(raw, "#"):
        for keyword, value in schema.items():
            fits, what = _MUST.get(keyword, (None, ""))
            if fits is not None and not fits(value):
                raise BadInputError(
                    f"must be {what}.",
                    field=f"{where}/{keyword}",
                    value=value,
                    code="bad_schema",
                    remedy="Correct the value.",
                )
