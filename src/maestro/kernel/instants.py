"""Instants: aware UTC datetimes in Python, RFC 3339 with offset in JSON, whole epoch seconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from maestro.kernel.errors import BadInputError

__all__ = ["EPOCH", "epoch_seconds", "format_instant", "from_epoch_seconds", "parse_instant", "require_aware"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# RFC 3339 section 5.6 date-time; datetime.fromisoformat alone also takes ISO week dates and basic forms.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_REMEDY = "Write an RFC 3339 instant with offset, for example 2026-03-30T10:00:00-06:00."


def parse_instant(text: str, field: str = "ts") -> datetime:
    """Parse an RFC 3339 date-time to an aware UTC datetime; digits beyond microseconds are dropped.

    Raises:
        BadInputError: not an RFC 3339 date-time, no offset, or no such day or time (a leap second too).
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise BadInputError("is not an RFC 3339 instant.", field=field, value=text, remedy=_REMEDY)
    date, time, fraction, offset = match.groups()
    iso = f"{date}T{time}{(fraction or '')[:7]}{'+00:00' if offset in 'Zz' else offset}"
    try:
        return datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInputError("names no instant.", field=field, value=text, remedy=_REMEDY) from error


def require_aware(instant: datetime, field: str) -> datetime:
    """Return the instant in UTC.

    Raises:
        BadInputError: the datetime is naive, so it names no instant.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise BadInputError(
            "is a datetime without a zone.",
            field=field,
            value=instant.isoformat(),
            remedy="Pass an aware datetime.",
        )
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """RFC 3339 text in UTC with ``Z``; a fraction only when there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def epoch_seconds(instant: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00:00Z, rounded down."""
    since = instant - EPOCH  # days are floored, so that seconds and microseconds are never negative
    return since.days * 86_400 + since.seconds


def from_epoch_seconds(seconds: int) -> datetime:
    """The UTC instant that many seconds after the epoch."""
    return EPOCH + timedelta(seconds=seconds)
