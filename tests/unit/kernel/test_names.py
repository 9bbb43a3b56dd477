"""Which names tenants, runs and packages may have."""

import pytest

from maestro import BadInputError
from maestro.kernel.names import (
    require_claim,
    require_package,
    require_package_pattern,
    require_run,
    require_tenant,
)


@pytest.mark.parametrize("name", ["acme", "A.b_c~d-9", "x" * 128])
def test_tenants(name):
    assert require_tenant(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ä", "x" * 129, "a\n", "a:b", "a%"])
def test_what_is_no_tenant(name):
    with pytest.raises(BadInputError, match="tenant"):
        require_tenant(name)


def test_runs_take_a_colon():
    assert require_run("dag:task:1") == "dag:task:1"
    with pytest.raises(BadInputError, match="run"):
        require_run("a/b")


@pytest.mark.parametrize("name", ["a", "ns/a", "a/b/c/d"])
def test_packages(name):
    assert require_package(name) == name


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a/b/c/d/e", "ns/*", "*", "a\n"])
def test_what_is_no_package(name):
    with pytest.raises(BadInputError, match="package"):
        require_package(name)


@pytest.mark.parametrize("pattern", ["*", "ns/*", "a/b/*", "ns/a", "a"])
def test_patterns(pattern):
    assert require_package_pattern(pattern, "packageCaps") == pattern


@pytest.mark.parametrize("pattern", ["", "ns*", "*/a", "ns/**", "ns/a*", "**"])
def test_what_is_no_pattern(pattern):
    with pytest.raises(BadInputError, match=r"ns/\*"):
        require_package_pattern(pattern, "packageCaps")


@pytest.mark.parametrize(
    ("claim", "field"),
    [(("a b", "acme", "p"), "run"), (("r", "a/b", "p"), "tenant"), (("r", "acme", ""), "package")],
)
def test_of_a_claim_the_field_that_is_wrong_is_named(claim, field):
    require_claim("r:1", "acme", "ns/a")
    with pytest.raises(BadInputError) as caught:
        require_claim(*claim)
    assert caught.value.field == field
