"""One of OPA's cases, evaluated here and compared as OPA's own harness compares."""

import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from maestro.kernel.errors import MaestroError
from maestro.rego import documents
from maestro.rego.json_text import jsonable, read_json
from maestro.rego.numbers import number
from maestro.rego.program import Program, compile_plan
from maestro.rego.values import UNDEFINED, key, ordered
from rego_cases.terms import from_term

NOW = 1_767_225_600_000_000_000  # 2026-01-01; what OPA's cases ask of now is only that it lies after 2023
_PLACE = re.compile(r"^test-\d+\.rego:\d+: ")

# Why a case is left out: the first reason that fits, by what was seen. Nothing else may fail.
REASONS = {
    "reaches out": "`http.send` and `net.lookup_ip_addr` ask a server; a policy in process decides from what it is given",
    "needs a parser": "`rego.parse_module` needs a Rego parser, and there is none here: plans are made by OPA",
    "number keys": '`data[2]` with a number, of a base document whose key is `"2"`: OPA\'s store makes text of it, '
    "its plans do not (its Wasm back end leaves these out too)",
    "no plan": "OPA itself plans no entrypoint for a package without rules",
    "another builtin": "the case calls a builtin that only OPA's own test program has",
}


class Case(msgspec.Struct, kw_only=True):
    """One of OPA's cases; documents stay the JSON text that they are, so that numbers keep their digits."""

    folder: str
    note: str
    query: str
    unplanned: str = ""
    plan: msgspec.Raw = msgspec.Raw(b"{}")
    path: list[str]
    variable: str = ""
    wrapped: bool = False
    data: msgspec.Raw = msgspec.Raw(b"{}")
    input: msgspec.Raw = msgspec.Raw()
    input_term: msgspec.Raw = msgspec.Raw()
    strict: bool = False
    want: msgspec.Raw = msgspec.Raw(b"[]")
    error: str = ""
    error_code: str = ""
    sort: bool = False


def read_cases(path: Path) -> list[Case]:
    """What the planner wrote."""
    with path.open("rb") as lines:
        return [msgspec.json.decode(line, type=Case) for line in lines]


def judge(case: Case) -> str | None:
    """None if the case passes, else what differs."""
    try:
        value, error = evaluate(case), None
    except MaestroError as raised:
        value, error = UNDEFINED, raised
    if case.error or case.error_code:
        return compare_error(case, error)
    if error is not None:
        return f"{error.code}: {error}"
    return compare_value(case, value)


def evaluate(case: Case) -> Any:
    program = compile_plan(bytes(case.plan), data=bytes(case.data))
    given: Any = bytes(case.input) or UNDEFINED
    if bytes(case.input_term):
        # Terms that JSON has not are put in as they are, past the door for JSON documents.
        term = from_term(json.loads(bytes(case.input_term), parse_float=number, parse_int=number))
        return ask_value(program, tuple(case.path), term, now=NOW, strict=case.strict)
    return program.value(tuple(case.path), given, now=NOW, strict_builtin_errors=case.strict)


def ask_value(program: Program, path: tuple[str, ...], given: Any, *, now: int, strict: bool) -> Any:
    """As `Program.value`, with an input that is a Rego value already."""
    with mock.patch.object(documents, "value_of", lambda document, **_: document):
        return program.value(path, given, now=now, strict_builtin_errors=strict)


def compare_error(case: Case, error: MaestroError | None) -> str | None:
    if error is None:
        return "no error"
    if case.error_code not in {"", error.code}:
        return f"{error.code}: {error}"
    # Where in the policy it happened is not told here: a plan may come without its sources.
    wanted = _PLACE.sub("", case.error)
    return None if wanted in f"{error.code}: {error}" else f"{error.code}: {error}"


def compare_value(case: Case, value: Any) -> str | None:
    if value is UNDEFINED:
        found = []
    else:
        plain = jsonable(value)
        found = plain if case.wrapped else [{case.variable: plain}]
    if case.sort:
        found = [
            {name: ordered(item) if isinstance(item, list) else item for name, item in one.items()}
            for one in found
        ]
    wanted = read_json(bytes(case.want).decode())
    if {key(one) for one in found} == {key(one) for one in wanted}:
        return None
    return f"{found!r:.300} instead of {wanted!r:.300}"


def reason(case: Case) -> str | None:
    """Which of `REASONS` says why a case cannot pass here."""
    static = json.loads(bytes(case.plan)).get("static", {})
    builtins = {one["name"] for one in static.get("builtin_funcs") or ()}
    if case.unplanned:
        return "another builtin" if "undefined function" in case.unplanned else "no plan"
    if builtins & {"http.send", "net.lookup_ip_addr"}:
        return "reaches out"
    if "rego.parse_module" in builtins:
        return "needs a parser"
    if case.folder == "dataderef" and "integer" in case.note:
        return "number keys"
    if case.query == "data = x":
        return "no plan"
    return None


def verdicts(cases: list[Case]) -> dict[str, dict[str, str | None]]:
    """All cases by folder and note: None for a pass, else why not; equal notes are numbered."""
    found: dict[str, dict[str, str | None]] = {}
    for case in cases:
        of_folder = found.setdefault(case.folder, {})
        note, number = case.note, 1
        while note in of_folder:
            number += 1
            note = f"{case.note} ({number})"
        fault = case.unplanned or judge(case)
        of_folder[note] = (reason(case) or f"FAULT {fault}") if fault else None
    return found


def account(found: dict[str, dict[str, str | None]]) -> dict[str, Any]:
    """What docs/reference/rego.md tells of them."""
    left_out = {
        f"{folder}: {note}": why
        for folder, notes in found.items()
        for note, why in notes.items()
        if why is not None
    }
    return {
        "cases": sum(map(len, found.values())),
        "reasons": REASONS,
        "folders": {folder: len(notes) for folder, notes in sorted(found.items())},
        "leftOut": dict(sorted(left_out.items())),
    }
