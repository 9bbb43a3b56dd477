"""An edge that runs: it polls, verifies, keeps, swaps, decides, and fails closed. Thread-safe, blocking.

One thread polls, one lets time pass, any number decide. Deciding takes no lock: it reads one reference, which is
replaced as a whole, and checks the time by itself, so that nobody has to be woken for trust to end.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs
from msgspec.structs import replace

from maestro.edge.candidates import SourceRules, confirmed, expected_of, judged, refusal
from maestro.edge.machine import DECIDING, Happening, step, tick
from maestro.edge.notes import clock_was_reset, drafts, events, without_notes
from maestro.edge.reasons import EdgeReason
from maestro.edge.record import Held, Note, Record, State, decode, encode
from maestro.edge.rules import Rules
from maestro.edge.table import Signal
from maestro.kernel.errors import ConflictError, MaestroError, PortError, UntrustedError
from maestro.ports.audit import Auditor
from maestro.ports.edge_state import EdgeStateStore
from maestro.ports.events import EventSink
from maestro.ports.policy import LoadedPolicy
from maestro.runtime.edge_bundles import Loaded, Loader
from maestro.runtime.edge_clock import BothClocks, EdgeClock, nanoseconds_of
from maestro.runtime.edge_counts import EdgeCounts
from maestro.runtime.edge_sources import BundleSource, Known, Offer

__all__ = ["EdgeNode", "EdgeParts", "Polled", "Standing"]

_SAVE_CLOCK_EVERY: Final = 30 * 10**9
"""Nanoseconds of trusted time: what another boot with its clock set back could gain at most."""
RETRY_SECONDS: Final = 5.0
"""After which somebody who was denied for want of a policy may ask again."""


@attrs.frozen
class EdgeParts:
    """What an edge works with.

    Attributes:
        store: keeps its state.
        source: offers bundles.
        loader: verifies them and has the engine accept them.
        clock: both clocks.
        auditor: the node's audit log. Activating a bundle waits for it, failing closed does not.
        outbox: takes incidents' events.
    """

    store: EdgeStateStore
    source: BundleSource
    loader: Loader
    clock: BothClocks
    auditor: Auditor
    outbox: EventSink


@attrs.frozen
class Standing:
    """What decides at a moment. Immutable.

    Attributes:
        policy: to be asked.
        held: its bundle.
        state: of the edge.
        until: end of its life, in nanoseconds of trusted time since 1970; checked at each decision.
    """

    policy: LoadedPolicy
    held: Held
    state: State
    until: int


@attrs.frozen
class Polled:
    """How a poll went.

    Attributes:
        failures: in a row, this one included; 0 if it found nothing wrong.
        retry_after: seconds that the source asked for.
        long_poll: whether the source can hold a request.
    """

    failures: int
    retry_after: float | None = None
    long_poll: bool = False


class EdgeNode:
    """One edge.

    Args:
        name: of the node, in events and audit entries.
        parts: what it works with.
        rules: for how long to trust what.
        source: what is known of the source.
    """

    def __init__(
        self, name: str, parts: EdgeParts, *, rules: Rules | None = None, source: SourceRules | None = None
    ) -> None:
        self.name = name
        self.rules = rules or Rules()
        self.source_rules = source or SourceRules()
        self.counts = EdgeCounts()
        self.trouble = ""
        """Code of what keeps the edge from going on as it would; empty when nothing does."""
        self.last_poll: datetime | None = None
        self.failures = 0
        self._store = parts.store
        self._source = parts.source
        self._loader = parts.loader
        self._clocks = parts.clock
        self._auditor = parts.auditor
        self._outbox = parts.outbox
        self._record = Record()
        self._loaded: dict[str, Loaded] = {}
        self._standing: Standing | None = None
        self._halted = ""
        self._unsaved = False
        self._changing = threading.RLock()
        self._polling = threading.Lock()
        self._clock = EdgeClock(parts.clock)

    # ---- life --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on where an earlier process stopped: what served serves, if it verifies now. Needs no network.

        Raises:
            PortError: the disk failed. State that is damaged raises nothing: the edge stays closed and says so.
        """
        with self._changing:
            try:
                kept = self._store.load()
                record = Record() if kept is None else decode(kept)
            except PortError as error:
                if error.code != EdgeReason.STATE_DAMAGED:
                    raise
                self._halted = self.trouble = error.code
                return
            self._clock = EdgeClock(self._clocks, record.clock)
            self._record = record
            if record.candidate is not None and not self._load_kept(record.candidate):
                self._record = replace(record, candidate=None)
            self._require_loaded()
            self._tick()

    def tick(self) -> None:
        """Let time pass: age, clocks, what still has to be told. To be called about once a second."""
        with self._changing:
            if self._halted:
                return
            self._tick()
        self.tell()

    def check(self) -> None:
        """See whether what serves is still what was verified, by keys that are trusted now."""
        standing = self._standing
        loaded = None if standing is None else self._loaded.get(standing.held.digest)
        if loaded is None:
            return
        try:
            self._loader.check(loaded)
        except UntrustedError as error:
            with self._changing:
                if self._record.serving == loaded.held:
                    self._fails(loaded.held, error.code)
        except MaestroError as error:  # of the disk, or of a key's file
            self.trouble = error.code

    def poll(self, wait: float = 0.0) -> Polled:
        """Ask the source once, and act on what it has.

        Args:
            wait: seconds that the source may hold the request, if it can.
        """
        with self._polling:
            if self._halted:
                return Polled(1)
            try:
                polled = self._poll(wait)
            except MaestroError as error:
                self.trouble = error.code
                self.counts.fetches[error.code] += 1
                self.failures += 1
                polled = Polled(self.failures, getattr(error, "retry_after", None))
            self.last_poll = self._clock.now()
        self.tick()
        return polled

    # ---- deciding ----------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """What decides now.

        Raises:
            PortError: ``policy_unavailable``: nothing does. Whoever asked must deny.
        """
        standing = self._standing
        if standing is None or not self._clock.allows(standing.until):
            self.counts.decisions["closed"] += 1
            reason = EdgeReason.POLICY_UNAVAILABLE
            raise PortError(
                reason.meaning, code=reason.value, retry_after=RETRY_SECONDS, remedy=reason.remedy
            )
        self.counts.decisions["served"] += 1
        return standing

    def decide(self, path: tuple[str, ...], input: Any) -> Any:  # noqa: A002  # as LoadedPolicy.evaluate
        """The value of a rule, by the serving bundle. Raises PortError as ``standing`` and ``LoadedPolicy.evaluate``."""
        return self.standing().policy.evaluate(path, input, self._clock.wall())

    # ---- operators ---------------------------------------------------------------------------------------

    def pin(self, which: str, by: str) -> None:
        """Have a held bundle decide until ``unpin``, whatever comes.

        Args:
            which: its digest or revision.
            by: who wants it.

        Raises:
            ConflictError: it is not held, too old, or nothing may decide now.
            PortError: it cannot be entered into the audit log or kept.
        """
        with self._changing:
            self._tick()
            now = self._clock.now()
            chosen = next((one for one in self._record.held() if which in {one.digest, one.revision}), None)
            if self._record.state not in DECIDING or chosen is None or not chosen.is_good(now):
                raise ConflictError(
                    f"The edge is {self._record.state} and holds no good bundle {which}.",
                    remedy="Choose one of those that 'maestro edge status' lists.",
                )
            if chosen.digest not in self._loaded and not self._load_kept(chosen):
                raise ConflictError(f"The bundle {which} no longer verifies.", remedy="Choose another one.")
            self._activate(step(self._record, Happening(Signal.PIN, held=chosen, by=by), now, self.rules))

    def unpin(self, by: str) -> None:
        """Let the newest bundle decide again. Unpinning what is not pinned changes nothing. Raises PortError as ``pin``."""
        with self._changing:
            self._tick()
            if self._record.state is State.PINNED:
                now = self._clock.now()
                self._activate(step(self._record, Happening(Signal.UNPIN, by=by), now, self.rules))

    def reset_clock(self, by: str) -> None:
        """Believe the wall clock, though it shows less time than was seen. Raises PortError as ``pin``."""
        with self._changing:
            before, ahead = self._clock.state(), self._clock.facts()["aheadSeconds"]
            noted = clock_was_reset(self._record, by, self._clock.wall(), ahead)
            self._clock.reset()
            try:
                self._activate(noted)
            except MaestroError:
                self._clock.restore(before)
                raise
            self._tick()
        self.tell()

    # ---- what others see ---------------------------------------------------------------------------------

    @property
    def record(self) -> Record:
        """What the edge knows; a value that does not change."""
        return self._record

    @property
    def halted(self) -> str:
        """Why the edge does nothing at all; empty when it works."""
        return self._halted

    @property
    def clock(self) -> EdgeClock:
        """Trusted time."""
        return self._clock

    def tell(self) -> None:
        """Bring notes to outbox and audit log. What fails is tried again at the next tick; telling twice is harmless."""
        notes = self._record.notes
        if not notes or self._unsaved:  # what a crash would undo is not told
            return
        try:
            self._outbox.append(events(notes, self.name))
            self._audit(notes)
        except MaestroError as error:
            self.trouble = error.code
            return
        with self._changing:
            self._commit(without_notes(self._record, notes))

    # ---- polling -----------------------------------------------------------------------------------------

    def _poll(self, wait: float) -> Polled:
        record, now = self._record, self._clock.now()
        offer = self._source.poll(self._known(record), now, wait=wait)
        if offer.trust is not None and offer.trust != record.trust:
            with self._changing:
                self._commit(replace(self._record, trust=offer.trust), must_keep=True)
        happening, loaded = self._judged(offer, now)
        refused = happening.refused
        self.counts.fetches["unchanged" if loaded is None and refused is None else "new"] += 1
        with self._changing:
            self._tick()
            after = step(self._record, happening, self._clock.now(), self.rules)
            if refused is not None:
                self.counts.refusals[refused.reasons[0]] += 1
                self._commit(after)
            elif loaded is not None and offer.archive is not None:
                self._accept(after, loaded, offer.archive)
            elif after.swaps != self._record.swaps:
                self._activate(after)
            else:
                self._commit(after)
        self._source.settle(accepted=refused is None)
        self.trouble = "" if refused is None else refused.reasons[0]
        self.failures = 0 if refused is None else self.failures + 1
        return Polled(self.failures, long_poll=offer.long_poll)

    def _known(self, record: Record) -> Known:
        held = [one for one in (record.serving, record.candidate) if one is not None]
        return Known(
            record.trust, tuple(one.digest for one in held if one.digest in self._loaded), self._files_of
        )

    def _files_of(self, digest: str) -> Mapping[str, bytes] | None:
        loaded = self._loaded.get(digest)
        return None if loaded is None else loaded.files

    def _judged(self, offer: Offer, now: datetime) -> tuple[Happening, Loaded | None]:
        """What an offer means, and the bundle if there is a new one that the engine has accepted."""
        if offer.error is not None:
            named = offer.digest or f"metadata/{offer.error.code}"
            return refusal(named, "", (offer.error.code,), now), None
        rules, source, record = self.rules, self.source_rules, self._record
        until = offer.until
        if offer.archive is None:
            same = confirmed(
                record, now, source=source, rules=rules, digest=offer.digest, announced_until=until
            )
            return same, None
        epoch = offer.epoch or source.epoch
        expected = expected_of(source, record.high, epoch, offer.digest)
        verdict = self._loader.verdict(offer.archive, now, expected)
        happening = judged(
            verdict, record, now, source=source, rules=rules, epoch=epoch, announced_until=until
        )
        held = happening.held
        if happening.signal is not Signal.GOOD or held is None or verdict.bundle is None:
            return happening, None
        try:
            return happening, self._loader.load(held, verdict.bundle)
        except UntrustedError:
            reasons = (EdgeReason.ENGINE_REFUSED.value,)
            return refusal(held.digest, held.revision, reasons, now), None

    def _accept(self, after: Record, loaded: Loaded, archive: bytes) -> None:
        """Keep a new bundle, then what it changes. Raises PortError; then nothing has changed."""
        self._store.put(loaded.held.digest, archive)
        self._loaded[loaded.held.digest] = loaded
        self._activate(after)

    # ---- changing ----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now, behind = self._clock.now(), self._clock.is_behind()
        self._commit(tick(self._record, now, self.rules, clock_is_behind=behind))
        self._require_loaded()

    def _fails(self, serving: Held, reason: str) -> None:
        """What serves is not to be trusted any more."""
        self._loaded.pop(serving.digest, None)
        failed = Happening(Signal.FAILED, reason=reason)
        self._commit(step(self._record, failed, self._clock.now(), self.rules))
        self._require_loaded()

    def _require_loaded(self) -> None:
        """Load what serves, as after a start or a fall back; what does not verify gives way to the next."""
        while (serving := self._record.serving) is not None and serving.digest not in self._loaded:
            try:
                self._loaded[serving.digest] = self._loader.kept(serving)
            except UntrustedError as error:
                failed = Happening(Signal.FAILED, reason=error.code)
                self._commit(step(self._record, failed, self._clock.now(), self.rules))
            except MaestroError as error:  # nothing decides meanwhile, and the next tick tries again
                self.trouble = error.code
                break
        self._publish()

    def _load_kept(self, held: Held) -> bool:
        try:
            self._loaded[held.digest] = self._loader.kept(held)
        except MaestroError as error:
            self.trouble = error.code
            return False
        return True

    def _activate(self, after: Record) -> None:
        """Commit a step that lets something new decide: entered into the audit log and kept, or not done at all."""
        self._audit(after.notes)
        self._commit(after, must_keep=True)

    def _audit(self, notes: tuple[Note, ...]) -> None:
        for draft in drafts(notes, self.name):
            self._auditor.append(
                actor=draft.actor,
                action=draft.action,
                subject=draft.subject,
                data=draft.data,
                time=draft.time,
                id=draft.id,
            )

    def _commit(self, after: Record, *, must_keep: bool = False) -> None:
        """Keep a record, then let it decide.

        Without ``must_keep`` it counts even when the disk fails: what ends trust must not wait for a full disk. It is
        then kept as soon as the disk lets it.
        """
        before = self._record
        after = replace(after, clock=self._clock.state())
        if self._needs_saving(before, after):
            try:
                self._store.save(encode(after))
                self._unsaved = False
            except PortError as error:
                if must_keep:
                    raise
                self._unsaved = True
                self.trouble = error.code
        else:
            after = replace(after, clock=before.clock)
        self._record = after
        self.counts.changed(before, after)
        self._publish()
        if before.held() != after.held():
            self._let_go(after)

    def _needs_saving(self, before: Record, after: Record) -> bool:
        if self._unsaved or before.clock is None or after.clock is None:
            return True
        moved = after.clock.seen - before.clock.seen
        same_line = (
            before.clock.boot == after.clock.boot and before.clock.began_boot == after.clock.began_boot
        )
        return (
            not same_line
            or not 0 <= moved < _SAVE_CLOCK_EVERY
            or replace(after, clock=before.clock) != before
        )

    def _publish(self) -> None:
        record = self._record
        serving = record.serving
        loaded = None if serving is None else self._loaded.get(serving.digest)
        if record.state not in DECIDING or serving is None or loaded is None:
            self._standing = None
            return
        self._standing = Standing(loaded.policy, serving, record.state, nanoseconds_of(serving.good_until))

    def _let_go(self, record: Record) -> None:
        """Of bundles that nobody will ask for any more."""
        wanted = [one.digest for one in (record.serving, record.candidate) if one is not None]
        for digest in self._loaded.keys() - set(wanted):
            del self._loaded[digest]
        try:
            self._store.keep_only([one.digest for one in record.held()])
        except PortError as error:
            self.trouble = error.code
