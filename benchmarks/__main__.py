"""Run the benchmarks and print their tables; ``--write`` puts them into docs/benchmarks.md,
in the place of those with the same titles."""

import argparse
import os
import platform
import sqlite3
import sys
from importlib import import_module, metadata
from pathlib import Path

NAMES = (
    "decision",
    "leases",
    "opa",
    "hot",
    "wake",
    "shared",
    "startup",
    "audit",
    "rego",
    "lake",
    "contracts",
    "edge_trust",
    "edge",
)
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all when none is given"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs, not to quote")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    parts = []
    print(_machine())
    for name in asked.names or NAMES:
        print(f"measuring {name} …", file=sys.stderr)
        tables = import_module(f"benchmarks.{name}").run(quick=asked.quick)
        for table in tables if isinstance(tables, list) else [tables]:
            parts.append(table.markdown())
            print(table.markdown())
    if asked.write:
        PAGE.write_text(_written(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")


def _written(page, parts):
    """The page with these tables in the place of those with the same titles, new ones at its end."""
    _, *old = ("\n" + page).split("\n## ")
    tables = {f"## {table}".partition("\n")[0]: f"## {table.rstrip()}\n" for table in old}
    tables |= {part.partition("\n")[0]: part for part in parts}
    head = (
        "# Benchmarks\n\nMade by `make bench ARGS=--write`; run it on your machine before you believe ours.\n"
    )
    return "\n".join([head, _machine(), *tables.values()])


def _machine():
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("maestro-conductor", "msgspec", "uvicorn")
    )
    return (
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}; Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}. Medians over interleaved rounds.\n"
    )


if __name__ == "__main__":
    main()
