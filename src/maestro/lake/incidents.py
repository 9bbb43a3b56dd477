"""Alarms of the lake, as events for whoever keeps incidents: opened once, closed once, with one key to match them by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from maestro.kernel.events import Event
from maestro.kernel.instants import format_instant

__all__ = ["Alarm"]

OPEN, CLOSE = "mc.incident.open", "mc.incident.close"


@attrs.define
class Alarm:
    """One condition of one table that is either fine or not.

    Attributes:
        kind: what is wrong, for example ``cdc.freshness.breach``.
        reason: snake_case code.
        table: whose.
    """

    kind: str
    reason: str
    table: str
    _since: datetime | None = attrs.field(default=None, init=False)

    def judge(self, bad: bool, now: datetime, facts: Mapping[str, Any]) -> Event | None:  # noqa: FBT001 -- its subject
        """The event to tell when the condition began or ended; None while it goes on as it was."""
        if bad == (self._since is not None):
            return None
        since = now if self._since is None else self._since
        self._since = since if bad else None
        key = f"{self.kind}/{self.table}"
        return Event(
            id=f"{key}/{format_instant(since)}/{'open' if bad else 'close'}",
            source=f"/maestro/lake/{self.table}",
            type=OPEN if bad else CLOSE,
            subject=self.table,
            time=now,
            data={
                "type": self.kind,
                "reason": self.reason,
                "dedupeKey": key,
                "table": self.table,
                "openedAt": format_instant(since),
                **facts,
            },
        )
