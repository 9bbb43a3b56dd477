"""What denies say of the instant at which the calendar opens next: made once for an opening, and told many times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from maestro.calendar import Schedule
from maestro.kernel.instants import from_epoch_seconds
from maestro.limits.documents import WindowItem
from maestro.limits.messages import next_opening

__all__ = ["Opening", "opening_at", "outside_message"]


class Opening(Struct, frozen=True, gc=False):
    """The next opening, as every calendar deny of one decision tells it.

    Attributes:
        at: the instant; UNSET when there is none to be told.
        window: the window that opens then, as its document has it.
        timezone: the zone that the sentence speaks in.
        words: the second half of the sentence.
        outside: the whole sentence of the commonest deny.
    """

    at: datetime | UnsetType
    window: WindowItem | UnsetType
    timezone: str
    words: str
    outside: str


def opening_at(
    tenant: str, schedule: Schedule, items: Sequence[WindowItem], timezone: str, seconds: int | None
) -> Opening:
    """The opening at an instant in seconds since the epoch; None: none is planned.

    Args:
        tenant: whose.
        schedule: windows and closures.
        items: the document's windows, in the order of the schedule's.
        timezone: the tenant's zone, where no window opens.
        seconds: the instant.
    """
    item: WindowItem | UnsetType = UNSET
    window = None if seconds is None else schedule.window_at(seconds)
    if window is not None and schedule.windows is not None:
        item, timezone = items[schedule.windows.index(window)], window.timezone
    at = None if seconds is None else from_epoch_seconds(seconds)
    words = next_opening(at, timezone)
    return Opening(UNSET if at is None else at, item, timezone, words, outside_message(tenant, words))


def outside_message(tenant: str, words: str) -> str:
    """That no window is open, and when one is."""
    return f"Runs of {tenant} may not start outside its run windows; {words}."
