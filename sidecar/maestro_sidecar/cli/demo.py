"""``maestro demo``: five tenants, hundreds of real processes, one SQLite file, under a minute."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import require_store
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

    from maestro_sidecar.demo.demo import Watch
    from maestro_sidecar.demo.dispatcher import Dispatcher
    from maestro_sidecar.demo.edge import EdgeReport
    from maestro_sidecar.demo.lake import LakeReport

__all__ = ["add_to"]

_DESCRIPTION = """\
Run the main job on embedded defaults, no server needed: five tenants with different limits, real
processes that are denied, wait as advised, are admitted and end, on a SQLite file. At the end every
admission is judged again from the event log. Then an edge: a policy bundle is published, served,
tampered with, quarantined, and all recovers. Exit 0: all runs completed, no violation, the edge did
as promised; 3: not so.
"""
_EXAMPLE = "  maestro demo --runs 50"
_RUNS = 400
_MOST_RUNS = 5000
_NOTE_SECONDS = 2.0
"""Where stderr is no terminal: one line of progress in this time."""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo", help="see it work on real processes", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument(
        "--runs", type=int, default=_RUNS, metavar="N", help=f"how many runs (default {_RUNS})"
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="replay real arrivals: a .csv or .csv.gz whose first column is TIMESTAMP; the last one, if a "
        "number, sets how long a run takes",
    )
    parser.add_argument(
        "--store", metavar="PATH", help="keep the SQLite file here (default: a temporary one, removed)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="then serve the demo's store over HTTP until Ctrl-C"
    )
    parser.add_argument("--lake", metavar="TABLE", help="then merge the runs into a Delta table here")
    parser.add_argument("--no-edge", action="store_true", help="leave the edge out")
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from maestro_sidecar.demo.arrivals import read_trace
    from maestro_sidecar.demo.demo import run_demo

    if not 1 <= arguments.runs <= _MOST_RUNS:
        raise BadInputError(
            "is out of range.", field="--runs", value=arguments.runs, remedy=f"Use 1 to {_MOST_RUNS}."
        )
    if arguments.serve:
        # Before the half minute of runs, not after it: a missing extra is told at once.
        from maestro_sidecar.cli.serve import require_server

        require_server("maestro demo --serve")
    if arguments.lake:
        with needs_extra("delta", "maestro demo --lake"):
            import_module("deltalake")
    trace = read_trace(Path(arguments.trace), arguments.runs) if arguments.trace else None
    runs = arguments.runs if trace is None else len(trace.taken)
    with _store(arguments.store) as store:
        answers.note(f"{runs} runs of five tenants, by two dispatchers that share {store.name}")
        report = run_demo(store, arguments.runs, _progress(), trace)
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        edge = None if arguments.no_edge else _edge()
        lake = _lake(store, arguments.lake) if arguments.lake else None
        if arguments.json:
            acts = {"edge": edge, "lake": lake}
            told = {name: act.document() for name, act in acts.items() if act is not None}
            answers.tell_document(report.document() | told)
        else:
            answers.tell("\n".join([report.table(), *(["", *edge.lines()] if edge is not None else [])]))
            if lake is not None:
                answers.tell(f"\n{lake.line()}")
        if arguments.serve:
            from maestro_sidecar.cli.serve import serve_store

            serve_store(store)
    return answers.DONE if report.as_promised and (edge is None or edge.as_promised) else answers.NO


def _lake(store: Path, table: str) -> LakeReport:
    """The runs as a table."""
    from maestro_adapters.clock import SystemClock
    from maestro_sidecar.demo.lake import runs_into_lake

    clock = SystemClock()
    return runs_into_lake(store, table, clock.now, clock.nanoseconds)


def _edge() -> EdgeReport | None:
    """The second act, where its drivers are installed."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    try:
        with needs_extra("edge", "the demo's edge"):
            import_module("tuf")
            edge = import_module("maestro_sidecar.demo.edge")
    except BadInputError as error:
        answers.note(f"without an edge: {error}")
        return None
    with TemporaryDirectory(prefix="maestro-demo-edge-") as folder:
        report: EdgeReport = edge.run_edge(Path(folder), answers.note)
    return report


@contextmanager
def _store(path: str | None) -> Iterator[Path]:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    if path is not None:
        require_store(Path(path), "--store")
        yield Path(path)
        return
    with TemporaryDirectory(prefix="maestro-demo-") as folder:
        yield Path(folder) / "demo.db"


def _progress() -> Watch:
    """A line that is written over on a terminal; elsewhere a new line every two seconds."""
    terminal = sys.stderr.isatty()
    told = 0.0

    def watch(seconds: float, dispatchers: Sequence[Dispatcher]) -> None:
        nonlocal told
        line = _line(seconds, dispatchers)
        if terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif seconds - told >= _NOTE_SECONDS:
            told = seconds
            answers.note(line)

    return watch


def _line(seconds: float, dispatchers: Sequence[Dispatcher]) -> str:
    tallies = [tally for each in dispatchers for tally in list(each.tallies.values())]
    runs, completed = sum(tally.runs for tally in tallies), sum(tally.completed for tally in tallies)
    denied = sum(tally.denies.total() for tally in tallies)
    going, waiting = (sum(getattr(each, what) for each in dispatchers) for what in ("going", "waiting"))
    return f"{seconds:5.1f} s  {completed} of {runs} completed, {going} going, {waiting} waiting, {denied} denies"
