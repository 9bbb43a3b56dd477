"""Whether a reader with one Arrow schema reads what was written with another (ADR-1123).

Columns are matched by name, exactly; their order means nothing. What stands in no table of safe promotions is unsafe.
"""

from __future__ import annotations

from collections.abc import Iterator

from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType
from maestro.lake.contracts.arrow.rules import ArrowRule
from maestro.lake.contracts.findings import Finding

__all__ = ["compare"]

_WIDENING = {"int", "uint", "float"}


def compare(reader: ArrowSchema, writer: ArrowSchema) -> Iterator[Finding]:
    """What a reader meets in data of the writer, in the order of the writer's columns and then the reader's own."""
    yield from _fields(reader.fields, writer.fields, "")


def _fields(reader: tuple[ArrowField, ...], writer: tuple[ArrowField, ...], path: str) -> Iterator[Finding]:
    read = {field.name: field for field in reader}
    written = {field.name: field for field in writer}
    gone = [field for field in writer if field.name not in read]
    come = [field for field in reader if field.name not in written]
    for field in writer:
        if field.name in read:
            yield from _field(read[field.name], field, f"{path}/{field.name}")
    for field in gone:
        yield Finding(
            ArrowRule.COLUMN_DROPPED,
            f"{path}/{field.name}",
            f"Column {field.name!r} ({field.shown}) is no longer read.",
        )
    for field in come:
        yield _added(field, f"{path}/{field.name}")
    yield from _likenesses(gone, come, path)


def _added(field: ArrowField, path: str) -> Finding:
    if field.nullable:
        return Finding(
            ArrowRule.COLUMN_ADDED,
            path,
            f"Column {field.name!r} ({field.shown}) reads null in data that lacks it.",
        )
    return Finding(
        ArrowRule.REQUIRED_COLUMN_ADDED,
        path,
        f"Column {field.name!r} ({field.shown}) is not nullable, and data written without it has no value for it.",
    )


def _likenesses(gone: list[ArrowField], come: list[ArrowField], path: str) -> Iterator[Finding]:
    """What a person would call a rename, or another spelling."""
    for old in gone:
        for new in come:
            if old.name.casefold() == new.name.casefold():
                yield Finding(
                    ArrowRule.CASE_DIFFERS,
                    f"{path}/{new.name}",
                    f"Columns {old.name!r} and {new.name!r} differ in case alone.",
                )
    if len(gone) == len(come) == 1 and gone[0].type == come[0].type:
        yield Finding(
            ArrowRule.POSSIBLE_RENAME,
            f"{path}/{come[0].name}",
            f"{gone[0].name!r} went and {come[0].name!r} of the same type came: "
            "if that is a rename, values under the old name are not read under the new one.",
        )


def _field(reader: ArrowField, writer: ArrowField, path: str) -> Iterator[Finding]:
    if writer.nullable and not reader.nullable:
        yield Finding(
            ArrowRule.NULLS_FORBIDDEN,
            path,
            f"Column {reader.name!r} must not be null for its reader, and its writer may write null.",
        )
    elif reader.nullable and not writer.nullable:
        yield Finding(ArrowRule.NULLS_ALLOWED, path, f"Column {reader.name!r} may be null for its reader.")
    yield from _type(reader, writer, path)


def _type(reader: ArrowField, writer: ArrowField, path: str) -> Iterator[Finding]:
    read, wrote = reader.type, writer.type
    if read.name != wrote.name or len(read.parameters) != len(wrote.parameters):
        yield _changed(ArrowRule.TYPE_CHANGED, reader, writer, path)
    elif read.name == "struct":
        yield from _fields(read.children, wrote.children, path)
    elif read.parameters != wrote.parameters:
        yield _changed(_judge(read, wrote), reader, writer, path)
    else:
        # Names of a list's item and of a map's parts are not part of its type.
        for mine, theirs, step in zip(read.children, wrote.children, _steps(read), strict=True):
            named = ArrowField(f"{reader.name}.{step}", mine.type, mine.nullable)
            yield from _field(named, theirs, f"{path}/{step}")


def _steps(type_: ArrowType) -> tuple[str, ...]:
    return ("key", "value") if type_.name == "map" else ("item",) * len(type_.children)


def _judge(read: ArrowType, wrote: ArrowType) -> ArrowRule:
    if read.name in _WIDENING:
        wider = str(read.parameters[0]).zfill(3) > str(wrote.parameters[0]).zfill(3)
        return ArrowRule.TYPE_PROMOTED if wider else ArrowRule.TYPE_NARROWED
    if read.name == "decimal" and read.parameters[1] == wrote.parameters[1]:
        wider = int(read.parameters[0]) > int(wrote.parameters[0])
        return ArrowRule.TYPE_PROMOTED if wider else ArrowRule.TYPE_NARROWED
    return ArrowRule.TYPE_CHANGED


def _changed(rule: ArrowRule, reader: ArrowField, writer: ArrowField, path: str) -> Finding:
    what = {
        ArrowRule.TYPE_PROMOTED: "is read as the wider",
        ArrowRule.TYPE_NARROWED: "does not fit into the narrower",
        ArrowRule.TYPE_CHANGED: "cannot be read as",
    }[rule]
    return Finding(rule, path, f"Column {reader.name!r}: {writer.type} {what} {reader.type}.")
