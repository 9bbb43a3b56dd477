"""A small table and its changes, for the tests of engines."""

import pyarrow as pa

from maestro.lake.changes import batch_of
from maestro.ports.lake import TableSpec
from maestro.testing.strategies.changes import AT
from maestro_adapters.delta import DeltaLake

COLUMNS = pa.schema([("executionId", pa.string()), ("day", pa.date32()), ("n", pa.int64())])
DAYS = [AT.date().replace(day=day) for day in (1, 2, 3)]
SPEC = TableSpec(partition_by="day")
ALL = 1e18


def never():
    return 0.0


def change(number, version=1, op="c", **more):
    row = {"executionId": f"e{number:05d}", "day": DAYS[number % 3], "n": version}
    return row | {"_op": op, "_version": version, "_source": "s", "_event_time": AT} | more


def batch(*rows):
    return batch_of(rows, COLUMNS)


def lake(path, spec=SPEC, **more):
    return DeltaLake(path, spec, **{"columns": COLUMNS, "bytes_per_event": ALL, "dice": never} | more)


def live(table):
    return {row["executionId"]: row["n"] for row in table.read().to_pylist()}
