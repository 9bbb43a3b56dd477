"""What an edge tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from maestro.edge.record import State
from maestro_sidecar.edge_service import EdgeService

__all__ = ["EdgeMetrics"]


class EdgeMetrics(Collector):
    """The figures of an edge at a scrape.

    Args:
        edge: in this process.
    """

    def __init__(self, edge: EdgeService) -> None:
        self._edge = edge

    def describe(self) -> Iterator[Metric]:
        """Nothing to tell at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        node = self._edge.node
        if node is None:
            return
        record, counts = node.record, node.counts
        states = GaugeMetricFamily("mc_edge_state", "1 for the state that the edge is in.", labels=("state",))
        for state in State:
            states.add_metric((state.value,), float(record.state is state))
        yield states
        age = GaugeMetricFamily(
            "mc_edge_bundle_age_seconds",
            "Time since the serving bundle was signed, or verified where it does not say, by trusted time.",
        )
        if record.serving is not None:
            since = record.serving.issued_at or record.serving.verified_at
            age.add_metric((), max((node.clock.now() - since).total_seconds(), 0.0))
        yield age
        for name, meaning, label, counted in (
            ("mc_edge_quarantines", "Entries into quarantined.", "reason", counts.quarantines),
            ("mc_edge_refusals", "Candidates refused.", "reason", counts.refusals),
            ("mc_edge_polls", "Polls of the source, by outcome.", "result", counts.fetches),
            ("mc_edge_decisions", "Decisions asked of the edge.", "result", counts.decisions),
        ):
            yield _counter(name, meaning, label, counted)
        yield CounterMetricFamily("mc_edge_swaps", "Changes of the serving digest.", value=counts.swaps)
        yield GaugeMetricFamily(
            "mc_edge_untold", "Entries that audit log and outbox do not know yet.", len(record.notes)
        )
        yield _ratio(
            "mc_edge_hit_ratio", "Decisions that the edge answered itself, per decision asked.",
            counts.decisions["served"], sum(counts.decisions.values()),
        )  # fmt: skip
        yield from self._of_cache()
        yield from self._of_log()

    def _of_cache(self) -> Iterator[Metric]:
        cache = None if self._edge.decisions is None else self._edge.decisions.cache
        if cache is None:
            return
        counts = cache.counts
        yield _counter("mc_edge_cache_requests", "Questions to the decision cache.", "result", counts)
        yield _ratio(
            "mc_edge_cache_hit_ratio", "Questions that the decision cache answered, per question.",
            counts["hit"] + counts["joined"], sum(counts.values()),
        )  # fmt: skip
        yield GaugeMetricFamily("mc_edge_cache_entries", "Decisions that are kept.", len(cache))

    def _of_log(self) -> Iterator[Metric]:
        log = self._edge.log
        if log is not None:
            yield CounterMetricFamily(
                "mc_edge_log_dropped", "Decisions that the log had no room for.", value=log.dropped
            )
            yield CounterMetricFamily(
                "mc_edge_log_written", "Decisions written to the log.", value=log.written
            )


def _counter(name: str, meaning: str, label: str, counted: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=(label,))
    for value, count in dict(counted).items():
        family.add_metric((value,), count)
    return family


def _ratio(name: str, meaning: str, part: int, whole: int) -> Metric:
    return GaugeMetricFamily(name, meaning, part / whole if whole else 0.0)
