"""Pages made from the code, so that they cannot lie.

Each `docs/_generate/NAME.py` has `render() -> dict[str, str]`: path below the repository -> text.
`python -m house.generated --write` (`make docs`) writes them, test_generated.py compares.
"""

import importlib.util
import sys
from pathlib import Path

from house.tree import ROOT


def generators() -> list[Path]:
    """The generator scripts; names that start with an underscore are shared code."""
    return sorted(path for path in (ROOT / "docs" / "_generate").glob("*.py") if path.name[0] != "_")


def rendered(script: Path) -> dict[str, str]:
    """What one generator makes."""
    spec = importlib.util.spec_from_file_location(f"docs_generate_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {str(path): text for path, text in module.render().items()}


def write() -> None:
    for script in generators():
        for name, text in rendered(script).items():
            path = ROOT / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {name}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m house.generated --write")
    write()
