"""docs/reference/edge-attacks.md: each attack of tests/edge_support/attacks.py, our verdict on it, and OPA's.

Ours is found here and now. OPA's stands beside each attack; tests/edge/test_attacks.py serves them all to a real OPA and
fails when it does otherwise.
"""

import re
from pathlib import Path

from edge_support.attacks import ATTACKS, SERVED, judge, root_of

INSTALL = Path(__file__).parents[2] / "tests" / "services" / "install.sh"
HEAD = """\
<!-- Made from tests/edge_support/attacks.py by docs/_generate/edge_attacks.py; change those and run: make docs -->

# Attacks on a bundle's way to the edge

{count} archives that a mirror, a thief or a careless publisher could serve, after an honest revision {served}. Each is served to a
real OPA {version} over HTTP, its own signature verification on (ES256, one key), and judged by `maestro.edge.verify` as an edge
judges it that serves revision {served} and gives its source one root. Ours refuses {refused} of {count}, OPA {theirs}.

Not every line is a fault of OPA: it never promised to honour `exp` or to remember revisions; a symbolic link it
passes over, a header's `alg` it does not read. We refuse those too, so that a bundle has one reading wherever it is read.
"""
TAIL = """\
[`tests/edge/test_attacks.py`](../../tests/edge/test_attacks.py) runs both sides in CI. What update metadata add against
mirrors that freeze, mix or turn back is held by [`tests/unit/edge/test_trust.py`](../../tests/unit/edge/test_trust.py). The
codes are explained in [the reasons](reasons.md).
"""


def row(number, attack):
    verdict = judge(attack, root_of(number))
    ours = (
        "**trusted**" if verdict.trusted else f"refuses: {', '.join(f'`{code}`' for code in verdict.reasons)}"
    )
    opa = "**activates it**" if attack.opa else "refuses"
    return (
        f"| {number + 1} | {attack.title} | {opa}{f', `{attack.also}` set' if attack.also else ''} | {ours} |"
    )


def render():
    version = re.search(r"OPA=v(\S+)", INSTALL.read_text(encoding="utf-8"))[1]
    refused = sum(not judge(attack, root_of(number)).trusted for number, attack in enumerate(ATTACKS))
    head = HEAD.format(
        count=len(ATTACKS),
        served=SERVED,
        version=version,
        refused=refused,
        theirs=sum(not attack.opa for attack in ATTACKS),
    )
    rows = [row(number, attack) for number, attack in enumerate(ATTACKS)]
    table = "\n".join([f"|  | attack | OPA {version} | ours |", "| --- | --- | --- | --- |", *rows])
    return {"docs/reference/edge-attacks.md": f"{head}\n{table}\n\n{TAIL}"}
