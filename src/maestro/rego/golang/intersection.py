"""Whether two globs fit a common text (``github.com/yashtewari/glob-intersection``, which OPA uses).

These globs are regular expressions of single characters, ``.`` and sets ``[a-z]``, each perhaps with ``*`` or ``+``.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

__all__ = ["globs_intersect"]


def _invalid(glob: str, at: int, why: str) -> ValueError:
    return ValueError(f"input:{glob}, pos:{at}, {why}: the input provided is invalid")


@attrs.frozen
class _Token:
    """Characters that fit, None for any; how often: once, ``*`` or ``+``."""

    fits: frozenset[str] | None
    flag: str = ""

    def meets(self, other: _Token) -> bool:
        return self.fits is None or other.fits is None or bool(self.fits & other.fits)


def globs_intersect(first: str, second: str, spend: Callable[[int], None]) -> bool:
    """Whether a text that is not empty fits both.

    Args:
        first: a glob.
        second: another.
        spend: called with the steps of the search, which are at most the product of both lengths.

    Raises:
        ValueError: one of them is malformed.
    """
    a, b = _States(_tokens(first)), _States(_tokens(second))
    if not a.tokens and not b.tokens:
        return True
    seen: set[tuple[int, int, bool]] = set()
    pending = [(i, j, False) for i in a.closure(0) for j in b.closure(0)]
    while pending:
        state = pending.pop()
        if state in seen:
            continue
        seen.add(state)
        spend(1)
        i, j, moved = state
        if moved and i == len(a.tokens) and j == len(b.tokens):
            return True
        if i < len(a.tokens) and j < len(b.tokens) and a.tokens[i].meets(b.tokens[j]):
            pending += [(x, y, True) for x in a.after(i) for y in b.after(j)]
    return False


class _States:
    """A place before each token, and one behind the last."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens: list[_Token] = []
        for token in tokens:
            # x+ is xx*
            if token.flag == "+":
                self.tokens += [_Token(token.fits), _Token(token.fits, "*")]
            else:
                self.tokens.append(token)

    def closure(self, at: int) -> list[int]:
        found = [at]
        while at < len(self.tokens) and self.tokens[at].flag == "*":
            at += 1
            found.append(at)
        return found

    def after(self, at: int) -> list[int]:
        return self.closure(at if self.tokens[at].flag == "*" else at + 1)


def _tokens(glob: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character in "*+":
            raise _invalid(glob, at, f"flag '{character}' must be preceded by a non-flag")
        if character == ".":
            fits: frozenset[str] | None = None
        elif character == "[":
            fits, at = _set(glob, at)
        elif character == "]":
            raise _invalid(glob, at, "set-close ']' with no preceding '['")
        else:
            if character == "\\":
                character, at = _escaped(glob, at)
            fits = frozenset(character)
        flag = glob[at : at + 1] if glob[at : at + 1] in {"*", "+"} and at < len(glob) else ""
        at += len(flag)
        found.append(_Token(fits, flag))
    return found


def _escaped(glob: str, at: int) -> tuple[str, int]:
    if at >= len(glob):
        raise _invalid(glob, at - 1, "input ends with a \\ (escape) character")
    return glob[at], at + 1


def _set(glob: str, at: int) -> tuple[frozenset[str], int]:
    """After ``[``: characters and ranges up to ``]``."""
    members: set[str] = set()
    last = ""
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "]":
            return frozenset(members), at
        if character == "-":
            if not last or at >= len(glob) or glob[at] == "]":
                raise _invalid(glob, at, "range character '-' needs a character on both sides")
            high = glob[at]
            at += 1
            if high == "\\":
                high, at = _escaped(glob, at)
            if high < last:
                raise _invalid(glob, at, f"range is out of order: '{high}' comes before '{last}' in Unicode")
            members.update(map(chr, range(ord(last), ord(high) + 1)))
            last = ""
            continue
        if character == "\\":
            character, at = _escaped(glob, at)
        members.add(character)
        last = character
    raise _invalid(glob, at, "found [ without matching ]")
