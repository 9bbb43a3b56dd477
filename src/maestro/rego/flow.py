"""From jumps to Python: a plan's blocks and breaks as loops, ``break``, ``continue`` and ``return``.

The lowering of statements leaves a tree of nodes in which any node may jump to the end of any block around it. Here
jumps are threaded (a jump to a jump goes where that goes), those that falling through makes needless are dropped, and
what is left is written as Python. A block that is jumped out of is a ``while True`` which ends in ``break``: the
interpreter compiles that to the bare jump. Python nests at most 20 such blocks, so deep ones become inner functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

__all__ = ["Block", "Guard", "Jump", "Label", "Line", "Loop", "Node", "Return", "Store", "render"]

NESTING: Final = 14
"""Python loops within loops before the next becomes a function; ``try`` needs some of the 20 too."""
CONDITIONS: Final = 3
"""Guards of a block that are written as ``if`` within ``if`` instead of a loop."""
_WRITES = re.compile(r"^(?:for )?(?P<names>[a-z]\d+(?:, [a-z]\d+)*) (?:=|in) ")


@attrs.define(eq=False)
class Label:
    """The end of a block, or the next turn of a loop."""


@attrs.define(eq=False)
class Line:
    """One line, or a statement of several."""

    text: str


@attrs.define(eq=False)
class Store:
    """``name = text`` without any effect: dropped when nobody reads the name."""

    name: str
    text: str


@attrs.define(eq=False)
class Jump:
    """Go to a label."""

    label: Label


@attrs.define(eq=False)
class Guard:
    """Go to a label if a condition holds; ``otherwise`` is its opposite. Conditions have no effects."""

    condition: str
    otherwise: str
    label: Label


@attrs.define(eq=False)
class Return:
    """Leave the function by these lines."""

    lines: tuple[str, ...]


@attrs.define(eq=False)
class Block:
    """Nodes with a label at their end."""

    body: list[Node]
    label: Label


@attrs.define(eq=False)
class Loop:
    """A Python ``for``: falling off the body, or jumping to ``again``, is the next turn."""

    header: str
    body: list[Node]
    again: Label
    done: Label


Node = Line | Store | Jump | Guard | Return | Block | Loop
_Target = Label | Return


@attrs.define
class _Threads:
    """Where each label really leads."""

    found: dict[Label, _Target] = attrs.field(factory=dict)

    def target(self, label: Label) -> _Target:
        return self.found.get(label, label)

    def visit(self, nodes: list[Node], after: _Target) -> None:
        for i, node in enumerate(nodes):
            if isinstance(node, Jump | Return):
                del nodes[i + 1 :]
                return
            if isinstance(node, Block):
                follow = self._at(nodes, i + 1, after)
                if follow is not None:
                    self.found[node.label] = follow
                self.visit(node.body, self.target(node.label))
            elif isinstance(node, Loop):
                follow = self._at(nodes, i + 1, after)
                if follow is not None:
                    self.found[node.done] = follow
                self.visit(node.body, node.again)

    def _at(self, nodes: list[Node], i: int, after: _Target) -> _Target | None:
        if i == len(nodes):
            return after
        node = nodes[i]
        if isinstance(node, Jump):
            return self.target(node.label)
        return node if isinstance(node, Return) else None


def _clean(nodes: list[Node], after: _Target, threads: _Threads) -> None:
    """Drop what nobody reaches, and jumps to where falling through leads as well."""
    for i, node in enumerate(nodes):
        if _diverges(node, threads):
            del nodes[i + 1 :]
            break
    for i, node in enumerate(nodes):
        if isinstance(node, Block):
            last = i + 1 == len(nodes)
            _clean(node.body, after if last else threads.target(node.label), threads)
        elif isinstance(node, Loop):
            _clean(node.body, node.again, threads)
    while nodes:
        last_node = nodes[-1]
        if (isinstance(last_node, Jump | Guard) and threads.target(last_node.label) is after) or (
            isinstance(last_node, Block) and not last_node.body
        ):
            nodes.pop()
        else:
            break


def _diverges(node: Node, threads: _Threads) -> bool:
    """Whether nobody comes to what stands after a node."""
    if isinstance(node, Jump | Return):
        return True
    if isinstance(node, Block) and node.body and threads.target(node.label) is not node.label:
        return _diverges(node.body[-1], threads)
    return False


@attrs.define(eq=False)
class _Frame:
    """A Python loop, or function, that is being written."""

    leave: Label | None = None
    again: Label | None = None
    crossed: list[Label] = attrs.field(factory=list)
    codes: dict[_Target, int] | None = None


@attrs.define
class _Writer:
    threads: _Threads
    used: frozenset[str]
    frames: list[_Frame] = attrs.field(factory=list)
    names: dict[Label, str] = attrs.field(factory=dict)
    outlined: set[str] = attrs.field(factory=set)
    functions: int = 0

    def write(self, nodes: Iterable[Node]) -> list[str]:
        lines: list[str] = []
        for node in nodes:
            lines += self.node(node)
        return lines

    def node(self, node: Node) -> list[str]:  # noqa: PLR0911 - one for each case
        match node:
            case Line():
                return node.text.split("\n")
            case Store():
                return [f"{node.name} = {node.text}"] if node.name in self.used else []
            case Jump():
                return self.jump(self.threads.target(node.label))
            case Guard():
                return [f"if {node.condition}:", *_indented(self.jump(self.threads.target(node.label)))]
            case Return():
                return self.jump(node)
            case Block():
                return self.block(node)
            case Loop():
                return self.loop(node.header, node.body, node.done, node.again)

    def block(self, node: Block) -> list[str]:
        if not _count(node.body, node.label, self.threads):
            return self.write(node.body)
        guards = [
            one
            for one in node.body
            if isinstance(one, Guard) and self.threads.target(one.label) is node.label
        ]
        if len(guards) <= CONDITIONS and len(guards) == _count(node.body, node.label, self.threads):
            return self.conditions(node.body, node.label)
        return self.loop("while True:", node.body, node.label, None)

    def conditions(self, nodes: list[Node], label: Label) -> list[str]:
        """A block whose only jumps to its end are guards of its own: ``if`` within ``if``."""
        for i, node in enumerate(nodes):
            if isinstance(node, Guard) and self.threads.target(node.label) is label:
                rest = self.conditions(nodes[i + 1 :], label)
                return [
                    *self.write(nodes[:i]),
                    *([f"if {node.otherwise}:", *_indented(rest)] if rest else []),
                ]
        return self.write(nodes)

    def loop(self, header: str, body: list[Node], done: Label, again: Label | None) -> list[str]:
        depth = next((i for i, frame in enumerate(reversed(self.frames)) if frame.codes is not None), 0)
        if depth >= NESTING:
            return self.outline(header, body, done, again)
        leave = self.threads.target(done)
        frame = _Frame(leave if isinstance(leave, Label) else None, again)
        self.frames.append(frame)
        lines = self.write(body)
        self.frames.pop()
        if again is None and not _ends(lines):
            lines.append("break")
        flags = [self.names[label] for label in frame.crossed]
        before = [f"{flag} = False" for flag in flags]
        after: list[str] = []
        for label, flag in zip(frame.crossed, flags, strict=True):
            after += [f"if {flag}:", *_indented(self.jump(label))]
        return [*before, header, *_indented(lines or ["pass"]), *after]

    def jump(self, target: _Target) -> list[str]:
        inner = self.frames[-1]
        if inner.codes is None and isinstance(target, Label):
            if inner.again is target:
                return ["continue"]
            if inner.leave is target:
                return ["break"]
        for frame in reversed(self.frames):
            if frame.codes is not None:
                return self.leave_function(frame, target)
            if isinstance(target, Return):
                continue
            if target in (frame.again, frame.leave):
                break
        assert isinstance(target, Label)  # noqa: S101 - for the type checker: a Return ends at the function's frame
        return self.cross(target)

    def cross(self, target: Label) -> list[str]:
        """Leave the loops within the one that the label belongs to, by a flag that each looks at."""
        flag = self.names.setdefault(target, f"j{len(self.names)}")
        for frame in reversed(self.frames):
            if frame.codes is not None or target in (frame.again, frame.leave):
                break
            if target not in frame.crossed:
                frame.crossed.append(target)
        return [f"{flag} = True", "break"]

    def leave_function(self, frame: _Frame, target: _Target) -> list[str]:
        assert frame.codes is not None  # noqa: S101 - for the type checker: the caller looked
        if frame is self.frames[0]:
            assert isinstance(target, Return)  # noqa: S101 - for the type checker: every label is inside
            return list(target.lines)
        if isinstance(target, Label) and any(
            target in (one.again, one.leave) for one in self.frames[self.frames.index(frame) :]
        ):
            return self.cross(target)
        return [f"return {frame.codes.setdefault(target, len(frame.codes) + 1)}"]

    def outline(self, header: str, body: list[Node], done: Label, again: Label | None) -> list[str]:
        self.functions += 1
        name, code = f"g{self.functions}", f"r{self.functions}"
        frame = _Frame(codes={})
        self.frames.append(frame)
        lines = [*self.loop(header, body, done, again), "return 0"]
        self.frames.pop()
        written = sorted(_written(lines))
        self.outlined.update(written)
        outer = [f"nonlocal {', '.join(written)}"] if written else []
        result = [f"def {name}():", *_indented([*outer, *lines]), f"{code} = {name}()"]
        assert frame.codes is not None  # noqa: S101 - for the type checker: made above
        for target, number in frame.codes.items():
            result += [f"if {code} == {number}:", *_indented(self.jump(target))]
        return result


def _written(lines: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for line in lines:
        match = _WRITES.match(line.strip())
        if match:
            found.update(match["names"].split(", "))
        elif line.strip().startswith("nonlocal "):
            found.update(line.strip().removeprefix("nonlocal ").split(", "))
    return found


def _ends(lines: list[str]) -> bool:
    return bool(lines) and re.match(r"(?:break|continue|return)\b", lines[-1]) is not None


def _indented(lines: Iterable[str]) -> list[str]:
    return [" " + line for line in lines]


def _count(nodes: list[Node], label: Label, threads: _Threads) -> int:
    total = 0
    for node in nodes:
        if isinstance(node, Jump | Guard):
            total += threads.target(node.label) is label
        elif isinstance(node, Block | Loop):
            total += _count(node.body, label, threads)
    return total


def render(nodes: list[Node], used: frozenset[str]) -> tuple[list[str], set[str]]:
    """The lines of a function's body, and the variables that inner functions write.

    The nodes must end in a `Return`. ``used`` names the variables that are read at all.
    """
    threads = _Threads()
    end = next(node for node in nodes if isinstance(node, Return))
    body = nodes[: nodes.index(end)]
    threads.visit([*body, end], end)
    _clean(body, end, threads)
    writer = _Writer(threads, used, frames=[_Frame(codes={})])
    lines = writer.write([*body, end])
    return lines, writer.outlined
