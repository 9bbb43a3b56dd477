"""Sizes of the shipped code. `make sizes` reports the largest; test_sizes.py keeps the limits.

Limits are a prompt to look for a better shape, never to cut code into shreds: what is better whole goes into
EXCEPTIONS with its reason.
"""

import ast
import statistics
from collections.abc import Iterator

from house.tree import ROOT, shipped_files

FILE_LINES = 500
FUNCTION_LINES = 60
# "path" or "path:function" -> why it is better whole.
EXCEPTIONS: dict[str, str] = {}


def files() -> dict[str, int]:
    """Lines of each file."""
    return {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in shipped_files()
    }


def functions() -> dict[str, int]:
    """Body lines of each function, without its signature and docstring."""
    return {
        f"{path.relative_to(ROOT).as_posix()}:{name}": lines
        for path in shipped_files()
        for name, lines in measured(ast.parse(path.read_text(encoding="utf-8")))
    }


def measured(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{getattr(child, 'name', '')}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            body = child.body[1:] if ast.get_docstring(child, clean=False) is not None else child.body
            yield name, (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        yield from measured(child, f"{name}." if hasattr(child, "name") else prefix)


def report() -> None:
    for title, sizes in (("files", files()), ("functions", functions())):
        if not sizes:
            continue
        ordered = sorted(sizes.values())
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"{title}: {len(ordered)}, median {statistics.median(ordered):g}, p95 {p95}, max {ordered[-1]}")
        for name, lines in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
            print(f"  {lines:5} {name}")


if __name__ == "__main__":
    report()
