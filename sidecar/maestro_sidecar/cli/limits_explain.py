"""``maestro limits explain``: the decision that limits in a file would give a request, and why."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.inputs import STDIN, read_input
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from datetime import datetime

    from maestro.limits.decision import Decision
    from maestro.limits.documents import LimitsFile
    from maestro.limits.policy import LimitsPolicy
    from maestro.limits.request import DecisionRequest

__all__ = ["add_to"]

_DESCRIPTION = """\
Judge one request by the limits in a file, without taking a slot. Usage, which a lease store would
know, is taken from the file's packageUsage and runningTotal. Exit 0: allowed; 3: denied.
"""
_EXAMPLE = """\
  echo '{"tenant": "acme", "package": "ns/a"}' > request.json
  echo '{"tenant": "acme", "packageCaps": {"ns/*": 2}}' |
    maestro limits explain --limits - --request request.json"""
_MOST_BYTES = 4 * 1024 * 1024
"""Read at most; what is longer than a document may be is refused with its size when it is parsed."""
_MOST_DAYS = 92


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="judge one request by the limits in a file",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    parser.add_argument("--limits", required=True, metavar="FILE", help="limits as JSON; - reads stdin")
    parser.add_argument("--request", required=True, metavar="FILE", help="request as JSON; - reads stdin")
    parser.add_argument(
        "--at", metavar="T", help="judge at this RFC 3339 instant, not at the request's ts or now"
    )
    parser.add_argument(
        "--calendar", type=int, metavar="DAYS", help="also draw when runs may start in the next days"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from maestro.limits.decide import decide
    from maestro.limits.documents import parse_limits_file
    from maestro.limits.policy import compile_file
    from maestro.limits.request import parse_request
    from maestro.ports.leases import Usage

    if arguments.limits == arguments.request == STDIN:
        raise BadInputError(
            "cannot both be read from stdin.",
            field="--limits, --request",
            remedy="Name a file for one of them.",
        )
    days = _days(arguments.calendar)
    limits_text = read_input(arguments.limits, "--limits", _MOST_BYTES)
    request_text = read_input(arguments.request, "--request", _MOST_BYTES)
    with _naming(arguments.limits):
        limits = parse_limits_file(limits_text)
        policy = compile_file(limits)
    with _naming(arguments.request):
        request = parse_request(request_text)
        _require_same_tenant(limits, request)
    decision = decide(
        policy,
        request.package,
        _instant(arguments.at, request),
        expected=request.expected_seconds or None,
        usage=Usage(limits.running_total, limits.package_usage.get(request.package, 0)),
    )
    if arguments.json:
        answers.tell_document(_document(policy, decision, days))
    else:
        answers.tell("\n".join(_lines(policy, decision, request, days)))
    return answers.DONE if decision.allowed else answers.NO


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Two files are read, so an error within one of them tells which."""
    try:
        yield
    except BadInputError as error:
        error.add_note("stdin" if file == STDIN else file)
        raise


def _days(asked: int | None) -> int:
    if asked is not None and not 1 <= asked <= _MOST_DAYS:
        raise BadInputError(
            "is out of range.", field="--calendar", value=asked, remedy=f"Use 1 to {_MOST_DAYS} days."
        )
    return asked or 0


def _require_same_tenant(limits: LimitsFile, request: DecisionRequest) -> None:
    """Usage and limits of one tenant say nothing of another, and a typing error must not pass as a verdict."""
    if request.tenant != limits.tenant:
        raise BadInputError(
            f"is not {limits.tenant!r}, whose limits were given.",
            field="tenant",
            value=request.tenant,
            remedy="Name the same tenant in both files.",
        )


def _instant(at: str | None, request: DecisionRequest) -> datetime:
    from msgspec import UNSET

    from maestro.kernel.instants import parse_instant
    from maestro.limits.request import in_judged_years
    from maestro_adapters.clock import SystemClock

    if at is not None:
        return in_judged_years(parse_instant(at, "--at"), "--at")
    return SystemClock().now() if request.ts is UNSET else request.ts


def _document(policy: LimitsPolicy, decision: Decision, days: int) -> Any:
    """The decision; with ``--calendar`` also its ``openings`` as instants."""
    import msgspec

    document = msgspec.to_builtins(decision)
    if not days:
        return document
    from maestro_sidecar.cli.calendar_picture import openings

    return document | {"openings": openings(policy, decision.evaluated_at, days)}


def _lines(policy: LimitsPolicy, decision: Decision, request: DecisionRequest, days: int) -> Iterator[str]:
    from maestro.kernel.instants import format_instant

    at = format_instant(decision.evaluated_at)
    if decision.allowed:
        yield f"ALLOWED: {request.tenant} may start {request.package} at {at}."
        yield f"  {decision.explanation}"
    else:
        yield f"DENIED: {request.tenant} may not start {request.package} at {at}."
    width = max((len(deny.reason) for deny in decision.denies), default=0)
    for deny in decision.denies:
        yield f"  {deny.reason:{width}}  {deny.message}"
    if decision.opens_at is not None:
        yield f"Opens at {format_instant(decision.opens_at)}."
    if decision.retry_after is not None:
        longest = [deny for deny in decision.denies if deny.retry_after == decision.retry_after]
        estimate = " (an estimate)" if all(deny.estimate is True for deny in longest) else ""
        yield f"Retry after {decision.retry_after} s{estimate}."
    elif not decision.allowed:
        yield "Retrying does not help: nothing opens by itself."
    yield f"Limits {decision.policy_revision}, tzdata {decision.tzdata}."
    if days:
        from maestro_sidecar.cli.calendar_picture import draw

        yield ""
        yield draw(policy, decision.evaluated_at, days)
