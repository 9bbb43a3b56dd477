"""The examples run, as their READMEs say."""

import subprocess
import sys

import pytest

from house.tree import ROOT

EXAMPLES = ROOT / "examples"


def run(*command, cwd):
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_batch_runner_waits_and_finishes(tmp_path):
    done = run(str(EXAMPLES / "embed" / "batch.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("runs under fencing token") == 8
    assert "may have" in done.stdout


def test_the_service_answers_all_at_once(tmp_path):
    done = run(str(EXAMPLES / "embed" / "service.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.endswith(": done") for line in lines) == 2
    assert sum("try again in 1 s" in line for line in lines) == 3


@pytest.mark.slow
def test_the_property_tests_pass(tmp_path):
    options = ["-q", "-p", "no:cacheprovider", "-c", str(tmp_path / "none.ini"), f"--rootdir={EXAMPLES}"]
    (tmp_path / "none.ini").write_text("[pytest]\n")
    done = run("-m", "pytest", *options, str(EXAMPLES / "property_tests"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
