"""The expansion to intervals before a judge of another hand: Rego's own zoned clocks, on windows as written.

OPA is given the zone files of the tzdata package, so that both read the same rules by different code.
"""

import json
import os
import subprocess
from importlib.resources import as_file, files

import pytest

from maestro.calendar import offset_spans, zone
from maestro.kernel.instants import epoch_seconds, format_instant, from_epoch_seconds
from maestro.limits.documents import limits_from
from maestro.limits.policy import compile_file
from maestro.limits.rego_data import compile_intervals, rego_input
from maestro_policy import rego_sources
from rego.drawn import ZONES, drawn_tenants

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("opa"), pytest.mark.slow]

ALL = int(os.environ.get("MAESTRO_AGREEMENT", "0")) >= 100_000
YEARS = [epoch_seconds(from_epoch_seconds(0).replace(year=year)) for year in (2025, 2027)]
HOUR = 3600

WRAPPER = """
package maestro_wallclock

says := [answer |
	some one in input
	answer := judged with input as one
]

judged := [data.mc.wallclock.in_window, data.mc.wallclock.in_closure]
"""


@pytest.fixture(scope="module")
def wall(opa, tmp_path_factory):
    """`wall(inputs)` is what Rego's clocks on the wall say: in a window, in a closure."""
    folder = tmp_path_factory.mktemp("wallclock")
    (folder / "wallclock.rego").write_text(rego_sources()["wallclock.rego"])
    (folder / "wrapper.rego").write_text(WRAPPER)

    def says(inputs):
        with as_file(files("tzdata") / "zoneinfo") as zones:
            done = subprocess.run(
                [
                    opa,
                    "eval",
                    "--stdin-input",
                    "--data",
                    folder,
                    "--format",
                    "raw",
                    "data.maestro_wallclock.says",
                ],
                input=json.dumps(inputs),
                env=os.environ | {"ZONEINFO": str(zones)},
                capture_output=True,
                text=True,
                check=True,
            )
        return json.loads(done.stdout)

    return says


def holds(intervals, at):
    return any(start <= at < end for start, end in intervals)


def test_drawn_windows_and_closures(wall):
    cases = [
        (tenant, request)
        for tenant in drawn_tenants("wallclock", 800 if ALL else 80, 25)
        for request in tenant.requests
        if tenant.entry["from"] <= request.ts.timestamp() < tenant.entry["until"]
    ]
    said = wall([rego_input(tenant.limits, request) for tenant, request in cases])
    assert len(said) == len(cases) > 1500
    for (tenant, request), answer in zip(cases, said, strict=True):
        at = epoch_seconds(request.ts)
        ours = [holds(tenant.entry[kind], at) for kind in ("windows", "closures")]
        assert ours == answer, (tenant.limits, request)


def test_every_hour_around_changes_of_zones(wall):
    # Windows that begin and end within the hours that are skipped or shown twice.
    shapes = [
        ("01:30", "02:30"),
        ("22:00", "06:00"),
        ("00:00", "00:30"),
        ("02:15", "02:45"),
        ("23:30", "24:00"),
    ]
    names = ZONES if ALL else ZONES[::4]
    inputs, ours = [], []
    for number, name in enumerate(names):
        start, end = shapes[number % len(shapes)]
        limits = {"tenant": "t", "timezone": name, "allowedWindows": [{"start": start, "end": end}]}
        policy = compile_file(limits_from(limits))
        for change, _, _ in offset_spans(zone(name), *YEARS)[1:]:
            span = change - 27 * HOUR, change + 27 * HOUR
            entry = compile_intervals(policy, *map(from_epoch_seconds, span))
            edges = {edge for interval in entry["windows"] for edge in interval if span[0] < edge < span[1]}
            for at in {*range(*span, HOUR), change - 1, change, *edges, *(edge - 1 for edge in edges)}:
                inputs.append({"tenant": limits, "request": {"ts": format_instant(from_epoch_seconds(at))}})
                ours.append(holds(entry["windows"], at))
    assert len(inputs) > 5_000
    assert {True, False} == set(ours)
    said = [window for window, _ in wall(inputs)]
    assert said == ours, next(one for one, a, b in zip(inputs, said, ours, strict=True) if a != b)
