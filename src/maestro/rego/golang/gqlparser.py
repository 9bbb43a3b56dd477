"""GraphQL documents as ``github.com/vektah/gqlparser`` shows them in JSON, from graphql-core's syntax tree.

OPA prunes what is null or empty and all positions; so do these. Errors are worded as gqlparser words them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["GraphqlError", "executable", "print_query", "print_schema", "schema_document", "worded"]


class GraphqlError(ValueError):
    """A document that does not parse or does not hold; the message is gqlparser's."""


_KINDS = {
    "variable": 0,
    "int_value": 1,
    "float_value": 2,
    "string_value": 3,
    "boolean_value": 5,
    "null_value": 6,
    "enum_value": 7,
    "list_value": 8,
    "object_value": 9,
}
_BLOCK = 4
_DEFINITIONS = {
    "scalar_type": "SCALAR",
    "object_type": "OBJECT",
    "interface_type": "INTERFACE",
    "union_type": "UNION",
    "enum_type": "ENUM",
    "input_object_type": "INPUT_OBJECT",
}


def _pruned(found: dict[str, Any]) -> dict[str, Any]:
    """Without what OPA leaves out: null, and empty objects and arrays."""
    return {name: item for name, item in found.items() if item is not None and item not in ([], {})}


def _comments(token: Any) -> dict[str, Any]:
    """The comment lines right before a token."""
    lines: list[dict[str, Any]] = []
    token = token.prev
    while token is not None and token.kind.name == "COMMENT":
        lines.append({"Value": f"#{token.value}"})
        token = token.prev
    return {"List": lines[::-1]} if lines else {}


def _before(node: Any) -> dict[str, Any]:
    return _comments(node.loc.start_token)


def _each(nodes: Iterable[Any] | None, convert: Any) -> list[Any]:
    return [convert(node) for node in nodes or ()]


# ---- executable documents --------------------------------------------------------------------------------


def executable(document: Any) -> dict[str, Any]:
    """A query document."""
    operations, fragments = [], []
    for node in document.definitions:
        if node.kind == "operation_definition":
            operations.append(_operation(node))
        elif node.kind == "fragment_definition":
            fragments.append(_fragment(node))
    return _pruned({"Operations": operations, "Fragments": fragments})


def _operation(node: Any) -> dict[str, Any]:
    return _pruned(
        {
            "Operation": node.operation.value,
            "Name": node.name.value if node.name else "",
            "VariableDefinitions": _each(node.variable_definitions, _variable),
            "Directives": _each(node.directives, _directive),
            "SelectionSet": _each(node.selection_set.selections, _selection),
            "Comment": {} if _shorthand(node) else _before(node),
        }
    )


def _shorthand(node: Any) -> bool:
    return bool(node.loc.start_token.kind.name == "BRACE_L")


def _fragment(node: Any) -> dict[str, Any]:
    return _pruned(
        {
            "Name": node.name.value,
            "VariableDefinition": _each(node.variable_definitions, _variable),
            "TypeCondition": node.type_condition.name.value,
            "Directives": _each(node.directives, _directive),
            "SelectionSet": _each(node.selection_set.selections, _selection),
            "Comment": _before(node),
        }
    )


def _variable(node: Any) -> dict[str, Any]:
    return _pruned(
        {
            "Variable": node.variable.name.value,
            "Type": _type(node.type),
            "DefaultValue": _value(node.default_value),
            "Directives": _each(node.directives, _directive),
            "Used": False,
            "Comment": _before(node),
        }
    )


def _selection(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"Directives": _each(node.directives, _directive), "Comment": _before(node)}
    if node.kind == "field":
        found["Alias"] = (node.alias or node.name).value
        found["Name"] = node.name.value
        found["Arguments"] = _each(node.arguments, _argument)
    elif node.kind == "fragment_spread":
        found["Name"] = node.name.value
        return _pruned(found)
    else:
        found["TypeCondition"] = node.type_condition.name.value if node.type_condition else ""
    found["SelectionSet"] = _each(node.selection_set.selections, _selection) if node.selection_set else []
    return _pruned(found)


def _argument(node: Any) -> dict[str, Any]:
    return _pruned({"Name": node.name.value, "Value": _value(node.value), "Comment": _before(node)})


def _directive(node: Any) -> dict[str, Any]:
    return _pruned({"Name": node.name.value, "Arguments": _each(node.arguments, _argument), "Location": ""})


def _type(node: Any) -> dict[str, Any]:
    required = node.kind == "non_null_type"
    node = node.type if required else node
    if node.kind == "list_type":
        return {"NamedType": "", "Elem": _type(node.type), "NonNull": required}
    return {"NamedType": node.name.value, "NonNull": required}


def _value(node: Any) -> dict[str, Any] | None:
    if node is None:
        return None
    raw, children = "", []
    kind = _KINDS[node.kind]
    if node.kind == "variable":
        raw = node.name.value
    elif node.kind == "list_value":
        children = [{"Name": "", "Value": _value(item)} for item in node.values]
    elif node.kind == "object_value":
        children = [{"Name": item.name.value, "Value": _value(item.value)} for item in node.fields]
    elif node.kind == "null_value":
        raw = "null"
    elif node.kind == "boolean_value":
        raw = "true" if node.value else "false"
    else:
        raw = node.value
        kind = _BLOCK if getattr(node, "block", False) else kind
    return _pruned({"Raw": raw, "Children": children, "Kind": kind, "ExpectedTypeHasDefault": False})


# ---- schemas ---------------------------------------------------------------------------------------------


def schema_document(document: Any) -> dict[str, Any]:
    """A schema document."""
    found: dict[str, list[Any]] = {
        "Schema": [],
        "SchemaExtension": [],
        "Directives": [],
        "Definitions": [],
        "Extensions": [],
    }
    for node in document.definitions:
        if node.kind == "schema_definition":
            found["Schema"].append(_schema(node))
        elif node.kind == "schema_extension":
            found["SchemaExtension"].append(_schema(node))
        elif node.kind == "directive_definition":
            found["Directives"].append(_directive_definition(node))
        elif node.kind.endswith("_extension"):
            found["Extensions"].append(_definition(node))
        else:
            found["Definitions"].append(_definition(node))
    return _pruned(found)


def _described(node: Any) -> dict[str, Any]:
    """Description, and the comments before and after it."""
    description = getattr(node, "description", None)
    found: dict[str, Any] = {"Description": description.value if description else ""}
    before = _before(node)
    if description:
        token = description.loc.end_token.next
        while token.kind.name == "COMMENT":
            token = token.next
        return found | {"BeforeDescriptionComment": before, "AfterDescriptionComment": _comments(token)}
    return found | {"AfterDescriptionComment": before}


def _end(node: Any) -> dict[str, Any]:
    last = node.loc.end_token
    return _comments(last) if last.kind.name == "BRACE_R" else {}


def _schema(node: Any) -> dict[str, Any]:
    operations = [
        _pruned({"Operation": one.operation.value, "Type": one.type.name.value, "Comment": _before(one)})
        for one in node.operation_types or ()
    ]
    return _pruned(
        _described(node)
        | {
            "Directives": _each(node.directives, _directive),
            "OperationTypes": operations,
            "EndOfDefinitionComment": _end(node),
        }
    )


def _definition(node: Any) -> dict[str, Any]:
    kind = _DEFINITIONS[node.kind.rsplit("_", 1)[0]]
    convert = _input_field if kind == "INPUT_OBJECT" else _field
    return _pruned(
        _described(node)
        | {
            "Kind": kind,
            "Name": node.name.value,
            "Directives": _each(node.directives, _directive),
            "Interfaces": [one.name.value for one in getattr(node, "interfaces", None) or ()],
            "Fields": _each(getattr(node, "fields", None), convert),
            "Types": [one.name.value for one in getattr(node, "types", None) or ()],
            "EnumValues": _each(getattr(node, "values", None), _enum_value),
            "BuiltIn": False,
            "EndOfDefinitionComment": _end(node),
        }
    )


def _field(node: Any) -> dict[str, Any]:
    return _pruned(
        _described(node)
        | {
            "Name": node.name.value,
            "Arguments": _each(node.arguments, _input_field),
            "Type": _type(node.type),
            "Directives": _each(node.directives, _directive),
        }
    )


def _input_field(node: Any) -> dict[str, Any]:
    return _pruned(
        _described(node)
        | {
            "Name": node.name.value,
            "DefaultValue": _value(node.default_value),
            "Type": _type(node.type),
            "Directives": _each(node.directives, _directive),
        }
    )


def _enum_value(node: Any) -> dict[str, Any]:
    return _pruned(
        _described(node) | {"Name": node.name.value, "Directives": _each(node.directives, _directive)}
    )


def _directive_definition(node: Any) -> dict[str, Any]:
    return _pruned(
        _described(node)
        | {
            "Name": node.name.value,
            "Arguments": _each(node.arguments, _input_field),
            "Locations": [one.value for one in node.locations],
            "IsRepeatable": node.repeatable,
        }
    )


# ---- documents given as objects --------------------------------------------------------------------------


def print_query(found: Any) -> str:
    """The text of a query document given in JSON.

    Raises:
        GraphqlError: it is not one.
    """
    try:
        parts = [_printed_operation(one) for one in found.get("Operations", ())]
        parts += [_printed_fragment(one) for one in found.get("Fragments", ())]
        return "\n".join(parts)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GraphqlError(f"not a query document: {error}") from error


def _printed_operation(found: Any) -> str:
    variables = ", ".join(_printed_variable(one) for one in found.get("VariableDefinitions", ()))
    name = found.get("Name", "") + (f"({variables})" if variables else "")
    return f"{found['Operation']} {name}{_printed_directives(found)} {_printed_selections(found)}"


def _printed_variable(found: Any) -> str:
    default = f" = {_printed_value(found['DefaultValue'])}" if found.get("DefaultValue") else ""
    return f"${found['Variable']}: {_printed_type(found['Type'])}{default}{_printed_directives(found)}"


def _printed_fragment(found: Any) -> str:
    head = f"fragment {found['Name']} on {found['TypeCondition']}{_printed_directives(found)}"
    return f"{head} {_printed_selections(found)}"


def _printed_selections(found: Any) -> str:
    return f"{{ {' '.join(_printed_selection(one) for one in found['SelectionSet'])} }}"


def _printed_selection(found: Any) -> str:
    if "TypeCondition" in found:
        condition = f" on {found['TypeCondition']}" if found["TypeCondition"] else ""
        return f"...{condition}{_printed_directives(found)} {_printed_selections(found)}"
    if "Alias" not in found:
        return f"...{found['Name']}{_printed_directives(found)}"
    alias = f"{found['Alias']}: " if found["Alias"] not in {"", found["Name"]} else ""
    arguments = ", ".join(_printed_argument(one) for one in found.get("Arguments", ()))
    shown = f"{alias}{found['Name']}{f'({arguments})' if arguments else ''}{_printed_directives(found)}"
    return f"{shown} {_printed_selections(found)}" if found.get("SelectionSet") else shown


def print_schema(found: Any) -> str:
    """The schema language of a schema document given in JSON.

    Raises:
        GraphqlError: it is not one.
    """
    try:
        parts = [_printed_schema(one, "schema") for one in found.get("Schema", ())]
        parts += [_printed_schema(one, "extend schema") for one in found.get("SchemaExtension", ())]
        parts += [_printed_directive(one) for one in found.get("Directives", ())]
        parts += [_printed_definition(one, "") for one in found.get("Definitions", ())]
        parts += [_printed_definition(one, "extend ") for one in found.get("Extensions", ())]
        return "\n".join(parts)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GraphqlError(f"not a schema document: {error}") from error


def _printed_schema(found: Any, word: str) -> str:
    operations = " ".join(f"{one['Operation']}: {one['Type']}" for one in found.get("OperationTypes", ()))
    return f"{word}{_printed_directives(found)}{f' {{ {operations} }}' if operations else ''}"


def _printed_directive(found: Any) -> str:
    repeatable = " repeatable" if found.get("IsRepeatable") else ""
    return (
        f"directive @{found['Name']}{_printed_inputs(found)}{repeatable} on {' | '.join(found['Locations'])}"
    )


_WORDS = {
    "SCALAR": "scalar",
    "OBJECT": "type",
    "INTERFACE": "interface",
    "UNION": "union",
    "ENUM": "enum",
    "INPUT_OBJECT": "input",
}


def _printed_definition(found: Any, prefix: str) -> str:
    text = f"{prefix}{_WORDS[found['Kind']]} {found['Name']}"
    if found.get("Interfaces"):
        text += f" implements {' & '.join(found['Interfaces'])}"
    text += _printed_directives(found)
    if found.get("Types"):
        text += f" = {' | '.join(found['Types'])}"
    members = [_printed_field(one) for one in found.get("Fields", ())]
    members += [one["Name"] + _printed_directives(one) for one in found.get("EnumValues", ())]
    return f"{text} {{ {' '.join(members)} }}" if members else text


def _printed_field(found: Any) -> str:
    default = f" = {_printed_value(found['DefaultValue'])}" if found.get("DefaultValue") else ""
    return (
        f"{found['Name']}{_printed_inputs(found)}: {_printed_type(found['Type'])}"
        f"{default}{_printed_directives(found)}"
    )


def _printed_inputs(found: Any) -> str:
    inputs = ", ".join(_printed_field(one) for one in found.get("Arguments", ()))
    return f"({inputs})" if inputs else ""


def _printed_directives(found: Any) -> str:
    shown = ""
    for one in found.get("Directives", ()):
        arguments = ", ".join(_printed_argument(item) for item in one.get("Arguments", ()))
        shown += f" @{one['Name']}{f'({arguments})' if arguments else ''}"
    return shown


def _printed_argument(found: Any) -> str:
    return f"{found['Name']}: {_printed_value(found['Value'])}"


def _printed_type(found: Any) -> str:
    inner = found.get("NamedType") or f"[{_printed_type(found['Elem'])}]"
    return inner + ("!" if found.get("NonNull") else "")


def _printed_value(found: Any) -> str:
    import json

    kind, raw = int(found["Kind"]), found.get("Raw", "")
    if kind in {3, 4}:
        return json.dumps(raw)
    children = found.get("Children", ())
    if kind == 8:
        return f"[{', '.join(_printed_value(one['Value']) for one in children)}]"
    if kind == 9:
        return f"{{{', '.join(_printed_argument(one) for one in children)}}}"
    return f"${raw}" if kind == 0 else str(raw)


# ---- errors ----------------------------------------------------------------------------------------------


def worded(error: Any, text: str) -> GraphqlError:
    """graphql-core's error in gqlparser's words."""
    message = str(error.message).removeprefix("Syntax Error: ").removesuffix(".")
    where = error.locations[0] if error.locations else None
    if where is None:
        return GraphqlError(f"GraphQL parse error: {message}")
    if message == "Expected Name, found '}'" and _after_brace(text, where):
        message = "expected at least one definition, found }"
    elif message.startswith("Unexpected variable"):
        message = "Unexpected $"
    elif message.startswith(("Unterminated", "Invalid character", "Unexpected character")):
        message = "Unexpected <Invalid>"
    elif message.startswith("Unexpected description"):
        message = f"Unexpected String {_string_at(text, where)}"
    message = re.sub(r"'([^\w']+)'", r"\1", message).replace("'", '"')
    message = re.sub(r'^Argument "\w+\.(\w+)\((\w+):\)" of', r'Field "\1" argument "\2" of', message)
    # gqlparser counts a string from behind its opening quote.
    column = where.column + message.startswith("Unexpected String")
    return GraphqlError(f"{message} in GraphQL string at location {where.line}:{column}")


def _string_at(text: str, where: Any) -> str:
    found = re.match(r'"+([^"]*)', text.splitlines()[where.line - 1][where.column - 1 :])
    return f'"{found[1] if found else ""}"'


def _after_brace(text: str, where: Any) -> bool:
    lines = text.splitlines()
    before = "\n".join([*lines[: where.line - 1], lines[where.line - 1][: where.column - 1]])
    return before.rstrip(" \t\n\r,").endswith("{")
