"""``maestro conformance``: run the kit of ``maestro.testing`` against somebody's adapter."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.testing.conformance import Report

__all__ = ["add_to", "load_factory"]

_DESCRIPTION = """\
Run the conformance kit against a lease store, a document store, an event log or a lake table. FACTORY is
called with a clock and a folder and opens a store there: the same folder means the same store, if it outlives its
process. MODULE may stand in the current directory. Exit 0: passed; 3: a check failed, or none ran.
"""
_EXAMPLE = """\
  cat > mine.py <<'END'
  from maestro_adapters.inprocess import InProcessDocuments

  def make(clock, folder):
      return InProcessDocuments()
  END
  maestro conformance mine:make"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "conformance",
        help="prove an adapter with the kit",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("factory", nargs="?", metavar="MODULE:FACTORY", help="what opens a store")
    chosen.add_argument(
        "--self-test", action="store_true", help="judge the kit itself, by stores with planted bugs"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs_extra("testing", "maestro conformance"):
        from maestro.testing.conformance import run_conformance
        from maestro.testing.conformance.planted import self_test
    if arguments.self_test:
        answers.note("running the kit on every planted bug; this takes minutes")
        report = self_test()
    else:
        factory = load_factory(arguments.factory)
        _require_opens(factory, arguments.factory)
        answers.note(f"running every check on {arguments.factory}; this can take a minute")
        report = run_conformance(factory)
    if arguments.json:
        answers.tell_document(report)
    else:
        answers.tell("\n".join(_lines(report)))
    return answers.DONE if report.passed else answers.NO


def _require_opens(factory: Callable[..., Any], name: str) -> None:
    """Open one store, so that a factory of another shape is told as that and not as failed checks.

    Raises:
        BadInputError: the factory raised.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from maestro.testing.clock import VirtualClock

    with TemporaryDirectory(prefix="maestro-conformance-") as folder:
        try:
            store = factory(VirtualClock(), Path(folder))
        except Exception as error:
            raise BadInputError(
                f"opened no store: {type(error).__name__}: {error}.",
                field="MODULE:FACTORY",
                value=name,
                remedy="Name a function that takes a clock and a folder; see docs/howto/adapter.md.",
            ) from error
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _lines(report: Report) -> Iterator[str]:
    from textwrap import indent

    yield f"port          {report.port}"
    yield f"capabilities  {', '.join(report.capabilities)}"
    yield f"ran           {report.ran}"
    yield f"failed        {report.failed}"
    yield f"refused       {report.refused} undeclared capabilities"
    yield f"seconds       {report.seconds:.1f}"
    for failure in report.failures:
        yield f"\n{failure.name}\n{indent(failure.message, '  ')}"


def load_factory(name: str) -> Callable[..., Any]:
    """Import ``module:factory``, also from the current directory.

    Raises:
        BadInputError: no such module or attribute, it cannot be imported, or it cannot be called.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise BadInputError(
            "is not MODULE:FACTORY.",
            field="MODULE:FACTORY",
            value=name,
            remedy="Write for example my_adapter.store:make.",
        )
    here = os.getcwd()  # noqa: PTH109 - no pathlib, which costs every start 5 ms
    if here not in sys.path:
        # As `python -m` does: who writes an adapter runs this beside it, before it is a package.
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the author's code, which may fail in any way
        raise BadInputError(
            f"cannot be imported: {type(error).__name__}: {error}.",
            field="MODULE:FACTORY",
            value=name,
            remedy="Check the name, and run it where the module can be found.",
        ) from error
    if not callable(found):
        raise BadInputError(
            "is no function or class.", field="MODULE:FACTORY", value=name, remedy="Name what opens a store."
        )
    factory: Callable[..., Any] = found
    return factory
