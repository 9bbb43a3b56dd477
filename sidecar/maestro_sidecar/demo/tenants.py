"""The demo's tenants. Their window and closure end seconds into the demo, so that waiting for them can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from maestro.calendar import zone

__all__ = ["DemoTenant", "demo_tenants"]

WINDOW_OPENS = timedelta(seconds=6)
CLOSURE_ENDS = timedelta(seconds=4)
_ACME_ZONE = "America/Denver"


@attrs.frozen
class DemoTenant:
    """One tenant.

    Attributes:
        name: of the tenant.
        rule: its limits in a few words, for the closing table.
        limits: its documents as a limits file spells them; None for a tenant that nobody wrote documents for.
        packages: what its runs run, in turn.
    """

    name: str
    rule: str
    limits: dict[str, Any] | None
    packages: Sequence[str]


def demo_tenants(now: datetime) -> list[DemoTenant]:
    """The five, for a demo that starts at ``now``."""
    begin = _whole_second(now)
    opens = (begin + WINDOW_OPENS).astimezone(zone(_ACME_ZONE))
    closes = opens + timedelta(hours=3)
    thaws = begin + CLOSURE_ENDS
    return [
        _tenant(
            "acme",
            f"window opens {opens:%H:%M:%S} {_ACME_ZONE}; 4 at once",
            ["ns/a", "ns/b"],
            timezone=_ACME_ZONE,
            allowedWindows=[{"start": f"{opens:%H:%M:%S}", "end": f"{closes:%H:%M:%S}"}],
            maxConcurrent=4,
        ),
        _tenant(
            "boreal",
            f"closure until {thaws:%H:%M:%S} UTC; 4 at once",
            ["ns/a", "ns/b"],
            closures=[
                {
                    "start": f"{begin - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}",
                    "end": f"{thaws:%Y-%m-%dT%H:%M:%S}",
                    "reason": "deploy freeze",
                }
            ],
            maxConcurrent=4,
        ),
        _tenant("cobalt", "2 at once", ["ns/a", "ns/b", "etl/load"], maxConcurrent=2),
        _tenant(
            "delta",
            "1 of each ns/*; 2 of etl/load",
            ["ns/a", "ns/b", "etl/load"],
            packageCaps={"ns/*": 1, "etl/load": 2},
        ),
        DemoTenant("ember", "unrestricted (no documents)", None, ["ns/a", "etl/load"]),
    ]


def _tenant(name: str, rule: str, packages: Sequence[str], **limits: Any) -> DemoTenant:
    return DemoTenant(name, rule, {"tenant": name, **limits}, packages)


def _whole_second(now: datetime) -> datetime:
    """Documents speak in whole seconds; rounded up, so that nothing opens sooner than told."""
    return now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=now.microsecond > 0)
