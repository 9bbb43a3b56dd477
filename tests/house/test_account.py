"""The account that CI keeps of tests that did not run, tried on small suites of its own."""

import os
import shutil
import subprocess
import sys

import pytest

from house.tree import ROOT

CLEAN = """
import pytest
def test_fine(): pass
@pytest.mark.xfail(strict=True)
def test_known(): assert 0
@pytest.mark.outside(data="x.csv")
def test_far(outside_data): pass
"""
FAULTY = """
import pytest
def test_fine(): pass
@pytest.mark.outside(data="x.csv")
def test_unlisted(): pass
@pytest.mark.skip(reason="tired")
def test_marked(): pass
def test_late(): pytest.skip("late")
def test_other(): pass
"""
FAULTS = [
    "outside, but not in tests/outside.txt: test_it.py::test_unlisted: needs x.csv below $MAESTRO_OUTSIDE",
    "in tests/outside.txt, but it ran: test_it.py::test_far: needs x.csv below $MAESTRO_OUTSIDE",
    "skipped: test_it.py::test_marked: tired",
    "skipped: test_it.py::test_late: late",
    "skipped: test_module.py: all of it",
    "deselected: test_it.py::test_other",
]


@pytest.fixture
def account(tmp_path):
    """Run a suite under `--account`, with our conftest.py and one outside test listed."""
    ini = "[pytest]\nmarkers =\n  outside: x\n  slow: x\naddopts = --strict-markers --import-mode=importlib\n"
    (tmp_path / "pytest.ini").write_text(ini)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "outside.txt").write_text("# why\ntest_it.py::test_far: needs x.csv below $MAESTRO_OUTSIDE\n")

    def run(source, *arguments):
        (tmp_path / "test_it.py").write_text(source)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--account", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "MAESTRO_OUTSIDE"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_listed_outside_test_may_not_run(account):
    done = account(CLEAN)
    assert done.returncode == 0, done.stdout
    assert "2 ran, 1 outside, 0 faults" in done.stdout


@pytest.mark.parametrize("workers", [[], ["-n1", "--dist=loadgroup"]], ids=["alone", "workers"])
def test_anything_else_that_does_not_run_is_a_fault(account, tmp_path, workers):
    (tmp_path / "test_module.py").write_text(
        "import pytest\npytest.skip('all of it', allow_module_level=True)\n"
    )
    done = account(FAULTY, "-k", "not other", *workers)
    assert done.returncode == 1, done.stdout
    assert [fault for fault in FAULTS if f"FAULT {fault}\n" not in done.stdout] == []


def test_a_mark_without_a_need_is_refused(account):
    done = account("import pytest\n@pytest.mark.outside\ndef test_far(): pass")
    assert done.returncode != 0
    assert "outside needs keywords" in done.stdout + done.stderr


def test_a_second_run_may_leave_out_what_is_slow_without_a_fault(account):
    source = CLEAN + "@pytest.mark.slow\ndef test_long(): assert 0"
    assert account(source).returncode == 1
    done = account(source, "--without-slow")
    assert done.returncode == 0, done.stdout
    assert "2 ran, 1 outside, 0 faults" in done.stdout
