"""The one hierarchy of errors, named by who is at fault.

A deny is never one of these: it is a value (``maestro.limits.decision.Decision``).
"""

from __future__ import annotations

__all__ = ["BadInputError", "ConflictError", "MaestroError", "PortError", "UntrustedError"]

_SHOWN = 80
"""Characters of an offending value that a message repeats: enough to find it, too few to flood a log."""


class MaestroError(Exception):
    """Root of all errors that Maestro raises on purpose.

    Attributes:
        code: stable snake_case name of the fault, documented in ``docs/reference/reasons.md``.
        message: one sentence for the person who reads it.
        remedy: what to do about it, or an empty string.
    """

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        if code is not None:
            self.code = code
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class BadInputError(MaestroError):
    """The caller's input is wrong; nothing was changed.

    Attributes:
        field: where the fault stands, as a dotted path (``allowedWindows[0].start``); empty for the whole.
        value: the offending value, shortened, as text.
    """

    code = "bad_input"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        value: object = None,
        remedy: str = "",
        code: str | None = None,
    ) -> None:
        self.field = field
        self.value = shown(value)
        super().__init__(message, code=code, remedy=remedy)

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        got = f" (got {self.value})" if self.value else ""
        return f"{where}{self.message}{got} {self.remedy}".rstrip()


class UntrustedError(MaestroError):
    """A peer's bytes failed verification: signature, digest, expiry. Never used as if they had passed."""

    code = "untrusted"


class ConflictError(MaestroError):
    """The request is well-formed but contradicts what is stored (another version, another package)."""

    code = "conflict"


class PortError(MaestroError):
    """Infrastructure failed or lacks what was asked of it.

    Attributes:
        retry_after: seconds after which a retry may succeed, or None when retrying does not help.
    """

    code = "port_failed"

    def __init__(
        self, message: str, *, retry_after: float | None = 1.0, code: str | None = None, remedy: str = ""
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, code=code, remedy=remedy)


def shown(value: object) -> str:
    """Text of an offending value, cut to 80 characters; empty for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
