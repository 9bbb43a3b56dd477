"""The Go program that links the pinned OPA: its own cases, planned; and an oracle that answers over a pipe."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maestro.rego.numbers import number
from rego_cases.judging import Case, read_cases

SERVICES = Path(__file__).parent.parent / "services"
PLANNER = Path(__file__).parent / "planner"


class Oracle:
    """Real OPA in one child process: ask plans modules and evaluates them; call runs one builtin."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program, "oracle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """`modules`, `entrypoints`, `inputs`, `data`, `now`, `strict` to `plan` and `results`, or `refused`."""
        return json.loads(self.line(**request))

    def line(self, **request: Any) -> str:
        """As `ask`, but the text, in which numbers are spelled as OPA does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(request).decode() + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the oracle ended on {request}"
        return line

    def call(self, builtin: str, *terms: Any, now: int = 0) -> dict[str, Any]:
        """One builtin on terms in OPA's own JSON of terms: `term`, `error`, or neither for undefined."""
        line = self.line(builtin=builtin, args=list(terms), now=now)
        return json.loads(line, parse_float=number, parse_int=number)["call"]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def rego_planner(tool: Callable[[str], str]) -> Path:
    """The folder that install.sh made for the present state of the planner's source."""
    find = 'source "$0"; cd "$1"; key=$(cat go.mod go.sum ./*.go | cksum | tr " " -); echo "$CACHE/rego-planner/$key"'
    done = subprocess.run(
        ["bash", "-c", find, SERVICES / "lib.sh", PLANNER], capture_output=True, text=True, check=True
    )
    folder = Path(done.stdout.strip())
    if not (folder / "cases.jsonl").exists():
        tool("rego-planner")  # skips, or fails where services are required
    return folder


@pytest.fixture(scope="session")
def opa_cases(rego_planner: Path) -> list[Case]:
    """OPA's own compliance cases, each with the plan OPA made of it."""
    return read_cases(rego_planner / "cases.jsonl")


@pytest.fixture(scope="session")
def oracle(rego_planner: Path) -> Iterator[Oracle]:
    answers = Oracle(rego_planner / "planner")
    yield answers
    answers.close()
