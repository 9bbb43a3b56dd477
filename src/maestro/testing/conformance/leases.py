"""The suite for lease stores: the contract said by examples, the model, what is declared, what happens at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Event as Signal
from typing import ClassVar

from maestro.kernel.errors import BadInputError, ConflictError, PortError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro.ports.leases import Caps, Claim, Full, Lease, LeaseStore, Release
from maestro.testing.clock import VirtualClock
from maestro.testing.conformance.alphabet import CONFUSABLE, event
from maestro.testing.conformance.interleaved import (
    lease_histories,
    require_possible,
    rush,
    take_and_give_back,
    together,
)
from maestro.testing.conformance.lease_machine import LeaseMachine
from maestro.testing.conformance.processes import Say, killed_after, run_all
from maestro.testing.conformance.suite import Suite, capabilities_of, kept_events, raises

__all__ = ["LeaseStoreConformance"]

_NO_CAPS = Caps()


class LeaseStoreConformance(Suite[LeaseStore]):
    """What every lease store must do. Subclass it, say how your store is made, let pytest collect the subclass."""

    port: ClassVar[str] = "leases"

    rounds: ClassVar[int] = 25
    """How often callers are set upon the store at once, in each of the checks that do so."""

    def claim(
        self, clock: VirtualClock, run: str, package: str = "ns/a", *, tenant: str = "acme", ttl: float = 60.0
    ) -> Claim:
        """A claim at the clock's present."""
        return Claim(tenant, run, package, ttl, clock.now())

    # ---- one caller ----------------------------------------------------------------------------------------

    def test_asking_again_changes_nothing(self) -> None:
        """The same run gets the same lease, whatever the caps are by now, and its expiry stands."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            first = _lease(store.acquire(self.claim(clock, "r-1"), Caps(tenant=1)))
            assert first.created, "a new lease says it is not"
            clock.advance(1.0)
            for caps in (Caps(1, 1), Caps(0, 0), _NO_CAPS):
                again = _lease(store.acquire(self.claim(clock, "r-1", ttl=90.0), caps))
                assert again.token == first.token, f"token {again.token}, first {first.token}"
                assert not again.created, "an old lease says it was created"
                assert again.remaining <= first.remaining, (
                    f"asking again extended the lease to {again.remaining}"
                )
            assert store.usage("acme", "ns/a").tenant == 1, "asking again took another slot"

    def test_a_renewal_needs_no_room_and_sets_its_own_ttl(self) -> None:
        """At the cap, and below a lowered one; longer and shorter than before; only with the token."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            held = [_lease(store.acquire(self.claim(clock, f"r-{one}"), Caps(3, 3))) for one in range(3)]
            for ttl in (3600.0, 61.5, 30.0):
                renewed = store.renew("acme", "r-1", held[1].token, ttl)
                assert renewed is not None, "a renewal at the cap was denied"
                assert renewed.ttl == ttl, f"renewed for {ttl}, ttl is {renewed.ttl}"
                assert ttl - 5 < renewed.remaining <= ttl, f"renewed for {ttl}, remaining {renewed.remaining}"
            assert store.renew("acme", "r-1", held[2].token, 60.0) is None, "another run's token renewed"

    def test_a_release_gives_back_one_slot_once(self) -> None:
        """The run's own, and nobody else's; again it is absent; with another token it stays."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            held = [_lease(store.acquire(self.claim(clock, f"r-{one}"), _NO_CAPS)) for one in range(3)]
            assert store.release("acme", "r-1", held[2].token) is Release.STALE, (
                "another run's token released"
            )
            assert store.release("acme", "r-1", held[1].token) is Release.RELEASED, (
                "a held lease was not released"
            )
            assert store.release("acme", "r-1", held[1].token) is Release.ABSENT, "released twice"
            assert store.usage("acme", "ns/a").tenant == 2, "a release took other leases with it"
            for one in (0, 2):
                store.release("acme", f"r-{one}", held[one].token)
            later = _lease(store.acquire(self.claim(clock, "r-1"), _NO_CAPS))
            assert later.token > held[2].token, f"token {later.token} does not follow {held[2].token}"

    def test_names_are_compared_byte_for_byte(self) -> None:
        """Runs, tenants and packages of similar names are different ones."""
        for one, other in CONFUSABLE if self.raw_names else CONFUSABLE[:5]:
            with self.bench() as bench:
                store, clock, caps = bench.store, bench.clock, Caps(package=1)
                for tenant, run, package in ((one, one, one), (one, other, other), (other, one, one)):
                    claim = Claim(tenant, run, package, 60.0, clock.now())
                    lease = _lease(store.acquire(claim, caps))
                    assert lease.created, f"{claim} was taken for another"
                    assert (lease.tenant, lease.run, lease.package) == (tenant, run, package), f"{lease}"
                assert store.held() == {one: 2, other: 1}, f"held: {store.held()}"
                held = store.find(one, one)
                assert held is not None, f"the lease of {one!r} is gone"
                store.release(one, one, held.token)
                assert store.held() == {one: 1, other: 1}, f"releasing {one!r} left {store.held()}"

    def test_what_is_out_of_range_is_refused_and_changes_nothing(self) -> None:
        """A ttl of 0, below, beyond a year, not a number; a naive instant."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            held = _lease(store.acquire(self.claim(clock, "r-1"), _NO_CAPS))
            for ttl in (0.0, -1.0, float("inf"), float("nan"), 1e18):
                raises(BadInputError, partial(store.acquire, self.claim(clock, "r-2", ttl=ttl), _NO_CAPS))
                raises(BadInputError, partial(store.renew, "acme", "r-1", held.token, ttl))
            naive = Claim("acme", "r-2", "ns/a", 60.0, clock.now().replace(tzinfo=None))
            raises(BadInputError, lambda: store.acquire(naive, _NO_CAPS))
            assert store.held() == {"acme": 1}, f"held: {store.held()}"

    def test_another_package_is_a_conflict(self) -> None:
        """A run holds its slot for one package."""
        with self.bench() as bench:
            bench.store.acquire(self.claim(bench.clock, "r-1", "ns/a"), _NO_CAPS)
            error = raises(
                ConflictError, lambda: bench.store.acquire(self.claim(bench.clock, "r-1", "ns/b"), _NO_CAPS)
            )
            assert error.code == "run_package_conflict", f"code is {error.code!r}"

    def test_a_lease_expires_by_itself(self) -> None:
        """Not before its ttl, and at once then; its slot is free, its token worthless, the next one greater."""
        with self.bench() as bench:
            store, clock, caps = bench.store, bench.clock, Caps(tenant=1)
            ttl = 60.0 if self.clock_control else 0.4
            dead = _lease(store.acquire(self.claim(clock, "r-1", ttl=ttl), caps))
            assert isinstance(store.acquire(self.claim(clock, "r-2", ttl=ttl), caps), Full), (
                "no room was room"
            )
            self.pass_time(clock, ttl)
            assert store.usage("acme", "ns/a").tenant == 0, "an expired lease is counted"
            assert store.renew("acme", "r-1", dead.token, 60.0) is None, "an expired lease was renewed"
            heir = _lease(store.acquire(self.claim(clock, "r-1"), caps))
            assert heir.token > dead.token, f"token {heir.token} does not follow {dead.token}"
            assert store.release("acme", "r-1", dead.token) is Release.STALE, "a stale token released"

    def test_setting_the_wall_clock_changes_nothing(self) -> None:
        """Leases live by the store's own clock, whatever step another one makes."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            held = _lease(store.acquire(self.claim(clock, "r-1", ttl=60.0), _NO_CAPS))
            for hours in (48, -96):
                clock.step(timedelta(hours=hours))
                found = store.find("acme", "r-1")
                assert found is not None, "a step of the wall clock ended a lease"
                assert abs(found.remaining - held.remaining) < 5, f"remaining is {found.remaining}"
            if self.clock_control:
                clock.advance(60.0)
                assert store.held() == {}, "a step of the wall clock made a lease longer"

    def test_crashed_holders_do_not_pile_up(self) -> None:
        """Thousands of leases that nobody releases leave every count right and the store answering."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            ttl = 1.0 if self.clock_control else 0.2
            for number in range(2500):
                store.acquire(self.claim(clock, f"r-{number}", ttl=ttl), _NO_CAPS)
                if self.clock_control and number % 50 == 0:
                    clock.advance(0.2)
            self.pass_time(clock, ttl)
            assert store.held() == {}, f"held: {store.held()}"
            assert isinstance(store.acquire(self.claim(clock, "r"), Caps(1, 1)), Lease), (
                "a dead lease takes room"
            )

    # ---- what is declared, and what is not --------------------------------------------------------------------

    def test_events_are_kept_with_the_change_or_refused(self) -> None:
        """EVENTS: one event a change, none for what was refused. Undeclared: ``announce`` is refused."""
        with self.bench() as bench:
            store, clock = bench.store, bench.clock
            if Capability.EVENTS not in capabilities_of(store):
                self.refuses_events(store, clock)
                return
            made: list[Event] = []

            def announce(lease: Lease) -> Event:
                made.append(event(f"{len(made)}", clock.now(), subject=lease.run))
                return made[-1]

            caps = Caps(tenant=1)
            lease = _lease(store.acquire(self.claim(clock, "r-1"), caps, announce))
            store.acquire(self.claim(clock, "r-1"), caps, announce)
            store.acquire(self.claim(clock, "r-2"), caps, announce)
            store.renew("acme", "r-1", lease.token, 30.0, announce)
            store.renew("acme", "r-1", lease.token + 1, 30.0, announce)
            store.release("acme", "r-1", lease.token + 1, announce)
            store.release("acme", "r-1", lease.token, announce)
            store.release("acme", "r-1", lease.token, announce)
            assert [one.subject for one in made] == ["r-1"] * 3, f"announced: {made}"
            raises(ZeroDivisionError, lambda: store.acquire(self.claim(clock, "r-3"), caps, _break))
            assert store.held() == {}, "the event of an acquire could not be made, yet it took a slot"
            kept = [one for _, one in kept_events(store)]
            assert kept == made, f"kept {kept}, announced {made}"

    def refuses_events(self, store: LeaseStore, clock: VirtualClock) -> None:
        """``announce`` without EVENTS is a PortError, and nothing has changed."""

        def announce(_: Lease) -> Event:
            return event("1", clock.now())

        raises(PortError, lambda: store.acquire(self.claim(clock, "r-1"), _NO_CAPS, announce))
        assert store.held() == {}, "an announced acquire was refused, yet it took a slot"
        held = _lease(store.acquire(self.claim(clock, "r-1"), _NO_CAPS))
        raises(PortError, lambda: store.renew("acme", "r-1", held.token, 60.0, announce))
        raises(PortError, lambda: store.release("acme", "r-1", held.token, announce))
        assert store.held() == {"acme": 1}, "an announced release was refused, yet it gave the slot back"
        self.refused += (Capability.EVENTS,)

    def test_leases_outlive_the_process_or_are_gone(self) -> None:
        """DURABLE: what was answered before ``kill -9`` holds after it. Undeclared: a reopened store is empty."""
        if not self.declares(Capability.DURABLE):
            self.forgets()
            return
        for answers in (1, 7, 40):
            with self.bench() as bench:
                bench.close()

                def hold(_: int, say: Say, make: Callable[[], LeaseStore] = bench.another) -> None:
                    store = make()
                    for number in range(10_000):
                        lease = _lease(store.acquire(self.claim(bench.clock, f"r-{number}"), _NO_CAPS))
                        say(f"{lease.run} {lease.token}")

                heard = [line.split() for line in killed_after(hold, answers)]
                store = bench.reopen()
                for run, token in heard:
                    found = store.find("acme", run)
                    assert found is not None, f"the lease of {run} was answered and is gone"
                    assert found.token == int(token), (
                        f"the lease of {run} has token {found.token}, not {token}"
                    )
                more = store.usage("acme", "ns/a").tenant - len(heard)
                assert 0 <= more <= 1, f"{more} leases more than were answered"
                last = max(int(token) for _, token in heard)
                fresh = _lease(store.acquire(self.claim(bench.clock, "fresh"), _NO_CAPS))
                assert fresh.token > last, f"token {fresh.token} does not follow {last}"

    def forgets(self) -> None:
        """Without DURABLE, reopening refuses or finds nothing."""
        with self.bench() as bench:
            bench.store.acquire(self.claim(bench.clock, "r-1"), _NO_CAPS)
            if not self.does_not_outlive(bench):
                assert bench.store.held() == {}, (
                    "leases outlive the store: declare DURABLE, so that it is proved"
                )
            self.refused += (Capability.DURABLE,)

    def test_processes_share_the_caps_or_the_store_is_their_own(self) -> None:
        """SHARED: real processes never hold more than the cap. Undeclared: a second store is another world."""
        if not self.declares(Capability.SHARED):
            self.is_not_shared()
            return
        caps = Caps(tenant=3, package=2)
        with self.bench() as bench:
            holding = multiprocessing.get_context("fork").Value("i", 0)

            def work(number: int, say: Say) -> None:
                store = bench.another()
                for line in take_and_give_back(store, bench.clock, caps, holding, number, 60):
                    say(line)

            said = run_all(work, 4)
            excess = [line for lines in said for line in lines if line.startswith("excess")]
            assert not excess, f"more leases than the cap at once: {excess[0]}"
            tokens = [[int(line.split()[1]) for line in lines if line.startswith("token")] for lines in said]
            _require_tokens(tokens)
            assert bench.store.held() == {}, f"all was released, yet held: {bench.store.held()}"

    def is_not_shared(self) -> None:
        """Without SHARED, a second store on the same folder refuses or knows nothing of the first."""
        with self.bench() as bench:
            bench.store.acquire(self.claim(bench.clock, "r-1"), _NO_CAPS)
            try:
                other = bench.another()
            except PortError:
                pass
            else:
                assert other.held() == {}, (
                    "two stores share their leases: declare SHARED, so that it is proved"
                )
            self.refused += (Capability.SHARED,)

    # ---- everything at random ----------------------------------------------------------------------

    def test_it_answers_as_the_model_does(self) -> None:
        """Random histories, jumping onto instants of expiry, in lock-step with ``ModelLeases``."""
        self.run_machine(LeaseMachine)

    # ---- many callers -------------------------------------------------------------------------------------------

    def test_a_rush_gets_exactly_the_cap(self) -> None:
        """Many threads at once for few slots: as many leases as the cap says, every token another."""
        with self.bench() as bench:
            for number in range(self.rounds):
                caps = (Caps(tenant=3), Caps(package=2), Caps(tenant=2, package=2))[number % 3]
                room = min(cap for cap in (caps.tenant, caps.package) if cap is not None)
                answers = rush(bench.store, bench.clock, f"t-{number}", caps, callers=6)
                leases = [answer for answer in answers if isinstance(answer, Lease)]
                assert len(leases) == room, f"{len(leases)} leases at once under {caps}"
                assert len({lease.token for lease in leases}) == room, "a token came twice"
                held = bench.store.held()
                assert held[f"t-{number}"] == room, f"held: {held}"

    def test_one_run_asking_at_once_gets_one_lease(self) -> None:
        """The same run from many threads: one lease, created once."""
        with self.bench() as bench:
            for number in range(self.rounds):
                answers = rush(
                    bench.store, bench.clock, f"t-{number}", Caps(tenant=3), callers=6, one_run=True
                )
                leases = [_lease(answer) for answer in answers]
                assert len({lease.token for lease in leases}) == 1, "one run holds two leases"
                assert sum(lease.created for lease in leases) == 1, "one lease was created more than once"

    def test_concurrent_histories_are_possible(self) -> None:
        """Some order of the calls, respecting which ended before which began, explains every answer."""
        with self.bench() as bench:
            for seed in range(self.rounds):
                require_possible(lease_histories(bench.store, bench.clock, seed))

    def test_threads_never_hold_more_than_the_cap(self) -> None:
        """Threads that take and give back: never more at once than the cap, and nothing left at the end."""
        caps = Caps(tenant=3, package=2)
        with self.bench() as bench:
            holding = multiprocessing.get_context("fork").Value("i", 0)
            said = together(
                6,
                lambda number: list(take_and_give_back(bench.store, bench.clock, caps, holding, number, 40)),
            )
            excess = [line for lines in said for line in lines if line.startswith("excess")]
            assert not excess, f"more leases than the cap at once: {excess[0]}"
            _require_tokens(
                [[int(one.split()[1]) for one in lines if one.startswith("token")] for lines in said]
            )
            assert bench.store.held() == {}, f"all was released, yet held: {bench.store.held()}"

    def pass_time(self, clock: VirtualClock, seconds: float) -> None:
        """Let time pass, by hand or for real."""
        if self.clock_control:
            clock.advance(seconds)
        else:
            Signal().wait(seconds + 0.05)


def _lease(answer: Lease | Full) -> Lease:
    assert isinstance(answer, Lease), f"expected a lease, got {answer}"
    return answer


def _break(_: Lease) -> Event:
    raise ZeroDivisionError


def _require_tokens(tokens: list[list[int]]) -> None:
    """No token twice, and each caller's grow."""
    together = [token for mine in tokens for token in mine]
    assert together, "nobody got a lease"
    assert len(set(together)) == len(together), "a token came twice"
    assert all(mine == sorted(mine) for mine in tokens), "tokens do not grow"
