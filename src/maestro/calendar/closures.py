"""Closures: dated stretches of local time in which nothing starts, whatever the windows say."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from attrs import field, frozen

from maestro.calendar.intervals import Interval, union
from maestro.calendar.zones import DAY, offset_spans, wall_seconds, zone
from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import epoch_seconds

__all__ = ["Closure", "parse_local"]

# What datetime.fromisoformat takes differs from one Python to the next (24:00, week dates), so the form is ours.
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_OFFSET = re.compile(r".+T.+([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_REMEDY = "Write YYYY-MM-DDTHH:MM or YYYY-MM-DDTHH:MM:SS, for example 2026-12-24T00:00."


@frozen
class Closure:
    """A stretch of local time, by the same rule as windows: inside while the wall shows start <= time < end.

    Attributes:
        start: naive local time, whole seconds, inclusive.
        end: naive local time, whole seconds, exclusive, after `start`.
        timezone: IANA name of the zone whose clocks count.
        reason: why, in the words of whoever closed; shown to those who are denied.

    Raises:
        BadInputError: not naive, not whole seconds, an end that is not after the start, or an unknown zone.
    """

    start: datetime
    end: datetime
    timezone: str
    reason: str
    _from: int = field(init=False, repr=False, eq=False)
    _until: int = field(init=False, repr=False, eq=False)

    @_from.default
    def _from_start(self) -> int:
        return _wall(self.start, "start")

    @_until.default
    def _until_end(self) -> int:
        return _wall(self.end, "end")

    def __attrs_post_init__(self) -> None:
        """Refuse what is no closure."""
        if self._until <= self._from:
            remedy = "Put the end after the start."
            raise BadInputError(
                "is not after start.", field="end", value=self.end.isoformat(), remedy=remedy, code="bad_time"
            )
        zone(self.timezone)

    def contains(self, seconds: int) -> bool:
        """Whether the clock on the wall shows a time of this closure at the instant.

        Args:
            seconds: the instant, in seconds since the epoch.
        """
        return self._from <= wall_seconds(zone(self.timezone), seconds) < self._until

    def intervals(self, start: int, end: int) -> tuple[Interval, ...]:
        """All instants of [start, end) that the closure contains, as a set of intervals.

        Args:
            start: first instant, in seconds since the epoch.
            end: instant after the last one.
        """
        # No zone is a day or more off UTC: what lies further away needs no look at the zone.
        first, last = self._from - DAY, self._until + DAY
        if end <= first or last <= start:
            return ()
        pieces = (
            (max(begin, self._from - offset), min(until, self._until - offset))
            for begin, until, offset in offset_spans(zone(self.timezone), max(start, first), min(end, last))
        )
        return union((begin, until) for begin, until in pieces if begin < until)


def parse_local(text: str, field: str) -> datetime:
    """The naive local time that ``YYYY-MM-DDTHH:MM`` or ``YYYY-MM-DDTHH:MM:SS`` names.

    Args:
        text: the time, without an offset: the zone stands beside it.
        field: where it stands in the caller's document, for the message.

    Raises:
        BadInputError: `bad_time`; a date alone, an offset, another form, or no such day or time.
    """
    if _LOCAL.fullmatch(text) is None:
        raise BadInputError(_fault(text), field=field, value=text or '""', remedy=_REMEDY, code="bad_time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(
            "names no day of the calendar.", field=field, value=text, remedy=_REMEDY, code="bad_time"
        ) from None


def _fault(text: str) -> str:
    if _DATE.fullmatch(text):
        return "is a date without a time."
    if _OFFSET.fullmatch(text):
        return "has an offset, but is local time of the closure's timezone."
    return "is not a local time."


def _wall(local: datetime, field: str) -> int:
    if local.tzinfo is not None or local.microsecond:
        raise BadInputError(
            "must be a naive local time of whole seconds.",
            field=field,
            value=local.isoformat(),
            remedy=_REMEDY,
            code="bad_time",
        )
    return epoch_seconds(local.replace(tzinfo=UTC))
