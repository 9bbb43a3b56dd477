"""The opa that tests/services/install.sh brings."""

import subprocess
from pathlib import Path

import pytest

SERVICES = Path(__file__).parent.parent / "services"


@pytest.fixture(scope="session")
def opa(tool):
    """The program: where install.sh puts it, else on PATH."""
    find = ["bash", "-c", '. "$0"; command -v opa', SERVICES / "lib.sh"]
    found = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()
    return found or tool("opa")
