"""GraphQL documents (OPA's family *graphql*), parsed and validated by graphql-core."""

from __future__ import annotations

import functools
import re
from typing import Any

from maestro.rego.builtins.registry import Family, operand_error, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.gqlparser import (
    GraphqlError,
    executable,
    print_query,
    print_schema,
    schema_document,
    worded,
)
from maestro.rego.json_text import jsonable

__all__ = ["family"]

family = Family()

_CORE = ("graphql",)
_KEPT = 16  # validated schemas


_NOTHING = re.compile(r"(?:[\s,\ufeff]|#[^\n\r]*)*")

_FRAGMENT_VARIABLES = re.compile(r"\bfragment\s+\w+\s*\(")


def _parse(text: str, *, variables: bool = False) -> Any:
    """The syntax tree of a document, None of an empty one."""
    from graphql import GraphQLSyntaxError, parse

    if _NOTHING.fullmatch(text):
        return None
    try:
        return parse(text, allow_empty_selection_sets=False, experimental_fragment_arguments=variables)
    except GraphQLSyntaxError as error:
        raise worded(error, text) from error
    except RecursionError as error:
        raise GraphqlError("GraphQL parse error: nested too deeply") from error


def _query(value: Any) -> tuple[Any, str]:
    """A query document and its text, from text or from a syntax tree."""
    if type(value) not in {str, dict}:
        raise operand_error(0, value, "string", "object")
    text = value if type(value) is str else print_query(jsonable(value))
    # Fragments with variables of their own are no GraphQL, but gqlparser takes them; arguments of spreads it does not.
    document = _parse(text, variables=bool(_FRAGMENT_VARIABLES.search(text)))
    for node in document.definitions if document else ():
        if node.kind not in {"operation_definition", "fragment_definition"}:
            raise GraphqlError("Unexpected definition in a query document")
        if getattr(node, "description", None):  # which gqlparser does not take there
            raise GraphqlError("Unexpected description in a query document")
    return document, text


def _schema_text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is dict:
        return print_schema(jsonable(value))
    raise operand_error(1, value, "string", "object")


def _schema_nodes(text: str) -> Any:
    document = _parse(text)
    for node in document.definitions if document else ():
        if node.kind in {"operation_definition", "fragment_definition"}:
            raise GraphqlError("Unexpected definition in a schema document")
    return document


@functools.lru_cache(_KEPT)
def _schema(text: str) -> Any:
    """The validated schema of a text."""
    from graphql import DocumentNode, GraphQLError, build_ast_schema, validate_schema
    from graphql.validation.validate import validate_sdl

    nodes = _schema_nodes(text)
    document = DocumentNode(definitions=_with_definitions(nodes.definitions if nodes else ()))
    try:
        if errors := validate_sdl(document):
            raise worded(errors[0], text)
        schema = build_ast_schema(document, assume_valid_sdl=True)
        errors = [error for error in validate_schema(schema) if "Query root type must" not in error.message]
    except (GraphQLError, TypeError, KeyError, RecursionError) as error:
        raise GraphqlError(f"Error in gqlparser SchemaDocument to Schema conversion: {error}") from error
    if errors:
        raise worded(errors[0], text)
    return schema


def _with_definitions(nodes: Any) -> tuple[Any, ...]:
    """An extension of a type that nobody defines defines it, as in gqlparser."""
    from graphql import language

    known = {node.name.value for node in nodes if node.kind.endswith("_type_definition")}
    found = []
    for node in nodes:
        if node.kind.endswith("_type_extension") and node.name.value not in known:
            known.add(node.name.value)
            kind = getattr(language, type(node).__name__.replace("Extension", "Definition"))
            node = kind(**{name: getattr(node, name) for name in node.keys})  # noqa: PLW2901 - the same, otherwise
        found.append(node)
    return tuple(found)


def _validate(schema: Any, document: Any, text: str) -> None:
    from graphql import validate

    if document is None:
        return
    try:
        errors = validate(schema, document)
    except (TypeError, RecursionError) as error:
        raise GraphqlError(f"GraphQL parse error: {error}") from error
    if errors:
        raise worded(errors[0], text)


def _checked(query: Any, schema: Any) -> tuple[Any, Any]:
    """Both documents, once the query has been validated."""
    document, asked = _query(query)
    text = _schema_text(schema)
    nodes = _schema_nodes(text)
    shown = schema_document(nodes) if nodes else {}
    _validate(_schema(text), document, asked)
    return executable(document) if document else {}, shown


@family.builtin("graphql.parse", modules=_CORE)
def parse_(query: Any, schema: Any) -> list[Any]:
    """Query and schema as syntax trees, once the query has been validated."""
    try:
        return list(_checked(query, schema))
    except GraphqlError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("graphql.parse_and_verify", modules=_CORE)
def parse_and_verify(query: Any, schema: Any) -> list[Any]:
    """Whether the query holds, and both syntax trees if it does."""
    try:
        return [True, *_checked(query, schema)]
    except (GraphqlError, BuiltinError):
        return [False, {}, {}]


@family.builtin("graphql.parse_query", modules=_CORE)
def parse_query(query: Any) -> dict[str, Any]:
    """A query's syntax tree."""
    text = string(query, 1)
    try:
        document, _ = _query(text)
    except GraphqlError as error:
        raise BuiltinError(str(error)) from error
    return executable(document) if document else {}


@family.builtin("graphql.parse_schema", modules=_CORE)
def parse_schema(schema: Any) -> dict[str, Any]:
    """A schema's syntax tree, not validated."""
    text = string(schema, 1)
    try:
        nodes = _schema_nodes(text)
    except GraphqlError as error:
        raise BuiltinError(str(error)) from error
    return schema_document(nodes) if nodes else {}


@family.builtin("graphql.is_valid", modules=_CORE)
def is_valid(query: Any, schema: Any) -> bool:
    """Whether a query holds for a schema."""
    return bool(parse_and_verify(query, schema)[0])


@family.builtin("graphql.schema_is_valid", modules=_CORE)
def schema_is_valid(schema: Any) -> bool:
    """Whether a schema is one."""
    try:
        _schema(_schema_text(schema))
    except (GraphqlError, BuiltinError):
        return False
    return True
