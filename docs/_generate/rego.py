"""docs/reference/rego.md: the builtins as the registry has them, and how OPA's own cases fare."""

import importlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path

import attrs

from maestro.rego.builtins import FAMILIES
from maestro.rego.limits import Limits

ROOT = Path(__file__).parents[2]
HEAD = """\
<!-- Made from the code by docs/_generate/rego.py; change that and run: make docs -->

# Rego in this process

`maestro.rego` compiles the plan that OPA {opa} makes of a policy (`opa build -t plan`) to Python and evaluates it.
How to use it: [a policy in Python](../howto/policy-in-python.md). How it is exact, and what it does not do:
[Rego, compiled](../explanation/rego-compiled.md).

## OPA's own cases

Of the {cases} cases of OPA's compliance suite ({folders} folders), planned by OPA itself, {passed} pass. CI fails when
one more fails, and when one of these passes and still stands here.

"""
BUILTINS = """\
## Builtins

All that OPA lists, but for `http.send` and `net.lookup_ip_addr`, which reach out, and `rego.parse_module`, which needs
OPA's parser; a plan that calls one of these is refused when it is compiled (`unsupported_builtin`), by name. Calls of
`rego.metadata.*` are answered by OPA when it makes the plan. `opa.runtime` is an empty object; `print` and `trace` print
nothing. *needs* names third-party packages of the extra `[rego]`; *from the call* is what the answer depends on beside
its operands.

"""
LIMITS = """\
## Limits

`Program.evaluate(…, limits=Limits(…))`. Reaching one is an `EvaluationLimitError`, never a decision.

"""
MEANINGS = {
    "steps": "loop heads, calls and what builtins loop over",
    "depth": "calls within calls",
    "items": "members of one array, object or set, and values in a result",
    "text": "characters of one string",
    "deadline": "reading of the caller's `monotonic` clock, in seconds, after which the evaluation ends",
    "pace": "steps between two looks at that clock",
}
PACKAGES = {"re2": "google-re2", "yaml": "pyyaml", "graphql": "graphql-core"}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def builtins() -> str:
    rows = []
    for name in FAMILIES:
        module = importlib.import_module(f"maestro.rego.builtins.{name}")
        for builtin in sorted(module.family, key=lambda one: one.name):
            said = (inspect.getdoc(builtin.function) or "").partition("\n")[0].replace("|", "\\|")
            needs = ", ".join(PACKAGES.get(one, one) for one in builtin.modules)
            rows.append([f"`{builtin.name}`", said, needs, ", ".join(sorted(builtin.depends))])
    return table(["builtin", "answers", "needs", "from the call"], sorted(rows))


def limits() -> str:
    fields = attrs.fields(Limits)
    return table(
        ["limit", "bounds", "default"],
        [
            [f"`{one.name}`", MEANINGS[one.name], "none" if one.default is None else f"{one.default:,}"]
            for one in fields
        ],
    )


def pinned() -> str:
    text = (ROOT / "tests" / "rego_cases" / "planner" / "go.mod").read_text(encoding="utf-8")
    return text.partition("open-policy-agent/opa v")[2].split()[0]


def render() -> dict[str, str]:
    found = json.loads((ROOT / "tests" / "rego_cases" / "left_out.json").read_text(encoding="utf-8"))
    left_out = found["leftOut"]
    head = HEAD.format(
        opa=pinned(),
        cases=f"{found['cases']:,}",
        folders=len(found["folders"]),
        passed=f"{found['cases'] - len(left_out):,}",
    )
    rows = [[f"`{name}`", found["reasons"][why]] for name, why in left_out.items()]
    page = [
        head,
        table(["case", "left out because"], rows),
        "\n",
        LIMITS,
        limits(),
        "\n",
        BUILTINS,
        builtins(),
    ]
    return {"docs/reference/rego.md": "".join(page)}
