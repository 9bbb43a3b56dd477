"""How long a decision takes in process: JSON bytes to JSON bytes with the explanation, and on structs."""

import json
from datetime import UTC, datetime

from benchmarks.table import Table, interleaved, microseconds
from maestro.limits.decide import decide
from maestro.limits.decision import encode_decision
from maestro.limits.documents import parse_limits_file
from maestro.limits.policy import compile_file
from maestro.limits.request import parse_request
from maestro.ports.leases import Usage
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

LIMITS = {
    "tenant": "acme",
    "timezone": "America/Denver",
    "allowedWindows": [
        {"days": ["mon", "fri"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"},
        {"days": ["tue", "wed", "thu"], "start": "08:00", "end": "18:00"},
    ],
    "closures": [{"start": "2026-12-24T00:00", "end": "2026-12-27T00:00", "reason": "freeze"}],
    "startCutoffSeconds": 600,
    "maxConcurrent": 20,
    "packageCaps": {"ns/a": 2, "ns/*": 5},
}
CASES = {
    "allowed": ("2026-03-30T21:00:00Z", Usage(3, 1)),
    "denied by the window": ("2026-03-30T10:00:00-06:00", Usage(3, 1)),
    "denied by window and both caps": ("2026-03-30T10:00:00-06:00", Usage(20, 2, 4.2, 4.2)),
}


def run(*, quick=False):
    """p50 and p95 by case."""
    count, rounds = (2_000, 1) if quick else (20_000, 5)
    policy = compile_file(parse_limits_file(json.dumps(LIMITS).encode()))
    rows = []
    for name, (ts, usage) in CASES.items():
        body = json.dumps(
            {"tenant": "acme", "package": "ns/a", "run": "r-1", "ts": ts, "expectedSeconds": 900}
        ).encode()
        request = parse_request(body)

        def from_bytes(body=body, usage=usage):
            asked = parse_request(body)
            return encode_decision(
                decide(policy, asked.package, asked.ts, expected=asked.expected_seconds, usage=usage)
            )

        def on_structs(request=request, usage=usage):
            return decide(policy, request.package, request.ts, expected=request.expected_seconds, usage=usage)

        figures = interleaved(
            {"bytes": from_bytes, "structs": on_structs}, rounds, lambda call: _pair(call, count)
        )
        rows.append((name, *figures["bytes"].cells(), *figures["structs"].cells()))
    rows += _with_stores(count, rounds)
    columns = ("µs", "JSON to JSON p50", "p95", "on structs p50", "p95")
    note = "The last two rows ask `BlockingLimits.decide`, which reads the documents' generation and counts live leases."
    return Table("Decision in process", columns, rows, note)


class _pair:  # noqa: N801 - an ordered pair that medians can compare
    def __init__(self, call, count):
        self.p50, self.p95 = microseconds(call, count)

    def __lt__(self, other):
        return self.p95 < other.p95

    def cells(self):
        return f"{self.p50:.1f}", f"{self.p95:.1f}"


def _with_stores(count, rounds):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    clock, at = SystemClock(), datetime(2026, 3, 30, 21, tzinfo=UTC)
    rows = []
    with TemporaryDirectory() as folder:
        path = Path(folder, "limits.db")
        for name, leases, documents in (
            ("allowed, live usage in process", InProcessLeases(), InProcessDocuments()),
            ("allowed, live usage on SQLite", SqliteLeases(path), SqliteDocuments(path)),
        ):
            with BlockingLimits(leases, clock, documents) as limits:
                limits.put(LIMITS, by="bench")
                for run in range(3):
                    limits.acquire(run=f"r-{run}", tenant="acme", package="x/y")

                def ask(limits=limits):
                    return limits.decide(tenant="acme", package="ns/a", at=at, expected=900)

                def ask_bytes(ask=ask):
                    return encode_decision(ask())

                figures = interleaved({"b": ask_bytes, "s": ask}, rounds, lambda call: _pair(call, count))
                rows.append((name, *figures["b"].cells(), *figures["s"].cells()))
    return rows
