"""The OpenAPI 3.1 document, made from the operations that are routed and the types that their handlers read and give."""

from __future__ import annotations

import functools
import json
import types
import typing
from importlib.metadata import version
from inspect import cleandoc
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from maestro.formats import problems
from maestro.kernel.codes import ERROR_CODES
from maestro.lake.contracts.registry.reasons import FIELD_CODES
from maestro.limits.decision import Decision, Deny
from maestro.limits.reasons import DenyReason
from maestro_sidecar.app import OPERATIONS
from maestro_sidecar.endpoint import Operation
from maestro_sidecar.refusals import HTTP_CODES

__all__ = ["document", "document_text"]

_REFERENCE: Final = "#/components/schemas/{name}"
_NAME: Final = "[A-Za-z0-9._~-]{1,128}"
_TAGS: Final = r'^(\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*)$'
_TIME: Final = r"^([01]\d|2[0-4]):[0-5]\d(:[0-5]\d)?$"
_LOCAL: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$"
_TELLING: Final[dict[str, dict[str, Any]]] = {
    "tenant": {"pattern": f"^{_NAME}$", "examples": ["acme"]},
    "run": {"pattern": "^[A-Za-z0-9._:~-]{1,128}$", "examples": ["nightly-1"]},
    "package": {"pattern": f"^{_NAME}(/{_NAME}){{0,3}}$", "examples": ["ns/a"]},
    "version": {"minimum": 1, "maximum": 999_999_999_999_999},
    "If-Match": {"pattern": _TAGS},
    "If-None-Match": {"pattern": _TAGS},
    "WindowItem.start": {"pattern": _TIME, "examples": ["22:00"]},
    "WindowItem.end": {"pattern": _TIME, "examples": ["06:00"]},
    "ClosureItem.start": {"pattern": _LOCAL, "examples": ["2026-12-24T00:00"]},
    "ClosureItem.end": {"pattern": _LOCAL, "examples": ["2026-12-27T00:00"]},
}
"""What the domain checks by hand, because its own messages say more than a decoder's; told here by field."""

_REASONS: Final = {reason.value: reason for reason in DenyReason}


class Problem(Struct, rename="camel", frozen=True):
    """What went wrong (RFC 9457); ``code`` is stable and documented."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: Annotated[str, Meta(description="The offending field of body, query or head.")] | UnsetType = UNSET
    value: Annotated[str, Meta(description="Its value, shortened.")] | UnsetType = UNSET
    remedy: str | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class DeniedProblem(Struct, rename="camel", frozen=True):
    """A run that may not start now: a problem with all members of the decision; ``code`` is its first reason."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    allowed: bool
    denies: tuple[Deny, ...]
    retry_after: int | None
    policy_revision: str
    explanation: str
    position: (
        Annotated[int, Meta(description="Place in the queue when a wait ended in vain.")] | UnsetType
    ) = UNSET
    remedy: str | UnsetType = UNSET


@functools.cache
def document_text() -> str:
    """The document as JSON text, the same for every sidecar of this release."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """The document."""
    shapes = [shape for operation in OPERATIONS for shape in _shapes(operation)]
    _, components = msgspec.json.schema_components(
        [*dict.fromkeys(shapes), Problem, DeniedProblem, Decision], ref_template=_REFERENCE
    )
    for name, component in components.items():
        if "description" in component:
            # Python 3.13 takes the indentation out of docstrings, those before do not: let all say the same.
            component["description"] = cleandoc(component["description"])
        for field, schema in component.get("properties", {}).items():
            _tell(schema, field, f"{name}.{field}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Maestro sidecar",
            "version": version("maestro-conductor"),
            "summary": "Run limits over HTTP: when and how much a tenant may run.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _shapes(operation: Operation) -> list[Any]:
    """The named types that need a component."""
    found: list[Any] = []
    for shape in (operation.body, operation.fault, *operation.answers.values()):
        parts = typing.get_args(shape) if isinstance(shape, types.UnionType) else (shape,)
        found.extend(part for part in parts if isinstance(part, type) and issubclass(part, Struct))
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "responses": _responses(operation),
    }
    if operation.scopes:
        told["description"] = f"Scopes: {operation.scopes}."
    else:
        told["security"] = []
    if operation.parameters:
        told["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.required,
                "description": parameter.meaning,
                "schema": _tell(msgspec.json.schema(parameter.shape), parameter.name),
            }
            for parameter in operation.parameters
        ]
    if operation.body is not None:
        told["requestBody"] = {
            "required": not operation.body_optional,
            "content": {operation.media_type: {"schema": _schema(operation.body)}},
        }
    return told


def _tell(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """Add what a plain string or number of one of these names must look like."""
    if schema.get("type") in {"string", "integer"}:
        for name in names:
            for key, value in _TELLING.get(name, {}).items():
                schema.setdefault(key, value)
    return schema


def _tag(path: str) -> str:
    _, root, *rest = path.split("/")
    return rest[0] if root == "api" and len(rest) > 1 else "operations"


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        answer: dict[str, Any] = {"description": _WORDS[status]}
        if shape is str:
            answer["content"] = {
                media: {"schema": {"type": "string"}}
                for media in ("text/plain", "application/openmetrics-text")
            }
        elif shape is not None:
            answer["content"] = {operation.media_type: {"schema": _schema(shape)}}
        if operation.tagged:
            answer["headers"] = {"ETag": {"description": "Strong entity tag.", "schema": {"type": "string"}}}
        responses[str(status)] = answer
    for status, codes in sorted(_problems(operation).items()):
        if operation.fault is not None:
            responses[str(status)] = {
                "description": "; ".join(f"`{code}`: {_meaning(code)}" for code in codes),
                "content": {operation.media_type: {"schema": _schema(operation.fault)}},
            }
            continue
        shape = DeniedProblem if _denies(codes) else Problem
        if _denies(codes) and not _REASONS.keys() >= set(codes):
            shape = Problem | DeniedProblem
        problem: dict[str, Any] = {
            "description": "; ".join(f"`{code}`: {_meaning(code)}" for code in codes),
            "content": {problems.MEDIA_TYPE: {"schema": _schema(shape)}},
        }
        if status in {429, 503}:
            problem["headers"] = {
                "Retry-After": {"description": "Whole seconds.", "schema": {"type": "integer"}}
            }
        if status in operation.answers:  # OPA's own body beside ours
            answer = responses[str(status)]
            problem["description"] = f"{answer['description']} Or {problem['description']}"
            problem["content"] |= answer["content"]
        responses[str(status)] = problem
    return responses


def _problems(operation: Operation) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {400: ["unknown_parameter"], 406: ["not_acceptable"], 500: ["internal"]}
    if str in operation.answers.values():
        del found[400], found[406]
    if operation.scopes:
        found[401] = ["not_authenticated"]
        found[503] = ["draining", "overloaded", "port_failed"]
        if operation.scopes != "any":
            found[403] = ["not_allowed"]
    if operation.scopes not in {"", "any"} and operation.parameters:
        found[400] = ["bad_field", "bad_input", "unknown_parameter"]
    if operation.body is not None:
        found[400] = [
            "bad_field",
            "bad_input",
            "bad_json",
            "bad_time",
            "duplicate_key",
            "unknown_parameter",
            "unknown_timezone",
        ]
        found |= {408: ["request_timeout"], 413: ["body_too_large"], 415: ["unsupported_media_type"]}
    for status, codes in operation.problems.items():
        found[status] = [*dict.fromkeys((*found.get(status, ()), *codes))]
    return {status: tuple(codes) for status, codes in found.items()}


def _denies(codes: tuple[str, ...]) -> bool:
    return not _REASONS.keys().isdisjoint(codes)


def _meaning(code: str) -> str:
    if code in HTTP_CODES:
        return HTTP_CODES[code][1]
    if code in FIELD_CODES:
        return FIELD_CODES[code][2]
    return _REASONS[code].meaning if code in _REASONS else ERROR_CODES[code][0]


def _schema(shape: Any) -> dict[str, Any]:
    """A reference for a named type, else the type's own schema; a union as ``anyOf``."""
    if isinstance(shape, types.UnionType):
        return {"anyOf": [_schema(part) for part in typing.get_args(shape)]}
    if isinstance(shape, type) and issubclass(shape, Struct):
        return {"$ref": _REFERENCE.format(name=shape.__name__)}
    return msgspec.json.schema(shape)


_WORDS: Final = {
    200: "As asked.",
    201: "Created.",
    202: "Taken up.",
    204: "Done; nothing to tell.",
    304: "Not changed since the ETag.",
    500: "It does not decide.",
}
