"""What the tests of limits share: an instant, a tenant's file, a verdict."""

import json
from datetime import UTC, datetime

from maestro.limits.decide import decide
from maestro.limits.documents import parse_limits_file
from maestro.limits.policy import compile_file

MONDAY_10_UTC = datetime(2026, 3, 30, 10, tzinfo=UTC)


def policy_of(**limits):
    return compile_file(parse_limits_file(json.dumps({"tenant": "acme", **limits}).encode()))


def verdict(limits, at=MONDAY_10_UTC, *, package="ns/a", **more):
    return decide(policy_of(**limits), package, at, **more)


def reasons(decision):
    return [str(deny.reason) for deny in decision.denies]
