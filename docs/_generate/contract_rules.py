"""docs/reference/contract-rules.md from the rule tables and the registry's error codes."""

from collections.abc import Iterable

from maestro.lake.contracts.arrow.rules import ArrowRule
from maestro.lake.contracts.avro.rules import AvroRule
from maestro.lake.contracts.check import ContractRule
from maestro.lake.contracts.json_schema.rules import BoundRule, JsonSchemaRule
from maestro.lake.contracts.registry.reasons import FIELD_CODES
from maestro.lake.contracts.verdict import Rule

HEAD = """\
<!-- Made from the code by docs/_generate/contract_rules.py; change that and run: make docs -->

# Contract rules

`maestro contracts check` names one of these in each violation. The *reader* is the new schema under `BACKWARD` and the
old one under `FORWARD`; the *writer* is the other. `FULL` asks both ways; with `_TRANSITIVE` every earlier version is a
writer, or a reader. How to use it: [Keep a careless column out of the lake](../howto/contracts.md); why these rules:
[ADR-1123](../adr/ADR-1123-arrow-contracts.md), [ADR-1124](../adr/ADR-1124-contract-registry.md).
"""
KINDS = (
    ("All formats", ContractRule, "Schemas of two formats are never compared."),
    (
        "Avro",
        AvroRule,
        "Avro 1.12's schema resolution; where Avro's own checker has a name, that is the code.",
    ),
    (
        "JSON Schema",
        JsonSchemaRule,
        (
            "The codes are the field's registry's. An object is *open* when any unnamed property is allowed, *closed* "
            "when none is (`additionalProperties: false`), *partially open* when a schema or pattern says which."
        ),
    ),
    (
        "JSON Schema: bounds",
        BoundRule,
        "Lengths, sizes and limits; what the writer's other limit ensures is no demand.",
    ),
    ("Arrow and Parquet", ArrowRule, "Columns are matched by name; their order means nothing."),
)
REGISTRY = """\
## What the registry refuses

The bodies of `/api/contracts` carry `error_code` as the field's registry numbers it; the library's errors carry `code`.

"""


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return row(*head) + row(*("---" for _ in head)) + "".join(row(*each) for each in rows)


def of_kind(title: str, rules: type[Rule], what: str) -> str:
    breaks = [(f"`{each}`", each.meaning, each.remedy) for each in rules if each.breaks]
    advises = [(f"`{each}`", each.meaning, each.remedy) for each in rules if each.advises]
    kind = [(f"`{each}`", each.meaning) for each in rules if not each.breaks and not each.advises]
    parts = [f"## {title}\n\n{what}\n\n", table(("rule", "what breaks", "a way out"), breaks)]
    if advises:
        parts.append("\nAdvice, which breaks nobody by the rules and is worth a look:\n\n")
        parts.append(table(("rule", "what was seen", "what to do"), advises))
    if kind:
        parts.append("\nWhat breaks nobody, as the change log names it:\n\n")
        parts.append(table(("rule", "what changed"), kind))
    return "".join(parts)


def render() -> dict[str, str]:
    codes = (
        (f"`{code}`", str(status), str(number), meaning, remedy)
        for code, (status, number, meaning, remedy) in FIELD_CODES.items()
    )
    registry = REGISTRY + table(("code", "status", "error_code", "meaning", "remedy"), codes)
    sections = [HEAD, *(of_kind(*kind) for kind in KINDS), registry]
    return {"docs/reference/contract-rules.md": "\n".join(sections)}
