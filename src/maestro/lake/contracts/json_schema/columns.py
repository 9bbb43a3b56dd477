"""A JSON Schema's properties as columns of a table."""

from __future__ import annotations

from collections.abc import Iterator

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.model import ArrowField, ArrowSchema, ArrowType
from maestro.lake.contracts.json_schema.document import Document, Kind, Node

__all__ = ["columns_of"]

_TEXTS = {"date-time": ArrowType("timestamp", ("us", "UTC")), "date": ArrowType("date", ("day",))}
_SCALARS = {Kind.BOOLEAN: ArrowType("bool"), Kind.NULL: ArrowType("null")}
_Within = tuple[Node, ...]


def columns_of(document: Document) -> ArrowSchema:
    """The columns of an object.

    Raises:
        BadInputError: ``not_tabular``, the schema describes no object, or a part has no type that tables know.
    """
    type_, _ = _type(document.root, "#", ())
    if type_.name != "struct":
        raise _no_columns("describes no object with properties", "#/", "Its properties are the columns.")
    return ArrowSchema(type_.children)


def _type(node: Node, path: str, within: _Within) -> tuple[ArrowType, bool]:
    """The type, and whether null is among its values."""
    if any(node is outer for outer in within):
        raise _no_columns("contains itself", path, "Tables have no recursive types.")
    values = [each for each in _alternatives(node) if each.kind is not Kind.NULL]
    nullable = len(values) < len(list(_alternatives(node)))
    types = {str(found): found for found in (_one(each, path, (*within, node)) for each in values)}
    if len(types) > 1 and types.keys() == {"int64", "float64"}:
        types.pop("int64")
    if len(types) > 1:
        raise _no_columns(f"may be {' or '.join(types)}", path, "Use one type, or it and null.")
    return (next(iter(types.values())), nullable) if types else (ArrowType("null"), True)


def _alternatives(node: Node) -> Iterator[Node]:
    """What a value may be: the parts of anyOf and oneOf, looked through."""
    if node.kind is Kind.COMBINED and (node.criterion != "allOf" or len(node.members()) == 1):
        for part in node.members():
            yield from _alternatives(part)
    elif node.kind is Kind.ENUM and not node.implied and None in node.raw["enum"]:
        yield Node(Kind.NULL, {}, node.document)
        yield Node(
            Kind.ENUM, {"enum": [each for each in node.raw["enum"] if each is not None]}, node.document
        )
    else:
        yield node


def _one(node: Node, path: str, within: _Within) -> ArrowType:
    if node.kind is Kind.COMBINED:
        return _all_of(node, path, within)
    if node.kind is Kind.OBJECT:
        return _object(node, path, within)
    if node.kind is Kind.ARRAY:
        return _array(node, path, within)
    if node.kind is Kind.NUMBER:
        return ArrowType("int", (64,)) if node.get("type") == "integer" else ArrowType("float", (64,))
    if node.kind is Kind.STRING:
        return _TEXTS.get(node.get("format"), ArrowType("string"))
    return _SCALARS[node.kind] if node.kind in _SCALARS else _listed(node, path)


def _all_of(node: Node, path: str, within: _Within) -> ArrowType:
    """What all parts together describe: one type, or the properties of all objects."""
    found = []
    for part in node.members():
        if part.kind in {Kind.NOT, Kind.CONDITIONAL, Kind.ANY}:
            continue
        if part.kind is Kind.OBJECT and not part.get("properties"):
            continue  # demands something of an object that another part describes
        found.append(_type(part, path, within)[0])
    structs = [each for each in found if each.name == "struct"]
    if structs and len(structs) == len(found):
        fields = {field.name: field for each in structs for field in each.children}
        return ArrowType("struct", (), tuple(fields.values()))
    types = {str(each): each for each in found}
    if "string" in types and len(types) > 1:  # an enumeration beside a format
        types.pop("string")
    if len(types) != 1:
        raise _no_columns("combines several types", path, "Use one type.")
    return next(iter(types.values()))


def _object(node: Node, path: str, within: _Within) -> ArrowType:
    properties, others = node.get("properties"), node.get("additionalProperties")
    if not properties and isinstance(others, dict):
        value, nullable = _type(node.below(others), f"{path}/additionalProperties", within)
        key = ArrowField("key", ArrowType("string"), False)
        return ArrowType("map", (), (key, ArrowField("value", value, nullable)))
    if not properties:
        raise _no_columns("is an object of unknown properties", path, "Name its properties.")
    required = node.get("required") or ()
    fields = []
    for name, schema in properties.items():
        type_, nullable = _type(node.below(schema), f"{path}/properties/{name}", within)
        fields.append(ArrowField(name, type_, nullable or name not in required))
    return ArrowType("struct", (), tuple(fields))


def _array(node: Node, path: str, within: _Within) -> ArrowType:
    items = node.get("items")
    if not isinstance(items, dict):
        raise _no_columns("is an array of unknown items", path, 'Give "items" one schema.')
    type_, nullable = _type(node.below(items), f"{path}/items", within)
    return ArrowType("list", (), (ArrowField("item", type_, nullable),))


def _listed(node: Node, path: str) -> ArrowType:
    """The type that all listed values share."""
    if node.kind is Kind.ENUM:
        values = node.raw["enum"]
        for kind, type_ in (
            (bool, ArrowType("bool")),
            (int, ArrowType("int", (64,))),
            (str, ArrowType("string")),
        ):
            if values and all(type(each) is kind for each in values):
                return type_
        if values and all(isinstance(each, int | float) for each in values):
            return ArrowType("float", (64,))
    raise _no_columns(f"is {node}, which is no type of a column", path, 'Give it a "type".')


def _no_columns(message: str, path: str, remedy: str) -> BadInputError:
    return BadInputError(f"{message}.", field=path, code="not_tabular", remedy=remedy)
