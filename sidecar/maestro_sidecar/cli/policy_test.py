"""``maestro policy test``: rules named ``test_…``, each of which must be true."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.parsing import Parser, add_json
from maestro_sidecar.cli.policy_bundle import add_bundle, load, now_ns
from maestro_sidecar.cli.policy_eval import refused

if TYPE_CHECKING:
    from maestro.rego import Program

__all__ = ["add_to"]

_DESCRIPTION = """\
Run the rules named test_… of a bundle, as opa test does: one that is true passes, one that is undefined or
anything else fails, one that ends with an error is one. Rules named todo_test_… are skipped.

Exit 0: all passed; 3: some did not; 2: malformed input, or no tests.
"""
_EXAMPLE = """\
  mkdir -p policy && printf 'package app\\n\\nallow if input.user == "ann"\\n' > policy/app.rego
  printf 'package app_test\\n\\ntest_ann if data.app.allow with input.user as "ann"\\n' \\
    > policy/app_test.rego
  maestro policy test --bundle policy"""
_WORDS = {"pass": "PASS", "fail": "FAIL", "error": "ERROR", "skip": "SKIPPED"}


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "test", help="run a bundle's own tests", description=_DESCRIPTION, example=_EXAMPLE
    )
    add_bundle(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        program = load(arguments, "test", tests=True).program
    except UntrustedError as error:
        return refused(error, as_json=arguments.json)
    tests = sorted(_tests(program))
    if not tests:
        raise BadInputError(
            "has no rule named test_….",
            field="--bundle",
            value=arguments.bundle,
            remedy="Add some, or name them.",
        )
    outcomes = [_outcome(program, path) for path in tests]
    counts = {word: sum(one["outcome"] == word for one in outcomes) for word in _WORDS}
    good = counts["fail"] == counts["error"] == 0
    if arguments.json:
        answers.tell_document({"passed": good, "counts": counts, "tests": outcomes})
    else:
        for one in outcomes:
            answers.tell(
                f"{_WORDS[one['outcome']]:<7} {one['name']}{': ' if one['message'] else ''}{one['message']}"
            )
        answers.tell(f"{counts['pass']} of {len(outcomes)} passed")
    return answers.DONE if good else answers.NO


def _tests(program: Program) -> Iterator[tuple[str, ...]]:
    """Paths of all test rules that the plan has, as entrypoints or only as rules (``g0.data.app.test_x``)."""
    rules = {tuple(name.split(".")[2:]) for name in program.compiled.functions if name.startswith("g0.data.")}
    found = {path for path in {*rules, *program.entrypoints} if path}
    return (path for path in found if path[-1].removeprefix("todo_").startswith("test_"))


def _outcome(program: Program, path: tuple[str, ...]) -> dict[str, Any]:
    from maestro.rego import EvaluationError

    outcome, message = "skip", ""
    if not path[-1].startswith("todo_"):
        try:
            outcome = "pass" if program.evaluate(path, now=now_ns()) is True else "fail"
        except EvaluationError as error:
            outcome, message = "error", str(error)
    return {"name": ".".join(("data", *path)), "outcome": outcome, "message": message}
