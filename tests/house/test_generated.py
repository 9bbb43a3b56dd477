import sys

import pytest

from house.generated import generators, rendered
from house.tree import ROOT


def laid_out(text):
    """The text to the letter; on Pythons whose argparse lays help out in other columns, its words in order."""
    return text if sys.version_info < (3, 13) else text.split()


@pytest.mark.parametrize("script", generators(), ids=lambda script: script.stem)
def test_generated_pages_are_current(script):
    pages = rendered(script)
    assert pages, "a generator that renders nothing keeps nothing true"
    stale = [
        name
        for name, text in pages.items()
        if not (ROOT / name).is_file()
        or laid_out((ROOT / name).read_text(encoding="utf-8")) != laid_out(text)
    ]
    assert not stale, "run: make docs"


def test_two_generators_never_write_one_page():
    names = [name for script in generators() for name in rendered(script)]
    assert len(names) == len(set(names))
