"""Plans written by hand, for what no policy of OPA's makes on its own."""

from typing import Any

__all__ = ["PlanMaker", "local", "stmt"]


def local(number: int) -> dict[str, Any]:
    return {"type": "local", "value": number}


def true_or_false(value: bool) -> dict[str, Any]:
    return {"type": "bool", "value": value}


def stmt(kind: str, **fields: Any) -> dict[str, Any]:
    """``stmt("Dot", source=…)``; ``return_``, ``set_`` and the like lose their underscore."""
    return {"type": f"{kind}Stmt", "stmt": {name.rstrip("_"): value for name, value in fields.items()}}


class PlanMaker:
    """A plan whose entrypoint ``p/r`` is rule ``g0.data.p.r``."""

    def __init__(self) -> None:
        self.strings: list[str] = ["result"]
        self.functions: list[dict[str, Any]] = []
        self.builtins: list[str] = []
        self.plans: list[dict[str, Any]] = []

    def index(self, text: str) -> int:
        if text not in self.strings:
            self.strings.append(text)
        return self.strings.index(text)

    def string(self, text: str) -> dict[str, Any]:
        return {"type": "string_index", "value": self.index(text)}

    def number(self, text: str, target: int) -> dict[str, Any]:
        return stmt("MakeNumberRef", index=self.index(text), target=target)

    def dot(self, source: int, name: str, target: int) -> dict[str, Any]:
        return stmt("Dot", source=local(source), key=self.string(name), target=target)

    def call(self, name: str, result: int, *args: dict[str, Any]) -> dict[str, Any]:
        if not name.startswith("g0.") and name not in self.builtins:
            self.builtins.append(name)
        documents = [local(0), local(1)] if name.startswith("g0.") else []
        return stmt("Call", func=name, args=[*documents, *args], result=result)

    def function(
        self, name: str, *blocks: list[dict[str, Any]], params: tuple[int, ...] = (), result: int = 2
    ) -> str:
        """A rule, or a function with more parameters; the last block is added."""
        full = f"g0.data.{name.replace('/', '.')}"
        ends = [*blocks, [stmt("ReturnLocal", source=result)]]
        self.functions.append(
            {
                "name": full,
                "params": [0, 1, *params],
                "return": result,
                "blocks": [{"stmts": block} for block in ends],
                "path": ["g0", *name.split("/")],
            }
        )
        return full

    def entrypoint(self, name: str) -> None:
        """The plan that asks for a rule."""
        block = [
            self.call(f"g0.data.{name.replace('/', '.')}", 2),
            stmt("AssignVar", source=local(2), target=3),
            stmt("MakeObject", target=4),
            stmt("ObjectInsert", key=self.string("result"), value=local(3), object=4),
            stmt("ResultSetAdd", value=4),
        ]
        self.plans.append({"name": name, "blocks": [{"stmts": block}]})

    def rule(self, *blocks: list[dict[str, Any]], name: str = "p/r") -> dict[str, Any]:
        """The plan of one rule that is asked for."""
        self.function(name, *blocks)
        self.entrypoint(name)
        return self.made()

    def made(self) -> dict[str, Any]:
        return {
            "static": {
                "strings": [{"value": text} for text in self.strings],
                "builtin_funcs": [{"name": name, "decl": {"type": "function"}} for name in self.builtins],
                "files": [{"value": "p.rego"}],
            },
            "plans": {"plans": self.plans},
            "funcs": {"funcs": self.functions},
        }
