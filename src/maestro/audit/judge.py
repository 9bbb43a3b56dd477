"""Judging a whole log: every entry once, in order, against what was signed.

The tree is built anew from the entries' bytes, so the root proves all of them. What the store keeps beside them (hashes,
older checkpoints) only tells *where* a log was altered. ``first_bad`` is the first entry that is shown to be bad; where
an attacker covered the tracks there may be others before it, but none among the first ``proved``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import attrs

from maestro.audit.checkpoints import Checkpoint, open_checkpoint
from maestro.audit.entries import sequence_in
from maestro.audit.hashing import HASH_BYTES, leaf_hash
from maestro.audit.notes import Verifier
from maestro.audit.reasons import AuditReason
from maestro.audit.tree import CompactRange
from maestro.kernel.errors import UntrustedError

__all__ = ["Finding", "Judge", "Verdict"]


@attrs.frozen
class Finding:
    """One fault of a log.

    Attributes:
        reason: its code: an ``AuditReason``, or the code of an ``UntrustedError`` about a checkpoint.
        message: one sentence for the person who reads it.
        remedy: what to do.
        entry: the first entry that it concerns, where it concerns entries.
    """

    reason: str
    message: str
    remedy: str
    entry: int | None = None


@attrs.frozen
class Verdict:
    """What was found.

    Attributes:
        size: how many entries were read.
        root: the hash over them.
        findings: the faults, none for a log that is as signed.
        not_checked: what could not be judged from what was given.
        proved: how many entries from the start on are as they were signed, for certain: those that the last fitting
            checkpoint before the first fault covers.
    """

    size: int
    root: bytes
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]
    proved: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def first_bad(self) -> int | None:
        """The first bad entry; None when there is none, or when it cannot be told."""
        return min((each.entry for each in self.findings if each.entry is not None), default=None)


@attrs.define
class _Marks:
    """Roots that were signed, by size, and how the entries compare."""

    own: dict[int, set[bytes]] = attrs.field(factory=lambda: defaultdict(set))
    proved: int = 0
    differs: int | None = None

    def compare(self, tree: CompactRange) -> None:
        """Look at the tree when a checkpoint of the log speaks of its size."""
        roots = self.own.get(tree.size)
        if roots is None or self.differs is not None:
            return
        if roots == {tree.root()}:
            self.proved = tree.size
        else:
            self.differs = tree.size


class Judge:
    """Takes a log's entries one after the other, then says what it found.

    Args:
        key: the log's public key.
        latest: the log's newest checkpoint, None when it has none.
        earlier: older checkpoints that the log kept, in any order.
        cosigners: keys that must have cosigned the newest checkpoint and the one kept elsewhere.
        elsewhere: a checkpoint of this log that was kept where the log's owner cannot change it.
    """

    def __init__(
        self,
        key: Verifier,
        latest: bytes | None,
        *,
        earlier: Iterable[bytes] = (),
        cosigners: Sequence[Verifier] = (),
        elsewhere: bytes | None = None,
    ) -> None:
        self._tree = CompactRange()
        self._marks = _Marks()
        self._findings: list[Finding] = []
        self._suspect: int | None = None
        self._elsewhere_root: bytes | None = None
        self._cosigners = cosigners
        self._key = key
        self._latest = self._opened(latest, "the log's checkpoint")
        if latest is None:
            self.find(AuditReason.NO_CHECKPOINT)
        self._elsewhere = self._opened(elsewhere, "the checkpoint kept elsewhere")
        self._not_checked = () if self._elsewhere else ("truncation",)
        if self._latest:
            self._mark(self._latest)
            self._mark_earlier(earlier)

    def feed(self, body: bytes, hashes: bytes | None = None) -> None:
        """The next entry, and the hashes kept beside it: its own, and maybe those of the subtrees it completes."""
        place = self._tree.size
        completed = self._tree.append(leaf_hash(body))
        if self._suspect is None:
            self._look(place, body, completed, hashes)
        self._marks.compare(self._tree)
        if self._elsewhere and self._elsewhere.size == self._tree.size:
            self._elsewhere_root = self._tree.root()

    def missing(self, entry: int) -> None:
        """Tell that the store has no entry at that place though it has later ones."""
        if self._suspect is None:
            self._suspect = entry
            self.find(AuditReason.ENTRY_OUT_OF_PLACE, f"There is no entry {entry}.", entry)

    def find(self, reason: AuditReason, detail: str = "", entry: int | None = None) -> None:
        """Note a fault."""
        self._findings.append(Finding(reason, f"{reason.meaning} {detail}".rstrip(), reason.remedy, entry))

    def verdict(self) -> Verdict:
        """What was found, after the last entry."""
        self._compare_signed()
        self._compare_elsewhere()
        return Verdict(
            self._tree.size, self._tree.root(), tuple(self._findings), self._not_checked, self._marks.proved
        )

    def _opened(self, raw: bytes | None, what: str) -> Checkpoint | None:
        if raw is None:
            return None
        try:
            return open_checkpoint(raw, self._key, cosigners=self._cosigners)
        except UntrustedError as error:
            self._findings.append(Finding(error.code, f"{what.capitalize()}: {error.message}", error.remedy))
            return None

    def _mark(self, checkpoint: Checkpoint) -> None:
        self._marks.own[checkpoint.size].add(checkpoint.root)

    def _mark_earlier(self, earlier: Iterable[bytes]) -> None:
        """Older checkpoints count by the log's own key; a witness may have come later than they."""
        for raw in earlier:
            try:
                self._mark(open_checkpoint(raw, self._key))
            except UntrustedError as error:
                message = f"An older checkpoint that the log kept: {error.message}"
                self._findings.append(Finding(error.code, message, error.remedy))

    def _look(self, place: int, body: bytes, completed: list[bytes], hashes: bytes | None) -> None:
        """Find the first entry that is not what stands beside it, while there is none yet."""
        says = sequence_in(body)
        if hashes is not None and hashes[:HASH_BYTES] != completed[0]:
            self._suspect = place
            self.find(AuditReason.ENTRY_ALTERED, f"It is entry {place}.", place)
        elif says != place:
            self._suspect = place
            it = "It is no entry" if says is None else f"It says that it is entry {says}"
            self.find(AuditReason.ENTRY_OUT_OF_PLACE, f"{it}, and stands at {place}.", place)
        elif hashes is not None and len(hashes) > HASH_BYTES:
            self._look_inside(place, completed, hashes)

    def _look_inside(self, place: int, completed: list[bytes], hashes: bytes) -> None:
        """The lowest subtree whose hash is not the one kept tells where an altered entry must be."""
        for level, expected in enumerate(completed):
            if hashes[level * HASH_BYTES : (level + 1) * HASH_BYTES] != expected:
                self._suspect = place + 1 - (1 << level)
                detail = f"It is one of the entries {self._suspect} to {place}, or their hash."
                self.find(AuditReason.ENTRY_ALTERED, detail, self._suspect)
                return

    def _compare_signed(self) -> None:
        latest, marks, size = self._latest, self._marks, self._tree.size
        if latest is None:
            return
        differs = marks.differs
        if differs is not None and (self._suspect is None or self._suspect >= differs):
            detail = f"At least one of the entries {marks.proved} to {differs - 1} was altered."
            self.find(AuditReason.NOT_AS_SIGNED, detail, marks.proved)
        if size < latest.size:
            self.find(AuditReason.ENTRIES_MISSING, f"It has {size} of {latest.size}.", size)
        elif size > latest.size:
            detail = f"It covers {latest.size} of {size}."
            self.find(AuditReason.ENTRIES_UNSIGNED, detail, latest.size)

    def _compare_elsewhere(self) -> None:
        elsewhere, size = self._elsewhere, self._tree.size
        if elsewhere is None:
            return
        if elsewhere.size > size:
            detail = f"It covers {elsewhere.size}; the log has {size}."
            self.find(AuditReason.TRUNCATED, detail, size)
        elif elsewhere.size and self._elsewhere_root != elsewhere.root:
            if self._marks.proved >= elsewhere.size:
                self.find(AuditReason.FORKED, f"They differ within the first {elsewhere.size} entries.")
            elif self._suspect is None and self._marks.differs is None:
                detail = (
                    f"At least one of the entries {self._marks.proved} to {elsewhere.size - 1} was altered."
                )
                self.find(AuditReason.NOT_AS_SIGNED, detail, self._marks.proved)
