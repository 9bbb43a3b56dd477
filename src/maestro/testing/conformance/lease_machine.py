"""A lease store and its model in lock-step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maestro.kernel.errors import MaestroError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro.ports.leases import Caps, Claim, Full, Lease, LeaseStore, Release, Usage
from maestro.testing.conformance.alphabet import TTLS, ZONED, event, families
from maestro.testing.conformance.suite import Suite, capabilities_of, kept_events
from maestro.testing.model import ModelLeases

__all__ = ["LeaseMachine", "require_same_lease", "require_same_usage"]

_CAPS = st.sampled_from([None, None, 4, 3, 2, 1, 0])
_TENANT = st.sampled_from([0, 0, 0, 1])  # one of them busy
_CLAIM = st.tuples(_TENANT, st.integers(0, 3), st.sampled_from([0, 0, 1]))
_SECOND = 10**9


def require_same_usage(got: Usage, wanted: Usage, within: float) -> None:
    """Counts are equal, estimates equal within some seconds."""
    assert (got.tenant, got.package) == (wanted.tenant, wanted.package), f"usage: {got}, expected {wanted}"
    for mine, theirs in (
        (got.tenant_frees_in, wanted.tenant_frees_in),
        (got.package_frees_in, wanted.package_frees_in),
    ):
        assert (mine is None) == (theirs is None), f"usage: {got}, expected {wanted}"
        assert mine is None or theirs is None or abs(mine - theirs) < within, (
            f"usage: {got}, expected {wanted}"
        )


def require_same_lease(got: Lease, wanted: Lease, within: float) -> None:
    """All fields but the token, which is the store's own, and the origin of its clock."""
    for name in ("tenant", "run", "package", "ttl", "expected", "revision", "created", "acquired_at"):
        mine, theirs = getattr(got, name), getattr(wanted, name)
        assert mine == theirs, f"{name} is {mine!r}, expected {theirs!r}"
    assert got.acquired_at.utcoffset() == timedelta(0), f"acquired_at is not in UTC: {got.acquired_at!r}"
    assert abs(got.remaining - wanted.remaining) < within, (
        f"remaining: {got.remaining}, expected {wanted.remaining}"
    )


class LeaseMachine(RuleBasedStateMachine):
    """Asks the store and the model the same and compares every answer; time is the virtual clock's."""

    def __init__(self, suite: Suite[LeaseStore]) -> None:
        super().__init__()
        self.suite = suite
        self.stack = ExitStack()
        self.bench = self.stack.enter_context(suite.bench())
        self.clock = self.bench.clock
        self.model = ModelLeases(self.clock)
        self.capabilities = capabilities_of(self.bench.store)
        # A store with a clock of its own sees real time pass, while the model's stands still.
        self.within = 1e-6 if suite.clock_control else 30.0
        self.longer = 0.0 if suite.clock_control else 600.0
        self.tokens: dict[int, int] = {}
        self.granted: list[Lease] = []
        self.origin: float | None = None
        self.told = 0
        self.read = 0
        self.names: dict[str, list[str]] = {}

    def teardown(self) -> None:
        """Delete the store."""
        self.stack.close()

    @property
    def store(self) -> LeaseStore:
        """The store under test, the newest opened."""
        return self.bench.store

    @initialize(data=st.data())
    def choose_names(self, data: st.DataObject) -> None:
        """Few names for a history, so that they meet."""
        family = data.draw(st.sampled_from(families(raw=self.suite.raw_names)), label="family")
        for what, many in (("tenant", 2), ("run", 4), ("package", 2)):
            names = st.lists(st.sampled_from(family), min_size=many, max_size=many, unique=True)
            self.names[what] = data.draw(names, label=what)

    @rule(
        who=_CLAIM,
        ttl=st.sampled_from(TTLS),
        caps=st.builds(Caps, _CAPS, _CAPS),
        expected=st.sampled_from([None, None, 0.5, 45.0, 600.0]),
        zoned=st.booleans(),
        announced=st.booleans(),
        answer_lost=st.booleans(),
    )
    def acquire(  # what hypothesis draws
        self,
        who: tuple[int, int, int],
        ttl: float,
        caps: Caps,
        expected: float | None,
        zoned: bool,  # noqa: FBT001
        announced: bool,  # noqa: FBT001
        answer_lost: bool,  # noqa: FBT001
    ) -> None:
        """Acquire; with ``answer_lost`` once more, as a caller does who never heard the answer."""
        at = self.clock.now().astimezone(ZONED) if zoned else self.clock.now()
        tenant, run, package = (self.names[k][i] for k, i in zip(self.names, who, strict=True))
        ends = None if expected is None else expected + self.longer
        claim = Claim(tenant, run, package, ttl + self.longer, at, ends, "7")
        announce = self.announcer(announced=announced)
        for _ in range(1 + answer_lost):
            got = _outcome(lambda: self.store.acquire(claim, caps, announce))
            wanted = _outcome(lambda: self.model.acquire(claim, caps, announce and self.repeat))
            self.compare(got, wanted, "acquire")

    @rule(
        which=st.integers(0, 5),
        ttl=st.sampled_from(TTLS),
        token=st.sampled_from([0, 0, 0, 0, 1, -1]),
        announced=st.booleans(),
    )
    def renew(self, which: int, ttl: float, token: int, announced: bool) -> None:  # noqa: FBT001
        """Renew with the token, or with one beside it."""
        tenant, run, mine, theirs = self.holder(which)
        announce = self.announcer(announced=announced)
        got = _outcome(lambda: self.store.renew(tenant, run, theirs + token, ttl + self.longer, announce))
        wanted = _outcome(
            lambda: self.model.renew(tenant, run, mine + token, ttl + self.longer, announce and self.repeat)
        )
        self.compare(got, wanted, "renew")

    @rule(
        which=st.integers(0, 5),
        token=st.sampled_from([0, 0, 0, 0, 1, -1]),
        announced=st.booleans(),
        twice=st.booleans(),
    )
    def release(self, which: int, token: int, announced: bool, twice: bool) -> None:  # noqa: FBT001
        """Release with the token, or with one beside it; perhaps twice."""
        tenant, run, mine, theirs = self.holder(which)
        announce = self.announcer(announced=announced)
        for _ in range(1 + twice):
            got = _outcome(lambda: self.store.release(tenant, run, theirs + token, announce))
            wanted = _outcome(lambda: self.model.release(tenant, run, mine + token, announce and self.repeat))
            self.compare(got, wanted, "release")

    @precondition(lambda self: Capability.EVENTS in self.capabilities)
    @rule(who=_CLAIM, what=st.integers(0, 2))
    def fail_to_announce(self, who: tuple[int, int, int], what: int) -> None:
        """The event cannot be made: the caller hears it, and nothing has changed."""
        tenant, run, package = (self.names[k][i] for k, i in zip(self.names, who, strict=True))
        held = self.model.find(tenant, run)
        token = 0 if held is None else self.tokens[held.token]
        claim = Claim(tenant, run, package, 660.0, self.clock.now())
        calls: list[Callable[[], object]] = [
            lambda: self.store.acquire(claim, Caps(), _fail),
            lambda: self.store.renew(tenant, run, token, 60.0, _fail),
            lambda: self.store.release(tenant, run, token, _fail),
        ]
        happens = held is None if what == 0 else held is not None
        try:
            calls[what]()
        except _NoEventError:
            assert happens, "announce was called though nothing changes"
        except MaestroError:
            assert held is not None, "refused though the run holds nothing"
            assert held.package != package, "refused though the package is the same"
        else:
            assert not happens, "the failure of announce was swallowed"

    @precondition(lambda self: self.suite.clock_control)
    @rule(which=st.integers(0, 20), off=st.integers(-1, 1))
    def jump_to_an_expiry(self, which: int, off: int) -> None:
        """Let time pass to the instant at which a lease expires, or to the one before or after."""
        step = self.suite.resolution_nanoseconds
        ahead = [moment for moment in self.model.expiries() if moment + off * step > self.clock.nanoseconds()]
        if ahead:
            goal = ahead[which % len(ahead)] + off * step
            self.clock.advance(nanoseconds=goal - self.clock.nanoseconds())

    @precondition(lambda self: self.suite.clock_control)
    @rule(milliseconds=st.integers(0, 120_000))
    def wait(self, milliseconds: int) -> None:
        """Let some time pass."""
        self.clock.advance(nanoseconds=milliseconds * 10**6)

    @rule(hours=st.integers(-48, 48))
    def set_wall_clock(self, hours: int) -> None:
        """Nothing may follow from it."""
        self.clock.step(timedelta(hours=hours))

    @precondition(lambda self: Capability.DURABLE in self.capabilities)
    @rule(reboot=st.booleans())
    def restart(self, reboot: bool) -> None:  # noqa: FBT001
        """Close and reopen; after a reboot of the machine every holder is dead, and no token comes twice."""
        if reboot and self.suite.clock_control:
            self.bench.close()
            self.clock.reboot()
            self.model.forget()
            self.origin = None
        self.bench.reopen()

    @rule(who=st.tuples(st.integers(0, 1), st.integers(0, 1)))
    def usage(self, who: tuple[int, int]) -> None:
        """Count."""
        tenant, package = self.names["tenant"][who[0]], self.names["package"][who[1]]
        require_same_usage(self.store.usage(tenant, package), self.model.usage(tenant, package), self.within)

    @invariant()
    def same_leases(self) -> None:
        """After every step both hold the same."""
        assert self.store.held() == self.model.held(), (
            f"held: {self.store.held()}, expected {self.model.held()}"
        )
        for tenant in self.names.get("tenant", ()):
            for run in self.names["run"]:
                got, wanted = self.store.find(tenant, run), self.model.find(tenant, run)
                self.compare(got, wanted, "find")

    @invariant()
    def same_events(self) -> None:
        """After every step both have told the same, in the same order, once."""
        if Capability.EVENTS not in self.capabilities:
            return
        new = list(kept_events(self.store, self.read))
        wanted = self.model.events[self.told :]
        assert [one for _, one in new] == wanted, f"events kept: {new}, expected {wanted}"
        positions = [self.read, *(position for position, _ in new)]
        assert all(a < b for a, b in pairwise(positions)), f"positions: {positions}"
        self.read = positions[-1]
        self.told = len(self.model.events)

    def holder(self, which: int) -> tuple[str, str, int, int]:
        """A tenant, a run, its token in the model and in the store: one of the last leases, dead or alive."""
        if not self.granted:
            return self.names["tenant"][0], self.names["run"][0], 1, 1
        lease = self.granted[-1 - which % len(self.granted[-6:])]
        return lease.tenant, lease.run, lease.token, self.tokens[lease.token]

    def announcer(self, *, announced: bool) -> Callable[[Lease], Event] | None:
        """What makes the events for the store; the model repeats what was made."""
        self.made: list[Event] = []
        if not announced or Capability.EVENTS not in self.capabilities:
            return None

        def announce(lease: Lease) -> Event:
            name = f"{lease.token}-{len(self.model.events)}-{len(self.made)}"
            self.made.append(event(name, self.clock.now(), subject=f"{lease.tenant}/{lease.run}"))
            return self.made[-1]

        return announce

    def repeat(self, _: Lease) -> Event:
        """The event that the store was given for this change."""
        assert self.made, "the store changed something without calling announce"
        return self.made[-1]

    def compare(self, got: object, wanted: object, what: str) -> None:
        """Answers are the same but for the names of tokens."""
        assert type(got) is type(wanted), f"{what}: {got!r}, expected {wanted!r}"
        if isinstance(got, Lease) and isinstance(wanted, Lease):
            require_same_lease(got, wanted, self.within)
            self.compare_token(got, wanted)
            self.compare_clock(got)
        elif isinstance(got, Full) and isinstance(wanted, Full):
            require_same_usage(got.usage, wanted.usage, self.within)
        else:
            assert got == wanted, f"{what}: {got!r}, expected {wanted!r}"

    def compare_token(self, got: Lease, wanted: Lease) -> None:
        """A new lease has a greater token than all before it, a known one its own."""
        if wanted.created:
            last = max(self.tokens.values(), default=0)
            assert got.token > last, f"token {got.token} does not follow {last}"
            self.tokens[wanted.token] = got.token
            self.granted.append(wanted)
        assert got.token == self.tokens[wanted.token], f"another token: {got.token}"

    def compare_clock(self, got: Lease) -> None:
        """``counted_at`` moves with the store's clock, whatever its origin."""
        if self.suite.clock_control:
            origin = got.counted_at - self.clock.nanoseconds() / _SECOND
            assert self.origin is None or abs(origin - self.origin) < 1e-3, f"counted_at: {got.counted_at}"
            self.origin = origin


class _NoEventError(Exception):
    """Raised by an announce that fails."""


def _fail(_: Lease) -> Event:
    raise _NoEventError


def _outcome(call: Callable[[], Any]) -> Any:  # the answer, or what stands for the error
    try:
        answer = call()
    except MaestroError as error:
        return (type(error).__name__, error.code)
    return str(answer) if isinstance(answer, Release) else answer
