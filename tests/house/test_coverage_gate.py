"""The gate over branch coverage, on figures of which the answer is known."""

import json
import subprocess
import sys

import pytest

from house.tree import ROOT


def gate(files):
    text = json.dumps({"files": files}) if files is not None else ""
    command = [sys.executable, ROOT / ".ci" / "coverage-gate"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def measured(lines, covered, branches=0, covered_branches=0, missing=()):
    counts = {"num_statements": lines, "covered_lines": covered}
    counts |= {"num_branches": branches, "covered_branches": covered_branches}
    return {"summary": counts, "missing_lines": list(missing), "missing_branches": [[7, 9]]}


@pytest.mark.parametrize(
    ("path", "figures", "passes"),
    [
        ("src/maestro/limits/a.py", measured(100, 100, 10, 10), True),
        ("src/maestro/limits/a.py", measured(100_000, 99_999), False),
        ("src/maestro/limits/a.py", measured(100, 100, 10, 9), False),
        ("src/maestro/brand_new/a.py", measured(100, 99), False),
        ("src/maestro/__init__.py", measured(10, 9), False),
        ("src/maestro/runtime/a.py", measured(100, 95), True),
        ("src/maestro/runtime/a.py", measured(100, 95, 100, 94), False),
        ("lib/site-packages/maestro_adapters/sqlite/a.py", measured(100, 94), False),
        ("sidecar/maestro_sidecar/cli/a.py", measured(100, 95), True),
    ],
)
def test_floors(path, figures, passes):
    done = gate({path: figures, "src/maestro/kernel/empty.py": measured(0, 0)})
    assert done.returncode == (0 if passes else 1), done.stdout
    assert ("LOW" in done.stdout) == (not passes)


def test_what_is_missing_is_named_briefly():
    done = gate({"src/maestro/limits/a.py": measured(10, 6, missing=[1, 2, 3, 8])})
    assert "src/maestro/limits/a.py: lines 1-3 8 branches 7->9" in done.stdout


def test_a_good_file_does_not_make_up_for_another_room():
    done = gate({"src/maestro/limits/a.py": measured(9, 8), "src/maestro/kernel/a.py": measured(999, 999)})
    assert done.returncode == 1


@pytest.mark.parametrize("files", [None, {}])
def test_no_data_is_a_failure(files):
    assert gate(files).returncode == 1
