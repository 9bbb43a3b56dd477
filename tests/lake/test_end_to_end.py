"""From PostgreSQL to a Delta table on real servers, every part of which is killed at random: none lost, none doubled.

`MAESTRO_CDC_ROUNDS` sets how many kills there are: a few in CI, 100 for the full proof (`make cdc-kills`).
"""

import os
import random
import tempfile
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from lake.cdc import LIMIT, TABLE, Busy, Origin, Servers, Victim, table_rows, wait_for
from maestro_adapters.delta import DeltaLake
from maestro_adapters.postgres.slot import drop_slot

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("cdc")]

ROUNDS = int(os.environ.get("MAESTRO_CDC_ROUNDS", "4"))
SEED = int(os.environ.get("MAESTRO_CDC_SEED", "20260330"))
POINTS = ("write", "write", "write", "commit", "offset", "told")

CONTRACT = """{"type": "record", "name": "executions", "fields": [
 {"name": "id", "type": "string"},
 {"name": "tenant", "type": ["null", "string"]},
 {"name": "status", "type": ["null", "string"]},
 {"name": "cost", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
 {"name": "created_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
 {"name": "body", "type": ["null", "string"]},
 {"name": "n", "type": ["null", "int"]}]}"""


@pytest.fixture(scope="module")
def servers():
    """Servers of these tests alone: they get killed."""
    with tempfile.TemporaryDirectory(prefix="maestro-cdc-") as folder:
        Path(folder).chmod(0o755)
        servers = Servers(Path(folder))
        yield servers
        servers.down()


def start(servers, name, *arguments):
    try:
        return servers.up(name, *arguments)
    except RuntimeError as error:
        if os.environ.get("MAESTRO_REQUIRE_SERVICES") == "1":
            pytest.fail(f"MAESTRO_REQUIRE_SERVICES=1, but {error}", pytrace=False)
        pytest.skip(str(error))


def bomb(dice):
    """A point of the follower's work, and which time it gets there."""
    return f"{dice.choice(POINTS)}:{dice.randint(1, 3)}:{dice.choice((0, 0, dice.random() / 10)):.3f}"


def caught_up(path, origin):
    """Once the table equals the source, row by row; what differs is told when it never does."""
    try:
        wait_for("the table equals its source", lambda: table_rows(path) == origin.rows())
    except AssertionError:
        have, want = set(table_rows(path) or ()), set(origin.rows())
        pytest.fail(f"extra {sorted(have - want)[:5]}, missing {sorted(want - have)[:5]}")


def is_sound(path):
    """One row a key, and nothing was kept aside."""
    rows = table_rows(path)
    assert len({row[0] for row in rows}) == len(rows) > 0
    table = DeltaLake.open(path)
    try:
        assert table.status().quarantined == 0
    finally:
        table.close()


def test_a_slot_followed_through_kills(servers, tmp_path):
    address = start(servers, "postgres")
    origin, dice = Origin(address, SEED), random.Random(SEED)
    path, log = tmp_path / "executions", tmp_path / "log"
    arguments = (f"{address}?table={TABLE}", str(path), "--longest", "0.2", "--rows", "500")
    Victim(*arguments, "--once", log=log).wait()  # the slot is there before the first change
    with Busy(origin):
        for _ in range(ROUNDS):
            Victim(*arguments, kill_at=bomb(dice), log=log).wait_killed()
    last = Victim(*arguments, log=log)
    caught_up(path, origin)
    last.stop()
    is_sound(path)
    assert drop_slot(address, "maestro_public_executions")


def test_a_backfill_beside_changes_goes_on_after_a_kill(servers, tmp_path):
    """Rows that were there before the slot come in by chunks, and no chunk overwrites what changed meanwhile."""
    address = start(servers, "postgres")
    origin = Origin(address, SEED + 2)
    for _ in range(60):
        with origin.connect() as connection:
            origin.change(connection)
    path, log = tmp_path / "executions", tmp_path / "log"
    arguments = (f"{address}?table={TABLE}", str(path), "--longest", "0.2", "--chunk", "40")
    with Busy(origin):
        Victim(*arguments, command="backfill", kill_at="commit:3:0", log=log).wait_killed()
        last = Victim(*arguments, command="backfill", log=log)
        wait_for("the chunks are through", lambda: last.process.poll() is not None or _done(path))
    last.wait()
    caught_up(path, origin)
    is_sound(path)
    assert drop_slot(address, "maestro_public_executions")


def _done(path):
    progress = path.with_name(path.name + ".backfill.json")
    return progress.exists() and b'"done":true' in progress.read_bytes()


def test_kafka_and_debezium_followed_through_kills_of_each_part(servers, tmp_path):
    address, kafka = start(servers, "postgres"), start(servers, "kafka")
    origin, dice = Origin(address, SEED + 1), random.Random(SEED + 1)
    topic, heart = f"spine.{TABLE}", "__debezium-heartbeat.spine"
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics([NewTopic(topic, 2, 1), NewTopic(heart, 1, 1)]).values():
        made.result(LIMIT)
    debezium = ("debezium", address, kafka, TABLE)
    start(servers, *debezium)
    contract, path, log = tmp_path / "contract.avsc", tmp_path / "executions", tmp_path / "log"
    contract.write_text(CONTRACT)
    arguments = (
        f"kafka://{kafka}/{topic}", str(path), "--key", "id", "--contract", str(contract),
        "--heartbeats", heart, "--instance", "one", "--longest", "0.2", "--rows", "500",
    )  # fmt: skip
    with Busy(origin):
        for number in range(ROUNDS):
            victim = Victim(*arguments, kill_at=bomb(dice), log=log)

            part = ("debezium", "kafka", "postgres", "")[number % 4]
            if part:
                servers.kill(part)
                start(servers, part, *(debezium[1:] if part == "debezium" else ()))
                start(servers, *debezium)  # it may have given up meanwhile
            victim.wait_killed()
    last = Victim(*arguments, log=log)
    start(servers, *debezium)
    caught_up(path, origin)
    last.stop()
    is_sound(path)
