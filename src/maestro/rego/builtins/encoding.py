"""Text as other text (OPA's family *encoding*): base64, hex, JSON, YAML, query strings.

Bytes that are no UTF-8 are lone surrogates in a string (``surrogateescape``), so that decoding loses nothing.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from maestro.rego.builtins.registry import Context, Family, object_, operand_error, operand_fault, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.urls import parse_query, query_escape, query_unescape
from maestro.rego.json_text import jsonable, read_json, write_json
from maestro.rego.rendering import render
from maestro.rego.values import type_name, unkey

__all__ = ["as_bytes", "as_text", "family"]

family = Family()

_STANDARD = re.compile("[A-Za-z0-9+/]*={0,2}")
_URL = re.compile("[A-Za-z0-9_-]*={0,2}")


def as_bytes(text: str) -> bytes:
    """What a string stands for; the reverse of `as_text`."""
    return text.encode("utf-8", "surrogateescape")


def as_text(content: bytes) -> str:
    """Bytes as a string."""
    return content.decode("utf-8", "surrogateescape")


# ---- base64 and hex --------------------------------------------------------------------------------------


@family.builtin("base64.encode")
def base64_encode(value: Any) -> str:
    """In base64 (RFC 4648 section 4)."""
    return base64.b64encode(as_bytes(string(value, 1))).decode()


def _decoded(text: str, alphabet: re.Pattern[str]) -> str:
    found = text.replace("\r", "").replace("\n", "")
    if alphabet.fullmatch(found) and len(found) % 4 == 0:
        return as_text(base64.b64decode(found, altchars=b"-_" if alphabet is _URL else None))
    good = alphabet.match(text)
    raise BuiltinError(
        f"illegal base64 data at input byte {len(as_bytes(text[: good.end() if good else 0]))}"
    )


@family.builtin("base64.decode")
def base64_decode(value: Any) -> str:
    """From base64."""
    return _decoded(string(value, 1), _STANDARD)


@family.builtin("base64.is_valid")
def base64_is_valid(value: Any) -> bool:
    """Whether a string is base64."""
    try:
        _decoded(string(value, 1), _STANDARD)
    except BuiltinError:
        return False
    return True


@family.builtin("base64url.encode")
def base64url_encode(value: Any) -> str:
    """In base64 for URLs (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(as_bytes(string(value, 1))).decode()


@family.builtin("base64url.encode_no_pad")
def base64url_encode_no_pad(value: Any) -> str:
    """In base64 for URLs, without padding."""
    return base64url_encode(value).rstrip("=")


@family.builtin("base64url.decode")
def base64url_decode(value: Any) -> str:
    """From base64 for URLs, padded or not."""
    text = string(value, 1)
    if not text.endswith("="):
        size = len(as_bytes(text)) % 4
        if size == 1:
            raise BuiltinError(f"illegal base64url string: {text}")
        text += "=" * (-size % 4)
    return _decoded(text, _URL)


@family.builtin("hex.encode")
def hex_encode(value: Any) -> str:
    """In hexadecimal."""
    return as_bytes(string(value, 1)).hex()


@family.builtin("hex.decode")
def hex_decode(value: Any) -> str:
    """From hexadecimal."""
    text = string(value, 1)
    odd = re.search("[^0-9a-fA-F]", text)
    if odd:
        raise BuiltinError(f"encoding/hex: invalid byte: U+{ord(odd[0]):04X} {odd[0]!r}")
    if len(text) % 2:
        raise BuiltinError("encoding/hex: odd length hex string")
    return as_text(bytes.fromhex(text))


# ---- JSON ------------------------------------------------------------------------------------------------


@family.builtin("json.marshal", context=True)
def json_marshal(context: Context, value: Any) -> str:
    """As JSON text."""
    done = write_json(value)
    context.allow_text(len(done))
    return done


@family.builtin("json.marshal_with_options", context=True)
def json_marshal_with_options(context: Context, value: Any, options: Any) -> str:
    """As JSON text, perhaps over many lines."""
    indent, prefix, pretty, asked = "\t", "", False, None
    for name, item in object_(options, 2).items():
        if name == "prefix" and type(item) is str:
            prefix, pretty = item, True
        elif name == "indent" and type(item) is str:
            indent, pretty = item, True
        elif name == "pretty" and type(item) is bool:
            asked = item
        elif name in {"prefix", "indent"}:
            raise operand_fault(2, f"key {name} failed cast to string: got {type_name(item)}")
        elif name == "pretty":
            raise operand_fault(2, "key pretty failed cast to bool")
        else:
            raise operand_fault(2, f"object contained unknown key {render(unkey(name))}")
    if not (pretty if asked is None else asked):
        return json_marshal(context, value)
    plain = json_marshal(context, value)
    context.allow_text(len(plain) * (2 + len(prefix) + len(indent)))
    return prefix + write_json(value, indent, prefix)


@family.builtin("json.unmarshal")
def json_unmarshal(value: Any) -> Any:
    """The value of a JSON text."""
    text = string(value, 1)
    try:
        return read_json(text)
    except ValueError as error:
        raise BuiltinError(f"invalid JSON: {error}") from error


@family.builtin("json.is_valid")
def json_is_valid(value: Any) -> bool:
    """Whether a string is a JSON text."""
    if type(value) is not str:
        return False
    try:
        # Numbers that are too large to keep are valid all the same.
        json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refused).decode(value)
    except (ValueError, RecursionError):
        return False
    return True


def _refused(name: str) -> Any:
    raise ValueError(name)


# ---- YAML ------------------------------------------------------------------------------------------------


@family.builtin("yaml.marshal", context=True, modules=("yaml",))
def yaml_marshal(context: Context, value: Any) -> str:
    """As YAML text."""
    from maestro.rego.golang.yaml_text import write_yaml

    plain = jsonable(value)
    done = write_yaml(plain)
    context.allow_text(len(done))
    return done


@family.builtin("yaml.unmarshal", modules=("yaml",))
def yaml_unmarshal(value: Any) -> Any:
    """The value of a YAML text."""
    from maestro.rego.golang.yaml_text import read_yaml

    try:
        return read_json(read_yaml(string(value, 1)))
    except ValueError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("yaml.is_valid", modules=("yaml",))
def yaml_is_valid(value: Any) -> bool:
    """Whether a string is a YAML text."""
    from maestro.rego.golang.yaml_text import read_yaml

    if type(value) is not str:
        return False
    try:
        read_yaml(value)
    except ValueError:
        return False
    return True


# ---- query strings ---------------------------------------------------------------------------------------


@family.builtin("urlquery.encode")
def urlquery_encode(value: Any) -> str:
    """As it stands in a query string."""
    return query_escape(string(value, 1))


@family.builtin("urlquery.decode")
def urlquery_decode(value: Any) -> str:
    """From a query string."""
    try:
        return query_unescape(string(value, 1))
    except ValueError as error:
        raise BuiltinError(str(error)) from error


@family.builtin("urlquery.encode_object")
def urlquery_encode_object(value: Any) -> str:
    """An object of strings, or arrays or sets of them, as a query string."""
    if type(value) is not dict:
        raise operand_error(1, value, "object")
    plain = jsonable(value)
    pairs: list[str] = []
    for name in sorted(plain):
        values = plain[name] if type(plain[name]) is list else [plain[name]]
        for item in values:
            if type(item) is not str:
                raise operand_fault(1, "values must be string, array[string], or set[string]")
            pairs.append(f"{query_escape(name)}={query_escape(item)}")
    return "&".join(pairs)


@family.builtin("urlquery.decode_object")
def urlquery_decode_object(value: Any) -> dict[str, list[str]]:
    """A query string as an object of arrays."""
    try:
        return parse_query(string(value, 1))
    except ValueError as error:
        raise BuiltinError(str(error)) from error
