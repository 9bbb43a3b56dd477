"""Exactly one entry of packageCaps governs a package, the most specific."""

import pytest

from maestro.limits.caps import PackageCaps

CAPS = PackageCaps({"ns/a": 2, "ns/*": 5, "ns/deep/*": 3, "*": 9})


@pytest.mark.parametrize(
    ("package", "governing"),
    [
        ("ns/a", ("ns/a", 2)),
        ("ns/b", ("ns/*", 5)),
        ("ns/deep/x", ("ns/deep/*", 3)),
        ("ns/deep/x/y", ("ns/deep/*", 3)),
        ("ns/other/x", ("ns/*", 5)),
        ("ns", ("*", 9)),
        ("nsx/a", ("*", 9)),
    ],
)
def test_the_most_specific_entry_governs(package, governing):
    assert CAPS.governing(package) == governing


def test_no_entry_no_cap():
    assert PackageCaps({}).governing("ns/a") is None
    assert PackageCaps({"other/*": 1}).governing("ns/a") is None
    assert not PackageCaps({})
    assert CAPS
