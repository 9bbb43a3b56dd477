"""Parts of documents by paths, and JSON Patch (OPA's ``json.filter``, ``json.remove``, ``json.patch``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from maestro.rego.builtins.registry import Context, Family, array, object_, operand_error, operand_fault
from maestro.rego.errors import BuiltinError
from maestro.rego.rendering import render
from maestro.rego.values import UNDEFINED, equal, key, type_name, unkey

__all__ = ["family"]

family = Family()

_DEPTH = 1_000


def _path(value: Any) -> list[Any]:
    """A JSON Pointer (RFC 6901), its first ``/`` left out or not, or an array of keys."""
    if type(value) is str:
        if not value:
            return []
        return [part.replace("~1", "/").replace("~0", "~") for part in value.lstrip("/").split("/")]
    if type(value) is list:
        return value
    raise operand_fault(
        2,
        "must be one of {set, array} containing string paths or array of path segments but got "
        + type_name(value),
    )


def _paths(value: Any) -> dict[Any, Any]:
    """All paths as one tree of keys; None ends one, and nothing below it counts."""
    if type(value) not in {list, set}:
        raise operand_error(2, value, "set", "array")
    root: dict[Any, Any] = {}
    for path in [_path(unkey(item)) for item in value]:
        if len(path) > _DEPTH:
            raise BuiltinError(f"a path has more than {_DEPTH} segments")
        node: dict[Any, Any] | None = root
        for segment in path[:-1]:
            if node is not None:
                node = node.setdefault(key(segment), {})
        if path and node is not None:
            node[key(path[-1])] = None
    return root


@family.builtin("json.filter", context=True)
def json_filter(context: Context, value: Any, paths: Any) -> Any:
    """The object with what stands at these paths alone."""
    return _filtered(context, object_(value, 1), _paths(paths))


def _filtered(context: Context, value: Any, tree: dict[Any, Any] | None) -> Any:
    if tree is None:
        return value
    context.spend(1)
    kind = type(value)
    if kind is dict:
        return {name: _filtered(context, item, tree[name]) for name, item in value.items() if name in tree}
    if kind is list:
        return [_filtered(context, item, tree[str(i)]) for i, item in enumerate(value) if str(i) in tree]
    if kind is set:
        return {key(_filtered(context, unkey(item), tree[item])) for item in value if item in tree}
    return value


@family.builtin("json.remove", context=True)
def json_remove(context: Context, value: Any, paths: Any) -> Any:
    """The object without what stands at these paths."""
    return _removed(context, object_(value, 1), _paths(paths))


def _removed(context: Context, value: Any, tree: dict[Any, Any]) -> Any:
    context.spend(1)

    def kept(name: Any, item: Any) -> Any:
        below = tree.get(name, UNDEFINED)
        if below is None:
            return UNDEFINED
        return item if below is UNDEFINED else _removed(context, item, below)

    kind = type(value)
    if kind is dict:
        pairs = ((name, kept(name, item)) for name, item in value.items())
        return {name: item for name, item in pairs if item is not UNDEFINED}
    if kind is list:
        return [found for i, item in enumerate(value) if (found := kept(str(i), item)) is not UNDEFINED]
    if kind is set:
        found_ones = (kept(item, unkey(item)) for item in value)
        return {key(found) for found in found_ones if found is not UNDEFINED}
    return value


# ---- JSON Patch ------------------------------------------------------------------------------------------


def _index(size: int, name: Any) -> int:
    """An array's index; ``-`` is the place behind its last member (RFC 6901 section 4)."""
    if type(name) is int:
        return name
    if name == "-":
        return size
    if type(name) is not str or not name.lstrip("-").isdecimal() or not name.isascii():
        raise BuiltinError(
            "invalid string for indexing" if type(name) is str else "invalid type for indexing"
        )
    if name != "0" and name.startswith("0"):
        raise BuiltinError("leading zeros are not allowed in JSON paths")
    return int(name[:20])


def _child(value: Any, name: Any) -> Any:
    kind = type(value)
    if kind is dict:
        found = value.get(key(name), UNDEFINED)
    elif kind is list:
        index = _index(len(value), name)
        found = value[index] if 0 <= index < len(value) else UNDEFINED
    elif kind is set:
        found = name if key(name) in value else UNDEFINED
    else:
        raise BuiltinError(f"expected composite type for path {render(name)}, found value: {render(value)}")
    if found is UNDEFINED:
        raise BuiltinError(f"path {render(name)} does not exist in {type_name(value)} term {render(value)}")
    return found


def _at(value: Any, path: list[Any]) -> Any:
    for name in path:
        value = _child(value, name)
    return value


def _changed(value: Any, path: list[Any], change: Callable[[Any, Any], Any]) -> Any:
    """A copy of ``value`` with the parent of ``path``'s end replaced by what ``change`` makes of it."""
    if len(path) == 1:
        return change(value, path[0])
    below = _changed(_child(value, path[0]), path[1:], change)
    if type(value) is list:
        at = _index(len(value), path[0])
        return [*value[:at], below, *value[at + 1 :]]
    if type(value) is set:
        return {item for item in value if item != key(path[0])} | {key(below)}
    return {**value, key(path[0]): below}


def _insert(value: Any, path: list[Any], item: Any) -> Any:
    def change(parent: Any, name: Any) -> Any:
        if type(parent) is dict:
            return {**parent, key(name): item}
        if type(parent) is set:
            if not equal(name, item):
                raise BuiltinError(
                    f"set key {render(name)} does not equal value to be inserted {render(item)}"
                )
            return parent | {key(item)}
        if type(parent) is not list:
            raise BuiltinError(f"expected composite type, found value: {render(parent)}")
        at = _index(len(parent), name)
        if not 0 <= at <= len(parent):
            raise BuiltinError("index for array insertion out of bounds")
        return [*parent[:at], item, *parent[at:]]

    return _changed(value, path, change) if path else item


def _delete(value: Any, path: list[Any]) -> Any:
    def change(parent: Any, name: Any) -> Any:
        if type(parent) is list:
            at = _index(len(parent), name)
            if not 0 <= at < len(parent):
                raise BuiltinError("index for array delete out of bounds")
            return parent[:at] + parent[at + 1 :]
        if type(parent) not in {dict, set}:
            raise BuiltinError(f"expected composite type, found value: {render(parent)}")
        if key(name) not in parent:
            raise BuiltinError(f"cannot delete child key {render(name)} that does not exist")
        if type(parent) is set:
            return parent - {key(name)}
        return {other: item for other, item in parent.items() if other != key(name)}

    return _changed(value, path, change) if path else UNDEFINED


def _wanted(operation: dict[Any, Any], name: str) -> Any:
    if name not in operation:
        raise BuiltinError(f"missing required attribute '{name}'")
    return operation[name]


@family.builtin("json.patch", context=True)
def json_patch(context: Context, value: Any, operations: Any) -> Any:
    """The value after a JSON Patch (RFC 6902), on sets too."""
    for operation in array(operations, 2):
        if type(operation) is not dict:
            raise BuiltinError(
                "must be an array of JSON-Patch objects, but at least one element is not an object"
            )
        context.spend(1)
        value = _patched(context, value, operation)
    return value


def _patched(context: Context, value: Any, operation: dict[Any, Any]) -> Any:
    _wanted(operation, "path")
    name = _wanted(operation, "op")
    if type(name) is not str:
        raise BuiltinError("attribute 'op' must be a string")
    path = _path(operation["path"])
    if len(path) > _DEPTH:
        raise BuiltinError(f"a path has more than {_DEPTH} segments")
    if value is UNDEFINED and (path or name != "add"):
        raise BuiltinError("deleted node encountered")
    change = _OPERATIONS.get(name)
    if change is None:
        raise BuiltinError(f"unrecognized op: '{name}'")
    if type(value) in {list, dict, set}:
        context.spend(len(value) // 16)
    return change(value, path, operation)


def _move(value: Any, path: list[Any], operation: dict[Any, Any]) -> Any:
    source = _path(_wanted(operation, "from"))
    chunk = _at(value, source)
    return _insert(_delete(value, source), path, chunk)


def _test(value: Any, path: list[Any], operation: dict[Any, Any]) -> Any:
    if not equal(_at(value, path), _wanted(operation, "value")):
        raise BuiltinError("value from EditTree != patch value")
    return value


_OPERATIONS: Final[dict[str, Callable[[Any, list[Any], dict[Any, Any]], Any]]] = {
    "add": lambda value, path, operation: _insert(value, path, _wanted(operation, "value")),
    "remove": lambda value, path, _: _delete(value, path),
    "replace": lambda value, path, operation: _insert(
        _delete(value, path), path, _wanted(operation, "value")
    ),
    "move": _move,
    "copy": lambda value, path, operation: _insert(
        value, path, _at(value, _path(_wanted(operation, "from")))
    ),
    "test": _test,
}
