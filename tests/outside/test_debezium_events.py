"""Events as Debezium captured them from PostgreSQL 15: every record is read, and the table comes out right."""

import gzip
import json
from collections import Counter
from decimal import Decimal

import pytest

from maestro.formats.connect_types import WireType, read_value
from maestro.formats.debezium import Kind, decode

pytestmark = pytest.mark.outside(data="debezium/executions.jsonl.gz")


def records(folder):
    with gzip.open(folder / "debezium" / "executions.jsonl.gz", "rt") as lines:
        for line in lines:
            found = json.loads(line)
            yield tuple(
                None if found[part] is None else json.dumps(found[part]).encode() for part in ("key", "value")
            )


def test_every_record_is_of_a_known_kind(outside_data):
    kinds = Counter((found.kind, found.op) for found in (decode(*each) for each in records(outside_data)))
    assert kinds == {
        (Kind.CHANGE, "r"): 2,
        (Kind.CHANGE, "c"): 1492,
        (Kind.CHANGE, "u"): 1,
        (Kind.CHANGE, "d"): 2,
        (Kind.TOMBSTONE, ""): 2,
        (Kind.TRUNCATE, "t"): 1,
    }


def test_decimals_and_instants_mean_what_postgresql_held(outside_data):
    first = next(decode(*each) for each in records(outside_data))
    assert read_value(first.after["cost"], WireType("decimal", scale=2)) == Decimal("150.00")
    made = read_value(first.after["created_at"], WireType("timestamp", zoned=True))
    assert made.isoformat() == "2026-11-23T03:45:01.956071+00:00"


def test_the_source_orders_the_changes_of_a_key(outside_data):
    by_key = {}
    for found in (decode(*each) for each in records(outside_data)):
        if found.kind is Kind.CHANGE:
            by_key.setdefault(found.key["execution_id"], []).append(found.origin.lsn)
    assert all(lsns == sorted(set(lsns)) for lsns in by_key.values())
