"""docs/reference/reasons.md: every code that a decision, a command or the server gives, from where each is defined."""

import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from enum import StrEnum

import maestro
from maestro.kernel.codes import ERROR_CODES
from maestro.limits.reasons import DenyReason
from maestro_sidecar.refusals import HTTP_CODES

HEAD = """\
<!-- Made from the code by docs/_generate/reasons.py; change that and run: make docs -->

# Reasons and error codes

Codes are stable: programs may branch on them, people read the message beside them. None changes its meaning.

## Why a run is denied

A deny is an answer, not an error: it stands in a decision's `denies` as `reason`, with a `message` for the
tenant's user and `retryAfter` in seconds. All denies that apply are given, in this order.
"""
ERRORS = """\
## Why something failed

`code` of a problem document, of the command line's `--json` and of the library's `MaestroError`.
"""
HTTP = """\
## What the server refuses

`code` of problem documents that only the HTTP server gives.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(list(head)), *(list(map(str, row)) for row in rows)]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        + "\n"
    )


def reasons() -> Iterator[type[StrEnum]]:
    """The reasons of every system: enumerations in `maestro.ROOM.reasons` or `….SOME_reasons` with meaning and remedy."""
    for room in pkgutil.iter_modules(maestro.__path__, "maestro."):
        path = importlib.util.find_spec(room.name).submodule_search_locations
        for each in pkgutil.iter_modules(path, f"{room.name}.") if room.ispkg else ():
            if each.name.endswith((".reasons", "_reasons")):
                module = importlib.import_module(each.name)
                for found in vars(module).values():
                    if inspect.isclass(found) and found.__module__ == module.__name__:
                        yield found


def of_system(kind: type[StrEnum]) -> str:
    """A table of one system's reasons."""
    return table(("reason", "meaning", "remedy"), ((f"`{each}`", each.meaning, each.remedy) for each in kind))


def render() -> dict[str, str]:
    others = [kind for kind in reasons() if kind is not DenyReason]
    sections = [HEAD, of_system(DenyReason)]
    for kind in sorted(others, key=lambda kind: kind.__module__):
        what = inspect.getdoc(kind).splitlines()[0]
        sections += [
            f"## Reasons of `{kind.__module__.rpartition('.')[0]}`\n\n{what}\n",
            of_system(kind),
        ]
    sections += [
        ERRORS,
        table(
            ("code", "meaning", "remedy"),
            ((f"`{code}`", *texts) for code, texts in sorted(ERROR_CODES.items())),
        ),
        HTTP,
        table(
            ("code", "status", "meaning", "remedy"),
            ((f"`{code}`", *texts) for code, texts in sorted(HTTP_CODES.items())),
        ),
    ]
    return {"docs/reference/reasons.md": "\n".join(sections)}
