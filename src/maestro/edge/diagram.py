"""The quarantine machine as a picture and as a table, for its page."""

from __future__ import annotations

from maestro.edge.record import State
from maestro.edge.table import TABLE, Guard, Signal

__all__ = ["diagram", "table_rows"]


def diagram() -> str:
    """The changes of state as a Mermaid state diagram; signals that lead the same way share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, signal, guard), outcome in TABLE.items():
        if outcome.state is not state:
            label = _words(signal) if guard in {Guard.ALWAYS, Guard.HELD} else f"{_words(signal)} [{guard}]"
            arrows.setdefault((state, outcome.state), []).append(label)
    lines = ["stateDiagram-v2", f"  [*] --> {State.EMPTY}"]
    lines += [f"  {start} --> {end} : {' / '.join(labels)}" for (start, end), labels in arrows.items()]
    return "\n".join(lines)


def table_rows() -> list[tuple[str, str, str, str, str]]:
    """State, signal, guard, next state, act: one row a cell."""
    return [
        (state.value, _words(signal), guard.value, outcome.state.value, outcome.act.value)
        for (state, signal, guard), outcome in TABLE.items()
    ]


def _words(signal: Signal) -> str:
    return signal.value.replace("_", " ")
