"""From a plan to the source of a Python module, and to that module's functions."""

from __future__ import annotations

import builtins as builtins_module
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from maestro.rego import analysis, flow, inline, runtime, values, walk
from maestro.rego import plan as ir
from maestro.rego.builtins import standard
from maestro.rego.builtins.registry import Registry
from maestro.rego.errors import BuiltinError, PlanError
from maestro.rego.lowering import Lowering
from maestro.rego.numbers import is_number
from maestro.rego.statements import HANDLERS
from maestro.rego.tables import Callee, Tables

__all__ = ["Compiled", "compile_policy"]


@attrs.frozen
class Compiled:
    """The code of a plan.

    Attributes:
        source: of the module, without any text of the policy.
        constants: what ``K0``, ``K1``, … stand for.
        builtins: names of ``B0``, ``B1``, ….
        rules: number of rules and functions.
        functions: names of ``f0``, ``f1``, … in the plan.
        entrypoints: by name with slashes: the Python function, and what it needs.
    """

    source: str
    constants: tuple[Any, ...]
    builtins: tuple[str, ...]
    functions: tuple[str, ...]
    entrypoints: Mapping[str, tuple[Callable[..., Any], analysis.Needs]]

    @property
    def rules(self) -> int:
        """How many functions the code has, beside the entrypoints."""
        return len(self.functions)


def compile_policy(policy: ir.Policy, registry: Registry) -> Compiled:
    """Compile all functions and entrypoints of a plan.

    Raises:
        PlanError: the plan contradicts itself, or calls a builtin that is not there; refused as a whole.
    """
    builtins = sorted({*policy.builtins, *_called_builtins(policy)})
    found = [registry.get(name) for name in builtins]
    common = standard()
    forms = {
        builtin.name: inline.FORMS[builtin.name]
        for builtin in found
        if builtin.name in inline.FORMS and builtin.name in common and common.get(builtin.name) is builtin
    }
    tables = Tables(policy, {name: number for number, name in enumerate(builtins)}, forms)
    tables.contextual = frozenset(builtin.name for builtin in found if builtin.context)
    tables.pure = frozenset({*builtins, *[one.name for one in policy.functions]}) - tables.contextual
    functions = analysis.in_call_order(policy)
    needs: dict[str, analysis.Needs] = {}
    lines: list[str] = []
    for number, function in enumerate(functions):
        needs[function.name] = analysis.needs_of(policy, function.blocks, registry, needs)
        lines += _function(tables, function, number, data_only=_data_only(needs[function.name]))
    for number, plan in enumerate(policy.plans):
        lines += _entrypoint(tables, plan, number)
    source = "\n".join(lines) + "\n"
    made = _executed(source, tables.constants, [builtin.function for builtin in found])
    made["FUNCTIONS"].update(
        {
            function.path: (number, made[f"f{number}"])
            for number, function in enumerate(functions)
            if function.path and len(function.params) == 2
        }
    )
    return Compiled(
        source=source,
        constants=tuple(tables.constants),
        builtins=tuple(builtins),
        functions=tuple(function.name for function in functions),
        entrypoints={
            plan.name: (made[f"p{number}"], analysis.needs_of(policy, plan.blocks, registry, needs))
            for number, plan in enumerate(policy.plans)
        },
    )


def _called_builtins(policy: ir.Policy) -> set[str]:
    parts: tuple[ir.Function | ir.Plan, ...] = (*policy.functions, *policy.plans)
    blocks = [block for part in parts for block in part.blocks]
    return {
        one.func
        for one in walk.statements(blocks)
        if isinstance(one, ir.Call) and one.func not in policy.names
    }


def _data_only(needs: analysis.Needs) -> bool:
    return not needs.inputs and not needs.others


def _function(tables: Tables, function: ir.Function, number: int, *, data_only: bool) -> list[str]:
    if function.params[:2] != (0, 1):
        raise PlanError("does not take input and data first.", field="funcs.params", value=function.name)
    rule = len(function.params) == 2
    path = ".".join(("data", *function.path[1:])) if function.path else function.name
    tables.place = f"rule {path} produced conflicting values"
    if not rule:
        tables.place = f"function {path} produced conflicting values for the same inputs"

    def leaving(text: str) -> tuple[str, ...]:
        if not rule:
            return (f"return {text}",)
        kept = (f"if m[0] is not None:\n m[0][{number + 1}] = {text}",) if data_only else ()
        return tuple("\n".join([f"m[{number + 1}] = {text}", *kept, f"return {text}"]).split("\n"))

    lowered = Lowering(
        tables,
        function.blocks,
        function.params,
        exits=analysis.early_exits(function.blocks),
        leaving=leaving,
        handlers=HANDLERS,
    )
    nodes = lowered.function()
    charge = [] if rule else ["c.left -= 1", "if c.left < 0:", " c.exhausted()"]
    params = ", ".join(["c", "m", *[f"v{param}" for param in function.params]])
    fact = lowered.result
    tables.callees[function.name] = Callee(
        number=number,
        rule=rule,
        arity=len(function.params),
        total=fact is not None and fact.defined,
        kind=fact.kind if fact is not None else None,
    )
    return _definition(f"def f{number}({params}):", charge, lowered, nodes)


def _entrypoint(tables: Tables, plan: ir.Plan, number: int) -> list[str]:
    lowered = Lowering(
        tables, plan.blocks, (0, 1), exits={}, leaving=lambda _: ("return results",), handlers=HANDLERS
    )
    nodes = lowered.function()
    return _definition(f"def p{number}(c, m, v0, v1):", ["results = []"], lowered, nodes)


def _definition(header: str, before: Sequence[str], lowered: Lowering, nodes: list[flow.Node]) -> list[str]:
    lines, outlined = flow.render(nodes, frozenset(lowered.used))
    first = {f"v{local}" for local in lowered.maybe} | outlined
    start = [f"{' = '.join(sorted(first))} = U"] if first else []
    return [header, *[f" {line}" for line in [*before, *start, *lines]], ""]


_RUNTIME: Final[dict[str, Any]] = {
    "BuiltinError": BuiltinError,
    "COLLECTIONS": frozenset({list, dict, set}),
    "Key": values.Key,
    "M": runtime.MISSING,
    "SIZED": frozenset({list, dict, set, str}),
    "U": values.UNDEFINED,
    "again": runtime.again,
    "anew": runtime.anew,
    "dynamic": runtime.dynamic,
    "equal": values.equal,
    "insert_once": runtime.insert_once,
    "is_number": is_number,
    "key": values.key,
    "lookup": values.lookup,
    "members": runtime.members,
    "merge": runtime.merge,
    "ordered_members": runtime.ordered_members,
    "ordered_pairs": runtime.ordered_pairs,
    "pairs": runtime.pairs,
    "size": runtime.size,
    "stored": values.stored,
    "upsert": runtime.upsert,
}
_SAFE: Final = {
    name: getattr(builtins_module, name)
    for name in ("dict", "int", "len", "list", "set", "str", "type", "bool")
}


def _executed(
    source: str, constants: Sequence[Any], builtins: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    common = standard()
    names: dict[str, Any] = {
        "__builtins__": _SAFE,
        **_RUNTIME,
        **{name: common.get(name).function for name in ("lt", "lte", "gt", "gte")},
        "member": common.get("internal.member_2").function,
        "FUNCTIONS": {},
        **{f"K{number}": value for number, value in enumerate(constants)},
        **{f"B{number}": function for number, function in enumerate(builtins)},
    }
    try:
        code = compile(source, "<rego>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise PlanError(
            "The plan nests too deeply to be compiled.", remedy="Split the rule into several."
        ) from error
    exec(code, names)  # noqa: S102 - code of ours: of the policy it has neither names nor strings, see test_safety
    return names
