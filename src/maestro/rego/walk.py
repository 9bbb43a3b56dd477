"""Questions about a plan's statements: which locals they read and write, and what lies below them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from maestro.rego import plan as ir

__all__ = [
    "children",
    "live_locals",
    "mentions",
    "mutated",
    "operands",
    "reads",
    "shared_locals",
    "statements",
    "writes",
]


def children(statement: ir.Statement) -> tuple[ir.Block, ...]:
    """The blocks directly below a statement."""
    match statement:
        case ir.Blocks():
            return statement.blocks
        case ir.Scan() | ir.Not() | ir.With():
            return (statement.block,)
        case _:
            return ()


def statements(blocks: Iterable[ir.Block]) -> Iterator[ir.Statement]:
    """All statements, those of nested blocks after the one that holds them."""
    for block in blocks:
        for statement in block.stmts:
            yield statement
            yield from statements(children(statement))


def operands(statement: ir.Statement) -> tuple[ir.Operand, ...]:  # noqa: PLR0911 - one for each case
    """The operands that a statement reads."""
    match statement:
        case ir.Call():
            return statement.args
        case ir.CallDynamic():
            return (*statement.args, *statement.path)
        case ir.Dot():
            return (statement.source, statement.key)
        case ir.Equal() | ir.NotEqual():
            return (statement.a, statement.b)
        case ir.ObjectInsert() | ir.ObjectInsertOnce():
            return (statement.key, statement.value)
        case ir.ArrayAppend() | ir.SetAdd() | ir.With():
            return (statement.value,)
        case ir.Len() | ir.AssignVar() | ir.AssignVarOnce() | ir.IsType():
            return (statement.source,)
        case _:
            return ()


def reads(statement: ir.Statement) -> list[int]:
    """Locals that a statement itself looks at, those that it changes in place included."""
    found = [operand.value for operand in operands(statement) if operand.type == "local"]
    match statement:
        case ir.ReturnLocal() | ir.Scan() | ir.IsDefined() | ir.IsUndefined():
            found.append(statement.source)
        case ir.AssignVarOnce():
            found.append(statement.target)
        case ir.ObjectMerge():
            found += [statement.a, statement.b]
        case ir.ResultSetAdd():
            found.append(statement.value)
        case ir.With():
            found.append(statement.local)
        case _:
            found += mutated(statement)
    return found


def mutated(statement: ir.Statement) -> list[int]:
    """The local whose value a statement changes in place."""
    match statement:
        case ir.ArrayAppend():
            return [statement.array]
        case ir.SetAdd():
            return [statement.set]
        case ir.ObjectInsert() | ir.ObjectInsertOnce():
            return [statement.object]
        case _:
            return []


def writes(statement: ir.Statement) -> list[int]:
    """Locals that a statement itself assigns."""
    match statement:
        case ir.Call() | ir.CallDynamic():
            return [statement.result]
        case ir.Scan():
            return [statement.key, statement.value]
        case ir.With():
            return [statement.local]
        case _:
            target = getattr(statement, "target", None)
            return [] if target is None else [target]


def mentions(blocks: Iterable[ir.Block]) -> Counter[int]:
    """How often each local is read, written or changed."""
    found: Counter[int] = Counter()
    for statement in statements(blocks):
        found.update(reads(statement))
        found.update(writes(statement))
    return found


def shared_locals(blocks: Iterable[ir.Block]) -> set[int]:
    """Locals that carry a value from one block of a function to another: read in some before they are written."""
    found: set[int] = set()
    for block in blocks:
        written: set[int] = set()
        for statement in statements([block]):
            found.update(set(reads(statement)) - written)
            written.update(writes(statement))
    return found


def live_locals(blocks: Iterable[ir.Block]) -> set[int]:
    """Locals whose value matters: read by more than copies that nobody reads."""
    copies: dict[int, set[int]] = {}
    found: set[int] = set()
    for statement in statements(blocks):
        if isinstance(statement, ir.AssignVar) and statement.source.type == "local":
            copies.setdefault(statement.target, set()).add(statement.source.value)
        else:
            found.update(reads(statement))
    pending = list(found)
    while pending:
        sources = copies.get(pending.pop(), set()) - found
        found |= sources
        pending += sources
    return found
