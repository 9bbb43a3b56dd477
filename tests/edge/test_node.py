"""An edge that runs: what decides, what is kept, what is told, whatever fails around it."""

from datetime import timedelta

import pytest

from edge_support.bundles import signing_key, trusted
from edge_support.nodes import HOUR, World
from maestro import ConflictError, PortError
from maestro.edge.candidates import SourceRules
from maestro.edge.record import State
from maestro.edge.rules import Rules


@pytest.fixture
def world():
    made = World()
    made.publish(1)
    made.poll()
    return made


def test_a_first_bundle_is_fetched_verified_entered_kept_and_decides(world):
    assert world.decide() == 1
    assert world.node.record.state is State.ACTIVE
    assert world.book.actions() == ["mc.edge.swapped"]
    assert list(world.disk.archives) == [world.node.record.serving.digest]


def test_without_a_bundle_nothing_is_decided():
    empty = World()
    assert empty.decide() is None
    assert empty.poll().failures == 1
    assert empty.node.trouble == "source_unreachable"
    assert empty.node.counts.decisions == {"closed": 1}


def test_an_unchanged_bundle_is_not_sent_again(world):
    world.poll(30)
    world.poll(30)
    assert (world.server.asked, world.server.sent) == (3, 1)
    assert world.node.counts.fetches == {"new": 1, "unchanged": 2}


def test_a_newer_bundle_swaps(world):
    world.publish(2)
    world.poll()
    assert world.decide() == 2


@pytest.mark.parametrize(
    ("number", "claims", "reason"),
    [
        (0, {}, "revision_not_comparable"),
        (1, {}, "revision_content_mismatch"),
        (2, {"exp": 1}, "expired"),
        (2, {"iat": 1}, "expired"),
        (2, {"nbf": 4_000_000_000}, "not_yet_valid"),
        (2, {"iat": None}, "freshness_unknown"),
        (2, {"scope": "other"}, "scope_mismatch"),
    ],
)
def test_a_bundle_that_is_not_to_be_trusted_is_quarantined(world, number, claims, reason):
    world.clock.advance(1)
    if reason == "revision_content_mismatch":
        world.spoil()
        world.publish(2)
        world.poll()
        number = 2
        world.recover()
        world.clock.advance(1)
    decided = world.decide()
    world.publish(number, **claims)
    assert world.poll().failures == 1
    assert world.decide() == decided
    assert world.node.record.state is State.QUARANTINED
    assert world.node.counts.refusals[reason] == 1
    assert world.node.counts.quarantines[reason] == 1
    assert world.node.trouble == reason
    assert "mc.edge.quarantined" in world.book.actions()


def test_a_refused_bundle_is_looked_at_again_not_taken_as_known(world):
    world.spoil()
    world.poll()
    world.poll(30)
    assert world.server.sent == 3


def test_recovery_closes_the_incident_that_quarantine_opened(world):
    world.spoil()
    world.poll()
    world.publish(2)
    world.recover()
    assert world.decide() == 2
    opened, closed = world.book.events.values()
    assert (opened.type, closed.type) == ("mc.incident.open", "mc.incident.close")
    assert opened.data["dedupeKey"] == closed.data["dedupeKey"]


def test_a_bundle_that_the_engine_cannot_run_is_refused(world):
    world.engine.refuses = {"2"}
    world.publish(2)
    world.poll()
    assert world.decide() == 1
    assert world.node.record.refused[0].reasons == ("engine_refused",)


def test_while_the_engine_is_away_the_serving_bundle_stays_and_nothing_is_refused(world):
    world.engine.away = True
    world.publish(2)
    assert world.poll().failures == 1
    assert world.node.record.state is State.ACTIVE
    world.engine.away = False
    world.poll()
    assert world.decide() == 2


# ---- age and clocks --------------------------------------------------------------------------------------


def test_trust_ends_without_a_tick(world):
    world.clock.advance(24 * 3600 - 1)
    assert world.decide() == 1
    world.clock.advance(1)
    assert world.decide() is None


def test_a_stale_bundle_goes_on_as_last_good_then_closes(world):
    world.pass_(3600)
    assert (world.node.record.state, world.decide()) == (State.QUARANTINED, 1)
    world.pass_(23 * 3600)
    assert (world.node.record.state, world.decide()) == (State.CLOSED, None)
    world.publish(2)
    world.poll()
    assert (world.node.record.state, world.decide()) == (State.PROBATION, 2)


def test_a_backward_step_prolongs_nothing(world):
    world.clock.step(-HOUR)
    world.clock.advance(24 * 3600)
    assert world.decide() is None


def test_a_backward_step_prolongs_nothing_across_a_restart(world):
    world.pass_(23 * 3600)
    world.clock.step(-10 * HOUR)
    world.start()
    assert world.decide() == 1
    world.clock.advance(3600)
    assert world.decide() is None


def test_a_forward_step_taken_back_closes_until_time_has_caught_up(world):
    world.clock.step(HOUR)
    world.pass_()
    world.clock.step(-HOUR)
    assert world.decide() is None
    world.pass_()
    assert world.node.record.state is State.CLOSED
    world.pass_(3599)
    assert world.decide() == 1
    assert world.node.record.state is State.QUARANTINED


def test_a_clock_reset_ends_that_at_once_and_is_entered(world):
    world.clock.step(HOUR)
    world.pass_()
    world.clock.step(-HOUR)
    world.pass_()
    world.node.reset_clock("ann")
    assert world.decide() == 1
    assert world.node.record.state is State.PROBATION
    (entry,) = [each for each in world.book.entries.values() if each["action"] == "mc.edge.clock-reset"]
    assert entry["actor"] == "ann"
    assert entry["data"]["behindSeconds"] == 3600


def test_a_clock_reset_forgets_holds_that_a_wrong_clock_reckoned(world):
    world.clock.step(HOUR * 2)
    world.spoil()
    world.poll()
    world.start()
    world.clock.step(-HOUR * 2)
    world.node.reset_clock("ann")
    world.publish(2)
    world.recover()
    assert world.decide() == 2


def test_a_clock_reset_that_cannot_be_entered_is_not_done(world):
    world.clock.step(HOUR)
    world.pass_()
    world.clock.step(-HOUR)
    world.book.down = True
    with pytest.raises(PortError):
        world.node.reset_clock("ann")
    assert world.decide() is None


# ---- restart ---------------------------------------------------------------------------------------------


def test_a_new_process_decides_at_once_and_without_a_network(world):
    world.server.error = PortError("No network.", code="source_unreachable")
    world.start()
    assert world.decide() == 1
    world.poll()
    assert world.decide() == 1


def test_the_high_water_mark_survives(world):
    world.publish(5)
    world.poll()
    world.start()
    world.publish(4)
    world.poll()
    assert world.decide() == 5
    assert world.node.record.refused[0].reasons == ("revision_rollback",)


def test_a_candidate_that_waits_goes_on_waiting(world):
    world.spoil()
    world.poll()
    world.publish(2)
    world.poll()
    world.start()
    assert world.node.record.candidate.revision == "2"
    world.recover()
    assert world.decide() == 2


def test_a_candidate_whose_archive_is_gone_is_fetched_again(world):
    world.spoil()
    world.poll()
    world.publish(2)
    world.poll()
    del world.disk.archives[world.node.record.candidate.digest]
    world.start()
    assert world.node.record.candidate is None
    world.recover()
    assert world.decide() == 2


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_an_archive_that_drifted_gives_way_to_the_earlier_one(world, how):
    world.publish(2)
    world.poll()
    digest = world.node.record.serving.digest
    if how == "missing":
        del world.disk.archives[digest]
    else:
        world.disk.archives[digest] += b"x"
    world.start()
    assert (world.node.record.state, world.decide()) == (State.QUARANTINED, 1)
    assert world.node.record.incident.reason == "digest_drift"
    world.recover()
    assert world.decide() == 2


def test_drift_is_seen_while_running(world):
    world.node.check()
    assert world.decide() == 1
    world.disk.archives.clear()
    world.node.check()
    assert (world.node.record.state, world.decide()) == (State.CLOSED, None)
    world.node.check()
    world.recover()
    assert world.decide() == 1


def test_a_revoked_key_ends_what_it_signed(world):
    world.keys = [trusted("other", name="other")]
    world.node.check()
    assert world.node.record.incident.reason == "key_revoked"
    assert world.decide() is None
    world.server.offer(None)
    world.publish(2, key=signing_key(name="other"))
    world.poll()
    assert world.node.record.refused[0].reasons == ("key_unknown",)


def test_damaged_state_is_closed_and_says_so(world):
    world.disk.record = b"{}"
    node = world.start()
    assert (world.decide(), node.halted, node.trouble) == (None, "state_damaged", "state_damaged")
    node.tick()
    assert node.poll().failures == 1
    assert world.disk.record == b"{}"


def test_a_disk_that_cannot_be_read_stops_the_start(world):
    def failing():
        raise PortError("The disk fails.", code="store_failed")

    world.disk.load = failing
    with pytest.raises(PortError, match="fails"):
        world.start()


def test_while_the_engine_is_away_at_the_start_nothing_is_decided_until_it_is_back(world):
    world.engine.away = True
    world.start()
    assert (world.node.record.state, world.decide()) == (State.ACTIVE, None)
    world.engine.away = False
    world.pass_(1)
    assert world.decide() == 1


# ---- audit and disk --------------------------------------------------------------------------------------


def test_activating_waits_for_the_audit_log(world):
    world.book.down = True
    world.publish(2)
    assert world.poll().failures == 1
    assert (world.decide(), world.node.trouble) == (1, "store_unreachable")
    world.book.down = False
    world.poll()
    assert world.decide() == 2


def test_quarantine_does_not_wait_and_is_told_later_also_by_the_next_process(world):
    world.book.down = True
    world.spoil()
    world.poll()
    assert world.node.record.state is State.QUARANTINED
    assert "mc.edge.quarantined" not in world.book.actions()
    world.start()
    world.book.down = False
    world.pass_(1)
    assert world.book.actions() == ["mc.edge.swapped", "mc.edge.quarantined"]
    assert [event.type for event in world.book.events.values()] == ["mc.incident.open"]
    assert world.node.record.notes == ()


def test_a_trial_that_ends_while_the_audit_log_is_down_goes_on(world):
    world.spoil()
    world.poll()
    world.publish(2)
    world.poll(31)
    world.book.down = True
    world.poll(31)
    assert (world.node.record.state, world.decide()) == (State.PROBATION, 1)
    world.book.down = False
    world.poll(1)
    assert (world.node.record.state, world.decide()) == (State.ACTIVE, 2)


def test_a_full_disk_keeps_new_bundles_out_and_keeps_nobody_from_closing(world):
    world.disk.full = True
    world.publish(2)
    world.poll()
    assert (world.decide(), world.node.trouble) == (1, "store_full")
    world.pass_(25 * 3600)
    assert (world.node.record.state, world.decide()) == (State.CLOSED, None)
    world.disk.full = False
    world.pass_(1)
    assert world.disk.known().state is State.CLOSED


# ---- operators -------------------------------------------------------------------------------------------


def test_a_pin_decides_and_unpinning_returns(world):
    world.publish(2)
    world.poll()
    world.node.pin("1", "ann")
    assert (world.node.record.state, world.decide()) == (State.PINNED, 1)
    world.publish(3)
    world.poll()
    assert world.decide() == 1
    world.start()
    assert (world.node.record.state, world.decide()) == (State.PINNED, 1)
    world.node.unpin("ann")
    assert (world.node.record.state, world.decide()) == (State.ACTIVE, 3)
    world.node.unpin("ann")
    assert [action for action in world.book.actions() if "pinned" in action] == [
        "mc.edge.pinned",
        "mc.edge.unpinned",
    ]


def test_what_is_not_held_cannot_be_pinned(world):
    with pytest.raises(ConflictError, match="holds no good bundle 9"):
        world.node.pin("9", "ann")


def test_what_no_longer_verifies_cannot_be_pinned(world):
    world.publish(2)
    world.poll()
    world.disk.archives.pop(world.node.record.earlier[0].digest)
    with pytest.raises(ConflictError, match="no longer verifies"):
        world.node.pin("1", "ann")


# ---- plain servers ---------------------------------------------------------------------------------------


def test_order_by_time_of_issue_for_revisions_that_are_no_numbers():
    world = World(source=SourceRules(ordering="iat"))
    world.publish("main-7f3a", iat=None)
    world.poll()
    assert world.node.record.refused[0].reasons == ("issue_unknown",)
    world.publish(7)
    world.poll()
    assert world.decide() == 7
    world.clock.advance(10)
    world.publish(6)
    world.recover()
    assert world.decide() == 6
    world.publish(8, iat=int(world.clock.now().timestamp()) - 3000)
    world.poll()
    assert world.node.record.refused[0].reasons == ("revision_rollback",)


def test_no_order_at_all():
    world = World(source=SourceRules(ordering="none"))
    for number in (7, 3, 5):
        world.publish(number)
        world.poll()
        assert world.decide() == number


def test_freshness_by_transport_is_renewed_by_each_answer():
    world = World(source=SourceRules(freshness="transport"))
    world.publish(1, iat=None)
    world.poll()
    for _ in range(5):
        world.poll(3000)
    assert world.node.record.state is State.ACTIVE
    world.pass_(3600)
    assert world.node.record.state is State.QUARANTINED


def test_an_expiry_of_its_own_counts_and_last_good_goes_on_for_the_grace():
    world = World(rules=Rules(ttl=timedelta(hours=1), last_good_max_age=timedelta(hours=2)))
    world.publish(1, exp=int(world.clock.now().timestamp()) + 60)
    world.poll()
    world.pass_(60)
    assert (world.node.record.state, world.decide()) == (State.QUARANTINED, 1)
    world.pass_(3600)
    assert world.decide() is None
