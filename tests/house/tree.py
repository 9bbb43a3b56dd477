"""The checkout, as the house tests see it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "maestro": ROOT / "src" / "maestro",
    "maestro_adapters": ROOT / "adapters" / "maestro_adapters",
    "maestro_sidecar": ROOT / "sidecar" / "maestro_sidecar",
    "maestro_policy": ROOT / "policy" / "maestro_policy",
}


def shipped_files() -> Iterator[Path]:
    """Every Python file that ends up in the wheel."""
    for folder in PACKAGES.values():
        yield from sorted(folder.rglob("*.py"))


def pages() -> list[Path]:
    """The pages a reader meets: the front page and everything below docs/."""
    return sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if page.is_file())


def project() -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
