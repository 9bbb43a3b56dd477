"""What importing costs: the library and the front door of the command line load nothing heavy."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "anyio",
    "asyncio",
    "cryptography",
    "deltalake",
    "httptools",
    "httpx",
    "hypothesis",
    "maestro.testing",
    "multiprocessing",
    "prometheus_client",
    "pyarrow",
    "sqlite3",
    "starlette",
    "uvicorn",
    "uvloop",
}


def loaded(statement):
    """Modules that a fresh interpreter has after `statement`, beyond those of the interpreter itself."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    # -I: neither the working folder nor PYTHONPATH, so it is the installed package that is asked. Coverage,
    # which would start in this process too, loads half of the list itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return set(json.loads(done.stdout))


def test_the_interpreter_alone_loads_none_of_them():
    assert not HEAVY & loaded("pass")


@pytest.mark.parametrize("name", ["maestro", "maestro_adapters", "maestro_policy", "maestro_sidecar"])
def test_importing_a_package_loads_nothing_heavy(name):
    assert not HEAVY & loaded(f"import {name}")


def test_the_command_line_starts_without_the_server_and_the_kit():
    heavy = HEAVY - {"asyncio"}
    assert not heavy & loaded("import maestro_sidecar.cli")


def test_the_door_for_threads_loads_no_event_loop():
    assert not HEAVY & loaded("from maestro.runtime import BlockingLimits, Slot")
    assert "asyncio" in loaded("from maestro.runtime import Limits")
