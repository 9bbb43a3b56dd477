"""Every error code that the code gives is documented, and every documented one is given."""

import ast

from house.tree import PACKAGES, shipped_files
from maestro.kernel.codes import ERROR_CODES
from maestro.limits.reasons import DenyReason
from maestro_sidecar.refusals import HTTP_CODES

CODES_OF = {"problem": 1, "RefusedError": 0}
"""Calls that take a code by position."""


def given_codes(tree):
    """Literals given as `code=…`, as a class's `code`, or at the position where a code stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            found += node.args[CODES_OF[name] : CODES_OF[name] + 1] if name in CODES_OF else []
        elif isinstance(node, ast.ClassDef):
            found = [
                item.value
                for item in node.body
                if isinstance(item, ast.Assign) and [getattr(t, "id", "") for t in item.targets] == ["code"]
            ]
        else:
            continue
        yield from (each.value for each in found if isinstance(each, ast.Constant) and each.value)


def trees():
    for path in shipped_files():
        if PACKAGES["maestro"] / "testing" not in path.parents:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_code_that_is_given_is_documented():
    given = {code for _, tree in trees() for code in given_codes(tree)}
    assert given
    assert given - ERROR_CODES.keys() - HTTP_CODES.keys() == set()


def test_every_documented_code_is_given():
    texts = {
        node.value
        for path, tree in trees()
        if path.name not in {"codes.py", "refusals.py"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert (ERROR_CODES.keys() | HTTP_CODES.keys()) - texts == set()


def test_no_code_has_two_meanings():
    assert not {str(reason) for reason in DenyReason} & (ERROR_CODES.keys() | HTTP_CODES.keys())


def test_every_code_says_what_it_means_and_what_to_do():
    documented = [
        *ERROR_CODES.values(),
        *(texts for _, *texts in HTTP_CODES.values()),
        *((reason.meaning, reason.remedy) for reason in DenyReason),
    ]
    for meaning, remedy in documented:
        assert meaning.endswith(".")
        assert remedy.endswith(".")
