"""Pinned files: exact, hashed, and without the address of any index (ADR-1102)."""

import re

import pytest

from house.tree import ROOT

FILES = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_pin_is_exact_and_hashed_and_names_no_index(file):
    text = file.read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert entries
    pin = re.compile(r"[a-z0-9._-]+==\S+( ; [^\\]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+")
    assert [entry.splitlines()[0] for entry in entries if not pin.match(entry + "\n")] == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links|-f ", text)
