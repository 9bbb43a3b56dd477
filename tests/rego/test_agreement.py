"""Rego and `maestro.limits.decide` say the same, to the second, on drawn limits and requests.

`MAESTRO_AGREEMENT=100000` compares so many (a multiple of 500) instead of a sample.
"""

import os

import pytest

from maestro_policy import rego_sources
from rego.agreement import WRAPPER, differences
from rego.drawn import drawn_tenants

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("opa"), pytest.mark.slow]

INPUTS = int(os.environ.get("MAESTRO_AGREEMENT", "4000"))
SEED = int(os.environ.get("MAESTRO_AGREEMENT_SEED", "1109"))
TENANTS, REQUESTS = 20, 25
BATCH = TENANTS * REQUESTS
PART = 10 * BATCH  # a test's share of a large number
REASONS = {"closure", "outside_run_window", "window_too_short", "tenant_cap", "package_cap", "policy_horizon"}


@pytest.fixture(scope="module")
def asked(server):
    server.put_policy("maestro/agreement", WRAPPER)
    return server


@pytest.mark.parametrize("part", range(-(-INPUTS // PART)))
def test_rego_and_maestro_agree(asked, part):
    seen = set()
    first = part * PART // BATCH
    for batch in range(first, first + min(PART, INPUTS - part * PART) // BATCH):
        found, reasons = differences(asked, list(drawn_tenants(f"{SEED}/{batch}", TENANTS, REQUESTS)))
        assert not found, f"{len(found)} of batch {batch} differ, the first:\n{found[0]}"
        seen |= reasons
    assert seen == REASONS, "a sample that does not see every reason proves too little"


FAULTS = [
    ("windows.rego", "default allow := false", "default allow := true"),
    ("windows.rego", "\tat < end\n}\n\nin_closure", "\tat <= end\n}\n\nin_closure"),
    ("windows.rego", "at < open_until - cutoff", "at <= open_until - cutoff"),
    ("windows.rego", "begins := ceil(now)", "begins := at"),
    ("windows.rego", "needed := max([cutoff + 1, fit])", "needed := cutoff + 1"),
    ("windows.rego", "start := max([opens, begins])", "start := opens"),
    ("windows.rego", "count(data.mc.intervals[tenant].open)", "day.open[0] + 8"),
    ("windows.rego", "candidate <= begins + 34560000", "candidate <= begins + 345600"),
    ("windows.rego", "\tat < data.mc.intervals[tenant].until\n", ""),
    (
        "windows.rego",
        "array.concat(closure_denies, window_denies)",
        "array.concat(window_denies, closure_denies)",
    ),
    ("windows.rego", "at >= open_until - cutoff", "at > open_until - cutoff"),
    (
        "pkgcaps.rego",
        '["packageUsage", input.request.package], 0)',
        '["packageUsage", input.request.package], -1)',
    ),
    ("pkgcaps.rego", "numbers.range(count(parts) - 1, 1)", "numbers.range(1, count(parts) - 1)"),
    ("pkgcaps.rego", "\tlength > 0\n\tlength < count(parts)\n", ""),
    ("pkgcaps.rego", "\tcap <= used\n", "\tcap < used\n"),
    ("pkgcaps.rego", "\tmost == 0\n", "\tmost == -1\n"),
    ("pkgcaps.rego", "array.concat(tenant_denies, package_denies)", "package_denies"),
    ("limits.rego", "\tnot null in waits\n", ""),
    ("limits.rego", "max(waits)", "min(waits)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), FAULTS, ids=[f"{f[1]} -> {f[2]}" for f in FAULTS])
def test_a_planted_fault_is_found(asked, name, right, wrong):
    text = rego_sources()[name]
    assert text.count(right) == 1
    asked.put_policy(f"maestro/{name}", text.replace(right, wrong))
    try:
        for batch in range(16):
            if differences(asked, list(drawn_tenants(f"fault/{batch}", TENANTS, REQUESTS)))[0]:
                return
    finally:
        asked.put_policy(f"maestro/{name}", text)
    pytest.fail("not found in 8,000 inputs")
