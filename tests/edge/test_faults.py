"""An edge among faults, in any order: what it serves was verified, is not too old, and never older by itself.

Responses that are lost, torn or out of order; a crash at any write; a full disk; an audit log, an engine that are down;
clocks stepped by an hour either way; keys changed; a restart at any moment. At the end all is well again, and so is it.
"""

import os
from contextlib import suppress
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_support.bundles import signing_key, trusted
from edge_support.nodes import HOUR, CrashError, World
from maestro import ConflictError, PortError
from maestro.edge.machine import DECIDING
from maestro.edge.record import State

EXAMPLES = int(os.environ.get("MAESTRO_EDGE_FAULTS", "60"))
KEYS = ("default", "second")
LAST_GOOD = timedelta(hours=24)


class FaultyEdge(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.world = World()
        self.newest = 0
        self.signed_at = {}
        """When each revision was signed, by a clock that nothing steps: the virtual boot clock."""
        self.signed_by = {}
        self.trusted = {"default"}
        self.now_serving = None
        self.excused = False
        self.forged = set()
        self.slack = timedelta(0)
        """By how much the wall clock showed more than was true when something was signed."""
        self.stepped = timedelta(0)

    # ---- what goes on ------------------------------------------------------------------------------------

    def acting(self, action):
        """Run something of the edge; a crash is followed by a new process."""
        try:
            action()
        except CrashError:
            self.restart()
        except PortError:
            pass
        self.look()

    def restart(self):
        try:
            self.world.start()
        except CrashError:
            self.world.disk.crash_in = None
            self.world.start()

    def look(self):
        """Ask the edge, and hold what it answers against what is known to be true."""
        served = self.world.decide()
        if served is None:
            return
        assert served not in self.forged, "served what nobody signed"
        assert served in self.signed_at
        age = self.true_now() - self.signed_at[served]
        assert age < LAST_GOOD + self.slack, f"served {served} at the age of {age}"
        before = self.now_serving
        if before is not None and served < before:
            record = self.world.node.record
            assert record.state in {State.PINNED, State.QUARANTINED, State.PROBATION, State.CLOSED}
            assert self.excused, f"went from {before} back to {served} by itself"
        self.now_serving = served
        if self.world.node.record.state is State.ACTIVE and not self.trouble_waits():
            self.excused = False

    def trouble_waits(self):
        """Whether something that was done will be noticed later only, and then be a reason to fall back."""
        rotten = any(archive.endswith(b"rot") for archive in self.world.disk.archives.values())
        return rotten or self.trusted != {"default"}

    def true_now(self):
        return timedelta(microseconds=self.world.clock.nanoseconds() // 1000)

    # ---- the source --------------------------------------------------------------------------------------

    @rule(key=st.sampled_from(KEYS))
    def a_revision_is_published(self, key):
        self.newest += 1
        self.world.publish(self.newest, key=signing_key(name=key))
        self.signed_at[self.newest] = self.true_now()
        self.signed_by[self.newest] = key
        # A publisher whose clock is ahead gives its bundle so much more life; here it is the edge's own clock.
        self.slack = max(self.slack, self.stepped)

    @rule()
    def somebody_forges(self):
        self.newest += 1
        number = self.newest
        self.forged.add(number)
        self.world.publish(number, key=signing_key(name="stranger"))

    @rule()
    def it_is_tampered_with(self):
        self.world.spoil()

    @rule(end=st.integers(0, 400))
    def a_response_is_torn(self, end):
        if self.world.server.body:
            self.world.server.offer(self.world.server.body[:end])

    @rule()
    def responses_are_lost(self):
        self.world.server.error = PortError("Lost.", code="source_unreachable")

    @precondition(lambda self: self.signed_at)
    @rule(data=st.data())
    def an_old_response_comes_late(self, data):
        number = data.draw(st.sampled_from(sorted(self.signed_at)))
        issued = int(self.world.clock.now().timestamp()) - 60
        self.world.publish(number, key=signing_key(name=self.signed_by[number]), iat=issued)
        self.signed_at[number] = self.true_now()
        self.acting(lambda: self.world.poll(31))

    @rule(names=st.sampled_from([{"default"}, {"second"}, {"default", "second"}]))
    def keys_are_rotated(self, names):
        self.trusted = names
        self.world.keys = [trusted("default", name=name) for name in sorted(names)[:1]]
        self.excused = True

    # ---- the edge ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 31, 700, 3600]))
    def it_polls(self, seconds):
        self.acting(lambda: self.world.poll(seconds))

    @rule()
    def all_is_well_for_a_while(self):
        self.a_revision_is_published("default")
        for _ in range(4):
            self.acting(lambda: self.world.poll(40))

    @rule(seconds=st.sampled_from([3600, 90_000]))
    def time_passes_and_nobody_ticks(self, seconds):
        self.world.clock.advance(seconds)
        self.look()

    @rule(seconds=st.sampled_from([40_000, 80_000]))
    def it_is_restarted_with_a_clock_set_back(self, seconds):
        self.acting(lambda: self.world.pass_(seconds))
        self.world.clock.step(-HOUR)
        self.stepped -= HOUR
        self.restart()
        self.look()

    @rule(seconds=st.sampled_from([1, 3600, 40_000]))
    def time_passes(self, seconds):
        self.acting(lambda: self.world.pass_(seconds))

    @rule()
    def it_checks_itself(self):
        self.acting(self.world.node.check)

    @rule()
    def it_is_killed(self):
        self.restart()
        self.look()

    @rule()
    def somebody_pins_an_earlier_one(self):
        record = self.world.node.record
        if record.earlier:
            self.excused = True
            self.acting(lambda: self._pin(record.earlier[-1].digest))

    def _pin(self, digest):
        with suppress(ConflictError):
            self.world.node.pin(digest, "ann")

    @rule()
    def somebody_unpins(self):
        self.excused = True
        self.acting(lambda: self.world.node.unpin("ann"))

    # ---- around it ---------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([-1, 1]))
    def the_clock_is_stepped(self, hours):
        self.world.clock.step(hours * HOUR)
        self.stepped += hours * HOUR
        self.look()

    @rule(writes=st.integers(0, 6))
    def the_next_writes_crash(self, writes):
        self.world.disk.crash_in = writes

    @rule(full=st.booleans())
    def the_disk_fills(self, full):
        self.world.disk.full = full

    @rule(down=st.booleans())
    def the_audit_log_goes(self, down):
        self.world.book.down = down

    @rule(away=st.booleans())
    def the_engine_goes(self, away):
        self.world.engine.away = away

    @rule(place=st.integers(0, 3))
    def an_archive_rots(self, place):
        # By revision, not by digest: signatures are random, and what is drawn must mean the same each time.
        held = sorted(self.world.node.record.held(), key=lambda one: int(one.revision))
        archives = self.world.disk.archives
        if held and held[place % len(held)].digest in archives:
            archives[held[place % len(held)].digest] += b"rot"
            self.excused = True

    # ---- what holds --------------------------------------------------------------------------------------

    @invariant()
    def no_decision_without_a_state_that_decides(self):
        record = self.world.node.record
        if record.state not in DECIDING:
            assert self.world.decide() is None

    @invariant()
    def what_was_entered_was_entered_before_it_decided(self):
        serving = self.world.node.record.serving
        if serving is not None and self.world.decide() is not None:
            told = [
                entry["data"]
                for entry in self.world.book.entries.values()
                if entry["action"] in {"mc.edge.swapped", "mc.edge.accepted"}
            ]
            known = {
                one["digest"] for data in told for one in (data.get("serving"), data.get("candidate")) if one
            }
            assert serving.digest in known

    def teardown(self):
        """All is repaired: then the edge recovers by itself, but for a clock that an operator has to reset."""
        world = self.world
        world.disk.full = world.book.down = world.engine.away = False
        world.disk.crash_in = None
        world.keys = [trusted()]
        if world.node.clock.facts()["aheadSeconds"] > 1:
            world.node.reset_clock("ann")
        if world.node.record.state is State.PINNED:
            world.node.unpin("ann")
        self.newest += 1
        for _ in range(200):
            world.publish(self.newest)
            world.poll(31)
            if world.node.record.state is State.ACTIVE and world.decide() == self.newest:
                break
            self.newest += 1
        else:
            raise AssertionError(world.node.record)
        assert world.node.record.notes == ()
        kinds = [event.type for event in world.book.events.values()]
        assert kinds.count("mc.incident.open") == kinds.count("mc.incident.close")


TestFaultyEdge = FaultyEdge.TestCase
TestFaultyEdge.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
