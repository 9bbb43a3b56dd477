"""Settings of what is told and kept about a sidecar: logs, metrics, traces, events, the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["AuditSettings", "EventSettings", "LogSettings", "MetricsSettings", "TracingSettings"]


class LogSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What is logged on standard error, one JSON object a line. ``debug`` tells every request."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json"] = "json"


class EventSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """How long events of runs are kept in the store; those of documents and flags stay.

    Attributes:
        keep_days: older ones are forgotten.
        keep_most: with more than this many since, they are forgotten earlier.
    """

    keep_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    keep_most: Annotated[int, Meta(ge=1000)] = 1_000_000


class TracingSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Sampled traces, sent over OTLP (HTTP, protobuf); off without an endpoint.

    Attributes:
        endpoint: of a collector, for example ``http://127.0.0.1:4318/v1/traces``; empty: off.
        sample: share of the requests without a caller's span that are traced.
        service: its name in the spans.
        headers: sent to the collector.
    """

    endpoint: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")] = ""
    sample: Annotated[float, Meta(ge=0, le=1)] = 0.01
    service: Annotated[str, Meta(min_length=1, max_length=100)] = "maestro"
    headers: dict[str, str] = {}


class AuditSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The node's audit log.

    Attributes:
        key: path of its private key; empty: one is made and kept in the state folder.
        name: of the log, when the key is made; empty: made of the host's name.
        cosigner: path of a second private key that signs each checkpoint too; empty for none.
    """

    key: str = ""
    name: Annotated[str, Meta(pattern=r"^[^\s+\x00-\x1f]{0,200}$")] = ""
    cosigner: str = ""


class MetricsSettings(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """``tenants``: how many tenants have a label of their own; the rest count as ``other``."""

    tenants: Annotated[int, Meta(ge=0, le=10_000)] = 200
