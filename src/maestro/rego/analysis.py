"""What a plan's functions call and depend on, and where their loops may end early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from maestro.rego import plan as ir
from maestro.rego import walk
from maestro.rego.builtins.registry import Registry
from maestro.rego.errors import PlanError

__all__ = ["Needs", "calls", "early_exits", "in_call_order", "invariant", "needs_of"]

_WHOLE: Final[tuple[str, ...]] = ()


def _matches(path: Sequence[str], wanted: Sequence[str | None]) -> bool:
    return len(path) == len(wanted) and all(b is None or a == b for a, b in zip(path, wanted, strict=True))


def calls(policy: ir.Policy, blocks: Iterable[ir.Block]) -> set[str]:
    """Names of the functions that blocks call, and of all that a dynamic call may mean."""
    found: set[str] = set()
    for statement in walk.statements(blocks):
        if isinstance(statement, ir.Call) and statement.func in policy.names:
            found.add(statement.func)
        elif isinstance(statement, ir.CallDynamic):
            wanted = [_constant(policy, operand) for operand in statement.path]
            found.update(
                one.name for one in policy.functions if len(one.params) == 2 and _matches(one.path, wanted)
            )
    return found


def _constant(policy: ir.Policy, operand: ir.Operand) -> str | None:
    if operand.type == "string_index" and 0 <= operand.value < len(policy.strings):
        return policy.strings[operand.value]
    return None


def in_call_order(policy: ir.Policy) -> list[ir.Function]:
    """Functions, each after those it calls.

    Raises:
        PlanError: two have one name, or they call each other in a circle, which Rego forbids.
    """
    named = {function.name: function for function in policy.functions}
    if len(named) != len(policy.functions):
        raise PlanError("Two functions of the plan have one name.", field="funcs.funcs")
    callees = {name: sorted(calls(policy, function.blocks)) for name, function in named.items()}
    done: dict[str, bool] = {}
    result: list[ir.Function] = []
    for root in named:
        stack = [(root, iter(callees[root]))] if root not in done else []
        done.setdefault(root, False)
        while stack:
            name, rest = stack[-1]
            for callee in rest:
                if callee not in done:
                    done[callee] = False
                    stack.append((callee, iter(callees[callee])))
                    break
                if not done[callee]:
                    raise PlanError("calls itself, which Rego forbids.", field="funcs.funcs", value=callee)
            else:
                done[name] = True
                result.append(named[name])
                stack.pop()
    return result


@attrs.frozen
class Needs:
    """What decides a value, beside the operands.

    Attributes:
        inputs: places of the input; ``()`` is all of it.
        data: whether base documents are read.
        others: ``now`` and ``random``, of builtins.
    """

    inputs: frozenset[tuple[str, ...]] = frozenset()
    data: bool = False
    others: frozenset[str] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(self.inputs | other.inputs, self.data or other.data, self.others | other.others)

    @property
    def places(self) -> frozenset[tuple[str, ...]]:
        """Places of the input without those that another includes."""
        return frozenset(
            place
            for place in self.inputs
            if not any(place[:length] in self.inputs for length in range(len(place)))
        )


def needs_of(
    policy: ir.Policy, blocks: Sequence[ir.Block], registry: Registry, known: dict[str, Needs]
) -> Needs:
    """What a function or entrypoint needs; ``known`` are those it calls.

    A local that holds a place of the input is followed through look-ups by constant keys. Wherever it is read
    otherwise, the whole place counts. Under ``with`` the replaced document is taken for the original: that says too
    much, never too little.
    """
    places: dict[int, set[tuple[str, ...]]] = {0: {_WHOLE}}
    found = list(walk.statements(blocks))
    # Locals are assigned in several blocks, and read in loops: until nothing new is learned.
    grown = True
    while grown:
        grown = False
        for statement in found:
            target, reached = _followed(policy, statement, places)
            if reached and not reached <= places.setdefault(target, set()):
                places[target] |= reached
                grown = True
    needs = Needs()
    names = policy.names
    for statement in found:
        needs |= Needs(frozenset(_read_places(policy, statement, places)))
        if any(local == 1 for local in _used(statement, names)):
            needs |= Needs(data=True)
        if isinstance(statement, ir.Call) and statement.func not in names and statement.func in registry:
            needs |= Needs(others=registry.get(statement.func).depends)
    for name in calls(policy, blocks):
        needs |= known[name]
    return needs


def _followed(
    policy: ir.Policy, statement: ir.Statement, places: dict[int, set[tuple[str, ...]]]
) -> tuple[int, set[tuple[str, ...]]]:
    """The local that a statement makes a name for a place of the input, and which places."""
    if isinstance(statement, ir.Dot) and statement.source.type == "local":
        name = _constant(policy, statement.key)
        if name is not None:
            return statement.target, {
                (*place, name) for place in places.get(statement.source.value, ()) if len(place) < 8
            }
    if isinstance(statement, ir.AssignVar) and statement.source.type == "local":
        return statement.target, set(places.get(statement.source.value, ()))
    return -1, set()


def _used(statement: ir.Statement, names: frozenset[str]) -> list[int]:
    """Locals that a statement looks into; passing input and data on to a function is none of it."""
    if isinstance(statement, ir.Call) and statement.func in names:
        return [operand.value for operand in statement.args[2:] if operand.type == "local"]
    if isinstance(statement, ir.CallDynamic):
        return [operand.value for operand in statement.path if operand.type == "local"]
    return walk.reads(statement)


def _read_places(
    policy: ir.Policy, statement: ir.Statement, places: dict[int, set[tuple[str, ...]]]
) -> set[tuple[str, ...]]:
    used = _used(statement, policy.names)
    target, reached = _followed(policy, statement, places)
    if isinstance(statement, ir.AssignVar) and target != -1:
        return set()
    if isinstance(statement, ir.Dot) and target != -1:
        # The look-up itself tells whether the key is there. Deeper than eight the rest is taken as a whole.
        source = statement.source.value
        return reached | {place for place in places.get(source, ()) if len(place) >= 8}
    return {place for local in used for place in places.get(local, ())}


def invariant(scan: ir.Scan, pure: frozenset[str]) -> tuple[list[ir.Statement], list[ir.Statement]]:
    """Statements at the head of a scan's block that say the same in every turn, and all others.

    Only such stand before them as neither fail nor matter to them. ``pure`` are the calls that have no effect.
    """
    inside = list(walk.statements([scan.block]))
    written = Counter(local for one in inside for local in walk.writes(one))
    written.update([scan.key, scan.value])
    changed = {local for one in inside for local in walk.mutated(one)}
    outside: list[ir.Statement] = []
    passed: set[int] = set()
    rest: list[ir.Statement] = []
    for i, statement in enumerate(scan.block.stmts):
        reads, writes = walk.reads(statement), walk.writes(statement)
        fixed = not any(written[local] or local in changed for local in reads)
        single = all(written[local] == 1 and local not in passed and local not in changed for local in writes)
        if fixed and single and _repeatable(statement, pure):
            outside.append(statement)
            for local in writes:
                del written[local]
        elif isinstance(
            statement, ir.AssignVar | ir.AssignInt | ir.MakeNumberInt | ir.MakeNumberRef | ir.MakeNull
        ):
            rest.append(statement)
            passed.update(reads)
        else:
            return outside, [*rest, *scan.block.stmts[i:]]
    return outside, rest


def _repeatable(statement: ir.Statement, pure: frozenset[str]) -> bool:
    if isinstance(statement, ir.Call):
        return statement.func in pure
    return isinstance(
        statement,
        ir.Dot
        | ir.AssignVar
        | ir.MakeNumberRef
        | ir.MakeNull
        | ir.Len
        | ir.Equal
        | ir.NotEqual
        | ir.IsArray
        | ir.IsObject
        | ir.IsSet
        | ir.IsDefined,
    )


def early_exits(blocks: Sequence[ir.Block]) -> dict[int, int]:
    """Scans (by ``id``) that may end once a constant is assigned to a local, and that local.

    Such a scan has no other effect outside: more turns could but assign the same constant again. OPA's evaluator
    leaves such loops too; its plans do not say so.
    """
    found: dict[int, int] = {}
    for statement in walk.statements(blocks):
        if isinstance(statement, ir.Scan):
            target = _only_effect(statement, blocks)
            if target is not None:
                found[id(statement)] = target
    return found


def _only_effect(scan: ir.Scan, blocks: Sequence[ir.Block]) -> int | None:
    inside = list(walk.statements([scan.block]))
    if any(isinstance(one, ir.ReturnLocal | ir.ResultSetAdd | ir.Break) for one in inside):
        return None
    below = {id(one) for one in inside} | {id(scan)}
    read_outside = {
        local for one in walk.statements(blocks) if id(one) not in below for local in walk.reads(one)
    }
    changed = {local for one in inside for local in [*walk.writes(one), *walk.mutated(one)]}
    changed |= {scan.key, scan.value}
    escaping = changed & read_outside
    if len(escaping) != 1:
        return None
    (target,) = escaping
    assignments = [one for one in inside if target in [*walk.writes(one), *walk.mutated(one)]]
    if not all(isinstance(one, ir.AssignVar | ir.AssignVarOnce) for one in assignments):
        return None
    sources = {
        (one.source.type, one.source.value)
        for one in assignments
        if isinstance(one, ir.AssignVar | ir.AssignVarOnce)
    }
    return target if len(sources) == 1 and next(iter(sources))[0] != "local" else None
