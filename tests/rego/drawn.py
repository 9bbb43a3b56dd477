"""Limits and requests drawn by a seed, leaning towards the odd: changes of clocks, edges, the last second.

They are drawn as JSON documents, so that what is compared went the whole way that a user's file goes.
"""

from datetime import UTC, datetime, timedelta
from random import Random

import attrs

from maestro.calendar import DAY, offset_spans, zone, zone_names
from maestro.kernel.instants import from_epoch_seconds
from maestro.limits.documents import LimitsFile, limits_from
from maestro.limits.policy import LimitsPolicy, compile_file
from maestro.limits.rego_data import compile_intervals
from maestro.limits.request import DecisionRequest

ODD = (
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "UTC",
)
ZONES = sorted(zone_names())
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PACKAGES = ("a", "b", "ns/a", "ns/b", "ns/sub/a", "ns/sub/deep/a", "other/a", "a/a")
PATTERNS = (*PACKAGES, "*", "ns/*", "ns/sub/*", "ns/sub/deep/*", "other/*", "a/*")
YEARS = (1_735_689_600, 1_735_689_600 + 3 * 365 * DAY)


@attrs.frozen
class Tenant:
    """Limits, the span for which they are compiled, and the requests to judge."""

    limits: LimitsFile
    policy: LimitsPolicy
    entry: dict
    requests: list[DecisionRequest]


def drawn_tenants(seed, count, requests):
    """So many tenants by the seed, with so many requests each."""
    random = Random(seed)
    for number in range(count):
        yield _tenant(random, f"t{number}", requests)


def _tenant(random, name, requests):
    home = _zone(random)
    middle = _middle(random, home)
    limits = limits_from(_limits(random, name, home, middle))
    policy = compile_file(limits)
    start = from_epoch_seconds(middle - random.randrange(1, 9 * DAY))
    end = from_epoch_seconds(middle + random.randrange(1, 9 * DAY))
    entry = compile_intervals(policy, start, end)
    edges = [
        edge for kind in ("windows", "closures", "open") for interval in entry[kind] for edge in interval
    ]
    edges += [edge - policy.cutoff for edge in edges]
    asked = [_request(random, name, middle, entry, edges) for _ in range(requests)]
    return Tenant(limits, policy, entry, asked)


def _zone(random):
    return random.choice(ODD) if random.random() < 0.7 else random.choice(ZONES)


def _middle(random, name):
    """Mostly a change of the zone's offset."""
    changes = [begin for begin, _, _ in offset_spans(zone(name), *YEARS)[1:]]
    if changes and random.random() < 0.8:
        return random.choice(changes)
    return random.randrange(*YEARS)


def _limits(random, name, home, middle):
    limits = {"tenant": name, "timezone": home}
    shape = random.random()
    if shape > 0.1:
        count = 0 if shape < 0.14 else random.randint(1, 4)
        limits["allowedWindows"] = [_window(random) for _ in range(count)]
        if count > 2 and random.random() < 0.5:  # many short spans before the one that is long enough
            short = {"start": "05:00", "end": "05:20"}
            limits["allowedWindows"] = [
                short,
                {"start": "15:00", "end": "15:30"},
                {**_window(random), "days": ["sun"]},
            ]
    if random.random() < 0.5:
        limits["closures"] = [_closure(random, middle) for _ in range(random.randint(1, 3))]
    if random.random() < 0.5:
        limits["startCutoffSeconds"] = random.choice((1, 600, 3600, random.randrange(30 * 3600), 604_800))
    if random.random() < 0.5:
        limits["onWindowEnd"] = random.choice(("must_fit", "must_fit", "finish"))
    if random.random() < 0.4:
        limits["maxConcurrent"] = random.choice((0, 1, 3, 20))
    limits["runningTotal"] = random.choice((0, 0, 1, 3, 25))
    limits["packageCaps"] = {
        pattern: random.choice((0, 1, 2, 5))
        for pattern in random.sample(PATTERNS, random.choice((0, 2, 5, 9)))
    }
    if random.random() < 0.7:
        limits["packageUsage"] = {
            package: random.choice((0, 1, 2, 7)) for package in random.sample(PACKAGES, random.randint(0, 5))
        }
    return limits


def _window(random):
    window = {"start": _clock(_second(random)), "end": _clock(_second(random))}
    how = random.random()
    if how < 0.1:
        window["end"] = window["start"]
    elif how < 0.2:
        window["end"] = "24:00"
    if random.random() < 0.7:
        window["days"] = random.sample(DAYS, random.randint(1, 7))
    if random.random() < 0.3:
        window["timezone"] = _zone(random)
    return window


def _closure(random, middle):
    longest = 450 * DAY if random.random() < 0.1 else 4 * DAY
    start = _near(random, middle, 5 * DAY)
    end = start + random.choice((1, 1800, 3600, random.randrange(1, longest)))
    local = [f"{from_epoch_seconds(second):%Y-%m-%dT%H:%M:%S}" for second in (start, end)]
    if all(text.endswith(":00") for text in local):
        local = [text[:-3] for text in local]
    closure = {"start": local[0], "end": local[1], "reason": "drawn"}
    if random.random() < 0.5:
        closure["timezone"] = _zone(random)
    return closure


def _request(random, tenant, middle, entry, edges):
    at = _instant(random, middle, edges)
    if random.random() < 0.97:  # the others may lie outside of what is compiled
        at = min(max(at, entry["from"]), entry["until"] - 1)
    ts = datetime.fromtimestamp(at, UTC)
    if random.random() < 0.2:
        ts += timedelta(microseconds=random.choice((1, 500_000, 999_999)))
    more = {}
    lengths = [end - start for start, end in entry["open"]]
    later = [edge - at for edge in edges]
    near = [seconds for seconds in random.choice((lengths, later)) if 0 < seconds < 400 * DAY]
    if near and random.random() < 0.5:  # just fits, or just does not
        more["expected_seconds"] = random.choice(near) + random.choice((0, 0, 1, -0.5, 0.5))
    elif random.random() < 0.6:
        more["expected_seconds"] = random.choice(
            (0, 1, 900.0, 1799.25, 3600, 14_400, random.uniform(0, 30 * 3600), random.randrange(400 * DAY))
        )
    return DecisionRequest(tenant=tenant, package=random.choice(PACKAGES), ts=ts, **more)


def _instant(random, middle, edges):
    how = random.random()
    if how < 0.45 and edges:
        return random.choice(edges) + random.choice((0, -1, 1, -600, -601, -3600, -3601, -900))
    if how < 0.8:
        return _near(random, middle, 2 * DAY)
    return middle + random.randrange(-9 * DAY, 9 * DAY)


def _near(random, middle, far):
    """Near the middle, often on an hour or at a second's distance from one."""
    by = random.randrange(-far, far)
    return middle + (by // 1800 * 1800 + random.choice((0, 0, 1, -1)) if random.random() < 0.7 else by)


def _second(random):
    return random.randrange(48) * 1800 if random.random() < 0.8 else random.randrange(DAY)


def _clock(second):
    text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return text.removesuffix(":00")
