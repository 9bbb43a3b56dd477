"""RFC 9457 problem documents for errors, the same over HTTP and on the command line."""

from __future__ import annotations

from typing import Any

from maestro.kernel.errors import BadInputError, ConflictError, MaestroError, PortError, UntrustedError

__all__ = ["MEDIA_TYPE", "problem", "problem_of", "status_of"]

MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Request timed out",
    409: "Conflict",
    411: "Length required",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    421: "Misdirected request",
    422: "Not processable",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
_BY_CODE = {"body_too_large": 413, "no_such_document": 404, "version_conflict": 412, "lease_lost": 412}
_BY_CLASS: tuple[tuple[type[MaestroError], int], ...] = (
    (BadInputError, 400),
    (UntrustedError, 422),
    (ConflictError, 409),
    (PortError, 503),
)


def status_of(error: MaestroError) -> int:
    """The HTTP status that tells this error."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def problem(status: int, code: str, detail: str, **members: Any) -> dict[str, Any]:
    """A problem document (RFC 9457 section 3); members that are None or empty are left out."""
    document: dict[str, Any] = {
        "type": f"urn:maestro:problem:{code}",
        "title": _TITLES.get(status, "Problem"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    document.update((name, value) for name, value in members.items() if value not in (None, ""))
    return document


def problem_of(error: MaestroError) -> dict[str, Any]:
    """The problem document of an error: field, value and remedy of bad input, retryAfter of a port's failure."""
    members: dict[str, Any] = {"remedy": error.remedy}
    if isinstance(error, BadInputError):
        members = {"field": error.field, "value": error.value, **members}
    if isinstance(error, PortError):
        members["retryAfter"] = error.retry_after
    return problem(status_of(error), error.code, str(error) if not error.remedy else error.message, **members)
