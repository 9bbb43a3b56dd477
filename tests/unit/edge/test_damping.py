"""Damping delays return: a penalty that halves, two limits, a hold that grows up to its cap."""

from datetime import timedelta

import pytest

from edge_support.cases import START, after
from maestro import BadInputError
from maestro.edge.damping import Damping
from maestro.edge.rules import DampingRules, Rules

RULES = DampingRules()


def struck(*minutes):
    damping = Damping()
    for minute in minutes:
        damping = damping.struck(RULES.refused, after(minutes=minute), RULES)
    return damping


def test_a_penalty_halves_in_its_half_life():
    assert struck(0).decayed(START + RULES.half_life, RULES).penalty == 500


def test_an_earlier_instant_changes_nothing():
    damping = struck(5)
    assert damping.decayed(START, RULES) is damping


def test_one_fault_holds_for_the_first_hold_only():
    damping = struck(0)
    assert not damping.lets_return(after(seconds=29), RULES)
    assert damping.lets_return(after(seconds=30), RULES)
    assert damping.returns_at(START, RULES) == after(seconds=30)


def test_the_hold_doubles_up_to_its_cap():
    holds = [struck(*[0] * count).held_until - START for count in range(1, 8)]
    assert [hold.total_seconds() for hold in holds] == [30, 60, 120, 240, 480, 900, 900]


def test_three_faults_at_once_suppress_until_the_penalty_has_come_down():
    damping = struck(0, 0, 0)
    assert damping.suppressed
    at = damping.returns_at(START, RULES)
    assert at == START + 2 * RULES.half_life  # 3000 to 750
    assert not damping.lets_return(at - timedelta(seconds=1), RULES)
    assert damping.lets_return(at, RULES)


def test_no_suppression_outlasts_what_the_cap_allows():
    damping = struck(*[0] * 1000)
    assert damping.penalty == RULES.cap
    assert damping.returns_at(START, RULES) == START + 3 * RULES.half_life


def test_the_hold_starts_anew_when_all_is_forgotten():
    assert struck(0, 20).strikes == 1
    assert struck(0, 1).strikes == 2


def test_limits_out_of_order_are_refused():
    with pytest.raises(BadInputError, match="reuse"):
        DampingRules(reuse=3000)
    with pytest.raises(BadInputError, match="ttl"):
        Rules(ttl=timedelta(hours=2), last_good_max_age=timedelta(hours=1))


def test_grace_is_what_last_good_may_go_on_beyond_its_freshness():
    assert Rules().grace == timedelta(hours=23)
