"""URLs as Go's package ``net/url`` takes them apart, and query strings."""

from __future__ import annotations

import ipaddress
import re

import attrs

__all__ = ["Url", "parse_query", "parse_url", "query_escape", "query_unescape"]

_HEX = "0123456789abcdefABCDEF"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_HOST = _UNRESERVED | frozenset("!$&'()*+,;=:[]<>\"")
_IN_PATH = _UNRESERVED | frozenset("!$&'()*+,;=:@[]%/")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@attrs.frozen
class Url:
    """The parts that a policy sees; absent ones are empty.

    Attributes:
        scheme: in lower case.
        hostname: without port and brackets.
        port: digits.
        path: unescaped.
        raw_path: as written, if escaping ``path`` anew would not give it.
        raw_query: after the first ``?``.
        fragment: unescaped.
        host: as written, with its port, unescaped.
    """

    scheme: str = ""
    hostname: str = ""
    port: str = ""
    path: str = ""
    raw_path: str = ""
    raw_query: str = ""
    fragment: str = ""
    host: str = ""

    @property
    def escaped_path(self) -> str:
        """The path as it is sent."""
        if self.raw_path and set(self.raw_path) <= _IN_PATH:
            return self.raw_path
        return "*" if self.path == "*" else _escaped_path(self.path)


def parse_url(text: str) -> Url:
    """Take a URL or a relative reference apart.

    Raises:
        ValueError: with Go's words.
    """
    body, mark, fragment = text.partition("#")
    if any(ord(c) < 0x20 or c == "\x7f" for c in body):
        raise ValueError(f'parse "{text}": net/url: invalid control character in URL')
    try:
        return _parsed(body, unescape(fragment, "fragment") if mark else "")
    except ValueError as error:
        raise ValueError(f'parse "{text}": {error}') from error


def _parsed(text: str, fragment: str) -> Url:
    if text == "*":
        return Url(path="*", fragment=fragment)
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    found = Url(scheme=scheme, raw_query=query, fragment=fragment)
    if not rest.startswith("/"):
        if scheme:
            return found  # opaque: no host and no path
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        hostname, port = _authority(authority)
        found = attrs.evolve(found, hostname=hostname, port=port, host=_joined(authority, hostname))
        rest = slash + path
    path = unescape(rest, "path")
    raw = "" if _escaped_path(path) == rest else rest
    return attrs.evolve(found, path=path, raw_path=raw)


def _scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    if found:
        return found[1].lower(), text[found.end() :]
    if text.startswith(":"):
        raise ValueError("missing protocol scheme")
    return "", text


def _authority(text: str) -> tuple[str, str]:
    user, at, host = text.rpartition("@")
    if at:
        if not _USER.fullmatch(user):
            raise ValueError("net/url: invalid userinfo")
        for part in user.split(":", 1):
            unescape(part, "user")
    return _host(host)


def _host(host: str) -> tuple[str, str]:
    if host.startswith("["):
        close = host.rfind("]")
        if close < 0:
            raise ValueError("missing ']' in host")
        port = _port(host[close + 1 :])
        inner = host[1:close]
        address, percent, zone = inner.partition("%25")
        shown = unescape(address, "host") + ("%" + unescape(zone, "zone") if percent else "")
        _check_address(shown)
        return shown, port
    if "[" in host:
        raise ValueError("invalid IP-literal")
    name, colon, port = host.rpartition(":")
    if not colon:
        return unescape(host, "host"), ""
    return unescape(name, "host"), _port(colon + port)


def _joined(authority: str, hostname: str) -> str:
    """Host and port as one, as written but for escapes in the name."""
    written = authority.rpartition("@")[2]
    name, colon, port = written.rpartition(":")
    if not colon or "]" in port:
        name, colon, port = written, "", ""
    return f"[{hostname}]{colon}{port}" if name.startswith("[") else f"{hostname}{colon}{port}"


def _check_address(shown: str) -> None:
    try:
        ipaddress.IPv6Address(shown)
    except ValueError as error:
        raise ValueError("invalid host") from error


def _port(text: str) -> str:
    if text and not re.fullmatch(":[0-9]*", text):
        raise ValueError(f'invalid port "{text}" after host')
    return text[1:]


def unescape(text: str, mode: str) -> str:
    """Percent escapes undone, by the rules of one part: path, query, fragment, host, zone or user."""
    out = bytearray()
    at = 0
    while at < len(text):
        character = text[at]
        if character == "%":
            digits = text[at + 1 : at + 3]
            if len(digits) < 2 or not set(digits) <= set(_HEX):
                raise ValueError(f'invalid URL escape "{text[at : at + 3]}"')
            byte = int(digits, 16)
            # A host may be escaped only where RFC 6874 and names beyond ASCII need it.
            if mode == "host" and byte < 0x80 and digits != "25":
                raise ValueError(f'invalid URL escape "{text[at : at + 3]}"')
            out.append(byte)
            at += 3
            continue
        if character == "+" and mode == "query":
            character = " "
        elif mode in {"host", "zone"} and ord(character) < 0x80 and character not in _HOST:
            raise ValueError(f'invalid character "{character}" in host name')
        out += character.encode("utf-8", "surrogateescape")
        at += 1
    return out.decode("utf-8", "surrogateescape")


def _escaped(text: str, kept: str) -> str:
    shown = []
    for byte in text.encode("utf-8", "surrogateescape"):
        character = chr(byte)
        shown.append(character if character in _UNRESERVED or character in kept else f"%{byte:02X}")
    return "".join(shown)


def _escaped_path(path: str) -> str:
    return _escaped(path, "$&+,/:;=@")


def query_escape(text: str) -> str:
    """``text`` as it stands in a query, spaces as ``+``."""
    return _escaped(text, " ").replace(" ", "+")


def query_unescape(text: str) -> str:
    """The reverse of `query_escape`.

    Raises:
        ValueError: a percent sign without two digits.
    """
    return unescape(text, "query")


def parse_query(text: str) -> dict[str, list[str]]:
    """All values of every name, in their order.

    Raises:
        ValueError: a semicolon, or a malformed escape.
    """
    found: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if ";" in pair:
            raise ValueError("invalid semicolon separator in query")
        if pair:
            name, _, value = pair.partition("=")
            found.setdefault(query_unescape(name), []).append(query_unescape(value))
    return found
