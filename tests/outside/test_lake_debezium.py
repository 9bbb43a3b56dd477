"""Captured Debezium events through `maestro lake merge`, against a replay with a dictionary."""

import gzip
import json
import os
from pathlib import Path

import pytest

from maestro_adapters.delta import DeltaLake
from maestro_sidecar.cli import main

pytestmark = pytest.mark.outside(data="debezium/executions.jsonl.gz")


def replayed(path):
    rows = {}
    with gzip.open(path, "rt") as lines:
        values = [json.loads(line)["value"] for line in lines]
    for value in values:
        if value is None:
            continue
        if value["op"] == "t":
            rows.clear()
        elif value["op"] == "d":
            rows.pop(value["before"]["execution_id"], None)
        else:
            rows[value["after"]["execution_id"]] = value["after"]
    return rows


def test_the_table_is_what_a_dictionary_says(tmp_path, capsys):
    events = Path(os.environ["MAESTRO_OUTSIDE"]) / "debezium" / "executions.jsonl.gz"
    arguments = [str(events), str(tmp_path / "t"), "--format", "debezium", "--key", "execution_id"]
    assert main(["lake", "merge", *arguments, "--json"]) == 0
    assert main(["lake", "verify", *arguments]) == 0
    capsys.readouterr()
    table = DeltaLake.open(tmp_path / "t")
    found = {row["execution_id"]: row for row in table.read().to_pylist()}
    table.close()
    assert found == replayed(events)
    assert len(found) > 1000
