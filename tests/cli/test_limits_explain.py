import io
import sys
from types import SimpleNamespace

import pytest

NIGHT = {
    "tenant": "acme",
    "timezone": "America/Denver",
    "allowedWindows": [{"days": ["mon", "fri"], "start": "22:00", "end": "06:00"}],
    "startCutoffSeconds": 600,
    "maxConcurrent": 20,
    "packageCaps": {"ns/a": 2, "ns/*": 5, "no/way": 0},
    "packageUsage": {"ns/b": 5},
    "runningTotal": 7,
}
MONDAY_NOON = "2026-03-30T12:00:00-06:00"
MONDAY_NIGHT = "2026-03-30T22:30:00-06:00"
DECISION = {
    "allowed",
    "denies",
    "retryAfter",
    "opensAt",
    "source",
    "policyRevision",
    "tzdata",
    "evaluatedAt",
    "explanation",
    "shadowDenies",
}


@pytest.fixture
def explain(maestro, written):
    limits = written("limits.json", NIGHT)

    def run(*options, **request):
        asked = written("request.json", {"tenant": "acme", "package": "ns/a"} | request)
        return maestro("limits", "explain", "--limits", limits, "--request", asked, *options)

    return run


def test_allowed(explain):
    answer = explain("--json", ts=MONDAY_NIGHT)
    assert (answer.code, answer.err) == (0, "")
    decision = answer.document
    assert decision.keys() == DECISION
    assert decision["allowed"] is True
    assert decision["source"] == "file"
    assert decision["evaluatedAt"] == "2026-03-31T04:30:00Z"


def test_denied_with_advice(explain):
    answer = explain("--json", ts=MONDAY_NOON)
    assert (answer.code, answer.err) == (3, "")
    decision = answer.document
    assert decision.keys() == DECISION
    assert [deny["reason"] for deny in decision["denies"]] == ["outside_run_window"]
    assert (decision["retryAfter"], decision["opensAt"]) == (36000, "2026-03-31T04:00:00Z")


def test_usage_is_taken_from_the_file(explain):
    decision = explain("--json", ts=MONDAY_NIGHT, package="ns/b").document
    (deny,) = decision["denies"]
    assert (deny["reason"], deny["cap"], deny["current"], deny["estimate"]) == ("package_cap", 5, 5, True)


def test_at_beats_ts_and_ts_beats_now(explain):
    assert explain("--at", MONDAY_NIGHT, ts=MONDAY_NOON).code == 0
    assert explain("--at", MONDAY_NOON, ts=MONDAY_NIGHT).code == 3


def test_without_either_it_is_now(maestro, written):
    limits = written("l.json", {"tenant": "acme"})
    request = written("r.json", {"tenant": "acme", "package": "a", "expectedSeconds": 0})
    decision = maestro("limits", "explain", "--limits", limits, "--request", request, "--json").document
    assert decision["evaluatedAt"].endswith("Z")


def test_what_people_read(explain):
    assert "ALLOWED: acme may start ns/a at 2026-03-31T04:30:00Z." in explain(ts=MONDAY_NIGHT).out
    denied = explain(ts=MONDAY_NOON).out
    assert "Monday 30 March 2026 at 22:00 (America/Denver)" in denied
    assert "Retry after 36000 s.\n" in denied
    assert "Retry after 30 s (an estimate)." in explain(ts=MONDAY_NIGHT, package="ns/b").out
    assert "nothing opens by itself" in explain(ts=MONDAY_NIGHT, package="no/way").out


def test_one_of_the_files_may_be_stdin(maestro, written, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"tenant":"acme"}')))
    request = written("r.json", {"tenant": "acme", "package": "a"})
    assert maestro("limits", "explain", "--limits", "-", "--request", request).code == 0


def test_both_from_stdin_is_refused(refused):
    assert refused("limits", "explain", "--limits", "-", "--request", "-")["field"] == "--limits, --request"


def bad(**change):
    return {key: value for key, value in (NIGHT | change).items() if value is not None}


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (bad(timezone="Mars/Olympus"), "timezone"),
        (bad(allowedWindows=[{"start": "25:00", "end": "06:00"}]), "allowedWindows[0].start"),
        (bad(packageCaps={"ns/a": -1}), 'packageCaps["ns/a"]'),
        (bad(unknown=1), "unknown"),
        (bad(tenant=None), "tenant"),
        (b'{"tenant":"acme","tenant":"acme"}', "tenant"),
        (b'{"tenant":"\xff"}', None),
        (b'{"tenant":"acme","maxConcurrent":NaN}', None),
        (b"[" * 100_000, None),
        (b'{"tenant":"' + b"a" * 70_000 + b'"}', None),
        (b"", None),
    ],
    ids=["zone", "time", "cap", "unknown", "missing", "duplicate", "utf-8", "nan", "deep", "huge", "empty"],
)
def test_bad_limits_name_field_and_remedy(limits, field, refused, written):
    request = written("request.json", {"tenant": "acme", "package": "ns/a"})
    file = written("limits.json", limits)
    problem = refused("limits", "explain", "--limits", file, "--request", request)
    assert problem.get("field") == field
    assert problem["remedy"]
    assert problem["file"] == str(file)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"tenant": "acme"}, "package"),
        ({"tenant": "other", "package": "a"}, "tenant"),
        ({"tenant": "acme", "package": "a", "ts": "2026-03-30T10:00:00"}, "ts"),
        ({"tenant": "acme", "package": "a", "expectedSeconds": -1}, "expectedSeconds"),
    ],
)
def test_bad_requests_name_field_and_file(request_, field, refused, written):
    file = written("request.json", request_)
    limits = written("limits.json", NIGHT)
    problem = refused("limits", "explain", "--limits", limits, "--request", file)
    assert (problem["field"], problem["file"]) == (field, str(file))


@pytest.mark.parametrize("at", ["2026-03-30", "noon", "1850-01-01T00:00:00Z", "2026-02-30T00:00:00Z"])
def test_a_bad_instant(at, refused, written):
    request = written("r.json", {"tenant": "acme", "package": "a"})
    limits = written("l.json", NIGHT)
    problem = refused("limits", "explain", "--limits", limits, "--request", request, "--at", at)
    assert problem["field"] == "--at"


@pytest.mark.parametrize("name", ["no-such-file", ".", "a\0b"])
def test_a_file_that_cannot_be_read(name, refused, written):
    request = written("r.json", {"tenant": "acme", "package": "a"})
    problem = refused("limits", "explain", "--limits", name, "--request", request)
    assert problem["field"] == "--limits"


# ---- the picture -----------------------------------------------------------------------------------------


def rows(text):
    return text.split("(half hours:")[1].splitlines()[2:]


def test_the_calendar_is_drawn(explain):
    drawn = rows(explain("--calendar", "3", ts=MONDAY_NOON).out)
    assert drawn == [
        "Mon 2026-03-30  " + "·" * 44 + "████",
        "Tue 2026-03-31  " + "█" * 11 + "█" + "·" * 36,
        "Wed 2026-04-01  " + "·" * 48,
    ]


def test_the_cutoff_is_drawn(maestro, written):
    night = {
        "tenant": "a",
        "timezone": "Europe/Berlin",
        "allowedWindows": [{"start": "08:00", "end": "12:10"}],
        "startCutoffSeconds": 7200,
    }
    limits, request = written("l.json", night), written("r.json", {"tenant": "a", "package": "a"})
    answer = maestro(
        "limits", "explain", "--limits", limits, "--request", request, "--at", "2026-07-01T09:00:00Z",
        "--calendar", "1",
    )  # fmt: skip
    assert rows(answer.out) == ["Wed 2026-07-01  " + "·" * 16 + "████░░░░░" + "·" * 23]
    assert "too late to start" in answer.out


def test_a_clock_that_jumps_is_drawn(maestro, written):
    always = {"tenant": "a", "timezone": "Europe/Berlin"}
    limits, request = written("l.json", always), written("r.json", {"tenant": "a", "package": "a"})

    def day(at):
        answer = maestro(
            "limits", "explain", "--limits", limits, "--request", request, "--at", at, "--calendar", "1"
        )
        return rows(answer.out)[0][16:]

    assert day("2026-03-29T12:00:00Z") == "████  " + "█" * 42
    assert day("2026-10-25T12:00:00Z") == "█" * 48


def test_a_window_that_is_shorter_than_a_mark(maestro, written):
    brief = {"tenant": "a", "allowedWindows": [{"start": "00:10", "end": "00:20"}]}
    limits, request = written("l.json", brief), written("r.json", {"tenant": "a", "package": "a"})
    answer = maestro(
        "limits", "explain", "--limits", limits, "--request", request, "--at", "2026-07-01T09:00:00Z",
        "--calendar", "1",
    )  # fmt: skip
    assert rows(answer.out) == ["Wed 2026-07-01  ▄" + "·" * 47]


def test_the_calendar_as_instants(explain):
    decision = explain("--calendar", "2", "--json", ts=MONDAY_NOON).document
    assert decision.keys() == DECISION | {"openings"}
    # The cutoff of ten minutes is off: these are instants at which a start is admitted.
    assert decision["openings"] == [{"start": "2026-03-31T04:00:00Z", "end": "2026-03-31T11:50:00Z"}]


def test_a_calendar_without_any_opening(maestro, written):
    never = written("l.json", {"tenant": "a", "allowedWindows": [], "startCutoffSeconds": 60})
    request = written("r.json", {"tenant": "a", "package": "a"})
    answer = maestro(
        "limits", "explain", "--limits", never, "--request", request, "--calendar", "1", "--json"
    )
    assert (answer.code, answer.document["openings"]) == (3, [])


@pytest.mark.parametrize("days", ["0", "93", "-1"])
def test_a_calendar_of_too_few_or_many_days(days, refused):
    problem = refused("limits", "explain", "--limits", "l", "--request", "r", f"--calendar={days}")
    assert problem["field"] == "--calendar"


def test_the_example_of_the_help_runs(example):
    done = example("limits", "explain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ALLOWED: acme may start ns/a")
