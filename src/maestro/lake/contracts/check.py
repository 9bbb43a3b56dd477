"""The one question: may this schema follow that one?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.contract import Contract, Format, load_contract
from maestro.lake.contracts.findings import Finding
from maestro.lake.contracts.verdict import Direction, Mode, Rule, Verdict, Violation

__all__ = ["ContractRule", "Given", "check", "parse_mode"]

Given = Contract | bytes | str
"""A schema: read already, or its text."""

_BOTH: tuple[Direction, ...] = ("backward", "forward")


def check(
    new: Given,
    old: Given | Sequence[Given],
    mode: Mode | str = Mode.BACKWARD,
    format: Format | str | None = None,  # noqa: A002 - the field's word
) -> Verdict:
    """Judge whether ``new`` may follow ``old``.

    Args:
        new: the schema that wants to come.
        old: the schema it follows, or all earlier versions, the oldest first. A mode that is not transitive looks at
            the newest of them alone.
        mode: whose reading must not break; ``BACKWARD``, the default, is the new schema reading old data.
        format: of schemas given as text; found out when None.

    Returns:
        The verdict. Under ``NONE`` it is compatible, and what ``FULL`` would object to is its advice.

    Raises:
        BadInputError: a schema is malformed, or the mode is unknown.
    """
    judged_by = parse_mode(mode)
    contract = _contract(new, format)
    earlier = [_contract(each, format) for each in _versions(old)]
    first = 0 if judged_by.transitive else max(0, len(earlier) - 1)
    violations: list[Violation] = []
    advice: list[Violation] = []
    for number, each in enumerate(earlier[first:], start=first + 1):
        version = number if len(earlier) > 1 else None
        for direction in judged_by.directions or _BOTH:
            reader, writer = (contract, each) if direction == "backward" else (each, contract)
            for finding in _findings(reader, writer):
                told = finding.told(direction, version)
                if finding.rule.advises or (finding.rule.breaks and judged_by is Mode.NONE):
                    advice.append(told)
                elif finding.rule.breaks:
                    violations.append(told)
    return Verdict.of(judged_by, violations, advice)


class ContractRule(Rule):
    """Rules of all formats."""

    FORMAT_DIFFERS = (
        "format_differs",
        "The reader's schema is of another format than the writer's.",
        "Keep the format; another one is another subject.",
    )


def _findings(reader: Contract, writer: Contract) -> Iterator[Finding]:
    if reader.format is writer.format:
        return reader.reads(writer)
    what = f"{writer.format} cannot be read as {reader.format}."
    return iter((Finding(ContractRule.FORMAT_DIFFERS, "", what),))


def parse_mode(mode: Mode | str) -> Mode:
    """The mode of this name.

    Raises:
        BadInputError: ``bad_mode``; lists the names.
    """
    try:
        return Mode(str(mode).upper())
    except ValueError as error:
        raise BadInputError(
            "is not a compatibility mode.",
            field="mode",
            value=mode,
            code="bad_mode",
            remedy=f"Use one of {', '.join(Mode)}.",
        ) from error


def _contract(given: Given, format: Format | str | None) -> Contract:  # noqa: A002 - the field's word
    if isinstance(given, Contract):
        return given
    return load_contract(given.encode() if isinstance(given, str) else given, format)


def _versions(old: Given | Sequence[Given]) -> Sequence[Given]:
    return (old,) if isinstance(old, Contract | bytes | str) else old
