"""The follower: takes changes from a source to a lake table until it is told to stop.

Two threads. One reads the source and never waits for the table, so a Kafka group does not lose a member that is busy
merging; the other, the caller's, commits micro-batches. Between them is a bounded buffer: when it is full the source is
paused, and still polled. What is acknowledged to the source is only what the table has committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import attrs
import msgspec

from maestro.kernel.errors import ConflictError, MaestroError, PortError
from maestro.lake.backfill import may_go_on
from maestro.lake.freshness import BUCKETS, Ages, Freshness, ages_of
from maestro.lake.incidents import Alarm
from maestro.lake.inflight import InFlight, Take, furthest
from maestro.lake.pacing import Gate, Pace, Pacer, Way
from maestro.ports.changes import Backlog, ChangeSource
from maestro.ports.events import EventSink
from maestro.ports.lake import LakeTable, Merged, Positions
from maestro.runtime.backfill import Backfill

__all__ = ["FollowSettings", "FollowStatus", "Follower", "LiveClock"]

T = TypeVar("T")

_POLL_SECONDS = 0.05
_WATCH_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


class LiveClock(Protocol):
    """The wall clock for events, a steady one for intervals."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def nanoseconds(self) -> int:
        """A clock that no step of the wall clock moves."""
        ...


class FollowStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What a follower does and did; counts are since its start.

    Attributes:
        source: the source's name.
        table: the table's name.
        state: ``following``, ``paused`` (the table is behind), ``failing`` (trying again) or ``stopped``.
        freshness_seconds: the gauge ``mc_cdc_freshness_s``.
        slo_seconds: what it must not exceed.
        events: changes committed.
        snapshot: of them read by a snapshot or backfill.
        commits: micro-batches.
        appended: of them to the side log.
        quarantined: events kept aside.
        stale: changes that were older than the table's row, or the same again.
        rate: changes a second that arrive.
        interval_seconds: between commits.
        buffered_rows: changes read and not committed.
        buffered_bytes: their bytes.
        behind_events: changes in the source and not read; None when it does not tell.
        behind_bytes: what the source keeps for us; None when it does not tell.
        desired_sinks: how many followers the table wants.
        clock_skew: when an event from the future was last seen.
        last_error: of the last try that failed; empty when the last one went well.
        event_count: changes whose freshness was measured.
        event_seconds: sum of their ages.
        histogram: how many were at most as old as each of ``maestro.lake.freshness.BUCKETS``.
    """

    source: str
    table: str
    state: str
    freshness_seconds: float
    slo_seconds: float
    events: int
    snapshot: int
    commits: int
    appended: int
    quarantined: int
    stale: int
    rate: float
    interval_seconds: float
    buffered_rows: int
    buffered_bytes: int
    behind_events: int | None
    behind_bytes: int | None
    desired_sinks: int
    clock_skew: datetime | None
    last_error: str
    event_count: int
    event_seconds: float
    histogram: Sequence[int]


@attrs.define
class _Counts:
    events: int = 0
    snapshot: int = 0
    commits: int = 0
    appended: int = 0
    quarantined: int = 0
    stale: int = 0
    live: int = 0
    seconds: float = 0.0
    histogram: list[int] = attrs.field(factory=lambda: [0] * len(BUCKETS))

    def add(self, merged: Merged, ages: Ages, way: Way, rows: int) -> None:
        self.events += rows
        self.snapshot += ages.snapshot
        self.commits += 1
        self.appended += way is Way.APPEND
        self.quarantined += merged.quarantined
        self.stale += merged.stale
        self.live += ages.live
        self.seconds += ages.seconds
        self.histogram = [old + new for old, new in zip(self.histogram, ages.histogram, strict=True)]


class _StoppedError(Exception):
    """A retry was given up because the follower is to stop."""


class FollowSettings(msgspec.Struct, frozen=True):
    """What the owner of a table says of how it is followed.

    Attributes:
        name: the table's name in status, metrics and alarms.
        pace: bounds of batches and waits, and the objective.
        heartbeat_every: seconds between the source's heartbeats; None when it sends none.
        max_retained: bytes that the source may keep for us before that is an alarm.
    """

    name: str
    pace: Pace = Pace()
    heartbeat_every: float | None = None
    max_retained: int = 4 * 1024**3


class Follower:
    """Follows one source into one table.

    Args:
        source: where changes come from; closed at the end.
        table: where they go; stays open.
        clock: wall and steady.
        settings: the owner's.
        events: takes the alarms; None raises none.
        backfill: rows to bring in beside the changes, when these leave time for it.
        note: is told why something is tried again.
    """

    def __init__(
        self,
        source: ChangeSource,
        table: LakeTable,
        clock: LiveClock,
        settings: FollowSettings,
        events: EventSink | None = None,
        backfill: Backfill | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self._backfill, self._note = backfill, note
        self._source, self._table, self._clock, self._events = source, table, clock, events
        self._settings, self._name = settings, settings.name
        pace = settings.pace
        self._pacer = Pacer(pace)
        self._gate = Gate(pace.rows, pace.bytes)
        self._freshness = Freshness(pace.slo, settings.heartbeat_every)
        self._lock = threading.Condition()
        self._table_lock = threading.Lock()
        self._flight = InFlight()
        self._unheard: Positions = {}
        self._backlog = Backlog()
        self._counts = _Counts()
        self._state, self._error = "following", ""
        self._failed: BaseException | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._quiet = threading.Event()
        self._alarms = (
            Alarm("cdc.freshness.breach", "freshness_slo", self._name),
            Alarm("cdc.source.retained", "log_retained", self._name),
        )

    def run(self, stop: threading.Event, *, until_quiet: bool = False) -> None:
        """Follow until ``stop`` is set, then commit what was read, acknowledge it and leave.

        Args:
            stop: ends it gracefully.
            until_quiet: also end once the source has told all that it has, and the backfill is through.

        Raises:
            MaestroError: source or table failed for good, or a batch does not fit the table; the position stays where
                it was committed last.
        """
        self._stop = stop
        reader = threading.Thread(target=self._read, name=f"maestro-follow-{self._name}", daemon=True)
        reader.start()
        try:
            while self._step(until_quiet=until_quiet):
                pass
        except _StoppedError:
            pass
        finally:
            self._ended.set()
            reader.join()
            self._leave()
        if self._failed is not None:
            raise self._failed

    def status(self) -> FollowStatus:
        """What it does; any thread may ask at any time."""
        now = self._clock.now()
        with self._lock:
            counts, rows = self._counts, self._flight.rows
            behind = self._backlog.events
            return FollowStatus(
                source=self._source.name,
                table=self._name,
                state=self._state,
                freshness_seconds=round(self._freshness.seconds(now), 3),
                slo_seconds=self._freshness.slo,
                events=counts.events,
                snapshot=counts.snapshot,
                commits=counts.commits,
                appended=counts.appended,
                quarantined=counts.quarantined,
                stale=counts.stale,
                rate=round(self._pacer.rate, 1),
                interval_seconds=round(self._pacer.interval, 3),
                buffered_rows=rows,
                buffered_bytes=self._flight.bytes,
                behind_events=behind,
                behind_bytes=self._backlog.bytes,
                desired_sinks=self._pacer.desired_sinks(
                    behind=(behind or 0) + rows, lanes=self._backlog.lanes
                ),
                clock_skew=self._freshness.skewed_at,
                last_error=self._error,
                event_count=counts.live,
                event_seconds=counts.seconds,
                histogram=tuple(counts.histogram),
            )

    # ---- committing: the caller's thread -------------------------------------------------------------------

    def _step(self, *, until_quiet: bool) -> bool:
        """One look: commit, keep the table up, or wait. False when all is done."""
        pace = self._pacer.pace
        with self._lock:
            if self._failed is not None:
                return False
            filling = self._backfill is not None and not self._backfill.done
            ending = self._stop.is_set() or (until_quiet and self._quiet.is_set() and not filling)
            pending = self._flight.pending(self._seconds())
            decision = self._pacer.decide(pending, behind=self._backlog.events or 0, ending=ending)
            if not decision.commit:
                if ending:
                    return False
                if not self._upkeep_due() and not self._may_fill():
                    self._lock.wait(min(decision.wait, _WATCH_SECONDS))
                    return True
            taken = self._flight.take(pace.rows, pace.bytes) if decision.commit else None
        if taken is not None:
            self._commit(taken, decision.way)
        self._keep_up()
        return True

    def _commit(self, taken: Take, way: Way) -> None:
        """Poison first: a position must not pass an event that is nowhere."""
        if taken.poison:
            self._insist(lambda now: self._table.quarantine(taken.poison, now=now))
        batch = taken.batch
        if batch is not None:
            write = self._table.merge if way is Way.MERGE else self._table.append
            began = self._seconds()
            merged = self._insist(lambda now: write(batch, taken.positions, now=now))
            self._count(merged, ages_of(batch, self._clock.now()), way, taken.rows, self._seconds() - began)
        with self._lock:
            self._counts.quarantined += len(taken.poison)
            self._flight.committed()
            self._freshness.waiting(self._flight.oldest)
            self._lock.notify_all()

    def _count(self, merged: Merged, ages: Ages, way: Way, rows: int, took: float) -> None:
        with self._lock:
            self._pacer.committed(way, rows, took)
            self._pacer.logged(merged.logged)
            if merged.applied:
                self._counts.add(merged, ages, way, rows)
                self._freshness.committed(ages, self._clock.now())

    def _upkeep_due(self) -> bool:
        at, behind = self._seconds(), self._backlog.events or 0
        return self._pacer.fold_due(at, behind=behind) or self._pacer.upkeep_due(at, behind=behind)

    def _may_fill(self) -> bool:
        if self._backfill is None or self._backfill.done:
            return False
        slo, full = self._settings.pace.slo, self._settings.pace.rows
        return may_go_on(self._freshness.seconds(self._clock.now()), slo, self._flight.rows, full)

    def _keep_up(self) -> None:
        """Fold and upkeep when they are in nobody's way."""
        at, behind = self._seconds(), self._backlog.events or 0
        if self._stop.is_set():
            return
        with self._lock:
            filling = self._backfill if self._may_fill() else None
        if filling is not None:
            rows = self._insist(filling.step)
            with self._lock:
                self._pacer.logged(rows)
                self._counts.snapshot += rows
                self._quiet.clear()
        filled = filling is not None and filling.done
        if filled or self._pacer.fold_due(at, behind=behind):
            self._insist(lambda now: self._table.fold(now=now))
            self._pacer.folded(self._seconds())
        if self._pacer.upkeep_due(at, behind=behind):
            self._insist(lambda now: self._table.upkeep(now=now))
            self._pacer.kept_up(self._seconds())

    def _insist(self, call: Callable[[datetime], T]) -> T:
        """Try until it works or cannot work; the table's gate makes it harmless to repeat a commit that went well."""
        wait = 0.2
        while True:
            try:
                with self._table_lock:
                    result = call(self._clock.now())
            except (PortError, ConflictError) as error:
                if isinstance(error, PortError) and error.retry_after is None:
                    raise
                self._tell("failing", str(error))
                if self._stop.wait(wait):
                    raise _StoppedError from error
                wait = min(2 * wait, _LONGEST_RETRY_SECONDS)
            else:
                self._tell("following", "")
                return result

    # ---- reading: a thread of its own ----------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._retrying(lambda: self._source.start(self._recall))
            watched = self._seconds()
            while not (self._ended.is_set() or self._stop.is_set()):
                self._retrying(self._turn)
                if self._seconds() - watched >= _WATCH_SECONDS:
                    watched = self._seconds()
                    self._retrying(self._watch)
        except MaestroError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 -- a defect in this thread must end the follower, not hang it
            self._fail(error)

    def _turn(self) -> None:
        """Tell the source what is committed, pause or resume it, take what it has."""
        with self._lock:
            was = self._gate.closed
            closed = self._gate.judge(self._flight.rows, self._flight.bytes)
        self._acknowledge()
        if closed != was:
            (self._source.pause if closed else self._source.resume)()
            self._tell("paused" if closed else "following", "")
        pace = self._pacer.pace
        began = self._seconds()
        polled = self._source.poll(max(1, pace.rows // 4), max(1, pace.bytes // 4), _POLL_SECONDS)
        with self._lock:
            self._flight.offer(polled, self._seconds())
            self._pacer.arrived(polled.batch.num_rows if polled.batch is not None else 0, self._seconds())
            self._freshness.waiting(self._flight.oldest)
            if polled.quiet_at is not None:
                self._freshness.quiet(polled.quiet_at)
                self._quiet.set()
            if polled.batch is not None or polled.poison or polled.quiet_at is not None:
                self._lock.notify_all()
        if not polled.size and self._seconds() - began < _POLL_SECONDS / 2:
            self._ended.wait(_POLL_SECONDS)  # files do not announce themselves

    def _acknowledge(self) -> None:
        with self._lock:
            self._unheard = furthest((self._unheard, self._flight.acknowledge()))
        if self._unheard:
            self._source.acknowledge(self._unheard)
            self._unheard = {}

    def _watch(self) -> None:
        """Once a second: what waits in the source, and whether somebody has to be told."""
        self._backlog = self._source.backlog()
        if self._events is None:
            return
        now = self._clock.now()
        with self._lock:
            seconds = self._freshness.seconds(now)
        slo, retained = self._freshness.slo, self._backlog.bytes or 0
        fresh, slot = self._alarms
        told = (
            fresh.judge(seconds > slo, now, {"freshnessSeconds": round(seconds, 3), "sloSeconds": slo}),
            slot.judge(
                retained > self._settings.max_retained,
                now,
                {"retainedBytes": retained, "limitBytes": self._settings.max_retained},
            ),
        )
        self._events.append(event for event in told if event is not None)

    def _recall(self, lanes: Sequence[str]) -> Positions:
        with self._table_lock:
            known = {lane: self._table.position(lane) for lane in lanes}
        return {lane: number for lane, number in known.items() if number is not None}

    def _retrying(self, call: Callable[[], None]) -> None:
        """A source that does not answer is asked again, until the follower is to stop."""
        wait = 0.2
        while True:
            try:
                call()
            except PortError as error:
                if error.retry_after is None:
                    raise
                self._tell("failing", str(error))
                if self._stop.wait(wait) or self._ended.is_set():
                    return
                wait = min(2 * wait, _LONGEST_RETRY_SECONDS)
            else:
                return

    def _leave(self) -> None:
        """The reader has ended: tell the source what was committed last, then go."""
        try:
            self._acknowledge()
        except PortError as error:  # it is in the table, which is what counts
            self._tell("failing", str(error))
        finally:
            self._source.close()
            self._state = "stopped"

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failed = error
            self._lock.notify_all()

    def _tell(self, state: str, error: str) -> None:
        if error and error != self._error and self._note is not None:
            self._note(error)
        with self._lock:
            self._state = "paused" if state == "following" and self._gate.closed else state
            self._error = error

    def _seconds(self) -> float:
        return self._clock.nanoseconds() / 1e9
