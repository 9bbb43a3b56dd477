"""The suite for event logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from maestro.kernel.events import Event
from maestro.ports.capabilities import Capability
from maestro.ports.events import EventLog
from maestro.testing.conformance.alphabet import event
from maestro.testing.conformance.interleaved import together
from maestro.testing.conformance.processes import Say, killed_after, run_all
from maestro.testing.conformance.suite import Suite, capabilities_of, raises
from maestro.testing.model import ModelEventLog

__all__ = ["EventLogConformance", "EventLogMachine"]

_NAMES = st.tuples(st.sampled_from(["/a", "/A", "/b"]), st.integers(0, 12))


class EventLogMachine(RuleBasedStateMachine):
    """Appends to the log and to the model and compares what is read; positions are the log's own."""

    def __init__(self, suite: Suite[EventLog]) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.bench = self.stack.enter_context(suite.bench())
        self.capabilities = capabilities_of(self.bench.store)
        self.model = ModelEventLog()

    def teardown(self) -> None:
        """Delete the log."""
        self.stack.close()

    @rule(names=st.lists(_NAMES, max_size=4), lazily=st.booleans())
    def append(self, names: list[tuple[str, int]], lazily: bool) -> None:  # noqa: FBT001
        """Some events, new and told before, alone and twice in one call."""
        events = [event(f"{number}", self.bench.clock.now(), source=source) for source, number in names]
        self.bench.store.append(iter(events) if lazily else events)
        self.model.append(events)

    @rule(name=_NAMES)
    def fail_in_between(self, name: tuple[str, int]) -> None:
        """All or none: an iterable that breaks leaves nothing."""

        def broken() -> Iterator[Event]:
            yield event(f"{name[1]}", self.bench.clock.now(), source=name[0])
            raise ZeroDivisionError

        raises(ZeroDivisionError, lambda: self.bench.store.append(broken()))

    @rule(
        consumer=st.sampled_from(["a", "A", "%"]),
        position=st.integers(0, 20),
        state=st.sampled_from([None, b"", b"\0\xff", b"{}"]),
    )
    def acknowledge(self, consumer: str, position: int, state: bytes | None) -> None:
        """Forward and back, with what is needed to go on; back is not heard."""
        more = () if state is None else (state,)
        self.bench.store.acknowledge(consumer, position, *more)
        self.model.acknowledge(consumer, position, *more)

    @rule(places=st.lists(st.integers(0, 8), max_size=4))
    def forget(self, places: list[int]) -> None:
        """Some events, those that were never there and the newest too, which stays."""
        kept, modelled = self.bench.store.read(), self.model.read()
        beyond = [10**6 + place for place in places if place >= len(kept)]
        chosen = [place for place in places if place < len(kept)]
        self.bench.store.forget([*beyond, *(kept[place][0] for place in chosen)])
        self.model.forget([modelled[place][0] for place in chosen])

    @precondition(lambda self: Capability.DURABLE in self.capabilities)
    @rule()
    def restart(self) -> None:
        """Close and reopen."""
        self.bench.reopen()

    @rule(skip=st.integers(0, 5), limit=st.integers(0, 4))
    def read_a_page(self, skip: int, limit: int) -> None:
        """Pages are parts of the whole."""
        whole = list(self.bench.store.read())
        after = whole[skip - 1][0] if 0 < skip <= len(whole) else 0
        skipped = skip if skip <= len(whole) else 0
        page = list(self.bench.store.read(after, limit))
        assert page == whole[skipped:][:limit], f"read({after}, {limit}): {page}"

    @invariant()
    def same_events(self) -> None:
        """Both keep the same in the same order, and remember the same of their readers."""
        whole = list(self.bench.store.read())
        wanted = [one for _, one in self.model.read()]
        assert [one for _, one in whole] == wanted, f"kept: {whole}, expected {wanted}"
        positions = [0, *(position for position, _ in whole)]
        assert all(a < b for a, b in pairwise(positions)), f"positions: {positions}"
        for consumer in ("a", "A", "%"):
            got, expected = self.bench.store.acknowledged(consumer), self.model.acknowledged(consumer)
            assert got == expected, f"acknowledged by {consumer}: {got}, expected {expected}"
            kept, wanted_state = self.bench.store.resume(consumer), self.model.resume(consumer)
            assert kept == wanted_state, f"{consumer} resumes at {kept}, expected {wanted_state}"


class EventLogConformance(Suite[EventLog]):
    """What every event log must do. Subclass it, say how your log is made; it must keep 1000 events at least."""

    port: ClassVar[str] = "events"

    def test_it_answers_as_the_model_does(self) -> None:
        """Random histories in lock-step with ``ModelEventLog``."""
        self.run_machine(EventLogMachine)

    def test_events_told_at_once_are_kept_once(self) -> None:
        """Threads that tell the same and other events: each kept once, each batch together."""
        with self.bench() as bench:

            def tell(number: int) -> None:
                for batch in range(10):
                    names = [f"{number}-{batch}-a", f"{number}-{batch}-b", f"same-{batch}"]
                    bench.store.append([event(name, bench.clock.now()) for name in names])

            together(5, tell)
            ids = [one.id for _, one in bench.store.read()]
            assert len(ids) == len(set(ids)) == 110, f"{len(ids)} events, {len(set(ids))} of them different"
            torn = [one for one in ids if one.endswith("-a") and ids[ids.index(one) + 1] != f"{one[:-1]}b"]
            assert not torn, f"another event stands within the batches of {torn}"

    def test_events_outlive_the_process_or_are_gone(self) -> None:
        """DURABLE: what was appended before ``kill -9`` is there after it. Undeclared: a reopened log is empty."""
        durable = self.declares(Capability.DURABLE)
        with self.bench() as bench:
            if not durable:
                bench.store.append([event("1", bench.clock.now())])
                if not self.does_not_outlive(bench):
                    assert not bench.store.read(), (
                        "events outlive the log: declare DURABLE, so that it is proved"
                    )
                self.refused += (Capability.DURABLE,)
                return
            bench.close()

            def tell(_: int, say: Say) -> None:
                log = bench.reopen()
                for number in range(10_000):
                    log.append([event(f"{number}{part}", bench.clock.now()) for part in "ab"])
                    say(f"{number}")

            answered = int(killed_after(tell, 20)[-1])
            ids = [one.id for _, one in bench.reopen().read(0, 50_000)]
            assert ids == [f"{number}{part}" for number in range(len(ids) // 2) for part in "ab"], (
                f"kept: {ids}"
            )
            assert answered + 1 <= len(ids) // 2 <= answered + 2, f"{len(ids)} events, {answered} answered"

    def test_processes_share_the_log_or_it_is_their_own(self) -> None:
        """SHARED: events of all processes, each once. Undeclared: a second log is another world."""
        shared = self.declares(Capability.SHARED)
        with self.bench() as bench:
            if not shared:
                bench.store.append([event("1", bench.clock.now())])
                assert not bench.another().read(), "two logs share their events: declare SHARED"
                self.refused += (Capability.SHARED,)
                return

            def tell(number: int, say: Say) -> None:
                log = bench.another()
                for batch in range(20):
                    log.append(
                        [event(f"{number}-{batch}", bench.clock.now()), event(f"{batch}", bench.clock.now())]
                    )
                say("done")

            run_all(tell, 4)
            ids = [one.id for _, one in bench.store.read()]
            assert len(ids) == len(set(ids)) == 100, f"{len(ids)} events, {len(set(ids))} of them different"
