"""A follower's figures as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest

from maestro.lake.freshness import BUCKETS
from maestro.runtime.follow import FollowStatus
from maestro_sidecar.lake.figures import FollowFigures


def test_gauges_counters_and_the_histogram_are_told_by_table():
    numbers = dict.fromkeys(FollowStatus.__struct_fields__, 0)
    status = FollowStatus(
        **numbers
        | {
            "table": "runs",
            "freshness_seconds": 1.5,
            "events": 7,
            "behind_events": None,
            "clock_skew": None,
            "event_count": 7,
            "event_seconds": 3.5,
            "histogram": (7,) * len(BUCKETS),
        }
    )
    registry = CollectorRegistry()
    registry.register(FollowFigures(lambda: [status]))
    lines = generate_latest(registry).decode().splitlines()
    assert 'mc_cdc_freshness_s{table="runs"} 1.5' in lines
    assert 'mc_cdc_events_total{table="runs"} 7.0' in lines
    assert 'mc_cdc_event_freshness_seconds_bucket{le="90.0",table="runs"} 7.0' in lines
    assert 'mc_cdc_clock_skew{table="runs"} 0.0' in lines
    assert not [line for line in lines if line.startswith("mc_cdc_behind_events{")]
