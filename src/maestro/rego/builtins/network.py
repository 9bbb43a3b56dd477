"""Addresses, networks and URLs (OPA's families *net* and *uri*, without ``net.lookup_ip_addr``, which asks a server)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from maestro.rego.builtins.registry import Context, Family, string
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.urls import parse_url
from maestro.rego.values import key, ordered, unkey

__all__ = ["family"]

family = Family()


class _Network(NamedTuple):
    """``bits`` is 32 or 128; an IPv4 address mapped into IPv6 is one of 32, as to Go."""

    bits: int
    first: int
    prefix: int

    @property
    def last(self) -> int:
        return self.first | ((1 << self.bits - self.prefix) - 1)

    def __str__(self) -> str:
        return f"{_shown(self.bits, self.first)}/{self.prefix}"


def _shown(bits: int, address: int) -> str:
    return str(ipaddress.IPv4Address(address) if bits == 32 else ipaddress.IPv6Address(address))


def _address(text: str) -> tuple[int, int] | None:
    """Bits and value of an address, None if it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return 32, int(found)
    if "%" in text:
        return None
    mapped = found.ipv4_mapped
    return (32, int(mapped)) if mapped is not None else (128, int(found))


def _network(text: str) -> _Network:
    where, slash, length = text.partition("/")
    found = _address(where) if slash else None
    if found is None or not re.fullmatch("[0-9]{1,6}", length):
        raise BuiltinError(f"invalid CIDR address: {text}")
    bits, address = found
    written = 128 if ":" in where else 32
    prefix = int(length)
    if prefix > written:
        raise BuiltinError(f"invalid CIDR address: {text}")
    if written > bits:
        if prefix < 96:  # the mask takes the mapping away, and an IPv6 network is left
            bits, address = 128, address | 0xFFFF << 32
        else:
            prefix -= 96
    return _Network(bits, address >> bits - prefix << bits - prefix, prefix)


def _contains(a: _Network, bits: int, address: int) -> bool:
    return a.bits == bits and a.first <= address <= a.last


def _holds(outer: Any, inner: Any) -> bool:
    network = _network(string(outer, 1))
    text = string(inner, 1)
    address = _address(text)
    if address is not None:
        return _contains(network, *address)
    try:
        other = _network(text)
    except BuiltinError as error:
        raise BuiltinError(f"not a valid textual representation of an IP address or CIDR: {text}") from error
    return _contains(network, other.bits, other.first) and other.last <= network.last


@family.builtin("net.cidr_contains", "net.cidr_overlap")
def cidr_contains(outer: Any, inner: Any) -> bool:
    """Whether a network holds an address or another network."""
    return _holds(outer, inner)


@family.builtin("net.cidr_intersects")
def cidr_intersects(a: Any, b: Any) -> bool:
    """Whether two networks share an address."""
    first, second = _network(string(a, 1)), _network(string(b, 1))
    return _contains(first, second.bits, second.first) or _contains(second, first.bits, first.first)


@family.builtin("net.cidr_is_valid")
def cidr_is_valid(value: Any) -> bool:
    """Whether a string is a network."""
    try:
        _network(string(value, 1))
    except BuiltinError:
        return False
    return True


def _candidates(position: int, value: Any) -> Iterator[tuple[Any, Any]]:
    """Every network of an operand, with the index, key or member that stands for it in the result."""
    if type(value) is str:
        yield value, value
        return
    pairs: list[tuple[Any, Any]] = []
    if type(value) is list:
        pairs = list(enumerate(value))
    elif type(value) is set:
        pairs = [(item, item) for item in ordered(unkey(one) for one in value)]
    elif type(value) is dict:
        pairs = [(name, value[key(name)]) for name in ordered(unkey(one) for one in value)]
    for index, item in pairs:
        if type(item) is list and item:
            yield item[0], index
        elif type(item) is str:
            yield item, index
        else:
            raise BuiltinError(f"operand {position}: element must be string or non-empty array")


@family.builtin("net.cidr_contains_matches", context=True)
def cidr_contains_matches(context: Context, networks: Any, addresses: Any) -> set[Any]:
    """Every pair of a network and an address or network within it, by their indices."""
    found: set[Any] = set()
    for outer, left in _candidates(1, networks):
        for inner, right in _candidates(2, addresses):
            context.spend(1)
            if _holds(outer, inner):
                found.add(key([left, right]))
    return found


@family.builtin("net.cidr_expand", context=True)
def cidr_expand(context: Context, value: Any) -> set[str]:
    """Every address of a network."""
    network = _network(string(value, 1))
    context.allow_items(1 << network.bits - network.prefix)
    context.spend((1 << network.bits - network.prefix) // 4)
    return {_shown(network.bits, address) for address in range(network.first, network.last + 1)}


def _merged_operand(value: Any) -> tuple[_Network, str]:
    """The network of an operand, and what it is called if it is merged with none."""
    if type(value) is not str:
        raise BuiltinError("element must be string")
    address = _address(value)
    if address is None:
        network = _network(value)
        return network, str(network)
    if address[0] != 32:
        raise BuiltinError("IPv6 invalid: needs prefix length")
    # An address alone stands for the network of its class (Go's IP.DefaultMask).
    first = address[1] >> 24
    prefix = 8 if first < 0x80 else 16 if first < 0xC0 else 24
    return _Network(32, address[1] >> 32 - prefix << 32 - prefix, prefix), f"{value}/{prefix}"


@family.builtin("net.cidr_merge", context=True)
def cidr_merge(context: Context, value: Any) -> set[str]:
    """The fewest networks that hold the same addresses."""
    if type(value) not in {list, set}:
        raise BuiltinError("operand must be an array")
    found = [_merged_operand(item) for item in (value if type(value) is list else map(unkey, value))]
    context.spend(len(found))
    merged: set[str] = set()
    for bits in (32, 128):
        ranges: list[tuple[int, int, str]] = []
        for first, last, name in sorted((n.first, n.last, name) for n, name in found if n.bits == bits):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last), "")
            else:
                ranges.append((first, last, name))
        for first, last, name in ranges:
            merged.update([name] if name else _covering(bits, first, last))
    return merged


def _covering(bits: int, first: int, last: int) -> Iterator[str]:
    while first <= last:
        size = min((first & -first).bit_length() - 1 if first else bits, (last - first + 1).bit_length() - 1)
        yield str(_Network(bits, first, bits - size))
        first += 1 << size


@family.builtin("uri.parse")
def uri_parse(value: Any) -> dict[str, str]:
    """The parts of a URL that it has."""
    try:
        found = parse_url(string(value, 1))
    except ValueError as error:
        raise BuiltinError(str(error)) from error
    parts = {
        "scheme": found.scheme,
        "hostname": found.hostname,
        "port": found.port,
        "path": found.path,
        "raw_path": found.path and (found.raw_path or found.path),
        "raw_query": found.raw_query,
        "fragment": found.fragment,
    }
    return {name: part for name, part in parts.items() if part}


@family.builtin("uri.is_valid")
def uri_is_valid(value: Any) -> bool:
    """Whether a string is a URL; the empty one is not."""
    if type(value) is not str or not value:
        return False
    try:
        parse_url(value)
    except ValueError:
        return False
    return True
