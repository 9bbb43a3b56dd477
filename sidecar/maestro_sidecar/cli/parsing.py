"""argparse with our manners: errors are BadInputError, help has a fixed width and an example."""

from __future__ import annotations

import argparse
from textwrap import fill
from typing import Any, NoReturn

from maestro.kernel.errors import BadInputError

__all__ = ["HelpGivenError", "Parser", "add_json"]

WIDTH = 96
"""Columns of help texts: fixed, so that the same text stands in every terminal and in the docs."""


class HelpGivenError(Exception):
    """Help or the version was printed, and that was all that was asked for."""


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **arguments: Any) -> None:
        # Newer releases of argparse hand in more than the program's name.
        super().__init__(prog, **(arguments | {"width": WIDTH, "max_help_position": 30}))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """``-o, --output OUT``, as Python 3.13 writes it, on every Python."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """A parser whose sub-parsers are of its own kind.

    Args:
        example: a command line that works as printed, and what it is for; shown at the end of ``--help``.
        arguments: those of ``argparse.ArgumentParser``.
    """

    def __init__(self, *, example: str = "", **arguments: Any) -> None:
        if example:
            arguments["epilog"] = f"example:\n{example}"
        # No abbreviations: an option added later must not change what a script of today means.
        super().__init__(formatter_class=_Help, allow_abbrev=False, **arguments)
        paragraphs = (self.description or "").split("\n\n")
        self.description = "\n\n".join(fill(paragraph, WIDTH) for paragraph in paragraphs)
        self.example = example
        # Python 3.14 colours help by the terminal's say; ours is the same text everywhere.
        self.color = False

    def error(self, message: str) -> NoReturn:
        """Raise bad usage instead of exiting, so that ``--json`` can answer it as a problem document."""
        raise BadInputError(f"{message}.", field=self.prog, remedy=f"See: {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise instead of exiting; argparse calls it after printing help or the version."""
        raise HelpGivenError(status, message)


def add_json(parser: Parser) -> None:
    """Every command has ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout and nothing else"
    )
