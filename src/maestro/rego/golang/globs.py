"""Globs of ``github.com/gobwas/glob``, which OPA uses, as regular expressions for RE2."""

from __future__ import annotations

import re

__all__ = ["glob_pattern", "quote_meta"]

_SPECIAL = re.compile(r"[*?\\\[\]{}]")


def quote_meta(text: str) -> str:
    """The glob that fits ``text`` alone."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def glob_pattern(glob: str, separators: str) -> str:
    """The regular expression of a glob: ``?`` and ``*`` stop at separators, ``**`` does not.

    Raises:
        ValueError: a syntax error, with gobwas' words.
    """
    return _Reader(glob, separators).read()


class _Reader:
    def __init__(self, glob: str, separators: str) -> None:
        self.glob = glob
        self.at = 0
        self.one = f"[^{_class(separators)}]" if separators else r"(?s:.)"

    def fail(self, reason: str) -> ValueError:
        return ValueError(f"glob: syntax error at {self.at}: {reason}")

    def read(self) -> str:
        if any("\ud800" <= c <= "\udfff" for c in self.glob):
            raise self.fail("invalid UTF-8 sequence")
        parts = ["^"]
        depth = 0
        while self.at < len(self.glob):
            character = self.glob[self.at]
            self.at += 1
            if character == "*":
                super_ = self.glob.startswith("*", self.at)
                self.at += super_
                parts.append(r"(?s:.*)" if super_ else f"{self.one}*")
            elif character == "?":
                parts.append(self.one)
            elif character == "[":
                parts.append(self.range())
            elif character == "{":
                depth += 1
                parts.append("(?:")
            elif character == "," and depth:
                parts.append("|")
            elif character == "}" and depth:
                depth -= 1
                parts.append(")")
            else:
                parts.append(_literal(self.escaped(character)))
        if depth:
            raise self.fail("unclosed `{`")
        return "".join([*parts, "$"]).replace("^", r"\A", 1)[:-1] + r"\z"

    def escaped(self, character: str) -> str:
        if character != "\\":
            return character
        if self.at >= len(self.glob):
            raise self.fail("trailing backslash")
        self.at += 1
        return self.glob[self.at - 1]

    def next(self) -> str:
        if self.at >= len(self.glob):
            raise self.fail("unexpected end of input")
        self.at += 1
        return self.glob[self.at - 1]

    def range(self) -> str:
        """After ``[``: two ends, or a set of characters; either may be negated."""
        character = self.next()
        negated = "^" if character == "!" else ""
        if negated:
            character = self.next()
        if self.glob.startswith("-", self.at):
            self.at += 1
            high = self.next()
            if high < character:
                raise self.fail("range hi character is less than lo")
            inner = f"{_class(character)}-{_class(high)}"
        else:
            members = []
            while character != "]":
                members.append(self.escaped(character))
                character = self.next()
            if not members:
                raise self.fail("could not parse range")
            return f"[{negated}{_class(''.join(members))}]"
        if self.next() != "]":
            raise self.fail("expected close range character")
        return f"[{negated}{inner}]"


def _literal(character: str) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", lambda found: "\\" + found[0], character)


def _class(characters: str) -> str:
    return re.sub(r"[\\\]\[^-]", lambda found: "\\" + found[0], characters)
