"""The contracts catch what they are for: breaks planted into a copy of the tree are all named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import PACKAGES, ROOT

BIN = Path(sys.executable).parent

# file below the copy -> (its source, the id of the import contract that must be broken, what must be named)
IMPORTS = {
    "src/maestro/kernel/planted.py": ("import maestro.ports", "maestro.kernel.planted -> maestro.ports"),
    "src/maestro/ports/planted.py": ("import maestro_adapters", "maestro.ports.planted -> maestro_adapters"),
    "src/maestro/limits/planted.py": ("import maestro.edge", "maestro.limits.planted -> maestro.edge"),
    "src/maestro/edge/planted.py": ("import time", "maestro.edge.planted -> time"),
    "src/maestro/calendar/planted.py": ("from os import path", "maestro.calendar.planted -> os"),
    "src/maestro/queueing/planted.py": ("import asyncio", "maestro.queueing.planted -> asyncio"),
    "src/maestro/incidents/planted.py": ("import pyarrow", "maestro.incidents.planted -> pyarrow"),
    "src/maestro/ops/planted.py": ("import cryptography", "maestro.ops.planted -> cryptography"),
    "src/maestro/runtime/planted.py": (
        "import maestro.testing",
        "maestro.runtime.planted -> maestro.testing",
    ),
    "adapters/maestro_adapters/planted.py": ("import starlette", "maestro_adapters.planted -> starlette"),
    "sidecar/maestro_sidecar/planted.py": (
        "import maestro.testing",
        "maestro_sidecar.planted -> maestro.testing",
    ),
}
ALLOWED = {
    "src/maestro/runtime/allowed.py": "import asyncio\nimport time",
    "src/maestro/testing/allowed.py": "import random\nimport maestro.runtime",
    "src/maestro/lake/allowed.py": "import pyarrow",
    "src/maestro/audit/allowed.py": "import cryptography",
    "sidecar/maestro_sidecar/cli/conformance.py": "import maestro.testing",
}
RULES = {
    "from datetime import datetime\nWHEN = datetime.now()\n": {"TID251", "DTZ005"},
    "import datetime\nWHEN = datetime.date.today()\n": {"TID251", "DTZ011"},
    "import time\nWHEN = time.time()\n": {"TID251"},
    "from os import environ\nHOME = environ['HOME']\n": {"TID251"},
    "import os\nHOME = os.getenv('HOME')\n": {"TID251"},
}


def plant(tree: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(f"{source}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    copy = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for folder in PACKAGES.values():
        target = copy / folder.relative_to(ROOT)
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "__init__.py").touch()
    for room in ("edge", "testing"):  # imported by breaks below, perhaps not yet built
        plant(
            copy,
            {f"src/maestro/{room}/__init__.py": ""} if not (copy / "src/maestro" / room).exists() else {},
        )
    plant(copy, ALLOWED)
    return copy


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    # The roots of the copy go first, so that it is the copy that is read and not the installed project.
    roots = os.pathsep.join(str(tree / root) for root in ("src", "adapters", "sidecar", "policy"))
    return subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": roots, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_allowed_passes(tree):
    done = lint_imports(tree)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_planted_import_is_named(tree):
    plant(tree, {name: source for name, (source, _) in IMPORTS.items()})
    done = lint_imports(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert [chain for _, chain in IMPORTS.values() if chain not in said] == []
    assert "0 kept" in said, "each contract has at least one planted break"


@pytest.mark.parametrize("source", RULES)
def test_every_planted_clock_and_environment_is_named(source):
    done = subprocess.run(
        [
            BIN / "ruff",
            "check",
            "--no-cache",
            "--output-format=concise",
            "--stdin-filename",
            "src/maestro/planted.py",
            "-",
        ],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [rule for rule in RULES[source] if f" {rule} " not in done.stdout] == []
