"""Bundles, signals and rules that tests of the edge share."""

from datetime import UTC, datetime, timedelta

from maestro.edge.machine import Happening, step
from maestro.edge.record import Held, HighWater, Record, Refused
from maestro.edge.rules import Rules
from maestro.edge.table import Signal

START = datetime(2026, 3, 30, 10, tzinfo=UTC)
RULES = Rules()


def after(**spans):
    return START + timedelta(**spans)


def held(revision, at=START, **changes):
    values = {
        "digest": f"sha256:{revision}",
        "file_digest": f"sha256:file-{revision}",
        "revision": str(revision),
        "fresh_until": at + RULES.ttl,
        "good_until": at + RULES.last_good_max_age,
        "verified_at": at,
    }
    return Held(**{**values, **changes})


def good(revision, at=START, **changes):
    one = held(revision, at, **changes)
    return Happening(Signal.GOOD, held=one, high=HighWater(one.revision, one.digest))


def refused(content="bad", at=START, reason="bad_signature"):
    return Happening(Signal.REFUSED, refused=Refused(f"sha256:{content}", "99", (reason,), at))


CONFIRMED = Happening(Signal.CONFIRMED)
FAILED = Happening(Signal.FAILED, reason="digest_drift")


def run(*steps, record=None, rules=RULES):
    """The record after (happening, instant) pairs."""
    record = record or Record()
    for happening, at in steps:
        record = step(record, happening, at, rules)
    return record
