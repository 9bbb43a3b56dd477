"""Compiled windows before Alertmanager's time intervals, the window model nearest to ours.

Its hours may not cross midnight and know no seconds, so a night becomes two intervals; all else it can express. `amtool`
checks such a configuration but cannot be asked about an instant, so its own package judges, built from the sources.
"""

import json
import os
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from random import Random

import pytest

from maestro.calendar import DAY, offset_spans, zone
from maestro.kernel.instants import from_epoch_seconds
from maestro.limits.documents import limits_from
from maestro.limits.policy import compile_file
from maestro.limits.rego_data import compile_intervals
from rego.drawn import DAYS, ODD, YEARS

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("opa"), pytest.mark.slow]

NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@pytest.fixture(scope="module")
def judge(tool, tmp_path_factory):
    """`judge(question)` is what Alertmanager's code says."""
    program = tmp_path_factory.mktemp("alertmanager") / "judge"
    build = [tool("go"), "build", "-o", program, "."]
    subprocess.run(build, cwd=Path(__file__).parent / "alertmanager", check=True, capture_output=True)

    def says(question):
        with as_file(files("tzdata") / "zoneinfo") as zones:
            environment = os.environ | {"ZONEINFO": str(zones)}
            text = json.dumps(question)
            done = subprocess.run(
                [program], input=text, env=environment, capture_output=True, text=True, check=True
            )
        return json.loads(done.stdout)

    return says


def time_intervals(window, timezone):
    """A window as Alertmanager writes it: hours over midnight are two intervals, of this day and of the next."""
    days = [DAYS.index(day) for day in window["days"]]
    start, end = window["start"], window["end"]
    if start < end:
        return [interval(days, start, end, timezone)]
    evening = interval(days, start, "24:00", timezone)
    if end == "00:00":
        return [evening]
    return [evening, interval([(day + 1) % 7 for day in days], "00:00", end, timezone)]


def interval(days, start, end, timezone):
    return {
        "times": [{"start_time": start, "end_time": end}],
        "weekdays": [NAMES[day] for day in days],
        "location": timezone,
    }


def drawn(random):
    """Windows of a zone in whole minutes, their intervals, and instants around a change of its clocks."""
    name = random.choice(ODD)
    windows = [
        {
            "days": random.sample(DAYS, random.randint(1, 7)),
            "start": f"{random.randrange(24):02}:{random.choice((0, 15, 30)):02}",
            "end": f"{random.randrange(24):02}:{random.choice((0, 30, 45)):02}",
        }
        for _ in range(random.randint(1, 3))
    ]
    changes = [begin for begin, _, _ in offset_spans(zone(name), *YEARS)[1:]] or [YEARS[0] + 30 * DAY]
    middle = random.choice(changes)
    policy = compile_file(limits_from({"tenant": "t", "timezone": name, "allowedWindows": windows}))
    entry = compile_intervals(policy, *(from_epoch_seconds(middle + by) for by in (-2 * DAY, 2 * DAY)))
    edges = [edge for window in entry["windows"] for edge in window]
    instants = [middle + random.randrange(-2 * DAY, 2 * DAY) for _ in range(20)]
    instants += [middle - 1, middle, *edges[1:-1], *(edge - 1 for edge in edges[1:-1])]
    return windows, name, entry, instants


def test_the_same_instants_are_inside(judge):
    random = Random("alertmanager")
    intervals, asked, ours = [], [], []
    for number in range(200):
        windows, name, entry, instants = drawn(random)
        intervals.append([part for window in windows for part in time_intervals(window, name)])
        asked += [[number, at] for at in instants]
        ours += [any(start <= at < end for start, end in entry["windows"]) for at in instants]
    said = judge({"intervals": intervals, "asked": asked})
    assert len(said) == len(ours) > 4000
    differ = [(intervals[number], at) for (number, at), a, b in zip(asked, said, ours, strict=True) if a != b]
    assert not differ, differ[0]
    assert {True, False} == set(said)


def test_amtool_takes_such_intervals(tool, tmp_path):
    random = Random("amtool")
    windows, name, _, _ = drawn(random)
    config = {
        "route": {"receiver": "none"},
        "receivers": [{"name": "none"}],
        "time_intervals": [
            {
                "name": "open",
                "time_intervals": [p for window in windows for p in time_intervals(window, name)],
            }
        ],
    }

    def check(config):
        path = tmp_path / "alertmanager.yml"
        path.write_text(json.dumps(config))
        command = [tool("amtool"), "check-config", path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = check(config)
    assert done.returncode == 0, done.stderr
    # What it cannot say: a night in one piece.
    config["time_intervals"][0]["time_intervals"] = [interval([0], "22:00", "06:00", "UTC")]
    assert check(config).returncode != 0
