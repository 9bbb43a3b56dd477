"""The lake's engines against the suite of their port."""

from maestro.ports.lake import TableSpec
from maestro.testing.conformance import LakeTableConformance
from maestro.testing.lake import InMemoryLake
from maestro.testing.strategies.changes import SPEC, columns
from maestro_adapters.delta import DeltaLake


def never():
    return 0.0


class TestInMemory(LakeTableConformance):
    def make(self, clock, folder):
        return InMemoryLake(self.spec, columns())


class TestDeltaMergingAll(LakeTableConformance):
    examples = 20

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=1e9, dice=never)


class TestDeltaByCost(LakeTableConformance):
    """Small batches are not worth a rewrite: they wait in the side log."""

    examples = 20

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=400, dice=never)


class TestDeltaWithoutPartitions(LakeTableConformance):
    examples = 15
    spec = TableSpec(key=SPEC.key)

    test_a_row_that_moves_to_another_partition_is_set_aside = None
    test_events_that_cannot_be_applied_are_set_aside = None

    def make(self, clock, folder):
        return DeltaLake(folder / "table", self.spec, columns=columns(), bytes_per_event=1e9, dice=never)
