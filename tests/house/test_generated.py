import pytest

from house.generated import generators, rendered
from house.tree import ROOT


@pytest.mark.parametrize("script", generators(), ids=lambda script: script.stem)
def test_generated_pages_are_current(script):
    pages = rendered(script)
    assert pages, "a generator that renders nothing keeps nothing true"
    stale = [
        name
        for name, text in pages.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text
    ]
    assert not stale, "run: make docs"


def test_two_generators_never_write_one_page():
    names = [name for script in generators() for name in rendered(script)]
    assert len(names) == len(set(names))
