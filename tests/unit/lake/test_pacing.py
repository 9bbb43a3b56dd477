"""The controller: short waits while it is cheap, large batches when it is not, the side log when merging is too slow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.kernel.errors import BadInputError
from maestro.lake.pacing import Cost, Gate, Pace, Pacer, Pending, Way


def test_costs_are_learnt_from_commits():
    cost = Cost(0.0, 0.0)
    for rows in (1_000, 20_000, 50_000, 3_000):
        cost.learn(rows, 0.2 + rows * 5e-6)
    assert cost.fixed == pytest.approx(0.2)
    assert cost.each == pytest.approx(5e-6)
    assert cost.of(100_000) == pytest.approx(0.7)


def test_commits_of_one_size_tell_of_their_sum_alone():
    cost = Cost(9.0, 1e-6)
    for _ in range(5):
        cost.learn(1_000, 0.3)
    assert cost.of(1_000) == pytest.approx(0.3)


def settled(pacer, rate, seconds=60):
    for second in range(seconds):
        pacer.arrived(rate, float(second))
    return pacer


def test_it_waits_until_the_interval_and_no_longer():
    pacer = Pacer(Pace(shortest=1, longest=1))
    assert not pacer.decide(Pending(10, 10, 0.4)).commit
    assert pacer.decide(Pending(10, 10, 0.4)).wait == pytest.approx(0.6)
    assert pacer.decide(Pending(10, 10, 1.0)).commit
    assert not pacer.decide(Pending()).commit


def test_a_full_batch_and_the_end_wait_for_nothing():
    pacer = Pacer(Pace(rows=100, bytes=1_000))
    assert pacer.decide(Pending(100, 1, 0)).commit
    assert pacer.decide(Pending(1, 1_000, 0)).commit
    assert pacer.decide(Pending(1, 1, 0), ending=True).commit


def test_dear_commits_make_the_interval_longer():
    cheap, dear = settled(Pacer(), 1_000), settled(Pacer(), 1_000)
    for rows in (1_000, 5_000, 9_000):
        cheap.committed(Way.MERGE, rows, 0.05 + rows * 1e-6)
        dear.committed(Way.MERGE, rows, 2.0 + rows * 1e-6)
    assert cheap.interval < 1 < dear.interval < 10


def test_when_merging_cannot_keep_up_batches_go_to_the_side_log():
    pacer = settled(Pacer(), 50_000)
    for rows in (10_000, 50_000, 100_000):
        pacer.committed(Way.MERGE, rows, 0.1 + rows * 2e-5)
    assert pacer.pressed
    assert pacer.interval == 10
    assert pacer.decide(Pending(100_000, 1, 1)).way is Way.APPEND
    assert not pacer.fold_due(1_000)


def test_so_they_do_when_what_is_behind_would_be_late():
    pacer = Pacer()
    pacer.committed(Way.MERGE, 10_000, 1.0)
    assert pacer.decide(Pending(100_000, 1, 1)).way is Way.MERGE
    assert pacer.decide(Pending(10_000, 1, 10), behind=1_000_000).way is Way.APPEND


def test_the_side_log_is_folded_when_it_is_calm_or_long_overdue():
    pacer = Pacer(Pace(fold_every=30))
    pacer.committed(Way.APPEND, 1_000, 0.02)
    assert not pacer.fold_due(0)
    pacer.logged(1_000)
    assert not pacer.fold_due(29)
    assert pacer.fold_due(30)
    assert not pacer.fold_due(30, behind=10**6)
    assert pacer.fold_due(700, behind=10**6)
    pacer.folded(700)
    assert not pacer.fold_due(1_000)


def test_upkeep_comes_after_its_time_and_not_while_much_waits():
    pacer = Pacer(Pace(upkeep_every=60))
    assert not pacer.upkeep_due(0)
    assert pacer.upkeep_due(60)
    assert not pacer.upkeep_due(60, behind=10**6)
    pacer.kept_up(60)
    assert not pacer.upkeep_due(61)


def test_more_followers_are_wanted_for_more_than_one_can_merge():
    pacer = settled(Pacer(), 50_000)
    for rows in (10_000, 50_000, 100_000):
        pacer.committed(Way.MERGE, rows, 0.1 + rows * 2e-5)
    assert pacer.desired_sinks(behind=0, lanes=8) == 2
    assert pacer.desired_sinks(behind=10**7, lanes=8) == 8
    assert Pacer().desired_sinks(behind=0, lanes=8) == 1


def test_a_source_is_paused_above_twice_the_bound_and_resumed_below_it():
    gate = Gate(100, 10_000)
    assert [gate.judge(rows, 0) for rows in (200, 201, 150, 101, 100, 150)] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert gate.judge(0, 20_001)


@pytest.mark.parametrize("bad", [{"shortest": 0}, {"shortest": 11}, {"busy": 1}, {"rows": 0}, {"bytes": 0}])
def test_a_pace_that_contradicts_itself_is_refused(bad):
    with pytest.raises(BadInputError, match="pace"):
        Pace(**bad)


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(1e-4, 1e3), st.sampled_from(Way)), min_size=1, max_size=20
    )
)
def test_whatever_it_learns_the_interval_stays_in_its_bounds(commits):
    pacer = settled(Pacer(), 5_000, 5)
    for rows, seconds, way in commits:
        pacer.committed(way, rows, seconds)
        assert pacer.pace.shortest <= pacer.interval <= pacer.pace.longest
        assert pacer.decide(Pending(1, 1, pacer.pace.longest)).commit
