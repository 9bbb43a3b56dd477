"""The conformance kit on the adapter beside this file."""

import sys
from pathlib import Path

from maestro.testing.conformance import LeaseStoreConformance

sys.path.insert(0, str(Path(__file__).parent))  # the example is no package
from file_leases import FileLeases


class TestFileLeases(LeaseStoreConformance):
    def make(self, clock, folder):
        return FileLeases(clock, folder)
