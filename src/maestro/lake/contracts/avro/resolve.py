"""Whether a reader's Avro schema reads what a writer's wrote (Avro 1.12, "Schema Resolution").

Beyond Avro's own checker, logical types count: a decimal must keep its scale, as the specification says, and bytes of
one logical type are not read as another (ADR-1124).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.avro.model import (
    MISSING,
    AvroArray,
    AvroEnum,
    AvroField,
    AvroMap,
    AvroPrimitive,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Named,
    same_name,
)
from maestro.lake.contracts.avro.rules import AvroRule
from maestro.lake.contracts.findings import Finding

__all__ = ["compare"]

_Failed = dict[tuple[int, int], tuple[str, list[Finding]]]
"""Findings of record pairs that break, with the path at which they were found."""

_PROMOTED = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def compare(reader: AvroType, writer: AvroType) -> Iterator[Finding]:
    """What a reader meets in data of the writer.

    Raises:
        BadInputError: ``schema_too_complex``, the schemas nest too deeply.
    """
    try:
        yield from _Comparison().findings(reader, writer, "")
    except RecursionError as error:
        raise BadInputError(
            "The schemas nest too deeply to be compared.",
            code="schema_too_complex",
            remedy="Split them into several contracts.",
        ) from error


class _Comparison:
    """One comparison; a pair of records that is met again within itself is judged where it was met first.

    Pairs that fail are kept: what breaks stays broken, whatever is assumed of those still under way.
    """

    def __init__(self, met: frozenset[tuple[int, int]] = frozenset(), failed: _Failed | None = None) -> None:
        self._met = set(met)
        self._failed: _Failed = {} if failed is None else failed

    def findings(self, reader: AvroType, writer: AvroType, path: str) -> Iterator[Finding]:
        if isinstance(writer, AvroUnion):
            yield from self._union(reader, writer, path)
        elif isinstance(reader, AvroUnion):
            yield from self._branch(reader, writer, path)
        elif isinstance(reader, AvroPrimitive) and isinstance(writer, AvroPrimitive):
            yield from _primitives(reader, writer, path)
        elif isinstance(reader, AvroArray) and isinstance(writer, AvroArray):
            yield from self.findings(reader.items, writer.items, f"{path}/items")
        elif isinstance(reader, AvroMap) and isinstance(writer, AvroMap):
            yield from self.findings(reader.values, writer.values, f"{path}/values")
        elif isinstance(reader, Named) and isinstance(writer, Named) and reader.kind == writer.kind:
            yield from self._named(reader, writer, path)
        else:
            yield _mismatch(reader, writer, path)

    def _named(self, reader: AvroType, writer: AvroType, path: str) -> Iterator[Finding]:
        if isinstance(reader, AvroRecord) and isinstance(writer, AvroRecord):
            yield from self._record_pair(reader, writer, path)
        elif isinstance(reader, AvroEnum) and isinstance(writer, AvroEnum):
            yield from _enums(reader, writer, path)
        else:
            yield from _fixed(reader, writer, path)

    def _union(self, reader: AvroType, writer: AvroUnion, path: str) -> Iterator[Finding]:
        """Every branch of the writer must be read."""
        for at, branch in enumerate(writer.branches):
            step = path if isinstance(reader, AvroUnion) else f"{path}/{at}"
            yield from self.findings(reader, branch, step)
        if isinstance(reader, AvroUnion) and len(reader.branches) > len(writer.branches):
            yield Finding(AvroRule.UNION_EXTENDED, path, f"{_where(path)} also reads further types.")

    def _branch(self, reader: AvroUnion, writer: AvroType, path: str) -> Iterator[Finding]:
        """One branch of the reader must read it; what the likeliest says against it is told when none does."""
        likely: list[Finding] = []
        for at, branch in enumerate(reader.branches):
            if isinstance(branch, Named) and not (isinstance(writer, Named) and same_name(branch, writer)):
                continue
            apart = _Comparison(frozenset(self._met), self._failed)
            found = list(
                apart.findings(branch, writer, path if len(reader.branches) == 1 else f"{path}/{at}")
            )
            if not any(finding.rule.breaks for finding in found):
                self._met = apart._met
                yield from found
                return
            if branch.kind == writer.kind:
                likely = found
        if likely:
            yield from likely
        else:
            yield Finding(
                AvroRule.MISSING_UNION_BRANCH,
                path,
                f"{_where(path)}: no branch of {_shown(reader)} reads {_shown(writer)}, which the writer may write.",
            )

    def _record_pair(self, reader: AvroRecord, writer: AvroRecord, path: str) -> Iterator[Finding]:
        pair = (id(reader), id(writer))
        if pair in self._failed:
            before, found = self._failed[pair]
            yield from (attrs.evolve(each, path=path + each.path.removeprefix(before)) for each in found)
        elif pair not in self._met:
            self._met.add(pair)
            found = [*_names(reader, writer, path), *self._records(reader, writer, path)]
            if any(finding.rule.breaks for finding in found):
                self._failed[pair] = (path, found)
            yield from found

    def _records(self, reader: AvroRecord, writer: AvroRecord, path: str) -> Iterator[Finding]:
        written = {field.name: field for field in writer.fields}
        read = set[str]()
        for field in reader.fields:
            place = f"{path}/fields/{field.name}"
            source = _source(field, written)
            if source is None:
                yield _added(field, reader, place)
                continue
            read.add(source.name)
            if source.name != field.name:
                yield Finding(
                    AvroRule.FIELD_RENAMED, place, f"{_where(place)} reads the old {source.name!r}."
                )
            if field.default != source.default and MISSING not in (field.default, source.default):
                yield Finding(
                    AvroRule.DEFAULT_CHANGED, place, f"{_where(place)} has the default {field.default!r}."
                )
            yield from self.findings(field.type, source.type, place)
        for name in written.keys() - read:
            place = f"{path}/fields/{name}"
            yield Finding(AvroRule.FIELD_REMOVED, place, f"{_where(place)} is no longer read.")


def _source(field: AvroField, written: dict[str, AvroField]) -> AvroField | None:
    """The writer's field that the reader's is read from: of the same name, else of an alias."""
    for name in (field.name, *sorted(field.aliases)):
        if name in written:
            return written[name]
    return None


def _added(field: AvroField, record: AvroRecord, path: str) -> Finding:
    if field.default is not MISSING:
        return Finding(
            AvroRule.FIELD_ADDED, path, f"{_where(path)} is read as its default in data without it."
        )
    return Finding(
        AvroRule.READER_FIELD_MISSING_DEFAULT_VALUE,
        path,
        f"{_where(path)} of {record.name!r} has no default, and data written without it has no value for it.",
    )


def _names(reader: Named, writer: Named, path: str) -> Iterator[Finding]:
    if not same_name(reader, writer):
        yield Finding(
            AvroRule.NAME_MISMATCH,
            path,
            f"{_where(path)}: the reader's type is named {reader.name!r}, the writer's {writer.name!r}.",
        )


def _enums(reader: AvroEnum, writer: AvroEnum, path: str) -> Iterator[Finding]:
    yield from _names(reader, writer, path)
    lacking = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if lacking and reader.default is None:
        yield Finding(
            AvroRule.MISSING_ENUM_SYMBOLS,
            f"{path}/symbols",
            f"{_where(path)}: enumeration {reader.name!r} lacks {', '.join(lacking)} and has no default.",
        )
    if not set(reader.symbols) <= set(writer.symbols):
        yield Finding(
            AvroRule.ENUM_SYMBOLS_ADDED, f"{path}/symbols", f"{_where(path)} knows further symbols."
        )


def _fixed(reader: Any, writer: Any, path: str) -> Iterator[Finding]:
    yield from _names(reader, writer, path)
    if reader.size != writer.size:
        yield Finding(
            AvroRule.FIXED_SIZE_MISMATCH,
            f"{path}/size",
            f"{_where(path)}: {reader.name!r} has {reader.size} bytes and the writer's {writer.size}.",
        )
    yield from _logical(reader.logical, writer.logical, path)


def _primitives(reader: AvroPrimitive, writer: AvroPrimitive, path: str) -> Iterator[Finding]:
    if reader.kind == writer.kind:
        yield from _logical(reader.logical, writer.logical, path)
    elif writer.kind in _PROMOTED.get(reader.kind, ()):
        yield Finding(
            AvroRule.TYPE_PROMOTED, path, f"{_where(path)}: {writer.kind} is read as {reader.kind}."
        )
    else:
        yield _mismatch(reader, writer, path)


def _logical(reader: Logical | None, writer: Logical | None, path: str) -> Iterator[Finding]:
    if reader == writer:
        return
    texts = f"{writer or 'no logical type'} as {reader or 'no logical type'}"
    if reader is None or writer is None:
        rule = AvroRule.LOGICAL_TYPE_CAME_OR_WENT
    elif reader.name == writer.name:
        wider = reader.scale == writer.scale and reader.precision > writer.precision
        rule = AvroRule.TYPE_PROMOTED if wider else AvroRule.DECIMAL_CHANGED
    else:
        rule = AvroRule.LOGICAL_TYPE_CHANGED
    yield Finding(rule, path, f"{_where(path)}: {texts}.")


def _mismatch(reader: AvroType, writer: AvroType, path: str) -> Finding:
    return Finding(
        AvroRule.TYPE_MISMATCH,
        path,
        f"{_where(path)}: {_shown(writer)} cannot be read as {_shown(reader)}.",
    )


def _where(path: str) -> str:
    """The field that a path leads through, as messages begin."""
    steps = path.split("/")
    names = [steps[at + 1] for at in range(len(steps) - 1) if steps[at] == "fields"]
    return f"Field {'.'.join(names)!r}" if names else "The schema"


def _shown(type_: AvroType) -> str:
    if isinstance(type_, Named):
        return f"{type_.kind} {type_.name!r}"
    if isinstance(type_, AvroUnion):
        return f"[{', '.join(map(_shown, type_.branches))}]"
    return type_.kind
