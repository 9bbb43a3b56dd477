"""Documents compiled once, so that a decision is look-ups only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial

import attrs
from msgspec import UNSET

from maestro.calendar import (
    EVERY_DAY,
    Closure,
    Schedule,
    Window,
    parse_days,
    parse_local,
    parse_time_of_day,
    zone,
)
from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import EPOCH
from maestro.limits.caps import PackageCaps
from maestro.limits.decision import Source
from maestro.limits.documents import (
    ClosureItem,
    LimitsFile,
    PackageCapsDocument,
    WindowItem,
    WindowsDocument,
    encode_document,
    split_limits,
)
from maestro.limits.openings import Opening, opening_at
from maestro.ports.leases import Caps

__all__ = ["LimitsPolicy", "compile_file", "compile_policy"]

_PACKAGES = 256
_OPENINGS = 64
"""Openings kept ready a policy: those of the weeks to come, seldom more."""


@attrs.frozen
class LimitsPolicy:
    """What one tenant may do, ready to be judged by.

    Attributes:
        tenant: whose.
        schedule: windows and closures.
        items: the document's windows, in the order of the schedule's.
        timezone: the tenant's zone, for messages where no window has one.
        cutoff: seconds before the open time's end in which nothing may start.
        must_fit: whether a run must end within the open time.
        max_concurrent: cap on the tenant's runs, None for none.
        package_caps: caps by package.
        open_when_unavailable: whether the tenant chose to be judged by these documents while the store is down,
            and may, having no caps that would need a count.
        source: where the documents came from.
        revision: names them.
        caps_of: the caps that hold for a package.
        starting: one pair of instants: from the first until before the second the calendar lets any run start, as
            far as it need not fit. What was found last, for those who ask next.
        opening: what denies say of an opening, by its instant in seconds since the epoch; None: none is planned.
    """

    tenant: str
    schedule: Schedule
    items: tuple[WindowItem, ...]
    timezone: str
    cutoff: int
    must_fit: bool
    max_concurrent: int | None
    package_caps: PackageCaps
    open_when_unavailable: bool
    source: Source
    revision: str
    # A memo from the instant of an opening, in seconds. It holds no reference to the policy, so that is freed at once.
    opening: Callable[[int | None], Opening] = attrs.field(init=False, repr=False, eq=False)

    @opening.default
    def _memo_of_openings(self) -> Callable[[int | None], Opening]:
        told = partial(opening_at, self.tenant, self.schedule, self.items, self.timezone)
        return lru_cache(maxsize=_OPENINGS)(told)

    caps_of: Callable[[str], Caps] = attrs.field(init=False, repr=False, eq=False)
    starting: list[tuple[datetime, datetime]] = attrs.field(
        init=False, repr=False, eq=False, factory=lambda: [(EPOCH, EPOCH)]
    )

    @caps_of.default
    def _memo_of_caps(self) -> Callable[[str], Caps]:
        return lru_cache(maxsize=_PACKAGES)(partial(_caps, self.max_concurrent, self.package_caps))

    @property
    def restricted(self) -> bool:
        """Whether windows restrict when runs may start."""
        return self.schedule.windows is not None


def compile_policy(
    tenant: str,
    windows: WindowsDocument | None,
    caps: PackageCapsDocument | None,
    *,
    source: Source,
    revision: str,
) -> LimitsPolicy:
    """Compile a tenant's documents; an absent one restricts nothing.

    Raises:
        BadInputError: a day, time, zone or closure that does not exist; names the field, value and remedy.
    """
    windows = windows or WindowsDocument(tenant)
    zone(windows.timezone, "timezone")
    items = () if windows.allowed_windows is UNSET else tuple(windows.allowed_windows)
    opens = [_window(item, windows.timezone, f"allowedWindows[{index}]") for index, item in enumerate(items)]
    closures = [
        _closure(item, windows.timezone, f"closures[{index}]") for index, item in enumerate(windows.closures)
    ]
    max_concurrent = None if caps is None or caps.max_concurrent is UNSET else caps.max_concurrent
    package_caps = PackageCaps({} if caps is None else caps.package_caps)
    return LimitsPolicy(
        tenant=tenant,
        schedule=Schedule(None if windows.allowed_windows is UNSET else opens, closures),
        items=items,
        timezone=windows.timezone,
        cutoff=windows.start_cutoff_seconds,
        must_fit=windows.on_window_end == "must_fit",
        max_concurrent=max_concurrent,
        package_caps=package_caps,
        open_when_unavailable=windows.on_unavailable == "open"
        and max_concurrent is None
        and not package_caps,
        source=source,
        revision=revision,
    )


def compile_file(limits: LimitsFile, *, source: Source = "file", tenant: str | None = None) -> LimitsPolicy:
    """Compile a limits file; its revision is the digest of its canonical text, usage left out.

    Raises:
        BadInputError: as ``compile_policy``.
    """
    windows, caps = split_limits(limits)
    digest = hashlib.sha256(encode_document(windows) + encode_document(caps)).hexdigest()
    return compile_policy(
        tenant or limits.tenant, windows, caps, source=source, revision=f"sha256:{digest[:16]}"
    )


def _caps(tenant: int | None, packages: PackageCaps, package: str) -> Caps:
    governing = packages.governing(package)
    return Caps(tenant, None if governing is None else governing[1])


def _window(item: WindowItem, default: str, field: str) -> Window:
    timezone = default if item.timezone is UNSET else item.timezone
    zone(timezone, f"{field}.timezone")
    return Window(
        days=EVERY_DAY if item.days is UNSET else parse_days(list(item.days), f"{field}.days"),
        start=parse_time_of_day(item.start, f"{field}.start", end=False),
        end=parse_time_of_day(item.end, f"{field}.end", end=True),
        timezone=timezone,
    )


def _closure(item: ClosureItem, default: str, field: str) -> Closure:
    timezone = default if item.timezone is UNSET else item.timezone
    zone(timezone, f"{field}.timezone")
    start, end = parse_local(item.start, f"{field}.start"), parse_local(item.end, f"{field}.end")
    if end <= start:
        raise BadInputError(
            "is not after the closure's start.",
            field=f"{field}.end",
            value=item.end,
            remedy="A closure ends after it starts.",
            code="bad_time",
        )
    return Closure(start=start, end=end, timezone=timezone, reason=item.reason)
