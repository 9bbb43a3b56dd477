"""Lowering of statements, one function for each kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import attrs

from maestro.kernel.errors import BadInputError
from maestro.rego import analysis, flow, gathering, inline, numbers, walk
from maestro.rego import plan as ir
from maestro.rego.calls import call, call_dynamic, with_
from maestro.rego.errors import PlanError
from maestro.rego.gathering import gather
from maestro.rego.inline import Term, key_text, looked_up
from maestro.rego.lowering import Handlers, Lowering
from maestro.rego.state import Fact, joined, names_in

__all__ = ["HANDLERS"]

_KINDS: Final = {str: "str", bool: "bool", int: "int", type(None): "none"}


def _blocks(low: Lowering, statement: ir.Blocks) -> None:
    low.sequence(statement.blocks)


def _break(low: Lowering, statement: ir.Break) -> None:
    low.jump(low.outer(statement.index))


def _not(low: Lowering, statement: ir.Not) -> None:
    outside = low.fail
    node = flow.Block([], flow.Label())
    low.out.append(node)
    with low.inside(node.body, node.label):
        low.statements(statement.block.stmts)
        if low.state is not None:
            low.jump(outside)
    low.state = joined(low.arrivals.pop(node.label, []))


def _scan(low: Lowering, statement: ir.Scan) -> None:
    source = low.need(statement.source)
    if source is None:
        return
    ahead, body = analysis.invariant(statement, low.tables.pure)
    if not ahead:
        _loop(low, statement, source, body)
        return
    # What is the same in every turn is done once, if there is a turn at all.
    node = flow.Block([], flow.Label())
    low.out.append(node)
    empty = f"type({source.text}) not in COLLECTIONS or not {source.text}"
    with low.inside(node.body, node.label):
        low.guard(empty, f"not ({empty})", node.label)
        low.statements(ahead)
        if low.state is not None:
            _loop(low, statement, source, body)
    low.arrive(node.label)
    low.state = joined(low.arrivals.pop(node.label, []))


def _loop(low: Lowering, statement: ir.Scan, source: Term, found: Sequence[ir.Statement]) -> None:
    before = low.known
    held = before.facts.get(statement.source)
    body = [ir.Block(tuple(found))]
    assigned = {local for one in walk.statements(body) for local in walk.writes(one)}
    assigned |= {statement.key, statement.value}
    for local in assigned:
        before.facts.pop(local, None)
        before.conditions.pop(local, None)
    before.forget([low.variable(local) for local in assigned])
    node = flow.Loop("", [], flow.Label(), flow.Label())
    low.out.append(node)
    node.header = _loop_header(low, statement, source, node)
    low.state = before.copy()
    # The loop leaves out a key that nothing needs; what is still assigned from it must not read its variable.
    low.state.facts[statement.key] = Fact(defined=True, text=None if statement.key in low.live else "U")
    low.state.facts[statement.value] = Fact(defined=True, base=held is not None and held.base)
    if id(statement) in low.scan_exits:
        low.exits.append((node.done, low.scan_exits[id(statement)]))
    with low.inside(node.body, node.again):
        low.statements(found)
    if id(statement) in low.scan_exits:
        low.exits.pop()
    low.arrivals.pop(node.again, None)
    low.arrivals.setdefault(node.done, []).append(before)
    low.state = joined(low.arrivals.pop(node.done))


def _loop_header(low: Lowering, statement: ir.Scan, source: Term, node: flow.Loop) -> str:
    key, value = low.variable(statement.key), low.variable(statement.value)
    low.used |= names_in(source.text)
    ordered = any(isinstance(one, ir.ArrayAppend) for one in walk.statements([statement.block]))
    if statement.key in low.live:
        node.body.append(flow.Line(f"if type({key}) is Key:\n {key} = {key}.value"))
        return f"for {key}, {value} in {'ordered_pairs' if ordered else 'pairs'}(c, {source.text}):"
    return f"for {value} in {'ordered_members' if ordered else 'members'}(c, {source.text}):"


def _dot(low: Lowering, statement: ir.Dot) -> None:
    if statement.source.type != "local":
        low.jump(low.fail)
        return
    terms = low.all_of(statement.source, statement.key)
    if terms is None:
        return
    source, key = terms
    held = low.known.facts.get(statement.source.value)
    base = held is not None and held.base
    expression = ("dot", source.text, key.text, str(base))
    known = low.known.available.get(expression)
    if known is not None:
        low.store(statement.target, Term(known), Fact(defined=True, base=base))
        return
    low.assign(statement.target, looked_up(source, key, base=base), defined=True)
    name = low.variable(statement.target)
    low.guard(f"{name} is U", f"{name} is not U", low.fail)
    low.known.facts[statement.target] = Fact(defined=True, base=base)
    if name not in names_in(source.text) | names_in(key.text) and statement.source.value not in low.mutable:
        low.known.available[expression] = name


def _len(low: Lowering, statement: ir.Len) -> None:
    source = low.operand(statement.source)
    if source is not None:
        sized = source.kind in {"list", "dict", "set", "str"}
        low.assign(statement.target, f"{'len' if sized else 'size'}({source.text})", "int")


def _assign_int(low: Lowering, statement: ir.AssignInt | ir.MakeNumberInt) -> None:
    _store_constant(low, statement.target, statement.value)


def _make_number(low: Lowering, statement: ir.MakeNumberRef) -> None:
    index = statement.index if statement.index is not None else statement.legacy
    if index is None:
        raise PlanError("has no index.", field="MakeNumberRefStmt")
    _store_constant(low, statement.target, _number(low.tables.string(index)))


def _store_constant(low: Lowering, target: int, value: Any) -> None:
    kind = _KINDS.get(type(value))
    low.store(target, Term(low.tables.constant(value), kind), Fact(defined=True, kind=kind))


def _make_null(low: Lowering, statement: ir.MakeNull) -> None:
    low.store(statement.target, Term("None", "none"), Fact(defined=True, kind="none"))


def _reset(low: Lowering, statement: ir.ResetLocal) -> None:
    low.store(statement.target, Term("U"), Fact(defined=False))


def _assign_var(low: Lowering, statement: ir.AssignVar) -> None:
    if statement.source.type == "local":
        local = statement.source.value
        term, fact = low.read(local), low.known.facts.get(local)
        condition = low.known.conditions.get(local)
        if local in low.mutable or statement.target in low.mutable:
            low.used |= names_in(term.text)
            low.assign(statement.target, term.text, term.kind, defined=fact.defined if fact else None)
            return
        # A variable of the policy is a value, no longer a place in storage.
        low.store(statement.target, term, fact and attrs.evolve(fact, base=False))
        if condition is not None:
            low.known.conditions[statement.target] = condition
        if local in low.names:
            low.saves[statement.target] = low.names[local]
    else:
        term = low.literal(statement.source)
        low.store(statement.target, term, Fact(defined=True, kind=term.kind))
    low.leave_early(statement.target, constant=term.constant)


def _assign_once(low: Lowering, statement: ir.AssignVarOnce) -> None:
    term = low.operand(statement.source)
    if term is None:
        return
    target = statement.target
    fact = low.known.facts.get(target)
    if fact is not None and not fact.defined:
        low.store(target, term, Fact(defined=True, kind=term.kind))
    else:
        if fact is not None and fact.text == term.text and fact.text is not None:
            return
        current = low.read(target).text
        _, differs = inline.equality(Term(current), term)
        place = low.tables.constant(low.tables.place)
        conflict = f"elif {differs}:\n c.conflict({place})"
        low.line(f"if {current} is U:\n {low.variable(target)} = {term.text}\n{conflict}")
        low.used |= names_in(differs)
        # An equal number may be written otherwise; equal values of any other type have the same type.
        low.now(target, None if term.kind == "int" else term.kind)
    low.leave_early(target, constant=term.constant)


def _equal(low: Lowering, statement: ir.Equal) -> None:
    _compare(low, statement.a, statement.b, wanted=True)


def _not_equal(low: Lowering, statement: ir.NotEqual) -> None:
    _compare(low, statement.a, statement.b, wanted=False)


def _compare(low: Lowering, a: ir.Operand, b: ir.Operand, *, wanted: bool) -> None:
    terms = low.all_of(a, b)
    if terms is None:
        return
    for first, second in ((a, b), (b, a)):
        condition = low.known.conditions.get(first.value) if first.type == "local" else None
        if condition is not None and second.type == "bool":
            holds, fails = condition if second.value == wanted else condition[::-1]
            low.guard(fails, holds, low.fail)
            return
    holds, fails = inline.equality(*terms)
    if wanted:
        low.guard(fails, holds, low.fail)
    else:
        low.guard(holds, fails, low.fail)


def _is_type(low: Lowering, statement: ir.IsType) -> None:
    kind = {ir.IsArray: "list", ir.IsObject: "dict", ir.IsSet: "set"}[type(statement)]
    term = low.operand(statement.source)
    if term is None or term.kind == kind:
        return
    if term.kind is not None:
        low.jump(low.fail)
        return
    low.guard(f"type({term.text}) is not {kind}", f"type({term.text}) is {kind}", low.fail)
    if statement.source.type == "local":
        local = statement.source.value
        fact = low.known.facts.get(local, Fact(defined=True))
        low.known.facts[local] = attrs.evolve(fact, kind=kind)


def _is_defined(low: Lowering, statement: ir.IsDefined) -> None:
    low.need(statement.source)


def _is_undefined(low: Lowering, statement: ir.IsUndefined) -> None:
    term, fact = low.read(statement.source), low.known.facts.get(statement.source)
    if fact is None:
        low.guard(f"{term.text} is not U", f"{term.text} is U", low.fail)
        low.known.facts[statement.source] = Fact(defined=False)
    elif fact.defined:
        low.jump(low.fail)


def _append(low: Lowering, statement: ir.ArrayAppend) -> None:
    value = low.operand(statement.value)
    if value is None or gather(low, statement.array, value.text, constant=value.constant):
        return
    array = low.need(statement.array)
    if array is not None:
        low.line(f"{array.text}.append({value.text})")


def _insert(low: Lowering, statement: ir.ObjectInsert) -> None:
    terms = low.all_of(statement.key, statement.value)
    if terms is None:
        return
    key, value = terms
    if gather(
        low,
        statement.object,
        f"{key_text(key)}: {value.text}",
        constant=key.kind == "str" and key.constant and value.constant,
    ):
        return
    found = low.need(statement.object)
    if found is not None:
        low.line(f"{found.text}[{key_text(key)}] = {value.text}")


def _insert_once(low: Lowering, statement: ir.ObjectInsertOnce) -> None:
    terms = low.all_of(statement.key, statement.value)
    found = low.need(statement.object) if terms is not None else None
    if terms is not None and found is not None:
        key, value = terms
        low.line(f"insert_once(c, {found.text}, {key_text(key)}, {value.text})")


def _add(low: Lowering, statement: ir.SetAdd) -> None:
    value = low.operand(statement.value)
    if value is None or gather(
        low, statement.set, key_text(value), constant=value.constant and value.kind in {"str", "int", "none"}
    ):
        return
    found = low.need(statement.set)
    if found is not None:
        low.line(f"{found.text}.add({key_text(value)})")


def _merge(low: Lowering, statement: ir.ObjectMerge) -> None:
    first, second = low.read(statement.a), low.read(statement.b)
    low.used |= names_in(first.text) | names_in(second.text)
    low.assign(statement.target, f"merge({first.text}, {second.text})", defined=None)
    name = low.variable(statement.target)
    low.used.add(name)
    low.maybe.add(statement.target)


def _nop(low: Lowering, statement: ir.Nop) -> None:
    """Nothing."""


def _result_add(low: Lowering, statement: ir.ResultSetAdd) -> None:
    value = low.need(statement.value)
    if value is not None:
        low.line(f"results.append({value.text})")


def _return(low: Lowering, statement: ir.ReturnLocal) -> None:
    if low.state is None:
        # Every way out was taken before: what follows is not reached, but ends the function for its readers.
        low.out.append(flow.Return(low.leaving("U")))
        return
    term = low.read(statement.source)
    low.result = low.known.facts.get(statement.source)
    low.used |= names_in(term.text)
    low.out.append(flow.Return(low.leaving(term.text)))
    low.state = None


def _number(text: str) -> Any:
    """A number constant.

    Raises:
        PlanError: the text is not a number's.
    """
    # Rego lets a fraction go without its leading zero.
    text = re.sub(r"^(-?)\.", r"\g<1>0.", text)
    try:
        return numbers.number(text)
    except BadInputError as error:
        raise PlanError("is no number.", field="MakeNumberRefStmt.index", value=text) from error


def _make_array(low: Lowering, statement: ir.MakeArray) -> None:
    gathering.make(low, statement.target, "list", low.rest)


def _make_object(low: Lowering, statement: ir.MakeObject) -> None:
    gathering.make(low, statement.target, "dict", low.rest)


def _make_set(low: Lowering, statement: ir.MakeSet) -> None:
    gathering.make(low, statement.target, "set", low.rest)


HANDLERS: Final[Handlers] = {
    ir.Blocks: _blocks,
    ir.Break: _break,
    ir.Not: _not,
    ir.Scan: _scan,
    ir.With: with_,
    ir.Call: call,
    ir.CallDynamic: call_dynamic,
    ir.MakeArray: _make_array,
    ir.MakeObject: _make_object,
    ir.MakeSet: _make_set,
    ir.Dot: _dot,
    ir.Len: _len,
    ir.AssignInt: _assign_int,
    ir.MakeNumberInt: _assign_int,
    ir.MakeNumberRef: _make_number,
    ir.MakeNull: _make_null,
    ir.ResetLocal: _reset,
    ir.AssignVar: _assign_var,
    ir.AssignVarOnce: _assign_once,
    ir.Equal: _equal,
    ir.NotEqual: _not_equal,
    ir.IsArray: _is_type,
    ir.IsObject: _is_type,
    ir.IsSet: _is_type,
    ir.IsDefined: _is_defined,
    ir.IsUndefined: _is_undefined,
    ir.ArrayAppend: _append,
    ir.ObjectInsert: _insert,
    ir.ObjectInsertOnce: _insert_once,
    ir.SetAdd: _add,
    ir.ObjectMerge: _merge,
    ir.Nop: _nop,
    ir.ResultSetAdd: _result_add,
    ir.ReturnLocal: _return,
}
