"""OPA's plan (its intermediate representation), read strictly from ``plan.json``.

The format is described in OPA's documentation ("Intermediate Representation") and by its schema ``ir/v1``. It carries
no version of its own, so whatever this reader does not know (a statement, a field, a kind of operand) is refused:
a newer OPA may mean something by it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from maestro.rego.errors import PlanError

__all__ = [
    "Block",
    "Function",
    "Operand",
    "Plan",
    "Policy",
    "Statement",
    "read_plan",
]

SIZE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a ``plan.json``."""
DEPTH_LIMIT: Final = 60
"""Blocks within blocks: Python takes 100 levels of indentation, and a person fewer."""


class Operand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A local variable (``local``), a constant of the string table (``string_index``) or a boolean (``bool``)."""

    type: str
    value: int | bool


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One step of a block, and where in the policy's files it comes from."""

    file: int = 0
    col: int = 0
    row: int = 0
    end_col: int = 0
    end_row: int = 0


class Block(msgspec.Struct, frozen=True):
    """Statements that run in order until one is undefined."""

    stmts: tuple[Statement, ...]


class ReturnLocal(Statement, frozen=True, kw_only=True):
    """End the function with a local's value."""

    source: int


class Call(Statement, frozen=True, kw_only=True):
    """Call a function of the plan or a builtin by name."""

    func: str
    args: tuple[Operand, ...]
    result: int


class CallDynamic(Statement, frozen=True, kw_only=True):
    """Call the rule whose path the operands spell."""

    args: tuple[Operand, ...]
    result: int
    path: tuple[Operand, ...]


class Blocks(Statement, frozen=True, kw_only=True):
    """Blocks one after the other (``BlockStmt``)."""

    blocks: tuple[Block, ...]


class Break(Statement, frozen=True, kw_only=True):
    """Jump to the end of a block: 0 is the current one."""

    index: int


class Dot(Statement, frozen=True, kw_only=True):
    """Look a key up; undefined when it is not there."""

    source: Operand
    key: Operand
    target: int


class Len(Statement, frozen=True, kw_only=True):
    """Count members."""

    source: Operand
    target: int


class Scan(Statement, frozen=True, kw_only=True):
    """Run a block for each member."""

    source: int
    key: int
    value: int
    block: Block


class Not(Statement, frozen=True, kw_only=True):
    """Undefined when the block runs to its end."""

    block: Block


class AssignInt(Statement, frozen=True, kw_only=True):
    """Assign an integer."""

    value: int
    target: int


class AssignVar(Statement, frozen=True, kw_only=True):
    """Copy a value, also an undefined one."""

    source: Operand
    target: int


class AssignVarOnce(Statement, frozen=True, kw_only=True):
    """Copy a value; a conflict when another is there already."""

    source: Operand
    target: int


class ResetLocal(Statement, frozen=True, kw_only=True):
    """Make a local undefined."""

    target: int


class MakeNull(Statement, frozen=True, kw_only=True):
    """Make a null."""

    target: int


class MakeNumberInt(Statement, frozen=True, kw_only=True):
    """Make an integer."""

    value: int
    target: int


class MakeNumberRef(Statement, frozen=True, kw_only=True):
    """Make a number from the text of a string constant. OPA still writes ``Index`` beside ``index``."""

    index: int | None = None
    legacy: int | None = msgspec.field(default=None, name="Index")
    target: int


class MakeArray(Statement, frozen=True, kw_only=True):
    """Make an empty array."""

    capacity: int = 0
    target: int


class MakeObject(Statement, frozen=True, kw_only=True):
    """Make an empty object."""

    target: int


class MakeSet(Statement, frozen=True, kw_only=True):
    """Make an empty set."""

    target: int


class Equal(Statement, frozen=True, kw_only=True):
    """Undefined unless equal."""

    a: Operand
    b: Operand


class NotEqual(Statement, frozen=True, kw_only=True):
    """Undefined if equal."""

    a: Operand
    b: Operand


class IsType(Statement, frozen=True, kw_only=True):
    """Undefined unless of a type: see the subclasses."""

    source: Operand


class IsArray(IsType, frozen=True, kw_only=True):
    """Undefined unless an array."""


class IsObject(IsType, frozen=True, kw_only=True):
    """Undefined unless an object."""


class IsSet(IsType, frozen=True, kw_only=True):
    """Undefined unless a set."""


class IsDefined(Statement, frozen=True, kw_only=True):
    """Undefined if the local is."""

    source: int


class IsUndefined(Statement, frozen=True, kw_only=True):
    """Undefined if the local is not."""

    source: int


class ArrayAppend(Statement, frozen=True, kw_only=True):
    """Append to an array."""

    value: Operand
    array: int


class ObjectInsert(Statement, frozen=True, kw_only=True):
    """Put a key and value into an object."""

    key: Operand
    value: Operand
    object: int


class ObjectInsertOnce(Statement, frozen=True, kw_only=True):
    """Put a key and value into an object; a conflict when the key has another value."""

    key: Operand
    value: Operand
    object: int


class ObjectMerge(Statement, frozen=True, kw_only=True):
    """Merge two objects deeply, the first winning."""

    a: int
    b: int
    target: int


class SetAdd(Statement, frozen=True, kw_only=True):
    """Add to a set."""

    value: Operand
    set: int


class With(Statement, frozen=True, kw_only=True):
    """Run a block with a local, or a path in it, replaced."""

    local: int
    path: tuple[int, ...]
    value: Operand
    block: Block


class Nop(Statement, frozen=True, kw_only=True):
    """Do nothing."""


class ResultSetAdd(Statement, frozen=True, kw_only=True):
    """Add bindings to the query's results."""

    value: int


_STATEMENTS: Final[dict[str, type[Statement]]] = {
    **{f"{kind.__name__}Stmt": kind for kind in (*Statement.__subclasses__(), *IsType.__subclasses__())},
    "BlockStmt": Blocks,
}
for _ours in ("BlocksStmt", "IsTypeStmt"):
    del _STATEMENTS[_ours]


class Function(msgspec.Struct, frozen=True):
    """A rule (two parameters: input and data) or a function of the policy.

    Attributes:
        name: what Call names.
        params: locals that take the arguments.
        result: local whose value is returned.
        blocks: run in order.
        path: what CallDynamic spells; empty if it cannot.
    """

    name: str
    params: tuple[int, ...]
    result: int
    blocks: tuple[Block, ...]
    path: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """An entrypoint: its name is the path with slashes."""

    name: str
    blocks: tuple[Block, ...]


class Policy(msgspec.Struct, frozen=True):
    """A whole plan.

    Attributes:
        strings: table of constants.
        builtins: names of the builtins that are called, in the order of the plan.
        files: names of the policy's files, which statements point at.
        plans: entrypoints.
        functions: what they call.
        names: of the functions.
    """

    strings: tuple[str, ...]
    builtins: tuple[str, ...]
    files: tuple[str, ...]
    plans: tuple[Plan, ...]
    functions: tuple[Function, ...]
    names: frozenset[str]


def read_plan(source: bytes | dict[str, Any]) -> Policy:
    """Read and check a plan.

    Raises:
        PlanError: not JSON, not a plan, or with something in it that this reader does not know; names where.
    """
    try:
        raw = _parsed(source) if isinstance(source, bytes) else source
        return _policy(raw)
    except RecursionError as error:
        raise PlanError("The plan nests too deeply.", remedy="Plan it with opa build -t plan.") from error


def _parsed(source: bytes) -> Any:
    if len(source) > SIZE_LIMIT:
        raise PlanError(f"The plan has {len(source)} bytes.", remedy=f"At most {SIZE_LIMIT} are read.")
    try:
        return msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError(
            f"The plan is not JSON: {error}.", remedy="Plan it with opa build -t plan."
        ) from error


def _refused(message: str, field: str, value: object = None) -> PlanError:
    return PlanError(
        message, field=field, value=value, remedy="Plan it with the OPA version that this reader knows."
    )


def _object(raw: Any, field: str, known: frozenset[str]) -> dict[str, Any]:
    """The object at a place; null stands for an empty one, since Go writes absent parts so."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise _refused("is not an object.", field, raw)
    unknown = sorted(set(raw) - known)
    if unknown:
        raise _refused("is nothing that this reader knows.", f"{field}.{unknown[0]}".lstrip("."))
    return raw


def _list(raw: Any, field: str) -> list[Any]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise _refused("is not an array.", field, raw)
    return raw


def _convert(raw: Any, shape: Any, field: str) -> Any:
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise _refused(f"is wrong: {error}.", field) from error


def _policy(raw: Any) -> Policy:
    if raw is None:
        raise _refused("is null.", "plan")
    top = _object(raw, "", frozenset({"static", "plans", "funcs", "unplanned_rules"}))
    static = _object(top.get("static"), "static", frozenset({"strings", "builtin_funcs", "files"}))
    plans = _list(_object(top.get("plans"), "plans", frozenset({"plans"})).get("plans"), "plans.plans")
    functions = _list(_object(top.get("funcs"), "funcs", frozenset({"funcs"})).get("funcs"), "funcs.funcs")
    made = tuple(_function(function, f"funcs.funcs[{i}]") for i, function in enumerate(functions))
    return Policy(
        strings=_names(static, "strings", "value"),
        builtins=_names(static, "builtin_funcs", "name"),
        files=_names(static, "files", "value"),
        plans=tuple(_plan(plan, f"plans.plans[{i}]") for i, plan in enumerate(plans)),
        functions=made,
        names=frozenset(function.name for function in made),
    )


def _names(static: dict[str, Any], part: str, key: str) -> tuple[str, ...]:
    field = f"static.{part}"
    entries = [_convert(entry, dict[str, Any], field) for entry in _list(static.get(part), field)]
    return tuple(_convert(entry.get(key), str, f"{field}[{i}].{key}") for i, entry in enumerate(entries))


def _plan(raw: Any, field: str) -> Plan:
    found = _object(raw, field, frozenset({"name", "blocks"}))
    return Plan(
        _convert(found.get("name"), str, f"{field}.name"), _blocks(found.get("blocks"), f"{field}.blocks", 0)
    )


def _function(raw: Any, field: str) -> Function:
    found = _object(raw, field, frozenset({"name", "params", "return", "blocks", "path"}))
    made = Function(
        name=_convert(found.get("name"), str, f"{field}.name"),
        params=_convert(found.get("params"), tuple[int, ...], f"{field}.params"),
        result=_convert(found.get("return"), int, f"{field}.return"),
        blocks=_blocks(found.get("blocks"), f"{field}.blocks", 0),
        path=_convert(found.get("path") or (), tuple[str, ...], f"{field}.path"),
    )
    if len(made.params) < 2 or len(set(made.params)) != len(made.params):
        raise _refused("does not take input and data.", f"{field}.params", made.params)
    return made


def _blocks(raw: Any, field: str, depth: int) -> tuple[Block, ...]:
    return tuple(_block(block, f"{field}[{i}]", depth) for i, block in enumerate(_list(raw, field)))


def _block(raw: Any, field: str, depth: int) -> Block:
    if depth > DEPTH_LIMIT:
        raise PlanError(
            f"The plan nests deeper than {DEPTH_LIMIT} blocks.",
            field=field[:60],
            remedy="Split the rule into several.",
        )
    found = _object(raw, field, frozenset({"stmts"}))
    statements = _list(found.get("stmts"), f"{field}.stmts")
    return Block(tuple(_statement(one, f"{field}.stmts[{i}]", depth) for i, one in enumerate(statements)))


def _statement(raw: Any, field: str, depth: int) -> Statement:
    found = _object(raw, field, frozenset({"type", "stmt"}))
    kind = _STATEMENTS.get(_convert(found.get("type"), str, f"{field}.type"))
    if kind is None:
        raise _refused("is no statement that this reader knows.", f"{field}.type", found["type"])
    body = dict(_convert(found.get("stmt"), dict[str, Any], f"{field}.stmt"))
    for name in ("args", "path"):
        if name in body and kind in {Call, CallDynamic, With}:
            body[name] = body[name] or ()
    if kind is CallDynamic:
        body["args"] = [{"type": "local", "value": arg} for arg in body.get("args", ())]
    if kind in {Scan, Not, With}:
        body["block"] = _block(body.get("block"), f"{field}.stmt.block", depth + 1)
    elif kind is Blocks:
        body["blocks"] = _blocks(body.get("blocks"), f"{field}.stmt.blocks", depth + 1)
    made = _convert(body, kind, f"{field}.stmt")
    assert isinstance(made, Statement)  # noqa: S101 - for the type checker: that is what convert made
    return made
