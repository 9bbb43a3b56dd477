"""Flags: switches with a rollback, read once per decision as a frozen snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from maestro.kernel.errors import BadInputError
from maestro.kernel.events import Event
from maestro.ports.documents import StoredDocument

__all__ = ["FLAGS", "FLAGS_CHANGED", "FlagSnapshot", "Flags", "flags_changed"]

FLAGS_CHANGED = "mc.flags.changed"
"""Type of the event that tells a new version of the flags."""

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "cdc_lakehouse": "Merge changes into lake tables; off: followers land them as Parquet files only.",
        "edge_policy_ga": "Decide by the edge's own bundle; off: by the central OPA, if one is configured.",
        "run_windows_caps": "Enforce run windows and package caps; off: tell them as shadowDenies only.",
    }
)
"""Every flag that the code reads, with what it does. All are on unless set otherwise."""


class FlagSnapshot:
    """The flags at one moment. Immutable; a decision sees one snapshot from start to end."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, bool] | None = None) -> None:
        given = values or {}
        for name in given:
            if name not in FLAGS:
                raise BadInputError(
                    "is not a flag.",
                    field=f"flags.{name}",
                    remedy=f"Known flags: {', '.join(sorted(FLAGS))}.",
                )
        self._values = MappingProxyType(dict.fromkeys(FLAGS, True) | dict(given))

    def enabled(self, name: str) -> bool:
        """Whether the flag is on. Raises KeyError for a name that is not in ``FLAGS``."""
        return self._values[name]

    def as_dict(self) -> dict[str, bool]:
        """All flags by name."""
        return dict(self._values)


def flags_changed(stored: StoredDocument) -> Event:
    """Somebody set flags."""
    return Event(
        id=f"flags/{stored.version}",
        source="/maestro/flags",
        type=FLAGS_CHANGED,
        subject="flags",
        time=stored.changed_at,
        data={
            "version": stored.version,
            "changedBy": stored.changed_by,
            "flags": json.loads(stored.body),
        },
    )


class Flags(Protocol):
    """Where flags come from."""

    def snapshot(self) -> FlagSnapshot:
        """The flags now. Cheap: called once for every decision."""
        ...
