"""What HTTP itself refuses, as errors like any other: each becomes a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from maestro.kernel.errors import MaestroError

__all__ = ["HTTP_CODES", "RefusedError"]

HTTP_CODES: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        "browser_origin": (
            403,
            "A browser sent the request.",
            "Without tokens only local programs are served.",
        ),
        "draining": (503, "The sidecar is stopping.", "Retry after the time told, at its successor."),
        "log_empty": (404, "Nothing is entered in the audit log yet.", "Change a limits document first."),
        "malformed_request": (400, "The bytes are not HTTP.", "Send HTTP/1.1."),
        "method_not_allowed": (405, "The path does not offer the method.", "Use one that Allow lists."),
        "no_such_document": (404, "The tenant has no such document.", "PUT one; until then defaults hold."),
        "not_acceptable": (406, "No representation fits Accept.", "Accept application/json."),
        "not_allowed": (403, "The token's scopes do not cover it.", "Use a token with the scope told."),
        "not_authenticated": (401, "No valid token came along.", "Send Authorization: Bearer and the token."),
        "not_found": (404, "There is nothing at the path.", "Look at /openapi.json."),
        "not_implemented": (501, "The registry's API has it, this server does not.", "Do without it."),
        "overloaded": (503, "Too many requests are under way.", "Retry after the time told."),
        "precondition_required": (428, "If-Match is missing.", "Send the ETag of the lease in If-Match."),
        "request_timeout": (408, "The request did not arrive in time.", "Send it at once."),
        "unknown_host": (421, "Host names another machine.", "Without tokens, use a loopback address."),
        "unknown_parameter": (400, "The query has a parameter not known here.", "Remove it or correct it."),
        "unsupported_media_type": (415, "The body is not announced as JSON.", "Send application/json."),
    }
)
"""Codes that only the sidecar gives: status, meaning, remedy. The rest is in ``maestro.kernel.codes``."""


class RefusedError(MaestroError):
    """A request that HTTP's own rules or the sidecar's bounds refuse; nothing was changed.

    Attributes:
        status: of the answer.
        headers: sent with it, beside those of every problem.
        retry_after: seconds, or None.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        retry_after: int | None = None,
        remedy: str = "",
    ) -> None:
        self.status, meaning, usual = HTTP_CODES[code]
        self.headers = tuple(headers)
        self.retry_after = retry_after
        super().__init__(message or meaning, code=code, remedy=remedy or usual)
