"""The answer: allowed or denied, with every deny that applies, advice when to retry, and a sentence why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from maestro.limits.documents import WindowItem
from maestro.limits.reasons import DenyReason

__all__ = ["Decision", "Deny", "Source", "encode_decision"]

Source = Literal["document", "default", "file", "cached"]
"""Where the limits came from: the tenant's documents, the settings' defaultLimits, a limits file, or the last known
documents while the store is down."""


class Deny(Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """One reason against the run.

    Attributes:
        reason: the stable code.
        message: one plain sentence for the tenant's user.
        retry_after: whole seconds until a retry may pass; None when nothing opens by itself.
        opens_at: the first instant that windows, closures, cutoff and fit all admit (calendar reasons only).
        window: the window that opens then.
        timezone: the zone that the message speaks in.
        package: the capped package.
        cap: the cap that is reached.
        current: runs that hold a slot now.
        estimate: True when retry_after is an estimate and not exact.
        cutoff: True when the window is open but in its last ``startCutoffSeconds``.
    """

    reason: DenyReason
    message: str
    retry_after: int | None
    opens_at: datetime | UnsetType = UNSET
    window: WindowItem | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    package: str | UnsetType = UNSET
    cap: int | UnsetType = UNSET
    current: int | UnsetType = UNSET
    estimate: bool | UnsetType = UNSET
    cutoff: bool | UnsetType = UNSET


class Decision(Struct, rename="camel", frozen=True, gc=False):
    """The verdict on one run at one instant. A deny is a value like this one, never an exception.

    Attributes:
        allowed: whether the run may start.
        denies: all that apply, in the order closure, window, cutoff or fit, tenant cap, package cap.
        retry_after: the greatest of the denies' in whole seconds; None when one of them is None, or when allowed.
        opens_at: the first instant that the calendar admits, None when it admits now or not within 400 days.
        source: where the limits came from.
        policy_revision: names the very documents that were applied.
        tzdata: version of the zone database used.
        evaluated_at: the instant judged.
        explanation: the verdict in plain words.
        shadow_denies: denies not enforced because flag ``run_windows_caps`` is off.
        position: place in the tenant's queue when a wait ended in vain, 1 for the first.
    """

    allowed: bool
    denies: tuple[Deny, ...]
    retry_after: int | None
    opens_at: datetime | None
    source: Source
    policy_revision: str
    tzdata: str
    evaluated_at: datetime
    explanation: str
    shadow_denies: tuple[Deny, ...] = ()
    position: int | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder()


def encode_decision(decision: Decision) -> bytes:
    """The decision as JSON text."""
    return _ENCODER.encode(decision)
