"""A JSON Schema document as nodes to compare: what each schema asserts, with every ``$ref`` resolved.

A schema object may assert several things at once: a type, an enumeration, a combination. Each is a node of its own
kind; several together are a conjunction (``allOf``) that nobody wrote, marked as ``implied``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import attrs

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.json_schema import keywords as words

__all__ = ["Document", "Kind", "Node", "canonical"]

_META = "json-schema.org/"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Kind(StrEnum):
    """What a node asserts."""

    ANY = "anything"
    NOTHING = "nothing"
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    OBJECT = "object"
    ARRAY = "array"
    ENUM = "enum"
    COMBINED = "combination"
    NOT = "not"
    CONDITIONAL = "if/then/else"


@attrs.frozen(eq=False)
class Node:
    """One assertion; compared by identity, since recursive schemas have no end.

    Attributes:
        kind: what it asserts.
        raw: the schema object it stands in.
        document: resolves what stands below it.
        base: the URI that references below it are relative to.
        typed: whether ``type`` demands the kind; else values of other kinds pass.
        criterion: ``allOf``, ``anyOf`` or ``oneOf`` of a combination.
        parts: of a combination: nodes, or schemas.
        implied: whether nobody wrote the combination.
    """

    kind: Kind
    raw: Any
    document: Document
    base: str = ""
    typed: bool = False
    criterion: str = ""
    parts: Sequence[Any] = ()
    implied: bool = False

    def get(self, keyword: str) -> Any:
        """The keyword's value, or None."""
        return self.raw.get(keyword) if isinstance(self.raw, dict) else None

    def below(self, raw: Any) -> Node:
        """The node of a schema that stands below this one."""
        return self.document.node(raw, self.base)

    def members(self) -> list[Node]:
        """The nodes of a combination's parts; of equal parts the first alone."""
        found: dict[str, Node] = {}
        for part in self.parts:
            if not isinstance(part, Node):
                found.setdefault(canonical(part), self.below(part))
            elif part.kind is Kind.COMBINED and part.implied:  # a reference beside others
                found.setdefault(canonical(part.parts[0]), part.below(part.parts[0]))
            else:
                found.setdefault(f"{part.kind} {part.criterion} {len(found)}", part)
        return list(found.values())

    def __str__(self) -> str:
        named = [part.plainly() for part in self.parts if isinstance(part, Node)]
        joined = " and " if self.implied else " or "
        return joined.join(dict.fromkeys(named)) if named else self.plainly()

    def plainly(self) -> str:
        """What it is called, without looking below it: there may be no end."""
        if self.kind is Kind.COMBINED:
            return "reference" if self.implied else self.criterion
        integer = self.kind is Kind.NUMBER and self.get("type") == "integer"
        return "integer" if integer else self.kind.value


class Document:
    """A schema document and those it refers to.

    Args:
        raw: the parsed JSON.
        others: documents that ``$ref`` may name, by the name they are referred to.

    Raises:
        BadInputError: ``bad_schema``, a keyword's value is of another kind or a reference leads nowhere.
    """

    def __init__(self, raw: Any, others: Mapping[str, Any] | None = None) -> None:
        self.raw = raw
        self.draft = words.draft_of(raw)
        self._id = "id" if self.draft == words.OLDEST else "$id"
        # Nodes are told apart by identity, so each is made once and kept as long as the document.
        self._nodes: dict[int, Node] = {}
        self._plain = {True: Node(Kind.ANY, True, self), False: Node(Kind.NOTHING, False, self)}
        self._known: dict[str, tuple[Any, str]] = {}
        self._bases: dict[int, str] = {}
        root = raw.get(self._id) if isinstance(raw, dict) else None
        self._base = urldefrag(root).url if isinstance(root, str) else ""
        for name, other in {**(others or {}), self._base: raw}.items():
            words.require_valid(other)
            self._index(other, _joined(self._base, name))
        self._require_resolved()

    @property
    def root(self) -> Node:
        """The node of the whole document."""
        return self.node(self.raw, self._base)

    def node(self, raw: Any, base: str) -> Node:
        """The one node of a schema, following references that are all it says to their end."""
        seen: set[int] = set()
        while True:
            base = self._bases.get(id(raw), base)
            reference = self._reference(raw)
            if reference is None:
                return self._made(raw, base)
            if id(raw) in seen:
                raise BadInputError(
                    "refers to itself and says nothing.",
                    field="$ref",
                    value=reference,
                    code="bad_schema",
                    remedy="Define what it stands for.",
                )
            seen.add(id(raw))
            raw = self._resolve(reference, base)

    def _reference(self, raw: Any) -> str | None:
        """The reference that is all a schema says; beside others it is one part among them, since 2019-09."""
        if not isinstance(raw, dict):
            return None
        for keyword in _REFERENCES:
            if isinstance(raw.get(keyword), str):
                alone = self.draft < words.SIBLINGS or not _aspects({**raw, keyword: None}, self, "")
                return str(raw[keyword]) if alone else None
        return None

    def _made(self, raw: Any, base: str) -> Node:
        if isinstance(raw, bool):
            return self._plain[raw]
        known = self._nodes.get(id(raw))
        if known is None:
            parts = _aspects(raw, self, base)
            if len(parts) > 1:
                known = Node(Kind.COMBINED, raw, self, base, criterion="allOf", parts=parts, implied=True)
            else:
                known = parts[0] if parts else Node(Kind.ANY, raw, self, base)
            self._nodes[id(raw)] = known
        return known

    def _resolve(self, reference: str, base: str) -> Any:
        """What a reference names.

        Raises:
            BadInputError: ``bad_schema``, it names nothing that is here. Nothing is ever fetched.
        """
        whole = _joined(base, reference)
        url, fragment = urldefrag(whole)
        if fragment and whole in self._known:
            return self._known[whole][0]
        raw, _ = self._known.get(url) or self._known.get(urldefrag(reference).url) or (None, "")
        if raw is None and _META in url:
            return True  # a schema of schemas: both sides may hold whatever it holds
        if fragment and raw is not None:
            raw = _pointed(raw, fragment)
        if raw is None:
            raise BadInputError(
                "refers to nothing that is here.",
                field="$ref",
                value=reference,
                code="bad_schema",
                remedy="Define it under $defs, or hand in the document it names; nothing is fetched.",
            )
        return raw

    def _index(self, raw: Any, name: str) -> None:
        """Note every place that a URI may name: documents, ``$id``, anchors."""
        self._known[name] = (raw, name)
        bases = {"": name}
        for schema, where in words.walk(raw, "#"):
            base = next(bases[each] for each in _upward(where) if each in bases)
            named = None if "$ref" in schema and self.draft < words.SIBLINGS else schema.get(self._id)
            if isinstance(named, str) and named.startswith("#"):
                self._known[f"{base}{named}"] = (schema, base)
            elif isinstance(named, str):
                base = bases[where] = _joined(base, urldefrag(named).url)
                self._known.setdefault(base, (schema, base))
            self._bases[id(schema)] = base
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(keyword), str):
                    self._known[f"{base}#{schema[keyword]}"] = (schema, base)

    def _require_resolved(self) -> None:
        """Follow every reference once, so that a dangling one is told when the schema is read."""
        waiting, seen = [(self.raw, self._base)], set[int]()
        while waiting:
            raw, base = waiting.pop()
            if id(raw) in seen or not isinstance(raw, dict):
                continue
            seen.add(id(raw))
            base = self._bases.get(id(raw), base)
            references = (raw[each] for each in _REFERENCES if isinstance(raw.get(each), str))
            waiting.extend((self._resolve(each, base), base) for each in references)
            waiting.extend((below, base) for _, below in words.subschemas(raw))


def _aspects(raw: Mapping[str, Any], document: Document, base: str) -> list[Node]:
    """What a schema object asserts, one node each."""
    found = [
        Node(Kind.COMBINED, raw, document, base, criterion="allOf", parts=({each: raw[each]},), implied=True)
        for each in _REFERENCES
        if isinstance(raw.get(each), str)
    ]
    if "enum" in raw:
        found.append(Node(Kind.ENUM, {"enum": raw["enum"]}, document, base))
    found += [
        Node(
            Kind.COMBINED,
            {criterion: raw[criterion]},
            document,
            base,
            criterion=criterion,
            parts=raw[criterion],
        )
        for criterion in words.CRITERIA
        if criterion in raw
    ]
    if "not" in raw:
        found.append(Node(Kind.NOT, raw, document, base))
    if "const" in raw and document.draft > words.OLDEST:
        found.append(Node(Kind.ENUM, {"enum": [raw["const"]]}, document, base))
    found += _by_type(raw, document, base)
    if "if" in raw and document.draft >= words.CONDITIONS:
        found.append(Node(Kind.CONDITIONAL, raw, document, base))
    return found


_KINDS = {"integer": Kind.NUMBER} | {name: Kind(name) for name in words.TYPES - {"integer"}}
_SNIFFED = (
    (Kind.ARRAY, words.ARRAYS),
    (Kind.OBJECT, words.OBJECTS),
    (Kind.NUMBER, words.NUMBERS),
    (Kind.STRING, words.STRINGS),
)


def _by_type(raw: Mapping[str, Any], document: Document, base: str) -> list[Node]:
    """The nodes of ``type``, and of keywords that speak of one type without demanding it."""
    type_ = raw.get("type")
    names = type_ if isinstance(type_, list) else [type_] if isinstance(type_, str) else []
    typed = [Node(_KINDS[name], {**raw, "type": name}, document, base, typed=True) for name in names]
    told = {node.kind for node in typed}
    loose = [
        Node(kind, raw, document, base)
        for kind, keywords in _SNIFFED
        if kind not in told and keywords & raw.keys()
    ]
    if isinstance(type_, list):
        return [Node(Kind.COMBINED, {"type": type_}, document, base, criterion="anyOf", parts=typed), *loose]
    return typed + loose


def _joined(base: str, reference: str) -> str:
    """``urljoin``, also for bases like ``urn:…`` which it does not know how to join."""
    return f"{base}{reference}" if reference.startswith("#") else urljoin(base, reference)


def _upward(where: str) -> list[str]:
    """The pointer, and those of all that stands above it."""
    steps = where.split("/")
    return ["/".join(steps[:count]) for count in range(len(steps), -1, -1)]


def _pointed(raw: Any, fragment: str) -> Any:
    """What a JSON pointer leads to (RFC 6901); ``definitions`` and ``$defs`` stand in for one another."""
    for step in unquote(fragment).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(raw, list):
            raw = raw[int(name)] if name.isdecimal() and int(name) < len(raw) else None
        elif isinstance(raw, dict):
            other = {"definitions": "$defs", "$defs": "definitions"}.get(name, name)
            raw = raw.get(name, raw.get(other))
        else:
            return None
    return raw if isinstance(raw, dict | bool) else None


def canonical(value: Any) -> str:
    """JSON text that equal values share."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
