"""The lake's engines against the suite of their port."""

import getpass
import os
import sys
from pathlib import Path

import pytest

from maestro.ports.lake import TableSpec
from maestro.testing.conformance import LakeTableConformance
from maestro.testing.lake import InMemoryLake
from maestro.testing.strategies.changes import SPEC, columns
from maestro_adapters.delta import DeltaLake
from maestro_adapters.iceberg import IcebergLake, sql_catalog
from maestro_adapters.spark import SparkLake

# How many times the histories of a quick run; a night takes a hundred.
MORE = int(os.environ.get("MAESTRO_LAKE_MORE", "1"))


def never():
    return 0.0


class TestInMemory(LakeTableConformance):
    def make(self, clock, folder):
        return InMemoryLake(self.spec, columns())


class TestDeltaMergingAll(LakeTableConformance):
    examples = 20 * MORE

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=1e9, dice=never)


class TestDeltaByCost(LakeTableConformance):
    """Small batches are not worth a rewrite: they wait in the side log."""

    examples = 20 * MORE

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=400, dice=never)


class TestDeltaWithoutPartitions(LakeTableConformance):
    examples = 15 * MORE
    spec = TableSpec(key=SPEC.key)

    test_a_row_that_moves_to_another_partition_is_set_aside = None
    test_events_that_cannot_be_applied_are_set_aside = None

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=1e9, dice=never)


class TestIceberg(LakeTableConformance):
    examples = 6 * MORE

    def make(self, clock, folder):
        return IcebergLake(sql_catalog(str(folder)), "kit.table", self.spec, columns=columns(), dice=never)


@pytest.mark.services
class TestSpark(LakeTableConformance):
    """MERGE by a Spark Connect server: Sail."""

    examples = 5 * MORE

    @pytest.fixture(autouse=True)
    def endpoint(self, service, monkeypatch):
        # pyspark takes a process whose main module has no file, as a worker of pytest-xdist, for its own doctests.
        monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        # As this user, for the tables stand in folders of ours.
        sail = Path(sys.executable).with_name("sail")
        self.address = service("spark-connect", SAIL=str(sail), SERVICES_USER=getpass.getuser())

    def make(self, clock, folder):
        return SparkLake(self.address, folder / "table", self.spec, columns=columns())
