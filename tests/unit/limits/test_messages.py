"""Sentences for people."""

from datetime import UTC, datetime

import pytest

from maestro.limits.messages import duration, local_time, plural


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (5400, "1 hour 30 minutes"),
        (90_061, "1 day 1 hour"),
        (86_400 * 3, "3 days"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_seconds_show_only_when_there_are_any():
    assert local_time(datetime(2026, 3, 30, 20, tzinfo=UTC), "Europe/Berlin") == (
        "Monday 30 March 2026 at 22:00 (Europe/Berlin)"
    )
    assert (
        local_time(datetime(2026, 3, 30, 20, 0, 7, tzinfo=UTC), "UTC")
        == "Monday 30 March 2026 at 20:00:07 (UTC)"
    )


def test_plural():
    assert plural(1, "run") == "1 run"
    assert plural(0, "run") == "0 runs"
