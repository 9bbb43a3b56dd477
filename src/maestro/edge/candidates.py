"""From a verdict on an archive to a signal: order, freshness, and whether it is news (DESIGN §3 Edge)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import attrs
from msgspec.structs import replace

from maestro.edge.machine import Happening
from maestro.edge.reasons import EdgeReason
from maestro.edge.record import Held, HighWater, Record, Refused
from maestro.edge.rules import Rules
from maestro.edge.table import Signal
from maestro.edge.trust_reasons import TrustReason
from maestro.edge.verify import Expected, Verdict

__all__ = ["SourceRules", "confirmed", "expected_of", "judged", "refusal"]


@attrs.frozen
class SourceRules:
    """What is known of a source.

    Attributes:
        scope: of its signatures.
        roots: that its bundles may own; None for any.
        ordering: what tells newer from older: decimal ``revision``, signed ``iat`` of each key, or ``none``.
        freshness: whether only ``signed`` time counts, or each answer of the ``transport`` renews.
        epoch: of its keys, where the update metadata does not tell one.
    """

    scope: str = ""
    roots: tuple[str, ...] | None = None
    ordering: Literal["revision", "iat", "none"] = "revision"
    freshness: Literal["signed", "transport"] = "signed"
    epoch: str = ""


def expected_of(
    source: SourceRules, high: HighWater | None, epoch: str, digest: str | None = None
) -> Expected:
    """What a candidate's archive is held against.

    Args:
        source: where it comes from.
        high: the high-water mark; it counts within one epoch only.
        epoch: of the keys under which the candidate comes.
        digest: that was announced for it.
    """
    counts = high if high is not None and high.epoch == epoch and high.revision.isdecimal() else None
    ordered = source.ordering == "revision"
    return Expected(
        scope=source.scope,
        min_revision=(1 if counts is None else int(counts.revision)) if ordered else None,
        revision_digest=counts.digest if ordered and counts is not None else None,
        digest=digest,
        roots=source.roots,
    )


def judged(
    verdict: Verdict,
    record: Record,
    now: datetime,
    *,
    source: SourceRules,
    rules: Rules,
    epoch: str,
    announced_until: datetime | None = None,
) -> Happening:
    """The signal that a verified or refused archive is.

    Args:
        verdict: on the archive.
        record: of the edge.
        now: trusted time.
        source: where it comes from.
        rules: for how long to trust.
        epoch: of the keys.
        announced_until: expiry of the update metadata, if there is any; the earlier of both counts.
    """
    reasons = verdict.reasons
    if verdict.trusted:
        reasons = tuple(_unordered(verdict, record.high, source, epoch))
    until = _fresh_until(verdict, now, source, rules, announced_until)
    if verdict.trusted and not reasons and until is None:
        reasons = (EdgeReason.FRESHNESS_UNKNOWN.value,)
    elif verdict.trusted and not reasons and until is not None and until <= now:
        reasons = (TrustReason.EXPIRED.value,)
    if reasons or until is None:
        return refusal(verdict.digest or verdict.file_digest, verdict.revision or "", reasons, now)
    held = _held(verdict, record, now, until, rules)
    known = [one.digest for one in (record.serving, record.candidate) if one is not None]
    if held.digest in known:
        return Happening(Signal.CONFIRMED, held=held)
    return Happening(Signal.GOOD, held=held, high=_high(verdict, record.high, held, epoch))


def confirmed(
    record: Record,
    now: datetime,
    *,
    source: SourceRules,
    rules: Rules,
    digest: str | None = None,
    announced_until: datetime | None = None,
) -> Happening:
    """The signal of a source that still has what it had.

    Args:
        record: of the edge.
        now: trusted time.
        source: which.
        rules: for how long to trust.
        digest: of what it announces, if it announces anything.
        announced_until: until when, by a signed statement; without one nothing is renewed.
    """
    held = record.hope
    if digest is not None:
        held = next((one for one in record.held() if one.digest == digest), None)
    until = announced_until
    if until is None and source.freshness == "transport":
        until = now + rules.ttl
    if held is None or until is None:
        return Happening(Signal.CONFIRMED)
    fresh = until if held.expires_at is None else min(until, held.expires_at)
    return Happening(Signal.CONFIRMED, held=replace(held, fresh_until=fresh, good_until=fresh + rules.grace))


def refusal(digest: str, revision: str, reasons: tuple[str, ...], now: datetime) -> Happening:
    """The signal of a candidate that is not to be trusted."""
    return Happening(Signal.REFUSED, refused=Refused(digest, revision, reasons, now))


def _unordered(verdict: Verdict, high: HighWater | None, source: SourceRules, epoch: str) -> list[str]:
    """Why a bundle ordered by time of issue is not newer. Revisions were judged with the archive."""
    if source.ordering != "iat":
        return []
    issued = verdict.claims.issued_at if verdict.claims is not None else None
    if issued is None:
        return [EdgeReason.ISSUE_UNKNOWN.value]
    if high is None or high.epoch != epoch or high.digest == verdict.digest:
        return []
    newest = high.issued.get(verdict.key or "")
    return [TrustReason.REVISION_ROLLBACK.value] if newest is not None and issued <= newest else []


def _fresh_until(
    verdict: Verdict, now: datetime, source: SourceRules, rules: Rules, announced: datetime | None
) -> datetime | None:
    claims = verdict.claims
    expires = None if claims is None else claims.expires
    if announced is not None:
        return announced if expires is None else min(announced, expires)
    if expires is None and claims is not None and claims.issued_at is not None:
        return claims.issued_at + rules.ttl
    return expires or (now + rules.ttl if source.freshness == "transport" else None)


def _held(verdict: Verdict, record: Record, now: datetime, until: datetime, rules: Rules) -> Held:
    seen = [one.verified_at for one in record.held() if one.digest == verdict.digest]
    return Held(
        digest=verdict.digest or "",
        file_digest=verdict.file_digest,
        revision=verdict.revision or "",
        fresh_until=until,
        good_until=until + rules.grace,
        verified_at=seen[0] if seen else now,
        issued_at=verdict.claims.issued_at if verdict.claims is not None else None,
        expires_at=verdict.claims.expires if verdict.claims is not None else None,
    )


def _high(verdict: Verdict, high: HighWater | None, held: Held, epoch: str) -> HighWater:
    issued = dict(high.issued) if high is not None and high.epoch == epoch else {}
    if held.issued_at is not None and verdict.key is not None:
        issued[verdict.key] = held.issued_at
    return HighWater(held.revision, held.digest, epoch, issued)
