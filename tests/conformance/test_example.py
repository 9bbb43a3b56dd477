"""The adapter of `docs/howto/adapter.md` is the one in `examples/adapter/`, is short, and its own tests pass."""

import subprocess
import sys

from house.snippets import blocks
from house.tree import ROOT

EXAMPLE = ROOT / "examples" / "adapter"
PAGE = ROOT / "docs" / "howto" / "adapter.md"


def test_its_tests_pass_as_its_readme_says(tmp_path):
    (tmp_path / "none.ini").write_text("[pytest]\n")
    options = ["-q", "-p", "no:cacheprovider", "-c", str(tmp_path / "none.ini"), f"--rootdir={EXAMPLE}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(EXAMPLE)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "17 passed" in done.stdout


def test_it_is_short():
    assert len((EXAMPLE / "file_leases.py").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_page_shows_it_as_it_is():
    written = {}
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if name := block.options.get("file"):
            written[name] = block.text
    assert written["file_leases.py"] == (EXAMPLE / "file_leases.py").read_text(encoding="utf-8")
