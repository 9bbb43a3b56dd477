"""Regular expressions and globs (OPA's families *regex* and *glob*), both by RE2: linear in the text, whatever the pattern."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from maestro.rego.builtins.registry import (
    Context,
    Family,
    array,
    integer,
    operand_error,
    operand_fault,
    string,
)
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.globs import glob_pattern, quote_meta
from maestro.rego.golang.intersection import globs_intersect
from maestro.rego.values import type_name

__all__ = ["compiled", "family"]

family = Family()

_KEPT = 512  # compiled patterns; each is at most _MEMORY
_MEMORY = 8 << 20
_RE2 = ("re2",)
_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")  # RE2 has it and Go's engine has not


@functools.lru_cache(_KEPT)
def compiled(pattern: str) -> Any:
    """The RE2 pattern of a text; BuiltinError if it is none."""
    if _ANY_BYTE.search(pattern):
        raise BuiltinError(f"error parsing regexp: invalid escape sequence: `\\C`: `{pattern}`")
    import re2  # type: ignore[import-untyped] # google-re2 ships no types

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern.encode("utf-8"), options)
    except (re2.error, UnicodeEncodeError) as error:
        text = error.args[0] if error.args and isinstance(error, re2.error) else "invalid UTF-8"
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise BuiltinError(f"error parsing regexp: {shown}: `{pattern}`") from error


def _bytes(text: str) -> bytes:
    """As RE2 is given it; bytes that are no UTF-8 are U+FFFD, as they are to Go."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode("utf-8")


def _matches(context: Context, pattern: Any, text: bytes, most: int) -> Iterator[Any]:
    """Matches as Go finds them: an empty one right after another does not count."""
    at, last, found = 0, -1, 0
    while at <= len(text) and (most < 0 or found < most):
        match = pattern.search(text, at)
        if match is None:
            return
        context.spend(1)
        start, end = match.span()
        accepted = True
        if end == at:
            accepted = start != last
            # Past one character, however many bytes it has.
            at += 1
            while at < len(text) and text[at] & 0xC0 == 0x80:
                at += 1
        else:
            at = end
        last = end
        if accepted:
            found += 1
            yield match


@family.builtin("regex.is_valid", modules=_RE2)
def is_valid(pattern: Any) -> bool:
    """Whether a string is a regular expression."""
    if type(pattern) is not str:
        return False
    try:
        compiled(pattern)
    except BuiltinError:
        return False
    return True


@family.builtin("regex.match", "re_match", modules=_RE2)
def match(pattern: Any, text: Any) -> bool:
    """Whether a pattern fits anywhere in a text."""
    form, found = string(pattern, 1), string(text, 2)
    return compiled(form).search(_bytes(found)) is not None


@family.builtin("regex.find_n", context=True, modules=_RE2)
def find_n(context: Context, pattern: Any, text: Any, count: Any) -> list[str]:
    """The first ``count`` matches, all if it is negative."""
    form, found, most = string(pattern, 1), _bytes(string(text, 2)), integer(count, 3)
    return [one[0].decode() for one in _matches(context, compiled(form), found, most)]


@family.builtin("regex.find_all_string_submatch_n", context=True, modules=_RE2)
def find_all_string_submatch_n(context: Context, pattern: Any, text: Any, count: Any) -> list[list[str]]:
    """The first ``count`` matches, each with its groups."""
    form, found, most = string(pattern, 1), _bytes(string(text, 2)), integer(count, 3)
    return [
        [(part or b"").decode() for part in (one[0], *one.groups())]
        for one in _matches(context, compiled(form), found, most)
    ]


@family.builtin("regex.split", context=True, modules=_RE2)
def split(context: Context, form: Any, text: Any) -> list[str]:
    """The parts between matches."""
    form, found = string(form, 1), _bytes(string(text, 2))
    pattern = compiled(form)
    if form and not found:
        return [""]
    parts: list[str] = []
    begin = end = 0
    for one in _matches(context, pattern, found, -1):
        end = one.start()
        if one.end() != 0:
            parts.append(found[begin:end].decode())
        begin = one.end()
    if end != len(found):
        parts.append(found[begin:].decode())
    return parts


@family.builtin("regex.replace", context=True, modules=_RE2)
def replace(context: Context, text: Any, pattern: Any, value: Any) -> str:
    """Every match replaced by ``value``, in which ``$1`` and ``${name}`` are groups."""
    found, form, template = string(text, 1), string(pattern, 2), string(value, 3)
    expression, content = compiled(form), _bytes(found)
    parts: list[bytes] = []
    size = last = 0
    pieces = _template(template, dict(expression.groupindex))
    for one in _matches(context, expression, content, -1):
        parts.append(content[last : one.start()])
        for piece in pieces:
            if isinstance(piece, int):
                parts.append((one[piece] or b"") if piece <= expression.groups else b"")
            else:
                parts.append(piece)
            size += len(parts[-1])
        last = one.end()
        context.allow_text(size)
    parts.append(content[last:])
    return b"".join(parts).decode() if last or size else found


_GROUP = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))?")


def _template(template: str, names: dict[Any, int]) -> list[bytes | int]:
    """Texts and group numbers; a ``$`` that names nothing is a text."""
    pieces: list[bytes | int] = []
    last = 0
    by_name = {name.decode() if isinstance(name, bytes) else name: index for name, index in names.items()}
    for found in _GROUP.finditer(template):
        pieces.append(_bytes(template[last : found.start()]))
        last = found.end()
        name = found[2] or found[3]
        if name is None:
            pieces.append(b"$")
        elif name.isdecimal() and name.isascii() and (name[0] != "0" or name == "0") and len(name) < 9:
            pieces.append(int(name))
        elif name in by_name:
            pieces.append(by_name[name])
    pieces.append(_bytes(template[last:]))
    return pieces


@family.builtin("regex.template_match", modules=_RE2)
def template_match(template: Any, text: Any, start: Any, end: Any) -> bool:
    """Whether a text fits a template whose patterns stand between delimiters."""
    form, found = string(template, 1), string(text, 2)
    marks = []
    for position, mark, what in ((3, start, "start"), (4, end, "end")):
        marks.append(string(mark, position))
        if len(marks[-1].encode("utf-8", "surrogateescape")) != 1:
            raise BuiltinError(
                f"{what} delimiter has to be exactly one character long but is {len(marks[0])} long"
            )
    return compiled(_from_template(form, *marks)).search(_bytes(found)) is not None


def _from_template(template: str, start: str, end: str) -> str:
    level = begin = last = 0
    parts = ["^"]
    for i, character in enumerate(template):
        if character == start:
            level += 1
            if level == 1:
                begin = i
        elif character == end:
            level -= 1
            if level == 0:
                inner = template[begin + 1 : i]
                compiled(f"^{inner}$")
                parts += (_quoted(template[last:begin]), f"({inner})")
                last = i + 1
            elif level < 0:
                break
    if level != 0:
        raise BuiltinError(f'unbalanced braces in "{template}"')
    return "".join([*parts, _quoted(template[last:]), "$"])


def _quoted(text: str) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", lambda found: "\\" + found[0], text)


@family.builtin("regex.globs_match", context=True)
def globs_match(context: Context, a: Any, b: Any) -> bool:
    """Whether two globs of ``.``, ``*``, ``+`` and sets fit a common text that is not empty."""
    first, second = string(a, 1), string(b, 2)
    try:
        return globs_intersect(first, second, context.spend)
    except ValueError as error:
        raise BuiltinError(str(error)) from error


def _delimiters(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not list:
        raise operand_error(2, value, "array", "null")
    for item in array(value, 2):
        if type(item) is not str or len(item) != 1:
            wanted = "strings" if type(item) is not str else "runes"
            raise operand_fault(2, f"must be array of {wanted} but got array containing {type_name(item)}")
    return "".join(value) or "."


@functools.lru_cache(_KEPT)
def _glob(pattern: str, delimiters: str) -> str:
    try:
        return glob_pattern(pattern, delimiters)
    except ValueError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("glob.match", modules=_RE2)
def glob_match(pattern: Any, delimiters: Any, text: Any) -> bool:
    """Whether a text fits a glob, in which ``*`` stops at delimiters and ``**`` does not."""
    form, marks = string(pattern, 1), _delimiters(delimiters)
    found = string(text, 3)
    return compiled(_glob(form, marks)).search(_bytes(found)) is not None


@family.builtin("glob.quote_meta")
def glob_quote_meta(pattern: Any) -> str:
    """A text as a glob that fits it alone."""
    return quote_meta(string(pattern, 1))
