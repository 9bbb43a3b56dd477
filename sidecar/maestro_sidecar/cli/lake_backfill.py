"""``maestro lake backfill``: a source table's rows into a lake table, while its changes are followed."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.lake_follow import add_following, follow
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["add_to"]

_DESCRIPTION = """\
Bring the rows of a PostgreSQL table into a lake table in chunks, and follow its changes at the same time. A chunk
never overwrites a newer change, whichever comes first. Chunks wait while the live changes are late. It ends when all
rows are in and the source has nothing more to tell; stopped or killed, it goes on where it was.

SOURCE is as for follow; stop another follower of the same slot or group first. With a Kafka topic --database names the
table behind it.
"""
_EXAMPLE = "  maestro lake backfill 'postgresql://app@127.0.0.1/shop?table=public.orders' lake/orders"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "backfill",
        help="bring in the rows that were there before",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    add_following(parser)
    parser.add_argument(
        "--database", metavar="URL", help="postgresql://…?table=… of the rows, when SOURCE is a topic"
    )
    parser.add_argument(
        "--chunk", type=int, default=20_000, metavar="N", help="rows of a chunk (default 20000)"
    )
    parser.add_argument(
        "--progress", metavar="FILE", help="where to keep how far it came (default TABLE.backfill.json)"
    )
    parser.add_argument("--again", action="store_true", help="begin anew, though it was done or under way")
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs_extra("delta", "maestro lake backfill"):
        import_module("deltalake")
    with needs_extra("postgres", "maestro lake backfill"):
        import_module("psycopg")
    from maestro_sidecar.lake.following import Filling, read_progress

    progress = _progress_file(arguments)
    if arguments.again:
        progress.unlink(missing_ok=True)
    if not 0 < arguments.chunk <= 1_000_000:
        raise BadInputError("must be 1 to 1000000.", field="--chunk", value=arguments.chunk)
    database = arguments.database or arguments.source
    status = follow(
        arguments, once=True, filling=Filling(database=database, progress=progress, rows=arguments.chunk)
    )
    found = read_progress(progress)
    done = found is not None and found.done
    document = {
        "done": done,
        "rows": found.rows if found else 0,
        "chunks": found.chunks if found else 0,
        "changes": status.events,
        "freshnessSeconds": status.freshness_seconds,
    }
    if arguments.json:
        answers.tell_document(document)
    else:
        answers.tell(
            f"{document['rows']} rows in {document['chunks']} chunks, {document['changes']} changes beside them"
            + ("" if done else "; not done: run it again to go on")
        )
    return answers.DONE if done else answers.NO


def _progress_file(arguments: argparse.Namespace) -> Path:
    from pathlib import Path

    if arguments.progress:
        return Path(arguments.progress)
    if "://" in arguments.table:
        raise BadInputError(
            "is needed for a table that is no local folder.", field="--progress", remedy="Name a file."
        )
    return Path(arguments.table.rstrip("/") + ".backfill.json")
