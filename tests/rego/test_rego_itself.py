"""The policies by OPA's own judges: their tests, strict checks, its formatter, coverage."""

import json
import shutil
import subprocess
from importlib.resources import as_file, files

import pytest

from maestro_policy import rego_sources

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("opa")]


@pytest.fixture(scope="module")
def folder():
    with as_file(files("maestro_policy") / "rego") as path:
        yield path


@pytest.fixture
def run(opa, folder):
    def run(*arguments, at=folder):
        return subprocess.run([opa, *arguments, str(at)], capture_output=True, text=True, check=False)

    return run


def test_every_policy_has_its_tests(folder):
    tested = {path.name.replace("_test", "") for path in folder.glob("*_test.rego")}
    assert tested == set(rego_sources()) == {"limits.rego", "pkgcaps.rego", "wallclock.rego", "windows.rego"}


def test_they_pass(run):
    done = run("test", "--format", "json")
    outcomes = json.loads(done.stdout)
    failed = [outcome["name"] for outcome in outcomes if outcome.get("fail") or outcome.get("error")]
    assert (done.returncode, failed) == (0, []), done.stderr
    assert len(outcomes) >= 40


def test_they_cover_the_policies(run):
    report = json.loads(run("test", "--coverage").stdout)
    missed = {name: more["not_covered"] for name, more in report["files"].items() if "not_covered" in more}
    assert report["coverage"] >= 99, missed


def test_a_broken_policy_fails_them(run, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "rego")
    broken = (copy / "windows.rego").read_text().replace("at < end", "at <= end")
    (copy / "windows.rego").write_text(broken)
    assert run("test", at=copy).returncode != 0


def test_strict(run, tmp_path):
    done = run("check", "--strict")
    assert done.returncode == 0, done.stderr
    (tmp_path / "old.rego").write_text("package old\n\nallow { unused := 1 }\n")
    assert run("check", "--strict", at=tmp_path).returncode != 0


def test_formatted(run):
    done = run("fmt", "--fail", "--diff")
    assert done.returncode == 0, done.stdout
