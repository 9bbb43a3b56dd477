"""What the code of one program refers to by index: functions, builtins, constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from maestro.rego import plan as ir
from maestro.rego.errors import PlanError
from maestro.rego.inline import Form
from maestro.rego.numbers import Number

__all__ = ["Callee", "Tables"]


@attrs.frozen
class Callee:
    """What callers know of a function.

    Attributes:
        number: of its Python name.
        rule: whether it takes only input and data, so that its result is kept.
        arity: number of parameters.
        total: whether it always has a value.
        kind: Python type of the value, if known.
    """

    number: int
    rule: bool
    arity: int
    total: bool
    kind: str | None


class Tables:
    """What the code of one program refers to by index."""

    def __init__(
        self, policy: ir.Policy, builtins: dict[str, int], forms: Mapping[str, Callable[..., Form]]
    ) -> None:
        self.policy = policy
        self.builtins = builtins
        self.contextual: frozenset[str] = frozenset()
        self.pure: frozenset[str] = frozenset()
        self.forms = forms
        self.callees: dict[str, Callee] = {}
        self.constants: list[Any] = []
        self.place = "policy"
        """What is being compiled, as a message about it says."""
        self._known: dict[tuple[str, ...], str] = {}

    def constant(self, value: str | int | Number) -> str:
        """The name of a string or number in the table."""
        return self._named((type(value).__name__, str(value)), lambda: value)

    def collection(self, kind: str, parts: tuple[str, ...], build: Callable[[], Any]) -> str:
        """The name of a collection of constants, known by the names of its members: its text may be endless."""
        return self._named((kind, *parts), build)

    def _named(self, known: tuple[str, ...], build: Callable[[], Any]) -> str:
        if known not in self._known:
            self.constants.append(build())
            self._known[known] = f"K{len(self.constants) - 1}"
        return self._known[known]

    def string(self, index: int) -> str:
        """A constant of the plan's table.

        Raises:
            PlanError: the table is shorter.
        """
        if not 0 <= index < len(self.policy.strings):
            raise PlanError("is outside the table of strings.", field="string_index", value=index)
        return self.policy.strings[index]
