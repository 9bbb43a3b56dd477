"""Links, extras and make targets named in the project's pages exist."""

import re

import pytest

from house.tree import ROOT, pages, project

PAGES = [*pages(), *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]


def prose(text):
    """The page without its fenced blocks: what looks like a link in code is code."""
    return re.sub(r"^ *(`{3,}|~{3,}).*?^ *\1", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """The names under which the headings of a page can be linked to."""
    for heading in re.findall(r"^#+ +(.*?) *#*$", prose(text), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def broken(page):
    """Relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)", prose(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (
            anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8"))
        ):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_extras_and_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    extras = {
        name for group in re.findall(r"maestro-conductor\[([\w,]+)\]", text) for name in group.split(",")
    }
    assert extras <= set(project()["project"]["optional-dependencies"])
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c\n[x](gone.md) [y](#a-b-c) [z](#nope) [w](https://example.org)\n```\n[v](no)\n```\n"
    )
    assert list(broken(page)) == ["gone.md", "#nope"]
