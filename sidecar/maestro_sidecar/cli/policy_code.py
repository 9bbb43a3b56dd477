"""``maestro policy show-code``: the Python that a policy was compiled to."""

from __future__ import annotations

import argparse

from maestro.kernel.errors import UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.parsing import Parser, add_json
from maestro_sidecar.cli.policy_bundle import add_bundle, load
from maestro_sidecar.cli.policy_eval import refused

__all__ = ["add_to"]

_DESCRIPTION = """\
Print the Python that a bundle's policies are compiled to, in memory, when they are loaded. Nothing of the
policy's text is in it: functions, builtins and constants are numbered, and named in comments above it.
"""
_EXAMPLE = """\
  mkdir -p policy && printf 'package app\\n\\nallow if input.user == "ann"\\n' > policy/app.rego
  maestro policy show-code --bundle policy"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "show-code",
        help="the Python that a policy is compiled to",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    add_bundle(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        compiled = load(arguments, "show-code").program.compiled
    except UntrustedError as error:
        return refused(error, as_json=arguments.json)
    named = {"f": compiled.functions, "B": compiled.builtins, "K": tuple(map(repr, compiled.constants))}
    if arguments.json:
        functions, builtins, constants = named.values()
        answers.tell_document(
            {"source": compiled.source, "functions": functions, "builtins": builtins, "constants": constants}
        )
    else:
        answers.tell(
            "\n".join(
                f"# {letter}{i} = {name}" for letter, names in named.items() for i, name in enumerate(names)
            )
        )
        answers.tell(f"\n{compiled.source}")
    return answers.DONE
