"""Every error code that the code gives is documented, and every documented one is given."""

import ast
import importlib.util
import re

from house.generated import generators
from house.tree import PACKAGES, shipped_files
from maestro.kernel.codes import ERROR_CODES
from maestro_sidecar.refusals import HTTP_CODES


def all_reasons():
    """Every system's reasons, as the page of reasons finds them."""
    (script,) = (path for path in generators() if path.stem == "reasons")
    spec = importlib.util.spec_from_file_location("reasons_page", script)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    return [reason for kind in page.reasons() for reason in kind]


REASONS = {str(reason): (reason.meaning, reason.remedy) for reason in all_reasons()}
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
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
            # Rows of a table of meanings: code, seconds to retry after, remedy.
            code, retry, remedy = (getattr(each, "value", ...) for each in node.elts)
            is_row = isinstance(retry, float | None) and isinstance(remedy, str)
            found = node.elts[:1] if is_row and re.fullmatch("[a-z]+(_[a-z]+)+", str(code)) else []
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
    assert given - ERROR_CODES.keys() - HTTP_CODES.keys() - REASONS.keys() == set()


def test_every_documented_code_is_given():
    texts = {
        node.value
        for path, tree in trees()
        if path.name not in {"codes.py", "refusals.py"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert (ERROR_CODES.keys() | HTTP_CODES.keys()) - texts == set()


def test_every_code_says_what_it_means_and_what_to_do():
    of_http = (texts for _, *texts in HTTP_CODES.values())
    for meaning, remedy in (*ERROR_CODES.values(), *of_http, *REASONS.values()):
        assert meaning.endswith(".")
        assert remedy.endswith(".")


def test_the_reasons_of_limits_are_among_them():
    assert {"closure", "outside_run_window", "tenant_cap", "package_cap"} <= REASONS.keys()
