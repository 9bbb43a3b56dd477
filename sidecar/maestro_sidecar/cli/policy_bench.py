"""``maestro policy bench``: how long one decision takes."""

from __future__ import annotations

import argparse

from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.parsing import Parser, add_json
from maestro_sidecar.cli.policy_bundle import add_bundle, load, now_ns, policy_faults, read_document
from maestro_sidecar.cli.policy_eval import refused

__all__ = ["add_to"]

_DESCRIPTION = """\
Evaluate PATH many times, from JSON bytes to JSON bytes, and tell the median and the 95th percentile in
microseconds. Compare figures of one machine and one run only.
"""
_EXAMPLE = """\
  mkdir -p policy && printf 'package app\\n\\nallow if input.user == "ann"\\n' > policy/app.rego
  echo '{"user": "ann"}' | maestro policy bench --bundle policy --input - data.app.allow"""
_MOST = 1_000_000


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench", help="how long one decision takes", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("path", metavar="PATH", help="as OPA writes it: data.a.b")
    add_bundle(parser)
    parser.add_argument("--input", metavar="I", help="input document as JSON; - reads stdin")
    parser.add_argument("--count", type=int, default=5_000, metavar="N", help="evaluations (default: 5000)")
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from maestro_adapters.clock import SystemClock

    if not 1 <= arguments.count <= _MOST:
        raise BadInputError(
            f"must be from 1 to {_MOST}.", field="--count", value=arguments.count, remedy="Choose another."
        )
    clock = SystemClock()
    try:
        began = clock.nanoseconds()
        program = load(arguments, "bench").program
        ready = (clock.nanoseconds() - began) / 1e9
        given, now = read_document(arguments.input), now_ns()
        with policy_faults():
            program.evaluate_json(arguments.path, given, now=now)
    except UntrustedError as error:
        return refused(error, as_json=arguments.json)
    taken = []
    for _ in range(arguments.count):
        start = clock.nanoseconds()
        program.evaluate_json(arguments.path, given, now=now)
        taken.append(clock.nanoseconds() - start)
    taken.sort()
    document = {
        "count": arguments.count,
        "p50Microseconds": taken[len(taken) // 2] / 1000,
        "p95Microseconds": taken[len(taken) * 95 // 100] / 1000,
        "readySeconds": round(ready, 4),
    }
    if arguments.json:
        answers.tell_document(document)
    else:
        answers.tell(
            f"p50 {document['p50Microseconds']} µs, p95 {document['p95Microseconds']} µs "
            f"of {arguments.count} evaluations; ready after {document['readySeconds']} s"
        )
    return answers.DONE
