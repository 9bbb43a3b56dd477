"""Lowering of calls: rules, functions, builtins, and whatever runs under ``with``."""

from __future__ import annotations

from maestro.rego import plan as ir
from maestro.rego.errors import PlanError
from maestro.rego.inline import Term, key_text
from maestro.rego.lowering import Lowering
from maestro.rego.state import Fact, names_in
from maestro.rego.tables import Callee

__all__ = ["call", "call_dynamic", "with_"]


def with_(low: Lowering, statement: ir.With) -> None:
    """Run a block with input or data, or a place in one, replaced."""
    local = statement.local
    value = (
        low.read(statement.value.value) if statement.value.type == "local" else low.literal(statement.value)
    )
    low.used |= names_in(value.text)
    old_name, old_fact = low.names.get(local), low.known.facts.get(local)
    source = statement.value.value if statement.value.type == "local" else None
    fact = low.known.facts.get(source) if source is not None else Fact(defined=True)
    # The planner puts the old document back for what follows: then the results before are good again.
    name = low.saves.get(source, "") if source is not None else ""
    if statement.path or not name:
        name = low.fresh("w")
        replaced = value.text
        if statement.path:
            path = ", ".join(low.tables.constant(low.tables.string(part)) for part in statement.path)
            replaced = f"upsert({low.read(local).text}, ({path},), {value.text})"
            fact = Fact(defined=True, kind="dict")
        low.line(f"{name} = {replaced}")
    low.names[local] = name
    low.known_as(local, fact and Fact(defined=fact.defined, kind=fact.kind, base=name == "v1"), low.known)
    low.memo()
    with low.inside(low.out, low.fail):
        low.statements(statement.block.stmts)
    if old_name is None:
        del low.names[local]
    else:
        low.names[local] = old_name
    # What was learned of the replaced document does not hold for the one before it.
    for state in [one for found in low.arrivals.values() for one in found]:
        low.known_as(local, None, state)
    if low.state is not None:
        low.known_as(local, old_fact, low.state)


def call(low: Lowering, statement: ir.Call) -> None:
    """Call a function of the plan, or a builtin."""
    callee = low.tables.callees.get(statement.func)
    if callee is not None:
        _call_function(low, statement, callee)
    elif statement.func in low.tables.builtins:
        terms = low.all_of(*statement.args)
        if terms is not None:
            _call_builtin(low, statement, terms)
    else:
        raise PlanError("calls what the plan does not have.", field="CallStmt.func", value=statement.func)


def _call_function(low: Lowering, statement: ir.Call, callee: Callee) -> None:
    if len(statement.args) != callee.arity:
        raise PlanError("has another number of arguments.", field="CallStmt.args", value=statement.func)
    if [(one.type, one.value) for one in statement.args[:2]] != [("local", 0), ("local", 1)]:
        raise PlanError("does not pass input and data on.", field="CallStmt.args", value=statement.func)
    documents = f"{low.names.get(0, 'v0')}, {low.names.get(1, 'v1')}"
    low.used |= names_in(documents)
    memo, local = low.memo(), statement.result
    low.used.add(memo)
    if callee.rule:
        expression = ("rule", str(callee.number), memo)
        known = low.known.available.get(expression)
        if known is not None:
            low.store(local, Term(known), Fact(defined=True, kind=callee.kind))
            return
        name = low.variable(local)
        low.line(
            f"{name} = {memo}[{callee.number + 1}]\n"
            f"if {name} is M:\n {name} = f{callee.number}(c, {memo}, {documents})"
        )
        _outcome(low, local, callee)
        if low.state is not None:
            low.known.available[expression] = name
        return
    terms = low.all_of(*statement.args[2:])
    if terms is not None:
        arguments = ", ".join([f"c, {memo}", documents, *[term.text for term in terms]])
        low.assign(local, f"f{callee.number}({arguments})", defined=None)
        _outcome(low, local, callee)


def _outcome(low: Lowering, local: int, callee: Callee) -> None:
    name = low.variable(local)
    low.now(local, callee.kind, defined=True)
    if not callee.total:
        low.guard(f"{name} is U", f"{name} is not U", low.fail)


def _call_builtin(low: Lowering, statement: ir.Call, terms: list[Term]) -> None:
    local, name = statement.result, low.variable(statement.result)
    arguments = [term.text for term in terms]
    low.used |= {used for text in arguments for used in names_in(text)}
    form_of = low.tables.forms.get(statement.func)
    form = form_of(*terms) if form_of is not None else None
    if form is not None and form.check is None:
        low.store(local, Term(form.value, form.kind), None)
        safe = not names_in(form.value) & {name, *[low.variable(one) for one in low.mutable]}
        low.known.facts[local] = Fact(defined=True, kind=form.kind)
        if form.condition is not None and safe:
            low.known.conditions[local] = form.condition
        return
    number = low.tables.builtins[statement.func]
    context = ["c"] if statement.func in low.tables.contextual else []
    named = low.tables.constant(statement.func)
    called = [f"{name} = B{number}({', '.join([*context, *arguments])})"]
    called = ["try:", f" {called[0]}", "except BuiltinError as x:", f" {name} = c.failed(x, {named})"]
    if form is not None and form.check == "True":
        low.assign(local, form.value, form.kind)
        return
    if form is not None and form.check != "False":
        called = [f"if {form.check}:", f" {name} = {form.value}", "else:", *[f" {line}" for line in called]]
    low.line("\n".join(called))
    low.now(local)
    low.guard(f"{name} is U", f"{name} is not U", low.fail)


def call_dynamic(low: Lowering, statement: ir.CallDynamic) -> None:
    """Call the rule that a path spells, if there is one."""
    terms = low.all_of(*statement.path)
    if terms is None:
        return
    if [(one.type, one.value) for one in statement.args] != [("local", 0), ("local", 1)]:
        raise PlanError("does not pass input and data on.", field="CallDynamicStmt.args")
    documents = f"{low.names.get(0, 'v0')}, {low.names.get(1, 'v1')}"
    path = ", ".join(key_text(term) for term in terms)
    memo = low.memo()
    low.used |= names_in(documents) | {memo}
    local, name = statement.result, low.variable(statement.result)
    low.line(f"{name} = dynamic(c, {memo}, {documents}, FUNCTIONS, ({path},))")
    low.now(local)
    low.guard(f"{name} is M", f"{name} is not M", low.fail)
    # A rule that is there and undefined counts: OPA leaves the blocks that would ask the base documents.
    low.guard(f"{name} is U", f"{name} is not U", low.outer(3))
