"""Where a run is judged. ``decide`` is the rule of the house; everything else feeds it or tells its answer."""

from __future__ import annotations

import math
from datetime import datetime

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from maestro.calendar import DAY, TZDATA_VERSION
from maestro.kernel.instants import epoch_seconds, from_epoch_seconds
from maestro.limits.decision import Decision, Deny
from maestro.limits.messages import duration, plural
from maestro.limits.openings import Opening
from maestro.limits.policy import LimitsPolicy
from maestro.limits.reasons import DenyReason
from maestro.ports.leases import Caps, Usage

__all__ = ["admits", "already_held", "caps_for", "decide", "unavailable"]

ESTIMATE_SECONDS = 30
"""Advice of a cap deny when nothing is known of the runs that hold the slots."""

_NO_USAGE = Usage()


def decide(
    policy: LimitsPolicy,
    package: str,
    now: datetime,
    *,
    expected: float | None = None,
    usage: Usage | None = None,
    enforce: bool = True,
) -> Decision:
    """Judge whether a run of the package may start at ``now``.

    Args:
        policy: the tenant's limits.
        package: what the run runs.
        now: the instant to judge, aware UTC.
        expected: seconds the run will take, or None when unknown.
        usage: unexpired leases now; None leaves caps unjudged (a lease store will judge them as it admits).
        enforce: flag ``run_windows_caps``; False turns all denies but the tenant cap into shadow denies.
    """
    denies, opens_at = _calendar_denies(policy, now, expected)
    if usage is not None:
        denies += _cap_denies(policy, package, usage)
    if not denies:
        return _verdict(policy, now, (), (), None, _why_allowed(policy, package, usage or _NO_USAGE))
    enforced, shadow = tuple(denies), tuple[Deny, ...]()
    if not enforce:
        enforced = tuple(deny for deny in denies if deny.reason is DenyReason.TENANT_CAP)
        shadow = tuple(deny for deny in denies if deny.reason is not DenyReason.TENANT_CAP)
        opens_at = None
    if len(enforced) == 1:
        why = enforced[0].message
    else:
        why = " ".join([deny.message for deny in enforced]) or _why_allowed(
            policy, package, usage or _NO_USAGE
        )
    return _verdict(policy, now, enforced, shadow, opens_at, why)


def caps_for(policy: LimitsPolicy, package: str, *, enforce: bool = True) -> Caps:
    """The caps that a lease store must hold for a run of the package; ``enforce`` as in ``decide``."""
    return policy.caps_of(package) if enforce else Caps(policy.max_concurrent)


def already_held(policy: LimitsPolicy, run: str, now: datetime) -> Decision:
    """The answer to a run that asks again for the slot it holds: limits judge starts, and this is none."""
    return _verdict(policy, now, (), (), None, f"Run {run} of {policy.tenant} already holds its slot.")


def unavailable(tenant: str, now: datetime, retry_after: float | None) -> Decision:
    """The answer while the store is down: closed, because what cannot be counted cannot be admitted."""
    seconds = None if retry_after is None else max(1, math.ceil(retry_after))
    when = f"try again in {duration(seconds)}" if seconds else "ask the operator"
    deny = Deny(
        DenyReason.LIMITS_UNAVAILABLE,
        f"The limits of {tenant} cannot be checked at the moment, so no run is started; {when}.",
        seconds,
    )
    return Decision(False, (deny,), seconds, None, "default", "", TZDATA_VERSION, now, deny.message)


def _verdict(
    policy: LimitsPolicy,
    now: datetime,
    denies: tuple[Deny, ...],
    shadow: tuple[Deny, ...],
    opens_at: datetime | None,
    explanation: str,
) -> Decision:
    return Decision(
        not denies,
        denies,
        _greatest(denies) if denies else None,
        opens_at,
        policy.source,
        policy.revision,
        TZDATA_VERSION,
        now,
        explanation,
        shadow,
    )


def _greatest(denies: tuple[Deny, ...]) -> int | None:
    """The greatest ``retry_after``; None when one of them opens by nothing."""
    greatest = 0
    for deny in denies:
        if deny.retry_after is None:
            return None
        greatest = max(greatest, deny.retry_after)
    return greatest


def admits(policy: LimitsPolicy, now: datetime, expected: float | None) -> bool:
    """Whether the calendar alone (closures, windows, cutoff, fit) lets a run start: ``decide`` without its words."""
    fit = _must_fit(policy, expected)
    since, last = policy.starting[0]
    if not fit and since <= now < last:
        return True
    schedule = policy.schedule
    if schedule.windows is None and not schedule.closures:
        return True
    at = epoch_seconds(now)
    until = schedule.open_until(at)
    if until is None or at >= until - policy.cutoff:
        return False
    # The calendar is a function of time alone: until then, whatever the clock does, it says the same.
    policy.starting[0] = (now, from_epoch_seconds(min(until - policy.cutoff, at + DAY)))
    return at + (now.microsecond > 0) + fit <= until


def _must_fit(policy: LimitsPolicy, expected: float | None) -> int:
    """Whole seconds that must be left of the open time."""
    return math.ceil(expected) if policy.must_fit and expected else 0


def _calendar_denies(
    policy: LimitsPolicy, now: datetime, expected: float | None
) -> tuple[list[Deny], datetime | None]:
    """The denies of closures, windows, cutoff and fit, and the first instant that all of them admit."""
    schedule = policy.schedule
    if schedule.windows is None and not schedule.closures:
        return [], None
    at = epoch_seconds(now)
    until = schedule.open_until(at)
    begins = at + (now.microsecond > 0)  # a run that starts within a second ends within one too
    fit = _must_fit(policy, expected)
    if until is not None and at < until - policy.cutoff and begins + fit <= until:
        return [], None
    opens = schedule.next_opening(begins, cutoff=policy.cutoff, fit=fit)
    opening, retry_after = policy.opening(opens), None if opens is None else opens - at
    opens_at = None if opening.at is UNSET else opening.at
    if until is not None:
        return _late_denies(policy, opening, retry_after, until - at, fit, begins - at), opens_at
    denies = []
    if schedule.closures and (closure := schedule.closure_at(at)) is not None:
        because = f" ({closure.reason})" if closure.reason else ""
        why = f"Runs of {policy.tenant} are stopped by a closure{because}; {opening.words}."
        denies.append(_calendar_deny(DenyReason.CLOSURE, why, opening, retry_after))
    if not denies or not schedule.in_window(at):
        denies.append(_calendar_deny(DenyReason.OUTSIDE_RUN_WINDOW, opening.outside, opening, retry_after))
    return denies, opens_at


def _late_denies(
    policy: LimitsPolicy, opening: Opening, retry_after: int | None, left: int, fit: int, begins: int
) -> list[Deny]:
    """The denies of an open time that has ``left`` seconds: cutoff, and a run that does not fit any more."""
    denies = []
    closes = f"the run window of {policy.tenant} closes in {duration(left)}"
    if left <= policy.cutoff:
        why = f"No new run may start because {closes}; {opening.words}."
        denies.append(_calendar_deny(DenyReason.OUTSIDE_RUN_WINDOW, why, opening, retry_after, cutoff=True))
    if begins + fit > left:
        why = f"The run would take {duration(fit)} but {closes}; {opening.words}."
        denies.append(_calendar_deny(DenyReason.WINDOW_TOO_SHORT, why, opening, retry_after))
    return denies


def _calendar_deny(
    reason: DenyReason,
    message: str,
    opening: Opening,
    retry_after: int | None,
    *,
    cutoff: bool | UnsetType = UNSET,
) -> Deny:
    deny = Deny(reason, message, retry_after, opening.at, opening.window, opening.timezone)
    return deny if cutoff is UNSET else replace(deny, cutoff=cutoff)


def _cap_denies(policy: LimitsPolicy, package: str, usage: Usage) -> list[Deny]:
    denies = []
    cap = policy.max_concurrent
    if cap is not None and usage.tenant >= cap:
        advice, when = _cap_advice(cap, usage.tenant_frees_in)
        message = (
            f"{policy.tenant} already has {plural(usage.tenant, 'run')} going and may have {cap}; {when}."
            if cap
            else f"{policy.tenant} may not start any run; {when}."
        )
        denies.append(
            Deny(
                DenyReason.TENANT_CAP, message, advice, cap=cap, current=usage.tenant, estimate=_known(advice)
            )
        )
    governing = policy.package_caps.governing(package)
    if governing is not None and usage.package >= governing[1]:
        cap = governing[1]
        advice, when = _cap_advice(cap, usage.package_frees_in)
        message = (
            f"{policy.tenant} already has {plural(usage.package, 'run')} of {package} going and may have {cap}; {when}."
            if cap
            else f"{policy.tenant} may not run {package}; {when}."
        )
        denies.append(
            Deny(
                DenyReason.PACKAGE_CAP,
                message,
                advice,
                package=package,
                cap=cap,
                current=usage.package,
                estimate=_known(advice),
            )
        )
    return denies


def _known(advice: int | None) -> bool | UnsetType:
    return UNSET if advice is None else True


def _cap_advice(cap: int, frees_in: float | None) -> tuple[int | None, str]:
    """Seconds and words. A cap of 0 forbids, so nothing frees by itself."""
    if cap == 0:
        return None, "ask the operator to raise the cap"
    seconds = ESTIMATE_SECONDS if frees_in is None else max(1, math.ceil(frees_in))
    return seconds, f"a slot is expected to free in about {duration(seconds)}"


def _why_allowed(policy: LimitsPolicy, package: str, usage: Usage) -> str:
    where = "inside its run windows" if policy.restricted else "at any time"
    if policy.max_concurrent is None:
        return f"{policy.tenant} may run {package} {where}; {plural(usage.tenant, 'run')} going."
    return f"{policy.tenant} may run {package} {where}; {usage.tenant} of {plural(policy.max_concurrent, 'run')} going."
