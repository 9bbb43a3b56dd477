"""`maestro.testing` without its extra: only what draws examples needs hypothesis."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["maestro.testing", "maestro.testing.clock", "maestro.testing.model"])
def test_hypothesis_is_not_loaded(module):
    code = f"import sys, {module}; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
