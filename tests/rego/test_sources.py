"""What an installation offers to a policy server; no server is needed to see it."""

from maestro_policy import rego_sources


def test_the_policies_by_name_without_their_tests():
    sources = rego_sources()
    assert list(sources) == ["limits.rego", "pkgcaps.rego", "wallclock.rego", "windows.rego"]
    for name, text in sources.items():
        assert f"\npackage mc.{name.removesuffix('.rego')}\n" in text


def test_nothing_is_allowed_by_default():
    for name in ("limits.rego", "pkgcaps.rego", "windows.rego"):
        assert "\ndefault allow := false\n" in rego_sources()[name]
