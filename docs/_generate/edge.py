"""docs/policy/EDGE_QUARANTINE.md: the quarantine machine, its diagram and table made from the code."""

import inspect
import re

from maestro.edge import record, table
from maestro.edge.diagram import diagram, table_rows
from maestro.edge.reasons import EdgeReason
from maestro.edge.rules import Rules

PAGE = """\
<!-- Made from the code by docs/_generate/edge.py; change that and run: make docs -->

# Edge quarantine

An edge decides by a bundle that it has verified. This page says what it does when the next bundle, the source or the
clock is not to be trusted; what you see of it; and what you can do. Why it is so: [ADR-1115](../adr/ADR-1115-edge.md).

## In one minute

- A **candidate** is what was fetched, **serving** is what decides, **earlier** ones are what it may fall back on.
- A bad candidate is quarantined; what serves goes on as **last-good**, and users notice nothing.
- When what serves reaches its ttl, it goes on as last-good until `lastGoodMaxAgeSeconds`; then the edge is **closed**.
- Closed means: every decision is refused (503, `policy_unavailable`), never answered by silence.
- Return is delayed, quarantine is not: a source that flaps has to behave for a while before it is believed again.

## Detect

| where | what |
|---|---|
| metric | `mc_edge_quarantines_total{{reason}}`: entries into quarantine; `mc_edge_state{{state}}`; `mc_edge_bundle_age_seconds` |
| event | `mc.incident.open` with `data.type` `edge.bundle.stale`, its `reason` and a `dedupeKey`; `mc.incident.close` with the same key |
| audit log | `mc.edge.quarantined`, `mc.edge.closed`, `mc.edge.refused`, `mc.edge.swapped`, `mc.edge.recovered`, `mc.edge.pinned`, `mc.edge.unpinned`, `mc.edge.clock-reset` |
| health | `GET /health?bundles`: 200 while a bundle decides, 500 while none does |
| command | `maestro edge status` |

## Action

The edge acts by itself. In each case the state is `quarantined` and an incident is open.

| what happened | what decides | what you do |
|---|---|---|
| a candidate was refused: signature, revision, engine … | what served before | publish a good bundle; the reason's [remedy](../reference/reasons.md) says what is wrong |
| nothing newer came before the ttl | what served before, as last-good | see why the source does not answer or nobody publishes |
| what serves was altered in memory or on disk, or its key was revoked | the newest earlier bundle that is good; none: closed | look at the machine; the edge fetches the bundle again |
| the clock went ahead and was set back | nothing, until time has caught up | see that the clock is right, then `maestro edge clock-reset` |

## Recovery

By itself: {hold} s after the quarantine at the earliest a good answer of the source begins a probation of {trial} s; if all
is good until then, the edge is active, swaps to the candidate that waits, and closes the incident. Each fault adds a
penalty that halves in {half_life} s; from {suppress} on the source is not believed until it has come down to {reuse}. The
hold doubles with each fault in a row, up to {most_hold} s. A closed edge takes the first good bundle at once.

By you:

| command | HTTP | when |
|---|---|---|
| `maestro edge poll` | `POST /api/edge/refresh` | you have published and will not wait for the next poll |
| `maestro edge pin REVISION` | `PUT /api/edge/pin` | an earlier revision has to decide, whatever comes; it still ends with its age |
| `maestro edge unpin` | `DELETE /api/edge/pin` | the newest may decide again |
| `maestro edge clock-reset` | `POST /api/edge/clock-reset` | the clock is right again and you cannot wait |

Each is an audit entry with your name. What to do first stands in the [runbook](../runbooks/edge-stale-bundle.md).

## States

{states}

## Diagram

```mermaid
{diagram}
```

## Table

Of rows with the same state and signal the first whose guard holds counts. What has no row changes neither state nor bundle.

| in | signal | guard | to | and |
|---|---|---|---|---|
{rows}

| signal | meaning |
|---|---|
{signals}

## Reasons that are not those of a bundle

| reason | meaning | remedy |
|---|---|---|
{reasons}
"""


def members(kind):
    """The members of an enumeration with the line of text below each."""
    found = re.findall(r'([A-Z_]+) = "([a-z_]+)"\n    """(.*?)"""', inspect.getsource(kind), re.DOTALL)
    return [(value, " ".join(text.split()).replace("``", "`")) for _, value, text in found]


def render():
    rules = Rules()
    damping = rules.damping
    page = PAGE.format(
        hold=f"{damping.hold.total_seconds():g}",
        trial=f"{rules.trial.total_seconds():g}",
        half_life=f"{damping.half_life.total_seconds():g}",
        suppress=f"{damping.suppress:g}",
        reuse=f"{damping.reuse:g}",
        most_hold=f"{damping.most_hold.total_seconds():g}",
        states="\n".join(
            ["| state | meaning |", "|---|---|"]
            + [f"| `{name}` | {text} |" for name, text in members(record.State)]
        ),
        diagram=diagram(),
        rows="\n".join(f"| {' | '.join(row)} |" for row in table_rows()),
        signals="\n".join(f"| {name.replace('_', ' ')} | {text} |" for name, text in members(table.Signal)),
        reasons="\n".join(f"| `{each}` | {each.meaning} | {each.remedy} |" for each in EdgeReason),
    )
    return {"docs/policy/EDGE_QUARANTINE.md": page}
