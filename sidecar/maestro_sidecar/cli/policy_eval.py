"""``maestro policy eval``: the value of a rule, a package or a document."""

from __future__ import annotations

import argparse

from maestro.kernel.errors import MaestroError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.parsing import Parser, add_json
from maestro_sidecar.cli.policy_bundle import add_bundle, load, now_ns, policy_faults, read_document

__all__ = ["EXAMPLE", "add_to", "refused"]

_DESCRIPTION = """\
Evaluate PATH, as data.package.rule, and print {"result": VALUE} as opa eval users expect; {} when it is
undefined. The archive's signature is checked if --key names one.

Exit 0: it was evaluated; 3: the bundle is not trusted; 2: no such path, malformed input, or a policy that
contradicts itself or reaches a limit.
"""
EXAMPLE = """\
  mkdir -p policy && printf 'package app\\n\\nallow if input.user == "ann"\\n' > policy/app.rego
  echo '{"user": "ann"}' | maestro policy eval --bundle policy --input - data.app.allow"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "eval", help="the value of a rule, a package or a document", description=_DESCRIPTION, example=EXAMPLE
    )
    parser.add_argument("path", metavar="PATH", help='as OPA writes it: data.a.b, data.a["b-c"]')
    add_bundle(parser)
    parser.add_argument("--input", metavar="I", help="input document as JSON; - reads stdin")
    parser.add_argument(
        "--strict-builtin-errors",
        action="store_true",
        help="end with a builtin's error instead of taking it for undefined",
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import msgspec

    try:
        program = load(arguments, "eval").program
        with policy_faults():
            value = program.evaluate_json(
                arguments.path,
                read_document(arguments.input),
                now=now_ns(),
                seed=_seed(),
                strict_builtin_errors=arguments.strict_builtin_errors,
            )
    except UntrustedError as error:
        return refused(error, as_json=arguments.json)
    answers.tell_document({"result": msgspec.Raw(value)} if isinstance(value, bytes) else {})
    return answers.DONE


def refused(error: MaestroError, *, as_json: bool) -> int:
    """Content that is not what it should be: the answer is no, with its reason."""
    document = {"trusted": False, "reasons": [error.code], "message": error.message, "remedy": error.remedy}
    if as_json:
        answers.tell_document(document)
    else:
        answers.note(f"maestro: REFUSED {error.code}: {error.message} {error.remedy}")
    return answers.NO


def _seed() -> bytes:
    import secrets

    return secrets.token_bytes(32)
