"""maestro policy: what a person asks of a bundle on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maestro.formats.jws import generate_pem

POLICY = """\
package app

allow if input.user == "ann"

price := 1.50

broken := to_number("x")

torn := 1 if input.torn

torn := 2 if input.torn
"""
TESTS = """\
package app_test

test_ann if data.app.allow with input.user as "ann"

test_bob if data.app.allow with input.user as "bob"

test_torn if data.app.torn == 1 with input.torn as true

todo_test_later if false
"""


@pytest.fixture(scope="session")
def opa(tool):
    """The directory of the real opa, by the rule of the services."""
    lib = Path(__file__).parent.parent / "services" / "lib.sh"
    find = ["bash", "-c", '. "$0"; command -v opa', lib]
    found = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
    return Path(found or tool("opa"))


@pytest.fixture
def on_path(opa, monkeypatch):
    monkeypatch.setenv("PATH", str(opa.parent), prepend=":")
    return opa


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "app.rego").write_text(POLICY)
    return tmp_path / "policy"


@pytest.fixture
def bundle(opa, folder, tmp_path):
    """An archive with its plan, signed."""
    private, public = generate_pem("ES256")
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    asked = [opa, "build", "-t", "plan", "-e", "app", "-b", folder, "-o", tmp_path / "b.tar.gz"]
    signed = ["--signing-alg", "ES256", "--signing-key", tmp_path / "key.pem"]
    subprocess.run([*asked, *signed], check=True, capture_output=True)
    return tmp_path / "b.tar.gz"


@pytest.fixture
def signed(bundle, tmp_path):
    """The options that name the archive and the key that signed it."""
    return ("--bundle", bundle, "--key", tmp_path / "key.pub")


pytestmark = pytest.mark.services


def test_eval_answers_as_opa_eval_does(maestro, bundle, written):
    answer = maestro(
        "policy", "eval", "--bundle", bundle, "--input", written("i.json", {"user": "ann"}), "data.app.allow"
    )
    assert (answer.code, answer.document) == (0, {"result": True})
    assert "no signature was checked" in answer.err


def test_eval_prints_numbers_as_opa_does(maestro, bundle):
    assert "1.50" in maestro("policy", "eval", "--bundle", bundle, "data.app.price").out


def test_eval_of_what_is_undefined_is_an_empty_document(maestro, bundle):
    answer = maestro("policy", "eval", "--bundle", bundle, "data.app.allow", "--json")
    assert (answer.code, answer.document) == (0, {})


def test_eval_of_no_such_path_is_bad_usage(refused, signed):
    assert refused("policy", "eval", *signed, "data.nothing")["code"] == "no_such_entrypoint"


def test_eval_takes_a_builtin_s_error_for_undefined_unless_told_otherwise(maestro, refused, signed):
    assert maestro("policy", "eval", *signed, "data.app.broken").document == {}
    strict = ("policy", "eval", *signed, "data.app.broken", "--strict-builtin-errors")
    assert refused(*strict)["code"] == "eval_builtin_error"


def test_eval_of_a_policy_that_contradicts_itself_is_bad_input(refused, signed, written):
    given = written("i.json", {"torn": True})
    asked = ("policy", "eval", *signed, "--input", given, "data.app.torn")
    assert refused(*asked)["code"] == "eval_conflict_error"


def test_eval_checks_the_signature_by_the_key_that_is_named(maestro, bundle, tmp_path):
    good = maestro("policy", "eval", "--bundle", bundle, "--key", tmp_path / "key.pub", "data.app.price")
    assert (good.code, good.err) == (0, "")
    (tmp_path / "other.pub").write_bytes(generate_pem("ES256")[1])
    asked = ("policy", "eval", "--bundle", bundle, "--key", tmp_path / "other.pub", "data.app.price")
    assert maestro(*asked).code == 3
    answer = maestro(*asked, "--json")
    assert (answer.code, answer.document["trusted"]) == (3, False)


def test_a_folder_bears_no_signature(refused, folder, bundle, tmp_path):
    asked = ("policy", "eval", "--bundle", folder, "--key", tmp_path / "key.pub", "data.app.price")
    assert refused(*asked)["field"] == "--key"


@pytest.mark.parametrize("command", ["test", "bench", "show-code"])
def test_every_command_refuses_what_is_no_bundle(maestro, tmp_path, command):
    (tmp_path / "b.tar.gz").write_bytes(b"nothing")
    path = ["data.app"] if command == "bench" else []
    assert maestro("policy", command, "--bundle", tmp_path / "b.tar.gz", *path).code == 3


def test_an_empty_folder_is_named(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused("policy", "show-code", "--bundle", tmp_path / "empty")["field"] == "--bundle"


def test_a_folder_that_cannot_be_read_is_named(refused, folder, monkeypatch):
    def deny(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert "Permission denied" in refused("policy", "show-code", "--bundle", folder)["detail"]


def test_policies_without_a_plan_need_opa(refused, folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert refused("policy", "eval", "--bundle", folder, "data.app.price")["code"] == "no_plan"


def test_data_alone_has_no_plan(refused, tmp_path, on_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "data.json").write_text("{}")
    assert refused("policy", "eval", "--bundle", tmp_path / "data", "data")["code"] == "no_plan"


def test_a_folder_of_policies_is_planned_by_opa(maestro, folder, on_path):
    assert maestro("policy", "eval", "--bundle", folder, "data.app.price").document == {"result": 1.5}


def test_test_runs_the_rules_that_are_tests(maestro, folder, on_path):
    (folder / "app_test.rego").write_text(TESTS)
    answer = maestro("policy", "test", "--bundle", folder)
    assert answer.code == 3
    assert [line.split()[0] for line in answer.out.splitlines()] == ["PASS", "FAIL", "ERROR", "SKIPPED", "1"]
    document = maestro("policy", "test", "--bundle", folder, "--json").document
    assert document["counts"] == {"pass": 1, "fail": 1, "error": 1, "skip": 1}


def test_tests_that_pass_are_done(maestro, folder, on_path):
    (folder / "app_test.rego").write_text("\n\n".join(TESTS.split("\n\n")[:2]))
    assert maestro("policy", "test", "--bundle", folder).code == 0


def test_a_bundle_without_tests_has_nothing_to_run(refused, signed):
    assert refused("policy", "test", *signed)["field"] == "--bundle"


def test_bench_tells_the_median_and_the_95th_percentile(maestro, bundle):
    asked = ("policy", "bench", "--bundle", bundle, "--count", 20, "data.app.price")
    assert maestro(*asked).out.startswith("p50 ")
    document = maestro(*asked, "--json").document
    assert 0 < document["p50Microseconds"] <= document["p95Microseconds"]


def test_bench_counts_within_reason(refused, bundle):
    assert (
        refused("policy", "bench", "--bundle", bundle, "--count", 0, "data.app.price")["field"] == "--count"
    )


def test_show_code_prints_python_without_the_policy_s_text(maestro, bundle):
    out = maestro("policy", "show-code", "--bundle", bundle).out
    code = "\n".join(line for line in out.splitlines() if not line.startswith("#"))
    compile(code, "shown", "exec")
    assert "ann" not in code
    document = maestro("policy", "show-code", "--bundle", bundle, "--json").document
    assert document["source"].strip("\n") + "\n" == code.strip("\n") + "\n"
    assert json.dumps(document["constants"]).count("ann") == 1


def test_a_missing_extra_is_named(refused, bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    assert refused("policy", "eval", "--bundle", bundle, "data.app")["code"] == "missing_extra"


@pytest.mark.parametrize("command", ["eval", "test", "bench", "show-code"])
def test_the_example_of_the_help_works_as_printed(example, on_path, command):
    done = example("policy", command)
    assert done.returncode == 0, done.stderr


def test_the_example_of_the_group_works_as_printed(example, on_path):
    assert example("policy").returncode == 0
