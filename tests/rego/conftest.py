"""The opa that tests/services/install.sh brings, and one server for all tests of its group."""

import subprocess
from pathlib import Path

import pytest

from maestro_adapters.opa import OpaClient
from maestro_policy import rego_sources

SERVICES = Path(__file__).parent.parent / "services"


@pytest.fixture(scope="session")
def opa(tool):
    """The program: where install.sh puts it, else on PATH."""
    find = ["bash", "-c", '. "$0"; command -v opa', SERVICES / "lib.sh"]
    found = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
    return found or tool("opa")


@pytest.fixture(scope="session")
def server(service):
    """A client of a real server that has our policies."""
    with OpaClient(service("opa"), timeout=60) as client:
        for name, text in rego_sources().items():
            client.put_policy(f"maestro/{name}", text)
        yield client
