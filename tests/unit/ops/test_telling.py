"""Reports and pictures: what they say, that they are well-formed, and that they are the same each time."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from maestro.ops import Outcome, Report, Step, Timeline, Verdict, document_of
from maestro.ops.drills import Mark, Series, Span
from maestro.ops.markdown import report_text
from maestro.ops.pictures import series_picture, timeline_picture

STARTED = datetime(2026, 11, 23, 10, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
TIMELINE = Timeline(
    10.0,
    (*(Mark(at / 10, "denied") for at in range(40)), Mark(6.0, "admitted"), Mark(11.0, "violation")),
    (Span(1.0, 4.0, "cut & dry"), Span(5.0, 5.0, "kill -9"), Span(6.0, 6.1, "kill -9")),
    (Series("holders on redis", ((0.5, 1), (2.0, 3), (9.0, 0)), 4),),
)


def report(outcome=Outcome.PASSED, *, reasons=(), faults=()):
    steps = (
        Step("method", "lose a|b", "action", True, 0.5),
        Step("after", "wrong", "probe", False, 0.1, 7),
        Step("after", "raised", "probe", False, 0.1, None, "OSError: no"),
        Step("rollback", "told", "action", True, 0.1, "x" * 300),
    )
    verdict = Verdict(outcome, reasons, True, False, steps)
    return Report(
        "store-loss",
        "Does it heal?",
        "It does.",
        STARTED,
        {"cap": 5},
        verdict,
        TIMELINE,
        {"n": 3},
        faults,
        {"cores": "2"},
    )


def test_the_document():
    told = document_of(report(Outcome.DEVIATED, reasons=["why"]), "out")
    assert told["steps"][0] == {
        "phase": "method",
        "name": "lose a|b",
        "type": "action",
        "ok": True,
        "seconds": 0.5,
        "output": None,
    }
    assert told["steps"][2]["error"] == "OSError: no"
    assert {name: told[name] for name in told if name != "steps"} == {
        "name": "store-loss",
        "outcome": "deviated",
        "steadyBefore": True,
        "steadyAfter": False,
        "reasons": ["why"],
        "figures": {"n": 3},
        "passed": False,
        "evidence": "out",
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_says_how_it_ended(outcome):
    text = report_text(report(outcome), ["timeline.svg"])
    assert text.startswith(f"# Drill store-loss: {outcome}\n\nDoes it heal? It does.\n")
    assert f"**{outcome.capitalize()}.** " in text
    assert "![timeline of store-loss](timeline.svg)" in text
    assert "| method | lose a\\|b | yes | 0.50 |  |" in text
    assert "| after | wrong | **no** | 0.10 | 7 |" in text
    assert "| after | raised | **no** | 0.10 | OSError: no |" in text
    assert "| cores | 2 |" in text
    assert "| cap | 5 |" in text
    assert "x" * 160 not in text
    assert "What was wrong" not in text


def test_a_report_lists_what_was_wrong():
    text = report_text(report(reasons=["because"], faults=[f"fault {n}" for n in range(25)]), [])
    assert "\n- because\n" in text
    assert "## What was wrong (25)" in text
    assert "- fault 19\n- and 5 more\n" in text
    assert "- fault 20" not in text
    assert (
        "and" not in report_text(report(faults=["one"]), []).split("## What was wrong (1)")[1].split("##")[0]
    )


def test_the_timeline_stacks_answers_and_shades_the_fault():
    root = ET.fromstring(timeline_picture("a < b", TIMELINE))
    assert root.find(f"{SVG}title").text == "a < b"
    bars = [each.get("class") for each in root.iter(f"{SVG}rect")]
    # One of each stands in the legend.
    assert (bars.count("admitted"), bars.count("violation"), bars.count("unavailable")) == (2, 2, 1)
    assert bars.count("fault") == 3 + 2
    assert "cut & dry from 1.0 s to 4.0 s" in root.find(f"{SVG}desc").text
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text
    assert timeline_picture("a < b", TIMELINE) == timeline_picture("a < b", TIMELINE)


def test_everything_stays_within_the_picture():
    for text in (timeline_picture("t", TIMELINE), series_picture("t", TIMELINE, TIMELINE.series[0])):
        for each in ET.fromstring(text).iter(f"{SVG}rect"):
            x, y = float(each.get("x", 0)), float(each.get("y", 0))
            assert 0 <= x <= x + float(each.get("width")) <= 880
            assert 0 <= y <= y + float(each.get("height")) <= 300


def test_a_count_below_its_ceiling():
    root = ET.fromstring(series_picture("t", TIMELINE, TIMELINE.series[0]))
    assert root.find(f"{SVG}desc").text == "holders on redis: at most 3, cap 4."
    (count,) = (each for each in root.iter(f"{SVG}path") if each.get("class") == "count")
    assert count.get("d").count("V") == 3


def test_nothing_seen_is_drawn_too():
    nothing = Timeline(0.0)
    ET.fromstring(timeline_picture("t", nothing))
    ET.fromstring(series_picture("t", nothing, Series("holders", (), 0)))
