"""A follower's figures for Prometheus, worked out at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from maestro.lake.freshness import BUCKETS
from maestro.runtime.follow import FollowStatus

__all__ = ["FollowFigures"]


class FollowFigures(Collector):
    """The metrics of any number of followers.

    Args:
        ask: their status now.
    """

    def __init__(self, ask: Callable[[], list[FollowStatus]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Gauges, counters and the histogram, labelled by table."""
        told = self._ask()
        for name, help_text, value in _GAUGES:
            gauge = GaugeMetricFamily(name, help_text, labels=["table"])
            for status in told:
                found = value(status)
                if found is not None:
                    gauge.add_metric([status.table], float(found))
            yield gauge
        for name, help_text, value in _COUNTERS:
            counter = CounterMetricFamily(name, help_text, labels=["table"])
            for status in told:
                counter.add_metric([status.table], float(value(status) or 0))
            yield counter
        yield _histogram(told)


def _histogram(told: list[FollowStatus]) -> Metric:
    family = HistogramMetricFamily(
        "mc_cdc_event_freshness_seconds",
        "Age of a change when it became visible: its commit here minus its commit at the source.",
        labels=["table"],
    )
    for status in told:
        buckets = [(str(edge), float(count)) for edge, count in zip(BUCKETS, status.histogram, strict=True)]
        buckets.append(("+Inf", float(status.event_count)))
        family.add_metric([status.table], buckets, status.event_seconds)
    return family


_Value = Callable[[FollowStatus], float | None]

_GAUGES: tuple[tuple[str, str, _Value], ...] = (
    (
        "mc_cdc_freshness_s",
        "The greater of the last minute's 95th percentile and the age of the oldest change that waits, seconds.",
        lambda of: of.freshness_seconds,
    ),
    ("mc_cdc_buffered_rows", "Changes read and not committed.", lambda of: of.buffered_rows),
    ("mc_cdc_buffered_bytes", "Their bytes as they came over the wire.", lambda of: of.buffered_bytes),
    ("mc_cdc_behind_events", "Changes in the source and not read.", lambda of: of.behind_events),
    (
        "mc_cdc_source_retained_bytes",
        "Bytes that the source keeps for us; a slot's grow for as long as nobody follows it.",
        lambda of: of.behind_bytes,
    ),
    ("mc_cdc_desired_sinks", "How many followers the table wants.", lambda of: of.desired_sinks),
    (
        "mc_cdc_clock_skew",
        "1 when an event from the future was seen: the source's clock or ours is wrong.",
        lambda of: of.clock_skew is not None,
    ),
    ("mc_cdc_commit_interval_seconds", "Seconds between commits.", lambda of: of.interval_seconds),
)
_COUNTERS: tuple[tuple[str, str, _Value], ...] = (
    ("mc_cdc_events", "Changes committed.", lambda of: of.events),
    ("mc_cdc_snapshot_events", "Of them read by a snapshot or backfill.", lambda of: of.snapshot),
    ("mc_cdc_commits", "Micro-batches committed.", lambda of: of.commits),
    ("mc_cdc_appended_commits", "Of them to the side log.", lambda of: of.appended),
    ("mc_cdc_quarantined_events", "Events kept aside with a reason.", lambda of: of.quarantined),
    ("mc_cdc_stale_events", "Changes older than the table's row, or the same again.", lambda of: of.stale),
)
