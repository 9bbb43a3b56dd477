"""Strings (OPA's family *strings*), but for ``sprintf`` and templates, which stand in ``formatting``."""

from __future__ import annotations

import re
from typing import Any

from maestro.rego import bigfloat
from maestro.rego.builtins.registry import (
    Context,
    Family,
    integer,
    number,
    object_,
    operand_error,
    operand_fault,
    string,
)
from maestro.rego.errors import BuiltinError
from maestro.rego.numbers import number_text
from maestro.rego.rendering import sorted_keys
from maestro.rego.values import ordered, type_name, unkey

__all__ = ["family", "strings"]

family = Family()

_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def strings(value: Any, position: int) -> list[str]:
    """The operand, which must be an array or set of strings; a set's come in order."""
    if type(value) not in {list, set}:
        raise operand_error(position, value, "array", "set")
    found = value if type(value) is list else ordered(unkey(item) for item in value)
    for item in found:
        if type(item) is not str:
            kind = type_name(value)
            raise operand_fault(
                position, f"must be {kind} of strings but got {kind} containing {type_name(item)}"
            )
    return found


@family.builtin("format_int")
def format_int(value: Any, base: Any) -> str:
    """A number without its fraction, in base 2, 8, 10 or 16."""
    exact = number(value, 1)
    form = {2: "b", 8: "o", 10: "d", 16: "x"}.get(base) if type(number(base, 2)) is int else None
    if form is None:
        raise operand_fault(2, "must be one of {2, 8, 10, 16}")
    whole = exact if type(exact) is int else bigfloat.parse(number_text(exact)).truncated()
    return format(whole, form)


@family.builtin("concat", context=True)
def concat(context: Context, separator: Any, parts: Any) -> str:
    """The parts with the separator between them."""
    between = string(separator, 1)
    if type(parts) not in {list, set}:
        raise operand_error(2, parts, "set", "array")
    found = strings(parts, 2)
    context.allow_text(sum(map(len, found)) + len(between) * max(len(found) - 1, 0))
    return between.join(found)


def _search(base: Any, search: Any) -> tuple[str, str]:
    text, part = string(base, 1), string(search, 2)
    if not part:
        raise BuiltinError("empty search character")
    return text, part


@family.builtin("indexof")
def indexof(base: Any, search: Any) -> int:
    """Where the second string first stands in the first, -1 if nowhere."""
    text, part = _search(base, search)
    return text.find(part)


@family.builtin("indexof_n", context=True)
def indexof_n(context: Context, base: Any, search: Any) -> list[int]:
    """Every place where the second string stands in the first; they may overlap."""
    text, part = _search(base, search)
    found: list[int] = []
    at = text.find(part)
    while at >= 0:
        found.append(at)
        at = text.find(part, at + 1)
    context.spend(len(found))
    return found


@family.builtin("substring")
def substring(base: Any, offset: Any, length: Any) -> str:
    """``length`` characters from ``offset``; all the rest if it is negative."""
    text, start, size = string(base, 1), integer(offset, 2), integer(length, 3)
    if start < 0:
        raise BuiltinError("negative offset")
    return text[start:] if size < 0 else text[start : start + size]


@family.builtin("contains")
def contains(text: Any, part: Any) -> bool:
    """Whether the first string holds the second."""
    found = string(text, 1)
    return string(part, 2) in found


@family.builtin("strings.count")
def count(text: Any, part: Any) -> int:
    """How often the second string stands in the first, without overlap."""
    return string(text, 1).count(string(part, 2))


@family.builtin("startswith")
def startswith(text: Any, part: Any) -> bool:
    """Whether the first string starts with the second."""
    return string(text, 1).startswith(string(part, 2))


@family.builtin("endswith")
def endswith(text: Any, part: Any) -> bool:
    """Whether the first string ends with the second."""
    return string(text, 1).endswith(string(part, 2))


def _affixes(value: Any, position: int) -> list[str]:
    if type(value) is str:
        return [value]
    if type(value) not in {list, set}:
        raise operand_error(position, value, "string", "set", "array")
    return strings(value, position)


@family.builtin("strings.any_prefix_match", context=True)
def any_prefix_match(context: Context, texts: Any, prefixes: Any) -> bool:
    """Whether any of the texts starts with any of the prefixes."""
    found, wanted = _affixes(texts, 1), tuple(_affixes(prefixes, 2))
    context.spend(len(found) * len(wanted) // 16)
    return any(text.startswith(wanted) for text in found)


@family.builtin("strings.any_suffix_match", context=True)
def any_suffix_match(context: Context, texts: Any, suffixes: Any) -> bool:
    """Whether any of the texts ends with any of the suffixes."""
    found, wanted = _affixes(texts, 1), tuple(_affixes(suffixes, 2))
    context.spend(len(found) * len(wanted) // 16)
    return any(text.endswith(wanted) for text in found)


def _lower(character: str) -> str:
    # Go maps one character to one; Python's full mapping makes two of some.
    low = character.lower()
    return low if len(low) == 1 else low[0]


def _upper(character: str) -> str:
    for high in (character.upper(), character.title()):
        if len(high) == 1:
            return high
    return character


@family.builtin("lower")
def lower(text: Any) -> str:
    """In lower case."""
    found = string(text, 1)
    return found.lower() if found.isascii() else "".join(map(_lower, found))


@family.builtin("upper")
def upper(text: Any) -> str:
    """In upper case."""
    found = string(text, 1)
    return found.upper() if found.isascii() else "".join(map(_upper, found))


@family.builtin("split", context=True)
def split(context: Context, text: Any, delimiter: Any) -> list[str]:
    """The parts between delimiters; an empty one parts every character."""
    found, mark = string(text, 1), string(delimiter, 2)
    parts = found.split(mark) if mark else list(found)
    context.spend(len(parts) // 16)
    return parts


@family.builtin("strings.split_n")
def split_n(text: Any, delimiter: Any, count: Any) -> list[str]:
    """The first ``count`` parts, or the last if it is negative."""
    found, mark, size = string(text, 1), string(delimiter, 2), integer(count, 3)
    parts = found.split(mark) if mark else list(found)
    return parts[:size] if size >= 0 else parts[max(len(parts) + size, 0) :]


@family.builtin("replace", context=True)
def replace(context: Context, text: Any, old: Any, new: Any) -> str:
    """Every ``old`` replaced by ``new``."""
    found, before, after = string(text, 1), string(old, 2), string(new, 3)
    return _replaced(context, found, [(before, after)])


@family.builtin("strings.replace_n", context=True)
def replace_n(context: Context, patterns: Any, text: Any) -> str:
    """Every key of ``patterns`` replaced by its value, in one pass; of two that fit the lesser key wins."""
    table, found = object_(patterns, 1), string(text, 2)
    pairs: list[tuple[str, str]] = []
    for name in sorted_keys(table):
        if type(name) is not str:
            raise operand_fault(1, "non-string key found in pattern object")
        if type(table[name]) is not str:
            raise operand_fault(1, "non-string value found in pattern object")
        pairs.append((name, table[name]))
    return _replaced(context, found, pairs)


def _replaced(context: Context, text: str, pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return text
    context.spend(len(text) * len(pairs) // 256)
    if any(not old for old, _ in pairs):
        return _replaced_with_empty(context, text, pairs)
    table: dict[str, str] = {}
    for old, new in pairs:
        table.setdefault(old, new)
    size = 0
    parts: list[str] = []
    last = 0
    # Literals only, in order: the first that fits wins, so this cannot backtrack.
    for found in re.finditer("|".join(map(re.escape, table)), text):
        parts += (text[last : found.start()], table[found[0]])
        last = found.end()
        size += len(table[found[0]])
        context.allow_text(size)
    parts.append(text[last:])
    return "".join(parts)


def _replaced_with_empty(context: Context, text: str, pairs: list[tuple[str, str]]) -> str:
    """As Go's ``strings.Replacer``: an empty pattern fits between any two bytes, but not twice in a row."""
    table = [
        (old.encode("utf-8", "surrogateescape"), new.encode("utf-8", "surrogateescape")) for old, new in pairs
    ]
    content = text.encode("utf-8", "surrogateescape")
    out = bytearray()
    at = last = 0
    after_empty = False
    while at <= len(content):
        fits = ((old, new) for old, new in table if content.startswith(old, at) and (old or not after_empty))
        found = next(fits, None)
        after_empty = found is not None and not found[0]
        if found is None:
            at += 1
            continue
        out += content[last:at] + found[1]
        context.allow_text(len(out))
        at += len(found[0])
        last = at
    return (out + content[last:]).decode("utf-8", "surrogateescape")


@family.builtin("trim")
def trim(text: Any, characters: Any) -> str:
    """Without these characters at both ends."""
    found, mark = string(text, 1), string(characters, 2)
    return found.strip(mark) if mark else found


@family.builtin("trim_left")
def trim_left(text: Any, characters: Any) -> str:
    """Without these characters at the start."""
    found, mark = string(text, 1), string(characters, 2)
    return found.lstrip(mark) if mark else found


@family.builtin("trim_right")
def trim_right(text: Any, characters: Any) -> str:
    """Without these characters at the end."""
    found, mark = string(text, 1), string(characters, 2)
    return found.rstrip(mark) if mark else found


@family.builtin("trim_prefix")
def trim_prefix(text: Any, prefix: Any) -> str:
    """Without the prefix, if it is there."""
    return string(text, 1).removeprefix(string(prefix, 2))


@family.builtin("trim_suffix")
def trim_suffix(text: Any, suffix: Any) -> str:
    """Without the suffix, if it is there."""
    return string(text, 1).removesuffix(string(suffix, 2))


@family.builtin("trim_space")
def trim_space(text: Any) -> str:
    """Without white space at both ends, which to Go are fewer characters than to Python."""
    return string(text, 1).strip(_SPACE)


@family.builtin("strings.reverse")
def reverse(text: Any) -> str:
    """The characters backwards."""
    return string(text, 1)[::-1]
