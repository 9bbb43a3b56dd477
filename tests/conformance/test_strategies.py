"""The strategies draw what the domain takes, and the invalid ones what it refuses."""

import pytest
from hypothesis import find, given

from maestro.kernel.errors import BadInputError
from maestro.kernel.names import require_package, require_package_pattern, require_run, require_tenant
from maestro.ports.leases import Caps, Full, Lease
from maestro.testing.clock import VirtualClock
from maestro.testing.strategies import leases, tenants
from maestro_adapters.inprocess import InProcessLeases


@given(tenants.tenants(), tenants.runs(), tenants.packages(), tenants.package_patterns())
def test_names_are_valid(tenant, run, package, pattern):
    assert require_tenant(tenant) == tenant
    assert require_run(run) == run
    assert require_package(package) == package
    assert require_package_pattern(pattern, "packageCaps") == pattern


@given(tenants.packages(namespaces=False))
def test_packages_without_namespaces(package):
    assert "/" not in require_package(package)


@given(tenants.invalid_names())
def test_invalid_names_are_refused_everywhere(name):
    for require in (require_tenant, require_run, require_package):
        with pytest.raises(BadInputError):
            require(name)


@given(leases.claims(), leases.caps())
def test_claims_are_taken_by_a_store(claim, caps):
    answer = InProcessLeases(VirtualClock()).acquire(claim, caps)
    assert isinstance(answer, Full if 0 in (caps.tenant, caps.package) else Lease)


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        (tenants.runs(), lambda run: ":" in run),
        (tenants.tenants(), lambda tenant: len(tenant) == 128),
        (tenants.packages(), lambda package: package.count("/") == 3),
        (tenants.package_patterns(), lambda pattern: pattern.endswith("/*")),
        (leases.caps(), lambda caps: caps == Caps(0, None)),
        (leases.ttls(), lambda ttl: ttl < 0.001),
        (leases.claims(), lambda claim: claim.expected is not None and claim.expected > claim.ttl),
    ],
)
def test_the_odd_ones_come_up(strategy, condition):
    assert condition(find(strategy, condition))


def test_spans_are_cut_at_the_longest():
    assert find(leases.ttls(longest=2.0), lambda ttl: ttl > 1.5) <= 2.0
