"""How the demo went: one value, as a table for people and as the document of ``--json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from maestro.limits.replay import Replay
from maestro_sidecar.demo.arrivals import Trace
from maestro_sidecar.demo.dispatcher import Tally
from maestro_sidecar.demo.tenants import DemoTenant

__all__ = ["Report", "percentile"]


@attrs.frozen
class Report:
    """The demo's figures.

    Attributes:
        tenants: who took part.
        tallies: what happened to their runs, by tenant.
        decided: nanoseconds of each answer, sorted.
        replay: the event log, judged again.
        seconds: from the first arrival to the last end.
        store: the SQLite file.
        trace: where the arrivals came from, None for made-up ones.
    """

    tenants: Sequence[DemoTenant]
    tallies: Mapping[str, Tally]
    decided: Sequence[int]
    replay: Replay
    seconds: float
    store: str
    trace: Trace | None = None

    @property
    def runs(self) -> int:
        """Runs that came."""
        return sum(tally.runs for tally in self.tallies.values())

    @property
    def completed(self) -> int:
        """Runs whose process ended well."""
        return sum(tally.completed for tally in self.tallies.values())

    @property
    def denies(self) -> Counter[str]:
        """Denies by reason, all tenants together."""
        return sum((tally.denies for tally in self.tallies.values()), Counter())

    @property
    def as_promised(self) -> bool:
        """Every run completed, and none was admitted that should not have been."""
        return self.completed == self.runs and not self.replay.violated

    def document(self) -> dict[str, Any]:
        """The document of ``--json``."""
        document: dict[str, Any] = {
            "runs": self.runs,
            "completed": self.completed,
            "denies": dict(sorted(self.denies.items())),
            "admitted": self.replay.admitted,
            "violations": self.replay.violated,
            "ratio": self.replay.ratio,
            "decisions": len(self.decided),
            "decisionMicroseconds": {
                "p50": percentile(self.decided, 50) / 1000,
                "p95": percentile(self.decided, 95) / 1000,
            },
            "seconds": round(self.seconds, 3),
            "store": self.store,
            "tenants": [_tenant_document(each, self.tallies[each.name]) for each in self._present()],
        }
        if self.trace is not None:
            document["trace"] = {
                "file": self.trace.file,
                "rows": self.trace.rows,
                "replayed": len(self.trace.taken),
                "traceSeconds": round(self.trace.seconds, 3),
                "compression": round(self.trace.compression, 3),
            }
        return document

    def table(self) -> str:
        """The closing table."""
        return "\n".join(self._lines())

    def _present(self) -> list[DemoTenant]:
        return [tenant for tenant in self.tenants if tenant.name in self.tallies]

    def _lines(self) -> Iterator[str]:
        present = self._present()
        wide = max(len(tenant.rule) for tenant in present)
        yield f"{'tenant':8} {'limits':{wide}} {'runs':>5} {'done':>5} {'denies':>7} {'first start':>12}"
        for tenant in present:
            tally = self.tallies[tenant.name]
            began = "never" if tally.first_start is None else f"{tally.first_start:.1f} s"
            yield (
                f"{tenant.name:8} {tenant.rule:{wide}} {tally.runs:5} {tally.completed:5} "
                f"{tally.denies.total():7} {began:>12}"
            )
        yield ""
        yield f"runs        {self.runs} real processes, {self.completed} completed"
        denies = ", ".join(f"{reason} {count}" for reason, count in sorted(self.denies.items()))
        yield f"denies      {self.denies.total()} (each retried as advised): {denies or 'none'}"
        yield (
            f"violations  {self.replay.violated} in {self.replay.admitted} admissions, "
            "judged again from the event log"
        )
        p50, p95 = (percentile(self.decided, percent) / 1000 for percent in (50, 95))
        yield (
            f"decision    p50 {p50:.0f} µs, p95 {p95:.0f} µs over {len(self.decided)}, "
            "each with its transaction on SQLite"
        )
        if self.trace is not None:
            yield (
                f"trace       {self.trace.file}: {len(self.trace.taken)} of {self.trace.rows} arrivals, "
                f"{self.trace.compression:.0f} times as fast"
            )
        yield f"seconds     {self.seconds:.1f}"


def _tenant_document(tenant: DemoTenant, tally: Tally) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "limits": tenant.limits,
        "runs": tally.runs,
        "completed": tally.completed,
        "failed": tally.failed,
        "givenUp": tally.given_up,
        "denies": dict(sorted(tally.denies.items())),
        "firstStartSeconds": None if tally.first_start is None else round(tally.first_start, 3),
    }


def percentile(ordered: Sequence[int], percent: int) -> float:
    """The smallest value that at least so many percent of the sorted values do not exceed; 0 of none."""
    return float(ordered[-(-len(ordered) * percent // 100) - 1]) if ordered else 0.0
