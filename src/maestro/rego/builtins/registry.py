"""How a builtin is declared, what it is given, and how it says no.

A family is a module with a `Family`; its functions take Rego values (``maestro.rego.values``) and return one::

    family = Family()


    @family.builtin("strings.reverse")
    def reverse(text):
        return string(text, 1)[::-1]


    @family.builtin("time.now_ns", context=True, depends={"now"})
    def now_ns(context):
        return context.now_ns

Operands are defined, but of any type: a wrong one is a `BuiltinError` with OPA's words, which `string`, `number` and
their like raise. `UNDEFINED` is a result without an error. Values given and returned are shared: never change one.
What may become large is announced to ``context.allow_items`` or ``allow_text`` before it is made.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeVar

import attrs

from maestro.rego.errors import BuiltinError, PlanError
from maestro.rego.limits import Limits
from maestro.rego.numbers import Number, is_number, number_text
from maestro.rego.values import type_name

__all__ = [
    "Builtin",
    "Context",
    "Family",
    "Registry",
    "array",
    "integer",
    "number",
    "object_",
    "operand_error",
    "operand_fault",
    "set_",
    "string",
]

_WHOLE = re.compile(r"-?[0-9]+(?:\.0*)?")
_INT64: Final = 1 << 63

F = TypeVar("F", bound=Callable[..., Any])


class Context(Protocol):
    """One evaluation, as builtins see it that ask for it.

    Attributes:
        now_ns: the caller's ``now`` in nanoseconds since 1970, the same for the whole evaluation.
        seed: what every random builtin derives its draws from.
        limits: bounds in force.
        cache: scratch space of this evaluation, keyed by builtin name first: ``("uuid.rfc4122", text)``.
    """

    @property
    def now_ns(self) -> int:
        """Nanoseconds since 1970."""

    @property
    def seed(self) -> bytes:
        """What random builtins derive their draws from."""

    @property
    def limits(self) -> Limits:
        """Bounds in force."""

    @property
    def cache(self) -> dict[Any, Any]:
        """Scratch space of this evaluation."""

    def spend(self, steps: int) -> None:
        """Account for a builtin's own loop; raises EvaluationLimitError when steps or time are used up."""

    def allow_items(self, count: int) -> None:
        """Raise EvaluationLimitError (``size_limit``) if a collection may not have so many members."""

    def allow_text(self, count: int) -> None:
        """Raise EvaluationLimitError (``size_limit``) if a string may not have so many characters."""


@attrs.frozen
class Builtin:
    """One function of the registry.

    Attributes:
        name: as plans call it.
        function: takes the operands, after the `Context` if ``context``.
        context: whether the function asks for the `Context`.
        depends: ``now``, ``random``, or both: what else than its operands decides the result.
        modules: third-party modules it needs; all are in extra ``rego``.
    """

    name: str
    function: Callable[..., Any]
    context: bool = False
    depends: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()


class Family:
    """Collects the builtins of one module."""

    def __init__(self) -> None:
        self._found: dict[str, Builtin] = {}

    def builtin(
        self, *names: str, context: bool = False, depends: Iterable[str] = (), modules: tuple[str, ...] = ()
    ) -> Callable[[F], F]:
        """Declare the decorated function under its name, or several."""

        def declare(function: F) -> F:
            for name in names:
                if name in self._found:
                    raise ValueError(f"{name} is declared twice")
                self._found[name] = Builtin(name, function, context, frozenset(depends), modules)
            return function

        return declare

    def __iter__(self) -> Iterator[Builtin]:
        return iter(self._found.values())


class Registry:
    """Builtins by name, for one compiler; never changed once made."""

    def __init__(self, builtins: Iterable[Builtin]) -> None:
        self._builtins: Final[Mapping[str, Builtin]] = {found.name: found for found in builtins}

    def __contains__(self, name: str) -> bool:
        return name in self._builtins

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._builtins))

    def extended(self, builtins: Iterable[Builtin]) -> Registry:
        """A new registry with more builtins, or others under the same names."""
        return Registry([*self._builtins.values(), *builtins])

    def get(self, name: str) -> Builtin:
        """The builtin of a name.

        Raises:
            PlanError: there is none, or a third-party module that it needs is not installed.
        """
        found = self._builtins.get(name)
        if found is None:
            raise PlanError(
                "is no builtin that is evaluated here.",
                field="static.builtin_funcs",
                value=name,
                code="unsupported_builtin",
                remedy="Register it, or rewrite the policy without it.",
            )
        missing = [module for module in found.modules if importlib.util.find_spec(module) is None]
        if missing:
            raise PlanError(
                f"needs {', '.join(missing)}, which is not installed.",
                field="static.builtin_funcs",
                value=name,
                code="unsupported_builtin",
                remedy="Install maestro-conductor[rego].",
            )
        return found


def operand_error(position: int, value: object, *expected: str) -> BuiltinError:
    """What OPA says of an operand of the wrong type."""
    wanted = expected[0] if len(expected) == 1 else f"one of {{{', '.join(expected)}}}"
    return operand_fault(position, f"must be {wanted} but got {type_name(value)}")


def operand_fault(position: int, text: str) -> BuiltinError:
    """What OPA says of an operand that is wrong in another way than its own type."""
    return BuiltinError(f"operand {position} {text}", code="eval_type_error")


def string(value: Any, position: int) -> str:
    """The operand, which must be a string."""
    if type(value) is str:
        return value
    raise operand_error(position, value, "string")


def number(value: Any, position: int) -> int | Number:
    """The operand, which must be a number."""
    if is_number(value):
        return value  # type: ignore[no-any-return] # is_number has looked
    raise operand_error(position, value, "number")


def integer(value: Any, position: int) -> int:
    """The operand, which must be an integer of 64 bits: ``1`` or ``1.0``, but not ``1e0``, as OPA reads texts."""
    found = number(value, position)
    text = number_text(found)
    if len(text.lstrip("-")) <= 19 and _WHOLE.fullmatch(text):
        whole = int(text.partition(".")[0])
        if -_INT64 <= whole < _INT64:
            return whole
    raise operand_fault(position, "must be integer number but got floating-point number")


def array(value: Any, position: int) -> list[Any]:
    """The operand, which must be an array."""
    if type(value) is list:
        return value
    raise operand_error(position, value, "array")


def object_(value: Any, position: int) -> dict[Any, Any]:
    """The operand, which must be an object."""
    if type(value) is dict:
        return value
    raise operand_error(position, value, "object")


def set_(value: Any, position: int) -> set[Any]:
    """The operand, which must be a set."""
    if type(value) is set:
        return value
    raise operand_error(position, value, "set")
