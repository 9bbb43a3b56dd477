"""Policies drawn from a grammar: rules of every kind that call, count, compare, loop and replace what they read.

Everything is drawn from one `random.Random`, so Hypothesis shrinks it and a seed repeats it. OPA's compiler refuses
some (types it can prove wrong); those say nothing and are skipped.
"""

import re
from collections import Counter
from random import Random
from typing import Any

__all__ = ["Drawn", "draw_data", "draw_input", "draw_policy"]

STRINGS = ["a", "b", "c", "xs", "o", "ä", "0", ""]
NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "1.0",
    "0.5",
    "2.5",
    "1e2",
    "10",
    "0.1",
    "3.0",
    "-0.5",
    "9007199254740993",
]
DOCUMENT_NUMBERS = [0, 1, 2, 3, -1, 7, 0.5, 2.5, 10, 0.1, 100, 1.0, 9007199254740993]
COLLECTORS = ["count", "sum", "max", "min", "sort", "product"]
UNARY = ["abs", "round", "ceil", "floor", "count"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
ARITHMETIC = ["+", "-", "*", "/", "%"]


Scope = dict[str, str]
"""Variables that are bound, and what OPA knows of their types: num, str, set, list, obj, bool, or any for nothing."""


class Drawn:
    """One module being written. A term is asked for by the type that OPA's compiler would accept."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rules: Scope = {}
        self.functions: list[tuple[str, int]] = []
        self.serial = 0

    def pick(self, found: Any) -> Any:
        return self.random.choice(found)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def name(self) -> str:
        self.serial += 1
        return f"v{self.serial}"

    def term(self, scope: Scope, depth: int = 3, want: str = "any") -> tuple[str, str]:
        """A term, and what OPA knows of its type."""
        if depth <= 0 or self.chance(0.25):
            return self.leaf(scope, want)
        makers = {
            "num": [self.arithmetic, self.collected, self.unary, self.counted],
            "set": [self.set, self.union, self.gathered],
            "list": [self.array, self.sorted, self.listed],
            "obj": [self.object, self.mapped],
        }
        found = makers.get(want) or [
            *[maker for kind in makers.values() for maker in kind],
            self.called,
            self.looked_up,
            self.looked_up,
            self.got,
            self.compared,
            self.extreme,
        ]
        return self.pick(found)(scope, depth - 1)

    def leaf(self, scope: Scope, want: str) -> tuple[str, str]:
        fitting = [
            name for name, kind in {**scope, **self.rules}.items() if want == "any" or kind in {want, "any"}
        ]
        kind = self.random.randrange(8)
        if kind < 3 and fitting:
            name = self.pick(fitting)
            return name, {**scope, **self.rules}[name]
        if kind < 6:
            return f"input.{self.pick(['a', 'b', 'xs', 'o', 'n'])}", "any"
        if kind == 6:
            return f"data.d.{self.pick(['a', 'xs', 'o', 's'])}", "any"
        return self.constant(want)

    def constant(self, want: str = "any") -> tuple[str, str]:
        empty = {"set": "set()", "list": "[]", "obj": "{}"}
        if want in empty:
            return empty[want], want
        kind = self.random.randrange(6)
        if want == "num" or kind < 3:
            return self.pick(NUMBERS), "num"
        if want == "any" and kind == 3:
            return self.pick([("null", "null"), ("true", "bool"), ("false", "bool")])
        return f'"{self.pick(STRINGS)}"', "str"

    def text(self, scope: Scope, depth: int, want: str = "any") -> str:
        return self.term(scope, depth, want)[0]

    def array(self, scope: Scope, depth: int) -> tuple[str, str]:
        return "[" + ", ".join(self.text(scope, depth) for _ in range(self.random.randrange(4))) + "]", "list"

    def object(self, scope: Scope, depth: int) -> tuple[str, str]:
        keys = [
            self.text(scope, 0) if self.chance(0.3) else f'"{self.pick(STRINGS)}"'
            for _ in range(self.random.randrange(4))
        ]
        return "{" + ", ".join(
            f"{key}: {self.text(scope, depth)}" for key in dict.fromkeys(keys)
        ) + "}", "obj"

    def set(self, scope: Scope, depth: int) -> tuple[str, str]:
        found = [self.text(scope, depth) for _ in range(self.random.randrange(4))]
        return "{" + ", ".join(found) + "}" if found else "set()", "set"

    def arithmetic(self, scope: Scope, depth: int) -> tuple[str, str]:
        return (
            f"({self.text(scope, depth, 'num')} {self.pick(ARITHMETIC)} {self.text(scope, depth, 'num')})",
            "num",
        )

    def collection(self, scope: Scope, depth: int) -> str:
        return self.text(scope, depth, self.pick(["list", "set"]))

    def collected(self, scope: Scope, depth: int) -> tuple[str, str]:
        source = self.pick(
            ["input.xs", "data.d.xs", *[name for name, kind in scope.items() if kind == "any"]]
        )
        return f"{self.pick(['sum', 'product'])}({source})", "num"

    def counted(self, scope: Scope, depth: int) -> tuple[str, str]:
        return f"count({self.text(scope, depth, self.pick(['list', 'set', 'obj']))})", "num"

    def extreme(self, scope: Scope, depth: int) -> tuple[str, str]:
        return f"{self.pick(['max', 'min'])}({self.collection(scope, depth)})", "mixed"

    def sorted(self, scope: Scope, depth: int) -> tuple[str, str]:
        return f"sort({self.collection(scope, depth)})", "list"

    def unary(self, scope: Scope, depth: int) -> tuple[str, str]:
        return f"{self.pick(['abs', 'round', 'ceil', 'floor'])}({self.text(scope, depth, 'num')})", "num"

    def comprehended(self, scope: Scope, depth: int) -> tuple[str, str, str]:
        body, inner = self.body(scope, depth, 2)
        return self.text(inner, 0), self.text(inner, depth - 1), "; ".join(body)

    def listed(self, scope: Scope, depth: int) -> tuple[str, str]:
        _, value, body = self.comprehended(scope, depth)
        return f"[{value} | {body}]", "list"

    def gathered(self, scope: Scope, depth: int) -> tuple[str, str]:
        _, value, body = self.comprehended(scope, depth)
        return f"{{{value} | {body}}}", "set"

    def mapped(self, scope: Scope, depth: int) -> tuple[str, str]:
        key, value, body = self.comprehended(scope, depth)
        return f"{{{key}: {value} | {body}}}", "obj"

    def called(self, scope: Scope, depth: int) -> tuple[str, str]:
        if not self.functions:
            return self.leaf(scope, "any")
        name, arity = self.pick(self.functions)
        return f"{name}({', '.join(self.text(scope, depth) for _ in range(arity))})", "mixed"

    def untyped(self, scope: Scope, *more: str) -> str:
        return self.pick([*more, *[name for name, kind in scope.items() if kind == "any"]])

    def looked_up(self, scope: Scope, depth: int) -> tuple[str, str]:
        base = self.untyped(scope, "input.xs", "input.o", "data.d.o", "data.d.xs", "input.a")
        return f"{base}[{self.text(scope, min(depth, 1))}]", "any"

    def got(self, scope: Scope, depth: int) -> tuple[str, str]:
        base = self.untyped(scope, "input", "input.o", "data.d.o")
        return f'object.get({base}, "{self.pick(STRINGS)}", {self.text(scope, depth)})', "any"

    def compared(self, scope: Scope, depth: int) -> tuple[str, str]:
        return f"({self.text(scope, depth)} {self.pick(COMPARISONS[2:])} {self.text(scope, depth)})", "bool"

    def union(self, scope: Scope, depth: int) -> tuple[str, str]:
        return (
            f"({self.text(scope, depth, 'set')} {self.pick('|&-')} {self.text(scope, depth, 'set')})",
            "set",
        )

    # ---- bodies ----

    def body(self, scope: Scope, depth: int, most: int) -> tuple[list[str], Scope]:
        inner = dict(scope)
        return [self.statement(inner, depth) for _ in range(self.random.randrange(1, most + 1))], inner

    def statement(self, scope: Scope, depth: int) -> str:
        return self.pick(
            [
                self.assigned,
                self.assigned,
                self.held,
                self.held,
                self.same,
                self.some,
                self.some,
                self.pairs,
                self.iterated,
                self.negated,
                self.every,
                self.within,
                self.unpacked,
            ]
        )(scope, depth)

    def assigned(self, scope: Scope, depth: int) -> str:
        (term, kind), name = self.term(scope, depth), self.name()
        text = f"{name} := {term}{self.replaced(scope, depth)}"
        scope[name] = kind
        return text

    def replaced(self, scope: Scope, depth: int) -> str:
        if not self.chance(0.15):
            return ""
        targets = ["input", "input.a", "input.o.a", "data.d.a", "data.d.o", *self.rules]
        target = self.pick(targets)
        return f" with {target if target not in self.rules else f'data.p.{target}'} as {self.text(scope, min(depth, 1))}"

    def held(self, scope: Scope, depth: int) -> str:
        if self.chance(0.3):
            return self.truth(scope, depth) + self.replaced(scope, depth)
        return f"{self.text(scope, depth)} {self.pick(COMPARISONS[2:])} {self.text(scope, depth)}"

    def same(self, scope: Scope, depth: int) -> str:
        return f"{self.untyped(scope, 'input.a', 'input.b', 'input.n', 'data.d.a')} {self.pick(['==', '!='])} {self.text(scope, depth)}"

    def some(self, scope: Scope, depth: int) -> str:
        source, name = self.source(scope, depth), self.name()
        scope[name] = "any" if source.startswith(("input", "data")) else "mixed"
        return f"some {name} in {source}"

    def pairs(self, scope: Scope, depth: int) -> str:
        source, key, value = self.source(scope, depth), self.name(), self.name()
        scope[key], scope[value] = (
            ("any", "any") if source.startswith(("input", "data")) else ("mixed", "mixed")
        )
        return f"some {key}, {value} in {source}"

    def source(self, scope: Scope, depth: int) -> str:
        if self.chance(0.6):
            return self.untyped(scope, "input.xs", "input.o", "data.d.xs", "data.d.o", "data.d.a", "input.a")
        return self.text(scope, depth, self.pick(["list", "set", "obj"]))

    def iterated(self, scope: Scope, depth: int) -> str:
        del depth
        base = self.untyped(scope, "input.xs", "input.o", "data.d.o", "data.d")
        key, value = self.name(), self.name()
        scope[key], scope[value] = "any", "any"
        return f"some {key}; {value} := {base}[{key}]"

    def truth(self, scope: Scope, depth: int) -> str:
        """A term to stand alone. OPA plans no collection that does: it is true whatever is in it, or goes wrong in it."""
        maker = self.pick([self.compared, self.looked_up, self.got, self.called])
        text = maker(scope, depth)[0]
        return text if text[0] not in "{[" else "input.a"

    def negated(self, scope: Scope, depth: int) -> str:
        return f"not {self.truth(scope, depth)}"

    def every(self, scope: Scope, depth: int) -> str:
        source, name = self.source(scope, depth), self.name()
        kind = "any" if source.startswith(("input", "data")) else "mixed"
        body, _ = self.body({**scope, name: kind}, depth - 1, 2)
        return f"every {name} in {source} {{ {'; '.join(body)} }}"

    def within(self, scope: Scope, depth: int) -> str:
        key = f"{self.text(scope, 0)}, " if self.chance(0.3) else ""
        return f"{key}{self.text(scope, depth)} in {self.source(scope, depth)}"

    def unpacked(self, scope: Scope, depth: int) -> str:
        del depth
        first, second = self.name(), self.name()
        source = self.untyped(scope, "input.xs", "input.o", "input.a", "data.d.xs")
        scope[first], scope[second] = "any", "any"
        if self.chance(0.5):
            return f"[{first}, {second}] = {source}"
        return f'{{"a": {first}, "b": [{second}, {self.constant()[0]}]}} = {source}'

    # ---- rules ----

    def rule(self, name: str) -> list[str]:
        return self.pick([self.complete, self.complete, self.collecting, self.mapping, self.function])(name)

    def bodied(self, head: str, scope: Scope) -> str:
        body, inner = self.body(scope, 2, 3)
        lines = "\n".join(f"\t{line}" for line in body)
        return f"{head.replace('VALUE', self.text(inner, 2)).replace('KEY', self.text(inner, 1))} if {{\n{lines}\n}}"

    def complete(self, name: str) -> list[str]:
        lines = [f"default {name} := {self.constant()[0]}"] if self.chance(0.4) else []
        value = self.pick(["VALUE", "VALUE", "true", self.constant()[0]])
        for _ in range(self.random.randrange(1, 3)):
            text = self.bodied(f"{name} := {value}", {})
            while self.chance(0.3):
                text += " " + self.bodied("else := VALUE", {})
            lines.append(text)
        self.rules[name] = "mixed"
        return lines

    def collecting(self, name: str) -> list[str]:
        lines = [self.bodied(f"{name} contains VALUE", {}) for _ in range(self.random.randrange(1, 3))]
        self.rules[name] = "set"
        return lines

    def mapping(self, name: str) -> list[str]:
        lines = [self.bodied(f"{name}[KEY] := VALUE", {}) for _ in range(self.random.randrange(1, 3))]
        # OPA's planner loses an empty key of a rule, which its evaluator keeps (ADR-1117).
        lines = [line.replace(f'{name}[""] :=', f'{name}["empty"] :=') for line in lines]
        self.rules[name] = "obj"
        return lines

    def function(self, name: str) -> list[str]:
        params = [self.name() for _ in range(self.random.randrange(1, 3))]
        heads = ", ".join(params)
        lines = [self.bodied(f"{name}({heads}) := VALUE", dict.fromkeys(params, "any"))]
        if self.chance(0.3):
            lines.append(
                self.bodied(
                    f"{name}({', '.join([self.constant()[0], *params[1:]])}) := VALUE",
                    dict.fromkeys(params[1:], "any"),
                )
            )
        self.functions.append((name, len(params)))
        return lines


def draw_policy(random: Random, *, rules: int = 6) -> tuple[str, list[str]]:
    """A module of package ``p``, and the names of its rules."""
    drawn = Drawn(random)
    lines = ["package p", ""]
    for number in range(rules):
        lines += [*drawn.rule(f"r{number}"), ""]
    for number, (name, arity) in enumerate(drawn.functions):
        # OPA does not plan a module with a function that nobody calls.
        lines.append(f"used{number} := {name}({', '.join(['input.a', 'input.b'][:arity])})")
        drawn.rules[f"used{number}"] = "mixed"
    text = "\n".join(lines)
    # OPA refuses a declared variable that nobody reads.
    for name, times in Counter(re.findall(r"\bv\d+\b", text)).items():
        if times == 1:
            text = re.sub(rf"\b{name}\b(?! :=)", "_", text)
    return text, list(drawn.rules)


def draw_document(random: Random, depth: int) -> Any:
    kind = random.randrange(9 if depth else 5)
    if kind < 2:
        return random.choice(DOCUMENT_NUMBERS)
    if kind == 2:
        return random.choice(STRINGS)
    if kind < 5:
        return random.choice([None, True, False, 1, "a"])
    if kind < 7:
        return [draw_document(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(STRINGS): draw_document(random, depth - 1) for _ in range(random.randrange(4))}


def draw_input(random: Random) -> Any:
    """An input, in most cases with the fields that policies look at."""
    if random.random() < 0.05:
        return draw_document(random, 2)
    found = {name: draw_document(random, 2) for name in ["a", "b", "n"] if random.random() < 0.85}
    if random.random() < 0.9:
        found["xs"] = [draw_document(random, 1) for _ in range(random.randrange(5))]
    if random.random() < 0.9:
        found["o"] = {random.choice(STRINGS): draw_document(random, 1) for _ in range(random.randrange(4))}
    return found


def draw_data(random: Random) -> dict[str, Any]:
    """Base documents below ``d``."""
    return {
        "d": {
            "a": draw_document(random, 2),
            "xs": [draw_document(random, 1) for _ in range(random.randrange(5))],
            "o": {random.choice(STRINGS): draw_document(random, 1) for _ in range(random.randrange(4))},
            "s": random.choice(STRINGS),
        }
    }
