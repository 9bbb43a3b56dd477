"""What ``/metrics`` tells. Label values are bounded: tenants by the settings, all else by the code."""

from __future__ import annotations

import functools
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from maestro.calendar import TZDATA_VERSION
from maestro.kernel.errors import PortError
from maestro.limits.decision import Decision
from maestro_sidecar.violations import ViolationWatch

__all__ = ["Metrics"]

OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
_DECISION_BUCKETS = (10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 100e-3, 1.0)
_REQUEST_BUCKETS = (100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0)


class Tally:
    """A histogram that only the event loop writes, so that it needs no lock: a fifth of the library's cost."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one measurement."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus wants them."""
        return [
            (floatToGoString(bound), count)  # type: ignore[no-untyped-call]
            for bound, count in zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True)
        ]


class Metrics:
    """Figures of one sidecar, in a registry of its own. What is counted, the event loop counts.

    Args:
        tenants: how many tenants get a label value of their own.

    Attributes:
        registry: what is rendered.
        decision_seconds: time from a decision request's bytes to its answer's bytes.
    """

    def __init__(self, tenants: int) -> None:
        # ...they would double every series, and promtool takes them for mislabelled gauges.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self.decision_seconds = Tally(_DECISION_BUCKETS)
        self._tenants = tenants
        self._named: set[str] = set()
        self._denies: dict[tuple[str, str], int] = {}
        self._shadow_denies: dict[tuple[str, str], int] = {}
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, Tally] = {}
        self.registry.register(_Counted(self.families))

    def tenant_label(self, tenant: str) -> str:
        """The tenant's name while there are few, else ``other``."""
        if tenant in self._named:
            return tenant
        if len(self._named) < self._tenants:
            self._named.add(tenant)
            return tenant
        return OTHER

    def count(self, tenant: str, decision: Decision) -> None:
        """Count a verdict's denies."""
        label = self.tenant_label(tenant)
        for counted, denies in (
            (self._denies, decision.denies),
            (self._shadow_denies, decision.shadow_denies),
        ):
            for deny in denies:
                counted[label, deny.reason] = counted.get((label, deny.reason), 0) + 1

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (route, method if method in _METHODS else OTHER, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        tally = self._seconds.get(route)
        if tally is None:
            tally = self._seconds[route] = Tally(_REQUEST_BUCKETS)
        tally.observe(seconds)

    def families(self) -> Iterator[Metric]:
        """What was counted. Copies first: a scrape is rendered in a thread while the loop goes on counting."""
        build = GaugeMetricFamily(
            "mc_build_info", "Always 1; the labels tell what runs.", labels=("version", "python", "tzdata")
        )
        build.add_metric((_version(), platform.python_version(), TZDATA_VERSION), 1)
        yield build
        decisions = self.decision_seconds
        yield HistogramMetricFamily(
            "mc_limits_decision_seconds",
            "Time from a decision request's bytes to its answer's bytes.",
            buckets=decisions.buckets(),
            sum_value=decisions.sum,
        )
        requests = CounterMetricFamily(
            "mc_http_requests", "Requests answered.", labels=("route", "method", "status")
        )
        for (route, method, status), count in dict(self._requests).items():
            requests.add_metric((route, method, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "mc_http_request_seconds", "Time from a request's head to its answer.", labels=("route",)
        )
        for route, tally in dict(self._seconds).items():
            seconds.add_metric((route,), tally.buckets(), tally.sum)
        yield seconds
        for name, meaning, counted in (
            (
                "mc_window_denies",
                "Denies answered, by decisions and by attempts to take a run's slot.",
                self._denies,
            ),
            (
                "mc_limits_shadow_denies",
                "Denies told and not enforced, because flag run_windows_caps is off.",
                self._shadow_denies,
            ),
        ):
            family = CounterMetricFamily(name, meaning, labels=("tenant", "reason"))
            for labels, count in dict(counted).items():
                family.add_metric(labels, count)
            yield family

    def watch(self, held: Callable[[], Mapping[str, int]], violations: ViolationWatch) -> None:
        """Add what is asked for at each scrape: leases held, violations found."""
        self.registry.register(_AtScrape(self.tenant_label, held, violations))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The text for a scraper that accepts these media types, and its own media type. May wait for the store."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


@functools.cache
def _version() -> str:
    """Of this release. Asked at the first scrape, since reading the metadata takes a tenth of the start."""
    from importlib.metadata import version

    return version("maestro-conductor")


class _Counted(Collector):
    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def describe(self) -> Iterator[Metric]:
        """Nothing to tell at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What was counted so far."""
        return self._families()


class _AtScrape(Collector):
    def __init__(
        self,
        label: Callable[[str], str],
        held: Callable[[], Mapping[str, int]],
        violations: ViolationWatch,
    ) -> None:
        self._label = label
        self._held = held
        self._violations = violations

    def describe(self) -> Iterator[Metric]:
        """Nothing to ask the store at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        leases = GaugeMetricFamily(
            "mc_limits_leases_held", "Unexpired leases, by the store's clock.", labels=("tenant",)
        )
        try:
            for label, count in self._by_label().items():
                leases.add_metric((label,), count)
            answered = True
        except PortError:  # all other figures are needed most when the store is down
            answered = False
        yield leases
        yield GaugeMetricFamily(
            "mc_limits_store_up", "1 when the lease store answered this scrape.", value=float(answered)
        )
        figures = self._violations.figures()
        yield GaugeMetricFamily(
            "mc_limit_violations_ratio",
            "Runs admitted which a replay of documents and leases denies, per run admitted.",
            value=figures.ratio,
        )
        yield CounterMetricFamily(
            "mc_limits_violations", "Violations found by the replay.", value=figures.violated
        )
        yield CounterMetricFamily(
            "mc_limits_replayed_runs", "Admissions judged by the replay.", value=figures.admitted
        )
        yield CounterMetricFamily(
            "mc_limits_replay_skipped_events",
            "Events of limits that the replay could not judge, being malformed.",
            value=figures.skipped,
        )

    def _by_label(self) -> dict[str, int]:
        held: dict[str, int] = {}
        for tenant, count in sorted(self._held().items()):
            label = self._label(tenant)
            held[label] = held.get(label, 0) + count
        return held
