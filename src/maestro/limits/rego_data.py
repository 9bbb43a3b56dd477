"""Limits as Rego needs them: windows compiled to instants, and the input document of one request.

Rego can say what a clock on the wall shows at an instant, but not at which instant it will show something, so it
cannot tell when a window opens. We compile that ahead into ``data.mc.intervals``; the policies of
``maestro_policy`` answer from it (ADR-1109).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from maestro.calendar import DAY, HORIZON, TZDATA_VERSION, Interval, Schedule
from maestro.calendar.intervals import union
from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import epoch_seconds, format_instant, require_aware
from maestro.limits.documents import LimitsFile
from maestro.limits.policy import LimitsPolicy
from maestro.limits.request import DecisionRequest

__all__ = ["LAST_YEAR", "compile_intervals", "rego_input"]

LAST_YEAR = 2260
"""Rego counts nanoseconds in 64 bits, which end in 2262; an opening may lie 400 days ahead."""


def compile_intervals(policy: LimitsPolicy, start: datetime, end: datetime) -> dict[str, Any]:
    """The entry of ``data.mc.intervals`` for the policy's tenant, to judge instants from ``start`` until ``end``.

    All times are seconds since the epoch. ``windows`` and ``closures`` cover that span alone. ``open`` goes on beyond
    it, so that an opening is found 400 days ahead of any instant within: there it holds only spans longer than all
    before them, because a shorter one is never the first that a run fits into.

    Args:
        policy: a tenant's limits.
        start: the first instant that the entry is good for.
        end: the instant after the last one, at most 400 days later.

    Raises:
        BadInputError: a span that is empty, too long, or beyond the years that Rego counts in.
    """
    first, last = _span(start, end)
    schedule = policy.schedule
    windows: tuple[Interval, ...] = ((first, last),)
    if schedule.windows is not None:
        windows = union(part for window in schedule.windows for part in window.intervals(first, last))
    closures = union(part for closure in schedule.closures for part in closure.intervals(first, last))
    spans = _open(schedule, first, last)
    slices = [_slices(intervals, first, last) for intervals in (windows, closures, spans)]
    return {
        "from": first,
        "until": last,
        "revision": policy.revision,
        "tzdata": TZDATA_VERSION,
        "windows": [list(interval) for interval in windows],
        "closures": [list(interval) for interval in closures],
        "open": [list(interval) for interval in spans],
        "days": [
            {"windows": window, "closures": closure, "open": span}
            for window, closure, span in zip(*slices, strict=True)
        ],
    }


def rego_input(
    limits: LimitsFile, request: DecisionRequest, *, revision: str | None = None
) -> dict[str, Any]:
    """The input document with which the policies of ``maestro_policy`` judge a request.

    Args:
        limits: the tenant's limits, and the usage to assume.
        request: what is asked; without ``ts`` the policies take the time of their machine.
        revision: names the limits; if given, an entry compiled from another revision denies ``policy_horizon``.
    """
    tenant = msgspec.to_builtins(limits)
    if revision is not None:
        tenant["policyRevision"] = revision
    return {"tenant": tenant, "request": msgspec.to_builtins(request)}


def _span(start: datetime, end: datetime) -> tuple[int, int]:
    start, end = require_aware(start, "start"), require_aware(end, "end")
    first, last = epoch_seconds(start), epoch_seconds(end)
    if not 0 < last - first <= HORIZON:
        raise BadInputError(
            "is not within 400 days after start.",
            field="end",
            value=format_instant(end),
            remedy="Compile for some weeks, and again before they are over.",
            code="bad_time",
        )
    if end.year > LAST_YEAR:
        raise BadInputError(
            f"is after the year {LAST_YEAR}.",
            field="end",
            value=format_instant(end),
            remedy="Rego cannot count so far.",
            code="bad_time",
        )
    return first, last


def _open(schedule: Schedule, first: int, last: int) -> tuple[Interval, ...]:
    """The open spans of [first, last), and of the 400 days after it those that can be the first to fit a run."""
    limit = last + HORIZON + 1
    spans: list[Interval] = []
    longest = 0
    for opens, closes in schedule.intervals(first, limit):
        # Beyond its horizon an end does not matter: no run and no cutoff is longer.
        whole = min(schedule.open_until(opens) or closes, opens + 3 * HORIZON) if closes == limit else closes
        if opens < last or whole - opens > longest:
            spans.append((opens, whole))
        if opens >= last:
            longest = max(longest, whole - opens)
    return tuple(spans)


def _slices(intervals: Sequence[Interval], first: int, last: int) -> list[tuple[int, int]]:
    """For each 24 hours from ``first`` on, which intervals have a part in them: from this one, before that one."""
    starts = [opens for opens, _ in intervals]
    ends = [closes for _, closes in intervals]
    return [(bisect_right(ends, day), bisect_left(starts, day + DAY)) for day in range(first, last, DAY)]
