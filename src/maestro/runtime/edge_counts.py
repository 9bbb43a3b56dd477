"""What an edge counts, for metrics and status."""

from __future__ import annotations

from collections import Counter

from maestro.edge.record import Record, State

__all__ = ["EdgeCounts"]


class EdgeCounts:
    """Plain counters. Written under the edge's own locks; readers may see them between two steps.

    Attributes:
        quarantines: entries into ``quarantined``, by reason.
        refusals: refused candidates, by reason; the same fault at each poll counts each time.
        fetches: polls, by outcome: ``new``, ``unchanged``, or an error's code.
        swaps: changes of the serving digest.
        decisions: by outcome: ``served`` or ``closed``.
    """

    def __init__(self) -> None:
        self.quarantines: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.fetches: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.swaps = 0

    def changed(self, before: Record, after: Record) -> None:
        """Count what one step changed."""
        self.swaps += after.swaps - before.swaps
        if after.state is State.QUARANTINED and before.state is not State.QUARANTINED:
            self.quarantines[_reason(after)] += 1


def _reason(after: Record) -> str:
    told = [str(note.data.get("reason", "")) for note in after.notes if note.kind == "mc.edge.quarantined"]
    return told[-1] if told else ""
