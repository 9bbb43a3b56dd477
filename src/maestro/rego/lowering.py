"""From a plan's statements to nodes of `maestro.rego.flow`: one function at a time, in one pass.

Statement by statement the pass keeps what is known of each local (`maestro.rego.state`), so that most checks for
"undefined", most copies and repeated look-ups leave no code. Names in the code come from indices, constants from a
table: no text of the policy gets into it.

In generated code ``c`` is the evaluation, ``m`` the results of rules so far, ``v0`` and ``v1`` input and data,
``vN`` other locals, ``wN`` input or data replaced by ``with``, ``mN`` the results under it, ``fN`` rules and functions,
``pN`` entrypoints, ``KN`` constants, ``BN`` builtins; ``U`` is undefined, ``M`` a rule not evaluated yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from maestro.rego import flow, gathering, walk
from maestro.rego import plan as ir
from maestro.rego.errors import PlanError
from maestro.rego.inline import Term
from maestro.rego.state import Fact, State, joined, names_in
from maestro.rego.tables import Tables

__all__ = ["Handlers", "Lowering"]

Handlers = Mapping[type[ir.Statement], Callable[..., None]]
"""What lowers each kind of statement: ``maestro.rego.statements``."""


class Lowering:
    """Lowers one function, or one entrypoint."""

    def __init__(
        self,
        tables: Tables,
        blocks: Sequence[ir.Block],
        params: Sequence[int],
        *,
        exits: dict[int, int],
        leaving: Callable[[str], tuple[str, ...]],
        handlers: Handlers,
    ) -> None:
        self.tables = tables
        self.blocks = blocks
        self.nodes: list[flow.Node] = []
        self.out = self.nodes
        self.state: State | None = State()
        self.used: set[str] = set()
        self.maybe: set[int] = set()
        self.names = {local: f"v{local}" for local in params}
        self.memos = {("v0", "v1"): "m"}
        self.targets: list[flow.Label] = []
        self.arrivals: dict[flow.Label, list[State]] = {}
        self.shared = walk.shared_locals(blocks)
        self.mutable = {local for one in walk.statements(blocks) for local in walk.mutated(one)}
        self.live = walk.live_locals(blocks)
        self.scan_exits = exits
        self.exits: list[tuple[flow.Label, int]] = []
        self.leaving = leaving
        self.handlers = handlers
        self.rest: Sequence[ir.Statement] = ()
        self.saves: dict[int, str] = {}
        self.mentioned: Counter[int] = Counter()
        self.serial = 0
        self.result: Fact | None = None
        for local in {*walk.mentions(blocks)} - set(params):
            self.state.facts[local] = Fact(defined=False)
        for local in params:
            if local not in (0, 1):
                self.state.facts[local] = Fact(defined=True)
        self.state.facts[1] = Fact(defined=True, kind="dict", base=True)

    @contextmanager
    def inside(self, body: list[flow.Node], target: flow.Label | None = None) -> Iterator[None]:
        """Write into a block; ``target`` is where a Break of index 0 leads."""
        outer, self.out = self.out, body
        if target is not None:
            self.targets.append(target)
        yield
        if target is not None:
            self.targets.pop()
        self.out = outer

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self.used |= names_in(text)
        self.out.append(flow.Line(text))

    def arrive(self, label: flow.Label) -> None:
        """Note what is known on a way to a label."""
        if self.state is not None:
            self.arrivals.setdefault(label, []).append(self.state.copy())

    def jump(self, label: flow.Label) -> None:
        """Go to a label."""
        self.arrive(label)
        self.out.append(flow.Jump(label))
        self.state = None

    def guard(self, condition: str, otherwise: str, label: flow.Label) -> None:
        """Go to a label if a condition holds, else go on."""
        self.used |= names_in(condition) | names_in(otherwise)
        self.arrive(label)
        self.out.append(flow.Guard(condition, otherwise, label))

    @property
    def fail(self) -> flow.Label:
        """Where a statement leads that is undefined."""
        return self.targets[-1]

    @property
    def known(self) -> State:
        """What is known here."""
        assert self.state is not None  # noqa: S101 - for the type checker: nothing is lowered where nobody comes
        return self.state

    def variable(self, local: int) -> str:
        """Name of the variable of a local."""
        return self.names.get(local, f"v{local}")

    def read(self, local: int) -> Term:
        """A local that may be undefined; its variable holds U then."""
        fact = self.known.facts.get(local)
        if fact is not None and fact.display is not None:
            gathering.materialise(self, local)
            fact = self.known.facts.get(local)
        if fact is not None and not fact.defined:
            return Term("U")
        if fact is not None and fact.text is not None:
            return Term(fact.text, fact.kind, fact.text[0] in "KTFN")
        if fact is None and local not in self.names:
            self.maybe.add(local)
        return Term(self.variable(local), fact.kind if fact else None)

    def need(self, local: int) -> Term | None:
        """A local that must be defined, else the block ends here; None if it never is."""
        term = self.read(local)
        fact = self.known.facts.get(local)
        if fact is None:
            self.guard(f"{term.text} is U", f"{term.text} is not U", self.fail)
            self.known.facts[local] = Fact(defined=True)
        elif not fact.defined:
            self.jump(self.fail)
            return None
        return term

    def operand(self, operand: ir.Operand) -> Term | None:
        """The value of an operand, which must be defined."""
        if operand.type == "local":
            return self.need(operand.value)
        return self.literal(operand)

    def literal(self, operand: ir.Operand) -> Term:
        """A constant operand."""
        if operand.type == "bool":
            return Term("True" if operand.value else "False", "bool", constant=True)
        if operand.type == "string_index":
            return Term(self.tables.constant(self.tables.string(operand.value)), "str", constant=True)
        raise PlanError(
            "is no kind of operand that this reader knows.", field="operand.type", value=operand.type
        )

    def all_of(self, *found: ir.Operand) -> list[Term] | None:
        """Several operands; None when one of them is never defined."""
        terms = []
        for operand in found:
            term = self.operand(operand)
            if term is None:
                return None
            terms.append(term)
        return terms

    def assign(self, local: int, text: str, kind: str | None = None, *, defined: bool | None = True) -> None:
        """``local = text``, a line that stays."""
        self.line(f"{self.variable(local)} = {text}")
        self.now(local, kind, defined=defined)

    def now(self, local: int, kind: str | None = None, *, defined: bool | None = True) -> None:
        """The variable of a local has just got a value."""
        self.known.forget([self.variable(local)])
        self.known.conditions.pop(local, None)
        self.saves.pop(local, None)
        if defined is None:
            self.known.facts.pop(local, None)
        else:
            self.known.facts[local] = Fact(defined=defined, kind=kind)

    def store(self, local: int, term: Term, fact: Fact | None) -> None:
        """``local = text`` where readers may as well use the text; dropped when all do."""
        name = self.variable(local)
        self.known.forget([name])
        self.known.conditions.pop(local, None)
        self.saves.pop(local, None)
        self.used |= names_in(term.text)
        self.out.append(flow.Store(name, term.text))
        if fact is None:
            self.known.facts.pop(local, None)
        elif fact.defined and name not in names_in(term.text):
            self.known.facts[local] = attrs.evolve(fact, text=term.text)
        else:
            self.known.facts[local] = attrs.evolve(fact, text=None)

    def function(self) -> list[flow.Node]:
        """Lower all blocks."""
        for block in self.blocks:
            self.mentioned = walk.mentions([block])
            if len(block.stmts) == 1 and isinstance(block.stmts[0], ir.ReturnLocal):
                self.statement(block.stmts[0])
                return self.nodes
            self.sequence([block])
        self.out.append(flow.Return(self.leaving("U")))
        return self.nodes

    def fresh(self, prefix: str) -> str:
        """A new variable."""
        self.serial += 1
        return f"{prefix}{self.serial}"

    def sequence(self, blocks: Sequence[ir.Block]) -> None:
        """Blocks one after the other, each going on at its end however it ends."""
        for block in blocks:
            if self.state is None:
                return
            node = flow.Block([], flow.Label())
            self.out.append(node)
            with self.inside(node.body, node.label):
                self.statements(block.stmts)
            self.arrive(node.label)
            self.state = joined(self.arrivals.pop(node.label, []))

    def statements(self, found: Sequence[ir.Statement]) -> None:
        """One after the other, until nobody comes any further."""
        for i, statement in enumerate(found):
            if self.state is None:
                return
            self.statement(statement, found[i + 1 :])

    def statement(self, statement: ir.Statement, rest: Sequence[ir.Statement] = ()) -> None:
        """Lower one statement; ``rest`` are those after it in its block."""
        below = walk.children(statement)
        if below:
            gathering.settle(self, below)
        self.rest = rest
        self.handlers[type(statement)](self, statement)

    def outer(self, index: int) -> flow.Label:
        """The label of a Break."""
        if not 0 <= index < len(self.targets):
            raise PlanError("leaves more blocks than there are.", field="BreakStmt.index", value=index)
        return self.targets[-1 - index]

    def memo(self) -> str:
        """The variable of the results that are good for the input and data in force."""
        pair = (self.names.get(0, "v0"), self.names.get(1, "v1"))
        if pair not in self.memos:
            self.memos[pair] = self.fresh("m")
            self.line(f"{self.memos[pair]} = {'again' if pair[1] == 'v1' else 'anew'}(c, m)")
        return self.memos[pair]

    def known_as(self, local: int, fact: Fact | None, state: State) -> None:
        """Set or drop what is known of a local in a state."""
        if fact is None:
            state.facts.pop(local, None)
        else:
            state.facts[local] = fact

    def leave_early(self, target: int, *, constant: bool) -> None:
        """Once a constant is assigned, more turns of the loop could only assign it again."""
        for label, local in self.exits:
            if constant and local == target:
                self.jump(label)
                return
