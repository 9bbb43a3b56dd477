"""YAML to JSON text and back, with the scalars of ``go.yaml.in/yaml/v3`` as OPA uses it, on PyYAML.

Plain scalars are YAML 1.2's (``yes`` is text), integers may be octal, dates are text, keys become text, and of
several documents the first counts.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal
from functools import cmp_to_key
from math import isfinite
from typing import Any

__all__ = ["read_yaml", "write_yaml"]

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)")
_SPECIAL: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((f"{sign}.{word}" for sign in ("", "+") for word in ("inf", "Inf", "INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_OLD_BOOLEANS = frozenset(
    form for word in ("y", "yes", "on", "n", "no", "off") for form in (word, word.title(), word.upper())
)
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9:.]+.*)?")
_TAG = "tag:yaml.org,2002:"
_MOST_NODES = 1_000_000


def resolve(text: str) -> Any:
    """The value of a plain scalar: None, a boolean, a number, or the text itself."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not text or text[0] not in "+-.0123456789":
        return text
    if text[0] == ".":
        return float(text) if _FLOAT.fullmatch(text) else text
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        digits = plain.lstrip("+-")
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdecimal()
        found = int(plain.lower().replace(digits.lower(), f"0o{digits}") if octal else plain, 0)
        if -(1 << 63) <= found < 1 << 64:
            return found
    if _FLOAT.fullmatch(plain):
        exact = float(plain)
        return text if exact in {float("inf"), float("-inf")} else exact
    return text


def read_yaml(text: str) -> str:
    """The first document as JSON text.

    Raises:
        ValueError: not YAML, or nothing that JSON can say.
    """
    import yaml  # type: ignore[import-untyped] # PyYAML ships no types

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # as above
        yaml_implicit_resolvers = {None: [("plain", re.compile(""))]}  # noqa: RUF012 - PyYAML's own interface

    try:
        documents = list(yaml.compose_all(text, Loader=Loader))
        reader = _Reader(yaml)
        return _json(reader.value(documents[0]) if documents else None)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        # PyYAML says "expected X, but got Y" where libyaml says "did not find expected X".
        problem = re.sub(
            r"^expected (.*?), but .*", r"did not find expected \1", error.problem or str(error.context)
        )
        raise ValueError(f"yaml: line {line}: {problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"yaml: {error}") from error
    except RecursionError as error:
        raise ValueError("yaml: exceeded max depth") from error


def _json(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{_json(item)}' for name, item in value.items())}}}"
    return _float(value) if isinstance(value, float) else json.dumps(value)


def _float(value: float) -> str:
    """As ``encoding/json`` writes it: digits alone from 1e-6 to 1e21."""
    if not isfinite(value):
        raise ValueError(f"json: unsupported value: {value}")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return repr(value).replace("e-0", "e-")


class _Reader:
    """Nodes to Python's JSON types."""

    def __init__(self, yaml: Any) -> None:
        self.yaml = yaml
        self.nodes = 0

    def value(self, node: Any) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise ValueError("yaml: document contains excessive aliasing")
        if isinstance(node, self.yaml.ScalarNode):
            return self.scalar(node)
        if isinstance(node, self.yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        found: dict[str, Any] = {}
        merged: list[Any] = []
        for name, item in node.value:
            if isinstance(name, self.yaml.ScalarNode) and name.tag == "plain" and name.value == "<<":
                merged += item.value if isinstance(item, self.yaml.SequenceNode) else [item]
            else:
                found[self.name(name)] = self.value(item)
        for one in merged:
            if not isinstance(one, self.yaml.MappingNode):
                raise ValueError("yaml: map merge requires map or sequence of maps as the value")  # noqa: TRY004 - what callers catch
            for name, item in self.value(one).items():
                found.setdefault(name, item)
        return found

    def name(self, node: Any) -> str:
        if not isinstance(node, self.yaml.ScalarNode):
            raise ValueError("yaml: invalid map key")  # noqa: TRY004 - what callers catch
        value = self.scalar(node)
        if value is None:
            raise ValueError("unsupported map key of type: null")
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value)

    def scalar(self, node: Any) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if tag == "plain":
            return resolve(node.value)
        if tag == "binary":
            try:
                return base64.b64decode(re.sub(r"\s", "", node.value), validate=True).decode(
                    "utf-8", "replace"
                )
            except ValueError as error:
                raise ValueError("yaml: !!binary value contains invalid base64 data") from error
        if tag in {"int", "float", "bool", "null"}:
            found = resolve(node.value)
            kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
            if tag == "float" and isinstance(found, int):
                found = float(found)
            if type(found) is not kinds[tag]:
                raise ValueError(f"yaml: cannot decode !!str `{node.value}` as a !!{tag}")
            return found
        return node.value


def write_yaml(value: Any) -> str:
    """A JSON value as YAML, nested by two spaces."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML ships no types
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - PyYAML's own interface
            return super().increase_indent(flow, False)

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            return "plain" if kind is yaml.ScalarNode else super().resolve(kind, value, implicit)

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own interface
            return True

    def text(dumper: Any, data: str) -> Any:
        return dumper.represent_scalar("plain", data, style=_style(data))

    def mapping(dumper: Any, data: dict[str, Any]) -> Any:
        names = sorted(data, key=cmp_to_key(_natural))
        return dumper.represent_mapping(_TAG + "map", [(name, data[name]) for name in names], bool(not data))

    def sequence(dumper: Any, data: list[Any]) -> Any:
        return dumper.represent_sequence(_TAG + "seq", data, bool(not data))

    def number(dumper: Any, data: Any) -> Any:
        return dumper.represent_scalar("plain", _shown_number(resolve(str(data))))

    Dumper.yaml_representers = dict(yaml.SafeDumper.yaml_representers) | {
        str: text,
        dict: mapping,
        list: sequence,
        type(None): lambda dumper, _: dumper.represent_scalar("plain", "null"),
        bool: lambda dumper, data: dumper.represent_scalar("plain", "true" if data else "false"),
        int: number,
    }
    Dumper.yaml_multi_representers = {object: number}
    done = yaml.dump(value, Dumper=Dumper, width=1 << 30, allow_unicode=True, default_flow_style=False)
    # libyaml closes a document that is one plain scalar; its port in Go does not.
    return str(done).removesuffix("...\n")


def _shown_number(found: Any) -> str:
    if isinstance(found, float):
        from maestro.rego.golang.printf import sprintf

        return sprintf("%g", [found])
    return str(found)


def _style(text: str) -> str | None:
    if any(c > "\uffff" for c in text):  # yaml/v3 prints no character beyond the first plane
        return '"'
    if "\n" in text:
        return "|"
    return '"' if type(resolve(text)) is not str or text in _OLD_BOOLEANS or _looks_otherwise(text) else None


def _looks_otherwise(text: str) -> bool:
    return bool(_BASE60.fullmatch(text) or _TIMESTAMP.fullmatch(text))


def _natural(a: str, b: str) -> int:  # noqa: C901 - the order of yaml/v3's keyList, step for step
    """Keys as yaml/v3 sorts them: numbers in names count as numbers."""
    digits = False
    for i in range(min(len(a), len(b))):
        if a[i] == b[i]:
            digits = a[i].isdecimal()
            continue
        left, right = a[i].isalpha(), b[i].isalpha()
        if left and right:
            return -1 if a[i] < b[i] else 1
        if left or right:
            return -1 if (left if digits else right) else 1
        an = bn = 0
        if "0" in (a[i], b[i]):
            j = i - 1
            while j >= 0 and a[j].isdecimal():
                if a[j] != "0":
                    an = bn = 1
                    break
                j -= 1
        ai = bi = i
        while ai < len(a) and a[ai].isdecimal():
            an, ai = an * 10 + int(a[ai]), ai + 1
        while bi < len(b) and b[bi].isdecimal():
            bn, bi = bn * 10 + int(b[bi]), bi + 1
        if an != bn:
            return -1 if an < bn else 1
        if ai != bi:
            return -1 if ai < bi else 1
        return -1 if a[i] < b[i] else 1
    return (len(a) > len(b)) - (len(a) < len(b))
