"""The contract registry on a real PostgreSQL: two nodes on one schema."""

import threading
import uuid

import psycopg
import pytest

from maestro.lake.contracts.registry.changes import SchemaText
from maestro.runtime.contracts import ContractRegistry
from maestro.testing.clock import VirtualClock
from maestro_adapters.postgres import Database, PostgresDocuments, PostgresOutbox

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("postgres")]


@pytest.fixture
def databases(service):
    """Two openings of one fresh schema."""
    url, schema = service("postgres"), f"contracts_{uuid.uuid4().hex[:8]}"
    opened = [Database(url, schema=schema) for _ in range(2)]
    yield opened
    for database in opened:
        database.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


def test_two_nodes_share_one_registry(databases):
    nodes = [ContractRegistry(PostgresDocuments(each), VirtualClock()) for each in databases]
    ids = []

    def register(node, name):
        for at in range(5):
            text = SchemaText(f'{{"type": "fixed", "name": "{name}{at}", "size": {at + 1}}}')
            ids.append(
                node.do(lambda it, text=text: it.register(f"{name}-{it.state.next_id()}", text), by=name)
            )

    threads = [
        threading.Thread(target=register, args=pair) for pair in zip(nodes, ("ann", "bob"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node in nodes:
        node.do(lambda it: it.set_config("s", {"compatibility": "NONE"}), by="ann")
    assert sorted(ids) == list(range(1, 11))
    one, other = (node.log() for node in nodes)
    assert [each.number for each in one] == list(range(1, len(one) + 1))
    assert [each.change for each in one] == [each.change for each in other][: len(one)]
    told = [event.type for _, event in PostgresOutbox(databases[0]).read()]
    assert told.count("mc.contracts.registered") == len(ids)
    assert told.count("mc.contracts.config") == 2
