"""What ``/metrics`` tells. Label values are bounded: tenants by the settings, all else by the code."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from maestro.calendar import TZDATA_VERSION
from maestro.limits.decision import Decision
from maestro_sidecar.violations import ViolationWatch

__all__ = ["Metrics"]

OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
_DECISION_BUCKETS = (10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 100e-3, 1.0)
_REQUEST_BUCKETS = (100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0)


class Metrics:
    """Counters of one sidecar, in a registry of its own. Bound children are kept, since binding costs a look-up.

    Args:
        version: of this release.
        tenants: how many tenants get a label value of their own.
    """

    def __init__(self, version: str, tenants: int) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # ...they would double every series, and promtool takes them for mislabelled gauges
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "mc_build_info",
            "Always 1; the labels tell what runs.",
            ("version", "python", "tzdata"),
            registry=self.registry,
        )
        build.labels(version, platform.python_version(), TZDATA_VERSION).set(1)
        self.decision_seconds = Histogram(
            "mc_limits_decision_seconds",
            "Time from a decision request's bytes to its answer's bytes.",
            buckets=_DECISION_BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            "mc_http_requests_total",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mc_http_request_seconds",
            "Time from a request's head to its answer.",
            ("route",),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._denies = Counter(
            "mc_window_denies_total",
            "Denies answered, by decisions and by attempts to take a run's slot.",
            ("tenant", "reason"),
            registry=self.registry,
        )
        self._shadow_denies = Counter(
            "mc_limits_shadow_denies_total",
            "Denies told and not enforced, because flag run_windows_caps is off.",
            ("tenant", "reason"),
            registry=self.registry,
        )
        self._tenants = tenants
        self._named: set[str] = set()
        self._bound: dict[tuple[str, str], Counter] = {}
        self._bound_shadow: dict[tuple[str, str], Counter] = {}
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

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
        for deny in decision.denies:
            self._child(self._denies, self._bound, tenant, deny.reason).inc()
        for deny in decision.shadow_denies:
            self._child(self._shadow_denies, self._bound_shadow, tenant, deny.reason).inc()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        children = self._answered.get((route, method, status))
        if children is None:
            name = method if method in _METHODS else OTHER
            children = (self._requests.labels(route, name, str(status)), self._seconds.labels(route))
            if name == method:
                self._answered[route, method, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def watch(self, held: Callable[[], Mapping[str, int]], violations: ViolationWatch) -> None:
        """Add what is asked for at each scrape: leases held, violations found."""
        self.registry.register(_AtScrape(self.tenant_label, held, violations))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The text for a scraper that accepts these media types, and its own media type. May wait for the store."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def _child(
        self, metric: Counter, bound: dict[tuple[str, str], Counter], tenant: str, reason: str
    ) -> Counter:
        label = self.tenant_label(tenant)
        child = bound.get((label, reason))
        if child is None:
            child = bound[label, reason] = metric.labels(label, reason)
        return child


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
        held: dict[str, int] = {}
        for tenant, count in sorted(self._held().items()):
            label = self._label(tenant)
            held[label] = held.get(label, 0) + count
        leases = GaugeMetricFamily(
            "mc_limits_leases_held", "Unexpired leases, by the store's clock.", labels=("tenant",)
        )
        for label, count in held.items():
            leases.add_metric((label,), count)
        yield leases
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
