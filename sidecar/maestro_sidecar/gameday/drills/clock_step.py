"""The wall clock of a sidecar is stepped, forward and back: windows follow it, leases and caps do not."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import attrs

from maestro.kernel.errors import BadInputError
from maestro_sidecar.gameday.client import Answer
from maestro_sidecar.gameday.common import PACKAGE, mark_answer, proof
from maestro_sidecar.gameday.sidecars import Sidecar
from maestro_sidecar.gameday.stage import Stage, current

__all__ = [
    "needs",
    "outlive",
    "prepare",
    "probe_back",
    "probe_forward",
    "set_right",
    "step_back",
    "step_forward",
    "take_all",
]

LIBRARIES: Final = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
FAKING: Final = (
    "FAKETIME_DONT_FAKE_MONOTONIC=1",  # the wall clock alone is stepped, as an administrator or NTP would
    "FAKETIME_NO_CACHE=1",  # while the process runs
    "FAKETIME_FORCE_MONOTONIC_FIX=0",  # else threads that wait by the monotonic clock wait for seconds
)
HOLDER, NIGHTLY = "holder", "nightly"
_DATE_SECONDS = 4.0
"""A server tells the date of some moment ago: a second, and what it takes to notice."""
_LEAK_SECONDS = 1.0
_MARGIN = timedelta(minutes=10)


@attrs.define
class Parts:
    """A sidecar whose wall clock is read from a file, and when its leases end."""

    sidecars: tuple[Sidecar, ...]
    file: Path
    ends: float = 0.0
    answered: float = 0.0
    offset: int = 0
    versions: Mapping[str, str] = attrs.Factory(dict)

    def step(self, seconds: int) -> None:
        """Set the wall clock of the sidecar off by so much."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
        fresh.replace(self.file)
        self.offset = seconds


def needs(_configuration: Mapping[str, Any]) -> None:
    """Raises BadInputError where libfaketime is not installed."""
    _library()


def prepare(stage: Stage, configuration: Mapping[str, Any]) -> Parts:
    """Start the sidecar under libfaketime; one tenant has a cap, the other a window half a step ahead."""
    file = stage.folder / "offset"
    file.write_text("+0\n", encoding="ascii")
    environment = (f"LD_PRELOAD={_library()}", f"FAKETIME_TIMESTAMP_FILE={file}", *FAKING)
    sidecar = Sidecar(stage, environment=environment)
    parts = Parts((sidecar,), file, versions={"libfaketime": _version()})
    stage.at_end(lambda: parts.step(0))
    sidecar.put("package-caps", {"tenant": HOLDER, "maxConcurrent": configuration["cap"]})
    step = timedelta(seconds=configuration["stepSeconds"])
    opens, ends = stage.now() + step / 2, stage.now() + step + _MARGIN
    window = {"start": f"{opens:%H:%M:%S}", "end": f"{ends:%H:%M:%S}"}
    sidecar.put("windows", {"tenant": NIGHTLY, "timezone": "UTC", "allowedWindows": [window]})
    return parts


def take_all(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Take every slot of the capped tenant, and renew none; the other tenant is denied outside its window."""
    stage, parts = current(), current().parts
    ttl, asked = configuration["ttlSeconds"], stage.seconds()
    for number in range(configuration["cap"]):
        answer = parts.sidecars[0].client.acquire(HOLDER, PACKAGE, f"held-{number}", ttl)
        mark_answer(stage, answer)
        if answer.status != 201:
            stage.fault(f"held-{number} was answered {answer.status} below the cap")
    parts.ends, parts.answered = asked + ttl, stage.seconds() + ttl
    _expect_window(stage, opened=False)
    return {"held": configuration["cap"], "ttlSeconds": ttl}


def step_forward(configuration: Mapping[str, Any]) -> str:
    """Ahead, far beyond the end of every lease, if leases went by this clock."""
    return _step(current(), configuration["stepSeconds"])


def step_back(configuration: Mapping[str, Any]) -> str:
    """As far back: leases would live on that long, if they went by this clock."""
    return _step(current(), -configuration["stepSeconds"])


def probe_forward() -> dict[str, Any]:
    """Whether the clock was stepped; if so, slots must still be held and the window be open."""
    return _probe(current(), opened=True)


def probe_back() -> dict[str, Any]:
    """Whether the clock was stepped; if so, slots must still be held and the window be shut."""
    return _probe(current(), opened=False)


def outlive(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """With the clock slow: the slots are back at the end of their ttl, by seconds that really went by."""
    stage, parts = current(), current().parts
    cap: int = configuration["cap"]
    back: list[float] = []

    def freed() -> bool:
        answer = parts.sidecars[0].client.acquire(HOLDER, PACKAGE, f"next-{len(back)}", 30)
        _judge(stage, answer)
        if answer.status == 201:
            back.append(stage.seconds())
        return len(back) == cap

    if not stage.wait_until(freed, parts.answered + _LEAK_SECONDS - stage.seconds()):
        stage.fault(f"{cap - len(back)} leases lived longer than their ttl")
    else:
        stage.figures["slots back after their ttl, seconds"] = round(back[-1] - parts.answered, 3)
    return {"slotsBack": len(back)}


def set_right() -> None:
    """Set the clock right again."""
    stage = current()
    stage.parts.step(0)
    for seconds in list(stage.figures.get("steps, seconds", ())):
        stage.fault_ends(_label(seconds))


def _step(stage: Stage, seconds: int) -> str:
    stage.fault_ends(_label(stage.parts.offset))
    stage.parts.step(seconds)
    stage.fault_begins(_label(seconds))
    stage.figures.setdefault("steps, seconds", []).append(seconds)
    return _label(seconds)


def _label(seconds: int) -> str:
    return f"clock {seconds:+d} s"


def _probe(stage: Stage, *, opened: bool) -> dict[str, Any]:
    wanted = stage.figures["steps, seconds"][-1]
    stepped = stage.wait_until(lambda: abs(_off(stage) - wanted) <= 2, _DATE_SECONDS, 0.1)
    off = round(_off(stage), 1)
    if stepped:
        _judge(stage, stage.parts.sidecars[0].client.acquire(HOLDER, PACKAGE, f"probe{wanted}", 30))
        _expect_window(stage, opened=opened)
    return proof(injected=stepped, why=f"the sidecar's Date is off by {off} s, not {wanted}", dateOffBy=off)


def _off(stage: Stage) -> float:
    """How far the sidecar's clock is from ours, by the Date that it sends."""
    told = stage.parts.sidecars[0].client.ask("GET", "/livez").headers.get("date")
    then = stage.now() if told is None else parsedate_to_datetime(told)
    return (then - stage.now()).total_seconds()


def _judge(stage: Stage, answer: Answer) -> None:
    """Nobody gets a slot before the leases end by seconds that really went by."""
    mark_answer(stage, answer)
    early = stage.seconds() < stage.parts.ends
    if early and answer.status == 201:
        stage.fault("a slot was given away before its lease ended", violation=True)
    elif early:
        stage.count("requests denied while the leases were held")


def _expect_window(stage: Stage, *, opened: bool) -> None:
    """The window goes by the wall clock, and by nothing else."""
    stage.count("window asked")
    client = stage.parts.sidecars[0].client
    answer = client.acquire(NIGHTLY, PACKAGE, f"nightly-{stage.figures['window asked']}", 30)
    mark_answer(stage, answer)
    if (answer.status == 201) is not opened:
        words = "open" if opened else "shut"
        stage.fault(f"the window should be {words}, and was answered {answer.status}", violation=not opened)
    if answer.status == 201:
        client.release(NIGHTLY, answer)


def _library() -> str:
    for pattern in LIBRARIES:
        found = sorted(Path("/").glob(pattern.removeprefix("/")))
        if found:
            return str(found[0])
    raise BadInputError(
        f"needs libfaketime, which is not installed on this {platform.system()}.",
        field="clock-step",
        remedy="On Debian and Ubuntu run: apt-get install faketime",
    )


def _version() -> str:
    """What the library calls itself; its file's name says no more than the interface."""
    return Path(_library()).resolve().name
