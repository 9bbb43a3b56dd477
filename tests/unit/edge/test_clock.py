"""Trusted time: no step and no restart turns it back, and a forward step that is taken back is noticed."""

from hypothesis import given
from hypothesis import strategies as st

from maestro.edge.clock import TOLERANCE, TrustedClock

SECOND = 10**9
HOUR = 3600 * SECOND
WALL = 1_774_000_000 * SECOND


def clock(kept=None, wall=WALL, boot="a", nanoseconds=0):
    return TrustedClock(kept, wall, boot, nanoseconds)


def test_it_follows_the_wall_clock():
    assert clock().read(WALL + HOUR, HOUR) == WALL + HOUR


def test_a_wall_clock_set_back_does_not_stop_it():
    trusted = clock()
    assert trusted.read(WALL - HOUR, 60 * SECOND) == WALL + 60 * SECOND
    assert trusted.behind(WALL - HOUR, 60 * SECOND) == 0
    assert trusted.ahead(WALL - HOUR, 60 * SECOND) == HOUR + 60 * SECOND


def test_a_step_forward_is_followed_at_once():
    assert clock().read(WALL + HOUR, SECOND) == WALL + HOUR


def test_a_forward_step_taken_back_is_behind_until_time_has_caught_up():
    trusted = clock()
    trusted.read(WALL + HOUR, 0)
    assert trusted.behind(WALL + 60 * SECOND, 60 * SECOND) == HOUR - 60 * SECOND
    assert trusted.read(WALL + 60 * SECOND, 60 * SECOND) == WALL + HOUR
    assert trusted.behind(WALL + HOUR - TOLERANCE, HOUR - TOLERANCE) == 0
    assert trusted.read(WALL + 2 * HOUR, 2 * HOUR) == WALL + 2 * HOUR


def test_a_small_correction_is_not_called_behind():
    trusted = clock()
    trusted.read(WALL + TOLERANCE, 0)
    assert trusted.behind(WALL, 0) == 0


def test_within_a_boot_a_restart_keeps_the_line():
    first = clock()
    first.read(WALL + HOUR, HOUR)
    second = clock(first.state(), wall=WALL - HOUR, nanoseconds=2 * HOUR)
    assert second.read(WALL - HOUR, 2 * HOUR) == WALL + 2 * HOUR
    assert second.behind(WALL - HOUR, 2 * HOUR) == 0


def test_after_another_boot_only_what_was_seen_stays():
    first = clock()
    first.read(WALL + HOUR, HOUR)
    second = clock(first.state(), wall=WALL, boot="b", nanoseconds=5)
    assert second.read(WALL, 5) == WALL + HOUR
    assert second.behind(WALL, 5) == HOUR
    assert second.behind(WALL + HOUR, HOUR) == 0


def test_a_reset_believes_the_wall_clock():
    trusted = clock()
    trusted.read(WALL + HOUR, 0)
    trusted.reset(WALL, 0)
    assert trusted.behind(WALL, 0) == 0
    assert trusted.read(WALL + SECOND, SECOND) == WALL + SECOND


@given(
    st.lists(
        st.tuples(
            st.integers(-HOUR, HOUR), st.integers(0, HOUR), st.sampled_from(["run", "restart", "boot"])
        ),
        max_size=20,
    )
)
def test_it_never_runs_backward_and_never_slower_than_the_boot_clock(steps):
    trusted, wall, nanoseconds, boot = clock(boot="0"), WALL, 0, 0
    line, last = WALL, trusted.read(wall, nanoseconds)
    for step, passed, what in steps:
        wall += step + passed
        nanoseconds += passed
        line += passed
        if what != "run":
            boot += what == "boot"
            nanoseconds = 0 if what == "boot" else nanoseconds
            line = wall if what == "boot" else line
            trusted = clock(trusted.state(), wall, str(boot), nanoseconds)
        now = trusted.read(wall, nanoseconds)
        assert now >= last
        assert now >= max(wall, line)
        assert trusted.behind(wall, nanoseconds) in {0, now - max(wall, line)}
        last = now
