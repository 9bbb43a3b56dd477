"""Every code block of README.md and docs/ runs; see snippets.py for what a block may say."""

import pytest

from house.snippets import Page, blocks, matches
from house.tree import ROOT, pages


# One group: pages may start servers on the ports they show, so two never run at once.
@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_page_runs(page, tmp_path):
    with Page(tmp_path) as running:
        for block in blocks(page.read_text(encoding="utf-8")):
            running.run(block)


def run(tmp_path, markdown):
    with Page(tmp_path) as running:
        for block in blocks(markdown):
            running.run(block)
        return running.printed


def test_blocks_share_a_folder_a_shell_and_a_namespace(tmp_path):
    page = """
```json file=a/x.json
{"n": 41}
```
```python
import json
n = json.load(open("a/x.json"))["n"]
```
- in a list:
  ```python
  print(n + 1)
  ```
```output
42
```
```bash
cd a
X=here
```
```console
$ cat > y <<END
> $X
> END
$ ls \\
  -1
this is not run
```
```output
x...
y
```
```bash
grep -q here y && sleep 100 &
```
"""
    run(tmp_path, page)
    assert (tmp_path / "page/a/y").read_text() == "here\n"


@pytest.mark.parametrize(
    "block",
    [
        "```python\n1 / 0\n```",
        "```bash\nfalse\ntrue\n```",
        "```bash exit=3\ntrue\n```",
        "```bash\n(exit 3)\n```",
        "```console\n$ make no-such-target\n```",
        "```py\npass\n```",
        "```python no-run=1\npass\n```",
        "```bash\necho a\n```\n```output\nb\n```",
    ],
)
def test_a_block_that_does_not_do_what_it_says_fails(block, tmp_path):
    with pytest.raises(AssertionError, match="line "):
        run(tmp_path, block)


def test_a_status_that_is_announced_passes(tmp_path):
    assert run(tmp_path, "```bash exit=3\necho no\n(exit 3)\n```\n```bash\necho on\n```") == "on\n"


def test_set_up_commands_are_not_run_but_make_targets_must_exist(tmp_path):
    page = "```console\n$ git clone https://example.org/maestro-conductor\n$ cd maestro-conductor\n$ make demo\n```"
    assert "maestro demo" in run(tmp_path, page)


def test_three_dots_stand_for_anything():
    assert matches("a ...c\n", "a b\nc")
    assert not matches("a ... c", "a b")
    assert not matches("a+", "aa")
