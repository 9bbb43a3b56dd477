"""The suite for document stores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from maestro.kernel.errors import BadInputError, ConflictError, MaestroError, PortError
from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro.ports.documents import DocumentStore, StoredDocument
from maestro.testing.conformance.alphabet import BODIES, CONFUSABLE, ZONED, event, families
from maestro.testing.conformance.interleaved import together
from maestro.testing.conformance.processes import Say, killed_after, run_all
from maestro.testing.conformance.suite import Bench, Suite, capabilities_of, kept_events, raises
from maestro.testing.model import ModelDocuments

__all__ = ["DocumentMachine", "DocumentStoreConformance"]


class DocumentMachine(RuleBasedStateMachine):
    """Asks the store and the model the same and compares every answer."""

    def __init__(self, suite: Suite[DocumentStore]) -> None:
        super().__init__()
        self.suite = suite
        self.stack = ExitStack()
        self.bench = self.stack.enter_context(suite.bench())
        self.clock = self.bench.clock
        self.model = ModelDocuments()
        self.capabilities = capabilities_of(self.bench.store)
        self.generation = self.store.generation()
        self.made: list[Event] = []
        self.keys: list[tuple[str, str]] = []

    def teardown(self) -> None:
        """Delete the store."""
        self.stack.close()

    @property
    def store(self) -> DocumentStore:
        """The store under test, the newest opened."""
        return self.bench.store

    @initialize(data=st.data())
    def choose_names(self, data: st.DataObject) -> None:
        """Few documents for a history, so that writers meet."""
        family = data.draw(st.sampled_from(families(raw=self.suite.raw_names)), label="family")
        two = st.lists(st.sampled_from(family), min_size=2, max_size=2, unique=True)
        kinds, tenants = data.draw(two, label="kinds"), data.draw(two, label="tenants")
        self.keys = [(kind, tenant) for kind in kinds for tenant in tenants]

    @rule(
        which=st.integers(0, 3),
        body=st.sampled_from(BODIES),
        expected=st.sampled_from([None, "newest", "newest", "one less", "one more", 0]),
        announced=st.booleans(),
        zoned=st.booleans(),
    )
    def put(self, which: int, body: bytes, expected: Any, announced: bool, zoned: bool) -> None:  # noqa: FBT001
        """Store the next version, expecting the right one or another."""
        kind, tenant = self.keys[which]
        newest = self.newest(which)
        version = {"newest": newest, "one less": newest - 1, "one more": newest + 1}.get(expected, expected)
        at = self.clock.now().astimezone(ZONED) if zoned else self.clock.now()
        announce = self.announce if announced and Capability.EVENTS in self.capabilities else None
        told = len(self.made)

        def ask(store: Any, announce: Any) -> Any:
            return _outcome(
                lambda: store.put(
                    kind, tenant, body, expected=version, changed_by="ann", changed_at=at, announce=announce
                )
            )

        got = ask(self.store, announce)
        wanted = ask(self.model, announce and (lambda _: self.made[-1]))
        assert got == wanted, f"put: {got!r}, expected {wanted!r}"
        assert announce is None or len(self.made) - told == isinstance(got, StoredDocument), (
            "announce was miscalled"
        )
        self.require_generation(changed=isinstance(got, StoredDocument))

    @precondition(lambda self: Capability.EVENTS in self.capabilities)
    @rule(which=st.integers(0, 3))
    def fail_to_announce(self, which: int) -> None:
        """The event cannot be made: the caller hears it, and nothing has changed."""
        kind, tenant = self.keys[which]

        def fail(_: StoredDocument) -> Event:
            raise _NoEventError

        raises(
            _NoEventError,
            lambda: self.store.put(
                kind,
                tenant,
                b"x",
                expected=None,
                changed_by="bob",
                changed_at=self.clock.now(),
                announce=fail,
            ),
        )
        self.require_generation(changed=False)

    @rule(which=st.integers(0, 3), back=st.integers(-2, 2), limit=st.integers(0, 3))
    def look_back(self, which: int, back: int, limit: int) -> None:
        """Any version, any number of them, also versions that are not there."""
        kind, tenant = self.keys[which]
        version = self.newest(which) - back
        got, wanted = self.store.get(kind, tenant, version), self.model.get(kind, tenant, version)
        assert got == wanted, f"get version {version}: {got!r}, expected {wanted!r}"
        history = list(self.store.history(kind, tenant, limit))
        assert history == self.model.history(kind, tenant, limit), f"history: {history}"

    @rule(hours=st.integers(-48, 48))
    def set_wall_clock(self, hours: int) -> None:
        """Versions count, not instants."""
        self.clock.step(timedelta(hours=hours))

    @precondition(lambda self: Capability.DURABLE in self.capabilities)
    @rule()
    def restart(self) -> None:
        """Close and reopen."""
        self.bench.reopen()
        self.generation = self.store.generation()

    @invariant()
    def same_documents(self) -> None:
        """After every step both hold the same, from the first version on."""
        for kind, tenant in self.keys:
            got, wanted = list(self.store.history(kind, tenant)), self.model.history(kind, tenant)
            assert got == wanted, f"history of {kind!r}, {tenant!r}: {got}, expected {wanted}"
            newest = self.store.get(kind, tenant)
            assert newest == (wanted[0] if wanted else None), f"newest of {kind!r}, {tenant!r}: {newest}"
            assert newest is None or newest.changed_at.utcoffset() == timedelta(0), "changed_at is not in UTC"

    @invariant()
    def same_events(self) -> None:
        """After every step both have told the same, in the same order, once."""
        if Capability.EVENTS in self.capabilities:
            kept = [one for _, one in kept_events(self.store)]
            assert kept == self.model.events, f"events kept: {kept}, expected {self.model.events}"

    def newest(self, which: int) -> int:
        """The newest version by the model."""
        document = self.model.get(*self.keys[which])
        return 0 if document is None else document.version

    def announce(self, document: StoredDocument) -> Event:
        """An event that tells the version."""
        self.made.append(event(f"{len(self.made)}", self.clock.now(), subject=f"{document.version}"))
        return self.made[-1]

    def require_generation(self, *, changed: bool) -> None:
        """It differs after a change, and not without one."""
        generation = self.store.generation()
        assert (generation != self.generation) == changed, f"generation {self.generation} -> {generation}"
        self.generation = generation


class DocumentStoreConformance(Suite[DocumentStore]):
    """What every document store must do. Subclass it, say how your store is made."""

    port: ClassVar[str] = "documents"

    def put(
        self, bench: Bench[DocumentStore], body: bytes, expected: int | None, **more: Any
    ) -> StoredDocument:
        """A version of the one document that these checks write."""
        return bench.store.put(
            "windows", "acme", body, expected=expected, changed_by="ann", changed_at=bench.clock.now(), **more
        )

    def test_a_conflict_says_so_and_changes_nothing(self) -> None:
        """``version_conflict``; a naive instant is refused as well."""
        with self.bench() as bench:
            self.put(bench, b"1", 0)
            error = raises(ConflictError, lambda: self.put(bench, b"2", 0))
            assert error.code == "version_conflict", f"code is {error.code!r}"
            naive = bench.clock.now().replace(tzinfo=None)
            raises(
                BadInputError,
                lambda: bench.store.put(
                    "windows", "acme", b"3", expected=None, changed_by="ann", changed_at=naive
                ),
            )
            assert len(bench.store.history("windows", "acme")) == 1, "a refused version was stored"

    def test_what_was_answered_does_not_change(self) -> None:
        """Neither later versions nor the caller's own buffer alter a version."""
        with self.bench() as bench:
            buffer = bytearray(b"first")
            first = self.put(bench, buffer, 0)  # type: ignore[arg-type]  # a careless caller
            buffer[:] = b"other"
            self.put(bench, b"second", 1)
            assert bench.store.get("windows", "acme", 1) == first, "version 1 changed"
            assert first.body == b"first", f"version 1 is {first.body!r}"

    def test_names_are_compared_byte_for_byte(self) -> None:
        """Kinds and tenants of similar names are different ones."""
        for one, other in CONFUSABLE if self.raw_names else CONFUSABLE[:5]:
            with self.bench() as bench:
                for kind, tenant in ((one, one), (one, other), (other, one)):
                    body = f"{kind}/{tenant}".encode()
                    stored = bench.store.put(
                        kind, tenant, body, expected=0, changed_by="ann", changed_at=bench.clock.now()
                    )
                    assert bench.store.get(kind, tenant) == stored, (
                        f"{kind!r}, {tenant!r} was taken for another"
                    )

    def test_it_answers_as_the_model_does(self) -> None:
        """Random histories in lock-step with ``ModelDocuments``."""
        self.run_machine(DocumentMachine)

    def test_writers_at_once_cannot_both_succeed(self) -> None:
        """Of many that expect the same version one succeeds; of many that expect none, all do, without a gap."""
        with self.bench() as bench:
            for newest in range(10):
                won = together(6, partial(self.tries, bench, newest))
                assert sum(won) == 1, f"{sum(won)} writers of version {newest + 1} succeeded"
            together(6, lambda _: [self.put(bench, b"any", None) for _ in range(5)])
            versions = [document.version for document in bench.store.history("windows", "acme")]
            assert versions == list(range(40, 0, -1)), f"versions: {versions}"

    def tries(self, bench: Bench[DocumentStore], expected: int, writer: int) -> bool:
        """Whether the writer succeeded."""
        try:
            self.put(bench, f"{writer}".encode(), expected)
        except ConflictError:
            return False
        return True

    def test_events_are_kept_with_the_change_or_refused(self) -> None:
        """EVENTS: kept with the version (the model checks the rest). Undeclared: ``announce`` is refused."""
        with self.bench() as bench:
            made = event("1", bench.clock.now())
            if Capability.EVENTS in capabilities_of(bench.store):
                self.put(bench, b"1", 0, announce=lambda _: made)
                raises(ConflictError, lambda: self.put(bench, b"1", 0, announce=lambda _: made))
                assert [one for _, one in kept_events(bench.store)] == [made], "the event was not kept once"
                return
            raises(PortError, lambda: self.put(bench, b"1", 0, announce=lambda _: made))
            assert bench.store.get("windows", "acme") is None, (
                "an announced put was refused, yet it was stored"
            )
            self.refused += (Capability.EVENTS,)

    def test_versions_outlive_the_process_or_are_gone(self) -> None:
        """DURABLE: what was answered before ``kill -9`` is there after it. Undeclared: a reopened store is empty."""
        durable = self.declares(Capability.DURABLE)
        with self.bench() as bench:
            if not durable:
                self.put(bench, b"1", 0)
                if not self.does_not_outlive(bench):
                    assert bench.store.get("windows", "acme") is None, (
                        "versions outlive the store: declare DURABLE"
                    )
                self.refused += (Capability.DURABLE,)
                return
            bench.close()

            def write(_: int, say: Say) -> None:
                bench.reopen()
                for number in range(10_000):
                    say(f"{self.put(bench, f'{number}'.encode(), number).version}")

            answered = int(killed_after(write, 20)[-1])
            bench.reopen()
            bodies = [document.body for document in bench.store.history("windows", "acme", 100_000)][::-1]
            assert answered <= len(bodies) <= answered + 1, f"{len(bodies)} versions, {answered} answered"
            assert bodies == [f"{number}".encode() for number in range(len(bodies))], f"bodies: {bodies}"

    def test_processes_see_one_another_or_the_store_is_their_own(self) -> None:
        """SHARED: one history, and generations that notice. Undeclared: a second store is another world."""
        shared = self.declares(Capability.SHARED)
        with self.bench() as bench:
            if not shared:
                self.put(bench, b"1", 0)
                try:
                    other = bench.another()
                except PortError:
                    pass
                else:
                    assert other.get("windows", "acme") is None, (
                        "two stores share their documents: declare SHARED"
                    )
                self.refused += (Capability.SHARED,)
                return
            generation = bench.store.generation()

            def write(_: int, say: Say) -> None:
                bench.store = bench.another()
                for _ in range(10):
                    say(f"{self.put(bench, b'any', None).version}")

            said = [int(line) for lines in run_all(write, 4) for line in lines]
            assert sorted(said) == list(range(1, 41)), f"versions: {sorted(said)}"
            assert bench.store.generation() != generation, "generation did not notice another process"
            assert len(bench.store.history("windows", "acme")) == 40, "versions are missing"


class _NoEventError(Exception):
    """Raised by an announce that fails."""


def _outcome(call: Callable[[], Any]) -> Any:  # the answer, or what stands for the error
    try:
        return call()
    except MaestroError as error:
        return (type(error).__name__, error.code)
