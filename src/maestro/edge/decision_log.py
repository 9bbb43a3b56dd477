"""A decision as OPA's decision log tells it (openpolicyagent.org, "Decision Logs"), with masking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from maestro.kernel.errors import BadInputError
from maestro.kernel.instants import format_instant

__all__ = ["Told", "entry", "masks"]

_PARTS = ("input", "result")


@attrs.frozen
class Told:
    """What there is to tell of one decision.

    Attributes:
        decision_id: unique.
        path: of the rule, ``mc/limits/decision``.
        input: as asked, None for none.
        result: as answered, None when undefined.
        revision: of the bundle.
        bundle: the bundle's name.
        digest: its identity.
        requested_by: who asked.
        at: when.
        nanoseconds: that it took.
    """

    decision_id: str
    path: str
    input: Any
    result: Any
    revision: str
    bundle: str
    digest: str
    requested_by: str
    at: datetime
    nanoseconds: int


def masks(pointers: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """JSON pointers (RFC 6901) below ``/input`` or ``/result``, as steps; ``*`` stands for any key or index.

    Raises:
        BadInputError: a pointer that is none, or leads elsewhere.
    """
    found = []
    for pointer in pointers:
        steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        if not pointer.startswith("/") or not steps or steps[0] not in _PARTS:
            raise BadInputError(
                "is no pointer below /input or /result.",
                field="edge.decisionLog.mask",
                value=pointer,
                remedy="Write a JSON pointer such as /input/user/password.",
            )
        found.append(steps)
    return tuple(found)


def entry(told: Told, labels: Mapping[str, str], hidden: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """The log's entry. What is masked is taken out, and its place listed under ``erased``.

    Args:
        told: the decision; neither input nor result is changed.
        labels: of the node.
        hidden: as ``masks`` gives them.
    """
    parts: dict[str, Any] = {"input": told.input, "result": told.result}
    erased: list[str] = []
    for steps in hidden:
        parts = _without(parts, steps, "", erased)
    made: dict[str, Any] = {
        "decision_id": told.decision_id,
        "labels": dict(labels),
        "bundles": {told.bundle: {"revision": told.revision}},
        "path": told.path,
        "requested_by": told.requested_by,
        "timestamp": format_instant(told.at),
        "metrics": {"timer_server_handler_ns": told.nanoseconds},
        "custom": {"digest": told.digest},
    }
    made |= {name: value for name, value in parts.items() if value is not None}
    if erased:
        made["erased"] = sorted(set(erased))
    return made


def _without(value: Any, steps: tuple[str, ...], place: str, erased: list[str]) -> Any:
    """A copy along the way to what is taken out; all else is shared."""
    keys: Sequence[Any]
    if isinstance(value, dict):
        keys = [key for key in value if steps[0] in {"*", key}]
        changed: Any = dict(value)
    elif isinstance(value, list):
        keys = [index for index in range(len(value)) if steps[0] in {"*", str(index)}]
        changed = list(value)
    else:
        return value
    for key in reversed(keys):
        here = f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if len(steps) > 1:
            changed[key] = _without(value[key], steps[1:], here, erased)
        else:
            del changed[key]
            erased.append(here)
    return changed
