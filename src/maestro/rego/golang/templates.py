"""Go's ``text/template``, for templates that work on JSON: pipelines, variables, ``if``, ``range``, ``with``.

Values are ``str``, ``bool``, ``None``, ``list`` and ``dict``; numbers come as their text, which is what Go's
``json.Number`` is. Not taken: ``define``, ``template``, ``block``, ``break``, ``continue``, and the functions
``call``, ``html``, ``js`` and ``urlquery``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from maestro.rego.golang.printf import sprintf

__all__ = ["TemplateError", "render_template"]


class TemplateError(ValueError):
    """The template is malformed, uses what is not taken here, or fails on its values."""


_ACTION = re.compile(
    r"\{\{(- )?\s*(/\*.*?\*/|(?:\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|[^}\"`]|\}(?!\}))*?)\s*?( -)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"\s+|(?P<text>\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<field>\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\.)|(?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<mark>:=|[=|(),])"
)
_MISSING: Final = object()
_DEPTH: Final = 100


@attrs.frozen
class _Token:
    kind: str
    text: str


@attrs.frozen
class _Node:
    """One piece: ``text``, ``show``, ``if``, ``range`` or ``with``."""

    kind: str
    text: str = ""
    tokens: tuple[_Token, ...] = ()
    body: tuple[_Node, ...] = ()
    otherwise: tuple[_Node, ...] = ()


def render_template(template: str, values: Any, longest: int, spend: Callable[[int], None]) -> str:
    """The template with ``values`` as its dot.

    Args:
        template: its text.
        values: what ``.`` and ``$`` are.
        longest: characters the result may have.
        spend: called once a step.

    Raises:
        TemplateError: see the class.
    """
    pieces = _Parser(template)
    nodes = pieces.block(())
    return _Run(values, longest, spend).run(nodes)


class _Parser:
    def __init__(self, template: str) -> None:
        self.pieces = list(self.split(template))
        self.at = 0
        self.depth = 0
        self.ended = ""
        self.rest: tuple[_Token, ...] = ()

    def split(self, template: str) -> Iterator[tuple[str, str]]:
        last, trim = 0, False
        for found in _ACTION.finditer(template):
            text = template[last : found.start()]
            text = text.lstrip(" \t\r\n") if trim else text
            yield "text", text.rstrip(" \t\r\n") if found[1] else text
            trim, last = bool(found[3]), found.end()
            if not found[2].startswith("/*"):
                yield "action", found[2].strip()
        text = template[last:]
        if "{{" in text:
            raise TemplateError("template: unclosed action")
        yield "text", text.lstrip(" \t\r\n") if trim else text

    def block(self, ends: tuple[str, ...]) -> tuple[_Node, ...]:
        """Nodes up to one of the words ``ends``, which is left in ``ended`` with what follows it."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise TemplateError("template: nested too deeply")
        nodes: list[_Node] = []
        while self.at < len(self.pieces):
            kind, text = self.pieces[self.at]
            self.at += 1
            if kind == "text":
                nodes.append(_Node("text", text))
                continue
            tokens = _tokens(text)
            word = tokens[0].text if tokens and tokens[0].kind == "word" else ""
            if word in ends:
                self.ended, self.rest = word, tokens[1:]
                self.depth -= 1
                return tuple(nodes)
            nodes.append(self.node(word, tokens))
        if ends:
            raise TemplateError("template: unexpected EOF")
        self.depth -= 1
        return tuple(nodes)

    def node(self, word: str, tokens: tuple[_Token, ...]) -> _Node:
        if word in {"if", "range", "with"}:
            return self.control(word, tokens[1:])
        if word in {"define", "template", "block", "break", "continue", "end", "else"} or not tokens:
            raise TemplateError(f"template: {word or 'missing value'} is not taken here")
        return _Node("show", tokens=tokens)

    def control(self, word: str, tokens: tuple[_Token, ...]) -> _Node:
        body = self.block(("else", "end"))
        otherwise: tuple[_Node, ...] = ()
        if self.ended == "else":
            if self.rest:
                chained = self.rest[0].text
                if chained not in {"if", "with"}:
                    raise TemplateError("template: unexpected token in else")
                otherwise = (self.control(chained, self.rest[1:]),)
            else:
                otherwise = self.block(("end",))
        return _Node(word, tokens=tokens, body=body, otherwise=otherwise)


def _tokens(text: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"template: unexpected {text[at]!r} in action")
        at = match.end()
        if match.lastgroup:
            found.append(_Token(match.lastgroup, match[0]))
    return tuple(found)


class _Run:
    """One rendering: variables in scope, and what has been written."""

    def __init__(self, values: Any, longest: int, spend: Callable[[int], None]) -> None:
        self.variables: list[tuple[str, Any]] = [("$", values)]
        self.longest = longest
        self.spend = spend
        self.size = 0
        self.out: list[str] = []

    def run(self, nodes: tuple[_Node, ...]) -> str:
        self.walk(nodes, self.variables[0][1])
        return "".join(self.out)

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > self.longest:
            raise TemplateError(f"template: more than {self.longest} characters")
        self.out.append(text)

    def walk(self, nodes: tuple[_Node, ...], dot: Any) -> None:
        for node in nodes:
            self.spend(1)
            if node.kind == "text":
                self.write(node.text)
                continue
            scope = len(self.variables)
            if node.kind == "show":
                declared, value = self.pipeline(node.tokens, dot)
                if not declared:
                    self.write(_shown(value))
                continue
            if node.kind == "range":
                self.loop(node, dot)
            else:
                _, value = self.pipeline(node.tokens, dot)
                truth = _truth(value)
                self.walk(
                    node.body if truth else node.otherwise, value if truth and node.kind == "with" else dot
                )
            del self.variables[scope:]

    def loop(self, node: _Node, dot: Any) -> None:
        tokens = node.tokens
        names: list[str] = []
        at = next((i for i, token in enumerate(tokens) if token.text == ":="), -1)
        if at >= 0:
            names = [token.text for token in tokens[:at] if token.kind == "variable"]
            tokens = tokens[at + 1 :]
        _, value = self.pipeline(tokens, dot)
        pairs: list[tuple[Any, Any]] = []
        if isinstance(value, list):
            pairs = list(enumerate(value))
        elif isinstance(value, dict):
            pairs = [(name, value[name]) for name in sorted(value)]
        elif value is not None and value is not _MISSING:
            raise TemplateError(f"template: range can't iterate over {_shown(value)}")
        if not pairs:
            self.walk(node.otherwise, dot)
        for name, item in pairs:
            scope = len(self.variables)
            bound = [item] if len(names) == 1 else [name, item]
            self.variables += list(zip(names, bound, strict=False))
            self.walk(node.body, item)
            del self.variables[scope:]

    # ---- pipelines ----

    def pipeline(self, tokens: tuple[_Token, ...], dot: Any) -> tuple[bool, Any]:
        """Whether the pipeline declares a variable, and its value."""
        if len(tokens) >= 2 and tokens[0].kind == "variable" and tokens[1].text in {":=", "="}:
            value = self.commands(tokens[2:], dot)
            if tokens[1].text == ":=":
                self.variables.append((tokens[0].text, value))
            else:
                self.assign(tokens[0].text, value)
            return True, value
        return False, self.commands(tokens, dot)

    def assign(self, name: str, value: Any) -> None:
        for i in range(len(self.variables) - 1, -1, -1):
            if self.variables[i][0] == name:
                self.variables[i] = (name, value)
                return
        raise TemplateError(f"template: undefined variable {name}")

    def commands(self, tokens: tuple[_Token, ...], dot: Any) -> Any:
        value, piped = _MISSING, False
        for command in _parted(tokens, "|"):
            if not command and piped:
                continue
            if not command:
                raise TemplateError("template: missing value for command")
            value = self.command(command, dot, [value] if piped else [])
            piped = True
        return value

    def command(self, tokens: tuple[_Token, ...], dot: Any, last: list[Any]) -> Any:
        head = tokens[0]
        if head.kind == "word" and head.text not in {"true", "false", "nil"}:
            arguments = [self.operand(part, dot) for part in _operands(tokens[1:])]
            return _call(head.text, [*arguments, *last])
        parts = list(_operands(tokens))
        if len(parts) != 1 or last:
            raise TemplateError(f"template: can't give argument to non-function {head.text}")
        return self.operand(parts[0], dot)

    def operand(self, tokens: tuple[_Token, ...], dot: Any) -> Any:  # noqa: PLR0911 - one for each kind
        head = tokens[0]
        if head.text == "(":
            value = self.commands(tokens[1 : _closing(tokens)], dot)
            rest = tokens[_closing(tokens) + 1 :]
            return _fields(value, rest[0].text) if rest else value
        if head.kind == "field":
            return _fields(dot, head.text)
        if head.kind == "variable":
            name, _, fields = head.text.partition(".")
            for known, value in reversed(self.variables):
                if known == name:
                    return _fields(value, f".{fields}" if fields else ".")
            raise TemplateError(f"template: undefined variable {name}")
        if head.kind == "text":
            return head.text[1:-1] if head.text[0] == "`" else _unquoted(head.text[1:-1])
        if head.kind == "number":
            return float(head.text) if set(head.text) & set(".eE") else int(head.text)
        if head.kind == "word":
            if head.text in {"true", "false", "nil"}:
                return {"true": True, "false": False, "nil": None}[head.text]
            return _call(head.text, [])
        raise TemplateError(f"template: unexpected {head.text} in operand")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _unquoted(text: str) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found[1] is not None:
            return chr(int(found[1] or "0", 16))
        if found[2] not in _ESCAPES:
            raise TemplateError("template: bad string constant")
        return _ESCAPES[found[2]]

    return re.sub(r"\\(?:[xuU]([0-9a-fA-F]{2,8})|(.))", replaced, text)


def _closing(tokens: tuple[_Token, ...]) -> int:
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return i
    raise TemplateError("template: unclosed left paren")


def _parted(tokens: tuple[_Token, ...], mark: str) -> Iterator[tuple[_Token, ...]]:
    depth, start = 0, 0
    for i, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind == "mark" and token.text == mark:
            yield tokens[start:i]
            start = i + 1
    yield tokens[start:]


def _operands(tokens: tuple[_Token, ...]) -> Iterator[tuple[_Token, ...]]:
    at = 0
    while at < len(tokens):
        end = at + 1
        if tokens[at].text == "(" and tokens[at].kind == "mark":
            end = at + _closing(tokens[at:]) + 1
            if end < len(tokens) and tokens[end].kind == "field" and tokens[end].text != ".":
                end += 1
        yield tokens[at:end]
        at = end


def _fields(value: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        if not name:
            continue
        if value is None:
            raise TemplateError(f"template: nil data; no entry for key {name!r}")
        if value is _MISSING:
            return _MISSING
        if not isinstance(value, dict):
            raise TemplateError(f"template: can't evaluate field {name}")
        value = value.get(name, _MISSING)
    return value


def _truth(value: Any) -> bool:
    return value is not _MISSING and bool(value)


def _shown(value: Any, *, inner: bool = False) -> str:
    if value is _MISSING:
        return "<no value>"
    if value is None:
        return "<nil>" if inner else "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(_shown(item, inner=True) for item in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_shown(value[name], inner=True)}' for name in sorted(value))}]"
    return sprintf("%v", [value])


# ---- functions -------------------------------------------------------------------------------------------


def _call(name: str, arguments: list[Any]) -> Any:
    function = _FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f'template: function "{name}" not defined')
    try:
        return function(*arguments)
    except (TypeError, IndexError, KeyError) as error:
        raise TemplateError(f"template: error calling {name}: {error}") from error


def _and(*values: Any) -> Any:
    return next((value for value in values if not _truth(value)), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if _truth(value)), values[-1])


def _index(value: Any, *keys: Any) -> Any:
    for name in keys:
        if isinstance(value, list):
            if isinstance(name, bool) or not isinstance(name, int) or not 0 <= name < len(value):
                raise TemplateError(f"template: error calling index: index out of range: {name}")
            value = value[name]
        elif isinstance(value, dict) and isinstance(name, str):
            value = value.get(name, _MISSING)
        else:
            raise TemplateError("template: error calling index: can't index item")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    low, high = (*bounds, 0)[0], bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= low <= high <= len(value):
        raise TemplateError("template: error calling slice: index out of range")
    return value[low:high]


def _basic(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        raise TemplateError("template: non-comparable type")
    return None if value is _MISSING else value


def _eq(first: Any, *others: Any) -> bool:
    left = _basic(first)
    for other in others:
        right = _basic(other)
        if type(left) is not type(right) and left is not None and right is not None:
            raise TemplateError("template: error calling eq: incompatible types for comparison")
        if left == right:
            return True
    return False


def _less(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or type(a) not in {int, float, str}:
        raise TemplateError("template: error calling lt: incompatible types for comparison")
    return bool(a < b)


def _print(*values: Any) -> str:
    shown = ""
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            shown += " "
        shown += _shown(value, inner=True)
    return shown


def _printf(form: Any, *values: Any) -> str:
    if not isinstance(form, str):
        raise TemplateError("template: error calling printf: wrong type for format")
    operands = [
        value
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        else _shown(value, inner=True)
        for value in values
    ]
    if any(int(digits[:9]) > 10_000 for digits in re.findall("[0-9]+", form)):
        raise TemplateError("template: error calling printf: width too large")
    return sprintf(form, operands)


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not _truth(value),
    "len": len,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(_shown(value, inner=True) for value in values) + "\n",
    "printf": _printf,
    "eq": _eq,
    "ne": lambda a, b: not _eq(a, b),
    "lt": _less,
    "le": lambda a, b: _less(a, b) or a == b,
    "gt": lambda a, b: not _less(a, b) and a != b,
    "ge": lambda a, b: not _less(a, b),
}
