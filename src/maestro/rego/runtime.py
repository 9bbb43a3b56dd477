"""What generated code calls: loops, look-ups and merges, and the evaluation that they are charged to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

from maestro.rego.errors import BuiltinError, EvaluationConflictError, EvaluationLimitError
from maestro.rego.limits import Limits
from maestro.rego.values import UNDEFINED, Key, equal, key, ordered, unkey

__all__ = [
    "MISSING",
    "Evaluation",
    "again",
    "anew",
    "dynamic",
    "insert_once",
    "members",
    "merge",
    "ordered_members",
    "ordered_pairs",
    "pairs",
    "size",
    "upsert",
]

MISSING: Final = object()
"""In the results so far: a rule that was not evaluated yet."""
_PACED: Final = 4_096
"""Members of a collection up to which its loop is charged at its head alone."""


class Evaluation:
    """One evaluation: what it has left, and what builtins may ask (`maestro.rego.builtins.registry.Context`).

    Attributes:
        left: steps until the clock is looked at, or until the end.
    """

    __slots__ = ("_cache", "_monotonic", "_rest", "left", "limits", "now_ns", "seed", "strict")

    def __init__(
        self,
        limits: Limits,
        *,
        now_ns: int,
        seed: bytes,
        strict: bool,
        monotonic: Callable[[], float] | None,
    ) -> None:
        self.limits = limits
        self.now_ns = now_ns
        self.seed = seed
        self.strict = strict
        self._monotonic = monotonic if limits.deadline is not None else None
        self._cache: dict[Any, Any] | None = None
        # With a deadline the steps are given out in portions, so that one comparison serves both.
        self.left = limits.steps if self._monotonic is None else min(limits.pace, limits.steps)
        self._rest = limits.steps - self.left

    @property
    def cache(self) -> dict[Any, Any]:
        """Scratch space of builtins."""
        if self._cache is None:
            self._cache = {}
        return self._cache

    def spend(self, steps: int) -> None:
        """Account for steps; raises EvaluationLimitError when they or the time are used up."""
        self.left -= steps
        if self.left < 0:
            self.exhausted()

    def exhausted(self) -> None:
        """The portion is used up: look at the clock and take another."""
        limits = self.limits
        if (
            self._monotonic is not None
            and limits.deadline is not None
            and self._monotonic() >= limits.deadline
        ):
            raise EvaluationLimitError(
                "The evaluation passed its deadline.",
                code="deadline",
                remedy="Allow more time, or simplify the policy.",
            )
        portion = min(self._rest, limits.pace - self.left)
        self.left += portion
        self._rest -= portion
        if self.left < 0:
            raise EvaluationLimitError(
                f"The evaluation took more than {limits.steps} steps.",
                code="step_limit",
                remedy="Allow more steps, or simplify the policy.",
            )

    def allow_items(self, count: int) -> None:
        """Raise EvaluationLimitError if a collection may not have so many members."""
        if count > self.limits.items:
            raise EvaluationLimitError(
                f"A collection would get {count} members.",
                code="size_limit",
                remedy=f"At most {self.limits.items} are allowed.",
            )

    def allow_text(self, count: int) -> None:
        """Raise EvaluationLimitError if a string may not have so many characters."""
        if count > self.limits.text:
            raise EvaluationLimitError(
                f"A string would get {count} characters.",
                code="size_limit",
                remedy=f"At most {self.limits.text} are allowed.",
            )

    def failed(self, error: BuiltinError, name: str) -> Any:
        """A builtin refused its operands: undefined, unless the caller wants to hear of it."""
        if self.strict:
            raise BuiltinError(f"{name}: {error}", code=error.code) from error
        return UNDEFINED

    def conflict(self, message: str) -> NoReturn:
        """Two bodies of one rule or function gave different values; the message says of which."""
        raise EvaluationConflictError(message, remedy="Let at most one of its bodies hold.")

    def paced(self, found: Iterable[Any]) -> Iterator[Any]:
        """The members of a large collection, charged as they are taken, so that a deadline is kept within the loop."""
        count = 0
        for member in found:
            count += 1
            if count == _PACED:
                self.spend(count)
                count = 0
            yield member
        self.spend(count)


def members(c: Evaluation, source: Any) -> Iterable[Any]:
    """The values of a collection in no particular order; of a scalar, none."""
    kind = type(source)
    if kind is list:
        found: Any = source
    elif kind is dict:
        found = source.values()
    elif kind is set:
        found = [item.value if type(item) is Key else item for item in source]
    else:
        return ()
    count = len(source)
    if count > _PACED:
        return c.paced(found)
    c.left -= count + 1
    if c.left < 0:
        c.exhausted()
    return found  # type: ignore[no-any-return] # one of the three


def pairs(c: Evaluation, source: Any) -> Iterable[tuple[Any, Any]]:
    """Keys and values of a collection in no particular order; keys of objects may still be wrapped."""
    kind = type(source)
    if kind is list:
        found: Any = enumerate(source)
    elif kind is dict:
        found = source.items()
    elif kind is set:
        found = [(item, item) for item in map(unkey, source)]
    else:
        return ()
    count = len(source)
    if count > _PACED:
        return c.paced(found)
    c.left -= count + 1
    if c.left < 0:
        c.exhausted()
    return found  # type: ignore[no-any-return] # one of the three


def ordered_members(c: Evaluation, source: Any) -> Iterable[Any]:
    """The values of a collection in the order of its keys: what is appended in the loop shows it."""
    kind = type(source)
    if kind is list:
        return members(c, list(source))
    return [value for _, value in ordered_pairs(c, source)]


def ordered_pairs(c: Evaluation, source: Any) -> Iterable[tuple[Any, Any]]:
    """Keys and values of a collection in the order of its keys."""
    kind = type(source)
    if kind is list:
        return pairs(c, list(source))
    if kind is dict:
        c.spend(len(source) + 1)
        return [(name, source[key(name)]) for name in ordered(map(unkey, source))]
    if kind is set:
        c.spend(len(source) + 1)
        return [(item, item) for item in ordered(map(unkey, source))]
    return ()


def again(c: Evaluation, m: list[Any]) -> list[Any]:
    """Results under another input: those that depend on data alone stay good."""
    c.spend(len(m))
    kept = m[0]
    return list(kept) if kept is not None else [None, *[MISSING] * (len(m) - 1)]


def anew(c: Evaluation, m: list[Any]) -> list[Any]:
    """Results under other data: none is good."""
    c.spend(len(m))
    return [None, *[MISSING] * (len(m) - 1)]


def dynamic(
    c: Evaluation,
    m: list[Any],
    v0: Any,
    v1: Any,
    functions: Mapping[tuple[Any, ...], tuple[int, Any]],
    path: tuple[Any, ...],
) -> Any:
    """The value of the rule with a path; MISSING if there is none."""
    found = functions.get(path)
    if found is None:
        return MISSING
    number, function = found
    value = m[number + 1]
    return function(c, m, v0, v1) if value is MISSING else value


def size(source: Any) -> int:
    """Members of a collection or code points of a string; 0 of anything else."""
    return len(source) if type(source) in {list, dict, set, str} else 0


def insert_once(c: Evaluation, target: dict[Any, Any], name: Any, value: Any) -> None:
    """``target[name] = value``, unless it has another value already."""
    old = target.setdefault(name, value)
    if old is not value and not equal(old, value):
        raise EvaluationConflictError(
            "object keys must be unique", remedy="Let one key have one value in every iteration."
        )
    c.left -= 1


def merge(a: Any, b: Any) -> Any:
    """Two documents in one, deeply; where they differ, the first wins."""
    if a is UNDEFINED:
        return b
    if type(a) is not dict or type(b) is not dict:
        return a
    result = dict(b)
    for name, value in a.items():
        result[name] = merge(value, b[name]) if name in b else value
    return result


def upsert(source: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy of a document with one place replaced; objects on the way are made as needed."""
    copied = dict(source) if type(source) is dict else {}
    first, *rest = path
    copied[first] = upsert(copied.get(first), tuple(rest), value) if rest else value
    return copied
