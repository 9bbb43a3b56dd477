"""Deciding with a cache in front, and a log behind that nobody waits for."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, Protocol

import attrs
import msgspec

from maestro.caching import ExpiringCache, Flights, Found
from maestro.edge.decision_log import Told, entry
from maestro.kernel.errors import PortError
from maestro.ports.policy import UNDEFINED, Dependencies, InputPath, LoadedPolicy, RulePath
from maestro.runtime.edge import EdgeNode
from maestro.runtime.edge_clock import nanoseconds_of

__all__ = ["CacheRules", "Decided", "DecisionCache", "DecisionLog", "EdgeDecisions"]

_WAIT_SECONDS: Final = 30.0
"""For somebody else's evaluation of the same question; no policy may run that long."""
_TRIES: Final = 64
"""Answers in a row that could not be kept, after which a rule is asked straight."""
_MOST_RULES: Final = 1000
"""Whose dependencies are remembered; a bundle has some dozens that are asked for."""
_ENCODER = msgspec.json.Encoder(order="sorted")


@attrs.frozen
class CacheRules:
    """What decisions are kept.

    Attributes:
        most: decisions.
        ttl: nanoseconds for which one is kept at most.
        live: names of input fields that count what runs now. An answer that read one and is no deny is not kept: the
            next one to ask might be one too many.
    """

    most: int = 10_000
    ttl: int = 5 * 10**9
    live: frozenset[str] = frozenset({"packageUsage", "runningTotal"})


@attrs.frozen
class Decided:
    """An answer with where it comes from.

    Attributes:
        value: of the rule, or ``UNDEFINED``.
        revision: of the bundle.
        digest: of the bundle.
        cached: whether it was kept.
        state: of the edge.
    """

    value: Any
    revision: str
    digest: str
    cached: bool = False
    state: str = ""


class DecisionCache:
    """Answers of policies, kept under bundle, rule and the part of the input that the rule reads. Thread-safe.

    Args:
        rules: what is kept.
    """

    def __init__(self, rules: CacheRules | None = None) -> None:
        self.rules = rules or CacheRules()
        self.counts: Counter[str] = Counter()
        self._cache: ExpiringCache[tuple[str, RulePath, bytes], Any] = ExpiringCache(self.rules.most)
        self._flights: Flights[tuple[str, RulePath, bytes], Future[Any]] = Flights()
        self._needs: dict[tuple[str, RulePath], Dependencies] = {}
        self._unkept: dict[tuple[str, RulePath], int] = {}
        self._keeping = threading.Lock()

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._cache)

    def ask(
        self,
        policy: LoadedPolicy,
        path: RulePath,
        input: Any,  # noqa: A002  # as LoadedPolicy.evaluate
        *,
        now: datetime,
        trusted: int,
    ) -> tuple[Any, bool]:
        """The rule's value, and whether it was kept.

        Args:
            policy: which is asked.
            path: of the rule.
            input: of the question.
            now: for the policy.
            trusted: nanoseconds of trusted time, by which answers end.
        """
        needs = self._needs_of(policy, path)
        named = (policy.digest, path)
        unkept = self._unkept.get(named, 0)
        if needs.random or (unkept >= _TRIES and unkept % _TRIES):
            # Of a rule whose answers could never be kept the next ones are not looked for, but for one now and then.
            self._unkept[named] = unkept + 1
            self.counts["uncacheable"] += 1
            return policy.evaluate(path, input, now), False
        read = _read(input, needs.inputs)
        key = (policy.digest, path, _ENCODER.encode(read))
        look = self._cache.look(key, trusted)
        if look.found is Found.FRESH:
            self.counts["hit"] += 1
            return look.value, True
        ticket, mine = self._flights.join(key, Future)
        if not mine:
            self.counts["joined"] += 1
            return ticket.result(_WAIT_SECONDS), True
        self.counts["miss"] += 1
        try:
            value = policy.evaluate(path, input, now)
            kept = self._keep(key, value, read, policy, needs, (input, now, trusted))
            self._unkept[named] = 0 if kept else unkept + 1
        except BaseException as error:
            # Whoever waits gets the same error; nobody can be left waiting.
            self._flights.land(key).set_exception(error)
            ticket.exception()
            raise
        self._flights.land(key).set_result(value)
        return value, False

    def _needs_of(self, policy: LoadedPolicy, path: RulePath) -> Dependencies:
        """What the rule reads, looked up once for each bundle and rule."""
        named = (policy.digest, path)
        needs = self._needs.get(named)
        if needs is None:
            if len(self._needs) >= _MOST_RULES:
                self._needs, self._unkept = {}, {}
            needs = self._needs[named] = policy.dependencies(path)
        return needs

    def _keep(
        self,
        key: tuple[str, RulePath, bytes],
        value: Any,
        read: Any,
        policy: LoadedPolicy,
        needs: Dependencies,
        asked: tuple[Any, datetime, int],
    ) -> bool:
        """Keep an answer if it may be kept; whether it was."""
        given, now, trusted = asked
        if _counts(read, self.rules.live) and not _denies(value):
            return False
        until = trusted + self.rules.ttl
        if needs.time:
            changes = policy.holds_until(key[1], given, now)
            # Both from one reading of the clocks: what is left by the wall clock is left by trusted time.
            until = (
                until
                if changes is None
                else min(until, trusted + nanoseconds_of(changes) - nanoseconds_of(now))
            )
        if until <= trusted:
            return False
        with self._keeping:
            self._cache.keep(key, value, fresh_until=until, negative=value is UNDEFINED)
        return True


def _read(given: Any, inputs: frozenset[InputPath] | None) -> Any:
    """The part of the input that matters, in a form of its own for each content."""
    if given is UNDEFINED:
        return []
    if inputs is None:
        return [given]
    return [given, {}] if not isinstance(given, dict) else _selected(given, inputs)


def _selected(given: Mapping[str, Any], inputs: Iterable[InputPath]) -> dict[str, Any]:
    """What stands at the places, by pointer; a place that is not there is told from one that is null."""
    found: dict[str, Any] = {}
    for path in inputs:
        value: Any = given
        for step in path:
            value = value.get(step, UNDEFINED) if isinstance(value, dict) else UNDEFINED
        if value is not UNDEFINED:
            found["\0".join(path)] = value
    return found


def _counts(read: Any, live: frozenset[str]) -> bool:
    """Whether a live count is among what was read."""
    if isinstance(read, dict):
        return any(
            not live.isdisjoint(key.split("\0")) or _counts(value, live) for key, value in read.items()
        )
    return isinstance(read, list) and any(_counts(value, live) for value in read)


def _denies(value: Any) -> bool:
    """Whether an answer surely denies; of every other one it is to be feared that somebody reads it as an allow."""
    if isinstance(value, dict):
        return value.get("allowed", value.get("allow")) is False
    return value is False


class EdgeDecisions:
    """The door to an edge's decisions. Thread-safe.

    Args:
        node: the edge.
        cache: in front of it; None for none.
    """

    def __init__(self, node: EdgeNode, cache: DecisionCache | None = None) -> None:
        self.node = node
        self.cache = cache

    def decide(self, path: RulePath, input: Any) -> Decided:  # noqa: A002  # as LoadedPolicy.evaluate
        """The value of a rule, by what serves now.

        Raises:
            PortError: there is no answer, ``policy_unavailable`` when nothing is trusted: deny.
        """
        standing = self.node.standing()
        held, clock = standing.held, self.node.clock
        now = clock.wall()
        if self.cache is None:
            value, cached = standing.policy.evaluate(path, input, now), False
        else:
            value, cached = self.cache.ask(standing.policy, path, input, now=now, trusted=clock.nanoseconds())
        return Decided(value, held.revision, held.digest, cached, standing.state.value)


class LineSink(Protocol):
    """Takes lines of a log."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Keep the lines. Raises PortError."""
        ...


class DecisionLog:
    """Decisions on their way to a log: bounded, never waited for; what finds no room is counted. Thread-safe.

    Args:
        sink: takes the lines.
        labels: of the node.
        hidden: places that are taken out, as ``maestro.edge.decision_log.masks`` gives them.
        most: entries that may wait.
    """

    def __init__(
        self,
        sink: LineSink,
        labels: Mapping[str, str],
        hidden: Sequence[tuple[str, ...]] = (),
        most: int = 10_000,
    ) -> None:
        self.dropped = self.written = 0
        self._sink = sink
        self._labels = labels
        self._hidden = hidden
        self._most = most
        self._waiting: deque[Callable[[], Told]] = deque()

    def tell(self, told: Callable[[], Told]) -> None:
        """Have a decision logged. What it costs to write it down is paid in ``flush``, not here."""
        if len(self._waiting) >= self._most:
            self.dropped += 1
            return
        self._waiting.append(told)

    def flush(self) -> None:
        """Write down what waits. What the sink does not take is dropped and counted: the next ones wait already."""
        lines = []
        while self._waiting:
            lines.append(msgspec.json.encode(entry(self._waiting.popleft()(), self._labels, self._hidden)))
        if not lines:
            return
        try:
            self._sink.write(lines)
            self.written += len(lines)
        except PortError:
            self.dropped += len(lines)
