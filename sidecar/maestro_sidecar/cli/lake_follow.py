"""``maestro lake follow``: changes from a source to a table, until it is told to stop."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from contextlib import ExitStack

    from maestro.runtime.follow import Follower, FollowStatus
    from maestro_sidecar.lake.following import Filling
    from maestro_sidecar.lake.sources import SourceSettings

__all__ = ["add_following", "add_to", "follow", "source_of"]

_DESCRIPTION = """\
Follow a source and keep a table up to it, in micro-batches sized between latency and cost, until SIGTERM or Ctrl-C.
What was committed is what the source is told; after a crash it goes on there, and nothing is lost or doubled. An
event that cannot be read goes to the table's quarantine with its reason, and the rest goes on.

SOURCE is kafka://HOST:PORT/TOPIC with Debezium's JSON envelopes, or postgresql://USER@HOST/DB?table=SCHEMA.NAME,
followed by a replication slot with wal2json. A slot keeps the server's write-ahead log while nobody follows it: give
the server max_slot_wal_keep_size, and drop a slot that is not needed any more with --drop-slot.
"""
_EXAMPLE = """\
  maestro lake follow 'postgresql://app@127.0.0.1/shop?table=public.orders' lake/orders
  maestro lake follow kafka://127.0.0.1:9092/spine.public.orders lake/orders --key id"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "follow",
        help="keep a table up to a source of changes",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    add_following(parser)
    parser.add_argument("--once", action="store_true", help="end once the source has told all that it has")
    parser.add_argument(
        "--landing",
        action="store_true",
        help="write change files to TABLE and merge nothing, as with the flag cdc_lakehouse off",
    )
    parser.add_argument("--drop-slot", action="store_true", help="drop the replication slot, and do no more")
    add_json(parser)
    parser.set_defaults(run=_run)


def add_following(parser: Parser) -> None:
    """Source, table, and how the one is followed into the other."""
    _add_source(parser)
    _add_table(parser)
    parser.add_argument("--slo", type=float, default=90.0, metavar="SECONDS", help="freshness (default 90)")
    parser.add_argument(
        "--longest", type=float, default=10.0, metavar="SECONDS", help="wait for company (default 10)"
    )
    parser.add_argument(
        "--rows", type=int, default=100_000, metavar="N", help="changes of a commit at most (default 100000)"
    )
    parser.add_argument("--store", metavar="PATH", help="keep alarms in this SQLite store's outbox")
    parser.add_argument(
        "--metrics", type=int, metavar="PORT", help="serve /metrics on this port of 127.0.0.1"
    )


def _add_source(parser: Parser) -> None:
    """SOURCE and what belongs to it."""
    parser.add_argument("source", metavar="SOURCE", help="where changes come from")
    parser.add_argument("--name", default="", help="the source's name in the table (default: topic or table)")
    parser.add_argument("--group", default="", help="Kafka consumer group (default maestro-NAME)")
    parser.add_argument(
        "--instance", default="", help="this follower's name in the group; a restart is quicker with one"
    )
    parser.add_argument("--heartbeats", default="", metavar="TOPIC", help="Debezium's heartbeat topic")
    parser.add_argument(
        "--version", choices=["lsn", "offset"], default="lsn", help="what orders the changes (default lsn)"
    )
    parser.add_argument("--slot", default="", help="replication slot (default maestro_ and the table)")


def _add_table(parser: Parser) -> None:
    """TABLE and what belongs to it."""
    parser.add_argument("table", metavar="TABLE", help="the Delta table, a path or URI; made when missing")
    parser.add_argument(
        "--key", metavar="COLUMN[,COLUMN]", help="columns that name a row (default: the source's primary key)"
    )
    parser.add_argument("--partition-by", metavar="COLUMN", help="column that files are laid out by")
    parser.add_argument("--contract", metavar="FILE", help="the table's columns: Avro, JSON Schema, ODCS, …")


def source_of(arguments: argparse.Namespace) -> SourceSettings:
    """The source as the options say."""
    from maestro_sidecar.lake.sources import SourceSettings

    return SourceSettings(
        address=arguments.source,
        name=arguments.name,
        group=arguments.group,
        instance=arguments.instance,
        slot=arguments.slot,
        heartbeats=arguments.heartbeats,
        versions=arguments.version,
    )


def _run(arguments: argparse.Namespace) -> int:
    from maestro_sidecar.lake.sources import extra_of

    with needs_extra("delta", "maestro lake follow"):
        import_module("pyarrow" if arguments.landing else "deltalake")
    with needs_extra(extra_of(arguments.source), "maestro lake follow"):
        if arguments.drop_slot:
            return _drop(arguments)
        status = follow(arguments, once=arguments.once, landing=arguments.landing)
    if arguments.json:
        answers.tell_document(status)
    else:
        answers.tell(
            f"{status.events} changes in {status.commits} commits, {status.quarantined} quarantined, "
            f"freshness {status.freshness_seconds:g} s"
        )
    return answers.DONE


def _drop(arguments: argparse.Namespace) -> int:
    from maestro_adapters.postgres.slot import drop_slot
    from maestro_sidecar.lake.sources import slot_name, split_table

    conninfo, table = split_table(arguments.source)
    slot = arguments.slot or slot_name(table)
    dropped = drop_slot(conninfo, slot)
    if arguments.json:
        answers.tell_document({"slot": slot, "dropped": dropped})
    else:
        answers.tell(f"slot {slot} {'dropped' if dropped else 'was not there'}")
    return answers.DONE


def follow(
    arguments: argparse.Namespace, *, once: bool, landing: bool = False, filling: Filling | None = None
) -> FollowStatus:
    """Follow as the options say, until a signal or, with ``once``, the end of what there is."""
    import threading
    from contextlib import ExitStack

    from maestro_sidecar.lake.following import Following, open_follower, stopping

    wanted = Following(
        table=arguments.table,
        source=source_of(arguments),
        key=tuple(arguments.key.split(",")) if arguments.key else (),
        partition_by=arguments.partition_by,
        contract=arguments.contract,
        landing=landing,
        slo_seconds=arguments.slo,
        longest_seconds=arguments.longest,
        rows=arguments.rows,
    )
    stop = threading.Event()
    with ExitStack() as stack, stopping(stop):
        events = None
        if arguments.store:
            from maestro_adapters.sqlite import SqliteOutbox

            events = SqliteOutbox(arguments.store)
            stack.callback(events.close)
        follower = open_follower(wanted, stack, events, filling)
        if arguments.metrics is not None:
            _serve_metrics(follower, arguments.metrics, stack)
        answers.note(f"following into {arguments.table}; Ctrl-C stops it")
        follower.run(stop, until_quiet=once)
        return follower.status()


def _serve_metrics(follower: Follower, port: int, stack: ExitStack) -> None:
    with needs_extra("sidecar", "maestro lake follow --metrics"):
        from prometheus_client import CollectorRegistry, start_http_server

        from maestro_sidecar.lake.figures import FollowFigures
    registry = CollectorRegistry()
    registry.register(FollowFigures(lambda: [follower.status()]))
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    answers.note(f"figures at http://127.0.0.1:{server.server_port}/metrics")
