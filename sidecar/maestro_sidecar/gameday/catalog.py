"""Which drills there are: their experiments, as files of Chaos Toolkit's format, and what may be set in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any

from maestro.kernel.errors import BadInputError

__all__ = ["NAMES", "configured", "experiment_of", "module_of", "parse_settings"]

NAMES = ("run-window-burst", "store-loss", "clock-step", "two-nodes", "two-sidecars", "edge-stale-bundle")
_MOST = 20
"""A number may be set to this many times what the drill ships with: drills are bounded in count and time."""


def experiment_of(name: str) -> dict[str, Any]:
    """The experiment, as its file says.

    Raises:
        BadInputError: there is no such drill.
    """
    if name not in NAMES:
        raise BadInputError(
            "is no drill.", field="NAME", value=name, remedy=f"Use one of {', '.join(NAMES)}."
        )
    text = files(__package__).joinpath("experiments", f"{name}.json").read_text("utf-8")
    experiment: dict[str, Any] = json.loads(text)
    return experiment


def module_of(name: str) -> ModuleType:
    """The module that has the drill's parts, actions and probes."""
    return import_module(f"maestro_sidecar.gameday.drills.{name.replace('-', '_')}")


def parse_settings(given: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` as it stands on the command line.

    Raises:
        BadInputError: there is no ``=``.
    """
    parted = [each.partition("=") for each in given]
    for whole, (name, equals, _) in zip(given, parted, strict=True):
        if not (name and equals):
            raise BadInputError(
                "is not NAME=VALUE.", field="--set", value=whole, remedy="Write for example requests=50."
            )
    return {name: value for name, _, value in parted}


def configured(experiment: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment's settings with those that were given, each of the kind that it ships with.

    Raises:
        BadInputError: an unknown name, or a value out of bounds.
    """
    shipped = experiment["configuration"]
    return {name: _value(name, shipped, value) for name, value in given.items()}


def _value(name: str, shipped: Mapping[str, Any], value: Any) -> Any:
    usual = shipped.get(name)
    if isinstance(usual, dict) or usual is None:
        known = ", ".join(key for key, each in shipped.items() if not isinstance(each, dict))
        raise BadInputError(
            "is no setting of this drill.", field="--set", value=name, remedy=f"Known: {known}."
        )
    if isinstance(usual, str):
        return str(value)
    try:
        number = type(usual)(value)
    except ValueError:
        number = None
    if number is None or not 0 < number <= _MOST * usual:
        raise BadInputError(
            "is out of range.", field=f"--set {name}", value=value, remedy=f"Use up to {_MOST * usual}."
        )
    return number
