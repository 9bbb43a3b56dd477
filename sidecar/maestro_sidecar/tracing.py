"""Sampled tracing (extra ``[tracing]``): W3C trace context in, OpenTelemetry spans out over OTLP. Off unless set.

Which requests are traced is decided here, before OpenTelemetry is asked for anything: a request that is not costs a
look at one header and one random number, so tracing may stay on where decisions take microseconds.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from maestro.kernel.errors import BadInputError
from maestro_sidecar.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

__all__ = ["TRACED", "Parent", "Tracing", "opened", "parent_in"]

TRACED: Final = "maestro.traced"
"""Key of the ASGI scope: whether the request is traced, once that is decided."""

Attributes = Mapping[str, str | int | bool]

# W3C Trace Context (REC 2021-11-23) section 3.2.2: of version 00 this is all, later ones may append.
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN, _NO_VERSION = b"0" * 32, b"0" * 16, b"ff"
_SAMPLED: Final = 1
_FLUSH_MILLISECONDS: Final = 2000
"""What a stopping sidecar waits for a collector that does not answer."""


class Parent(NamedTuple):
    """The caller's span.

    Attributes:
        trace: trace id.
        span: span id.
        sampled: whether the caller records.
    """

    trace: int
    span: int
    sampled: bool


def parent_in(traceparent: bytes) -> Parent | None:
    """The caller's span; None when the header is malformed, which starts a trace of our own (section 4.3)."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == _NO_VERSION or trace == _NO_TRACE or span == _NO_SPAN or (more and version == b"00"):
        return None
    return Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & _SAMPLED))


class Tracing:
    """Spans of requests, and of what is done within them.

    Args:
        exporter: takes finished spans, in a thread of its own.
        sample: share of the requests without a caller's span that are traced; with one, the caller's choice holds.
        service: name of the service in the spans.
        draw: a random number in [0, 1) at each call.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        sample: float,
        service: str = "maestro",
        draw: Callable[[], float] = random.random,
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        self._sample = sample
        self._draw = draw
        # Ends with the sidecar, by close(): a hook at the interpreter's end would hold a test or a host up.
        self._provider = TracerProvider(
            ALWAYS_ON, Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        self._batches = BatchSpanProcessor(exporter)
        self._provider.add_span_processor(self._batches)
        self._tracer = self._provider.get_tracer("maestro_sidecar")

    def wants(self, traceparent: bytes | None) -> bool:
        """Whether a request is traced; to be asked once a request."""
        parent = None if traceparent is None else parent_in(traceparent)
        return self._draw() < self._sample if parent is None else parent.sampled

    def begin(self, traceparent: bytes | None, method: str, route: str) -> Span:
        """The span of a request that is traced. ``end`` must be called on it."""
        from opentelemetry.trace import SpanKind

        parent = None if traceparent is None else parent_in(traceparent)
        return self._tracer.start_span(
            f"{method} {route}",
            None if parent is None else _context_of(parent),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
        )

    @staticmethod
    def end(span: Span, status: int) -> None:
        """Finish the span of a request with the status that was answered."""
        from opentelemetry.trace import StatusCode

        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()

    @contextmanager
    def within(self, span: Span, name: str) -> Iterator[Span]:
        """A step of a traced request."""
        from opentelemetry.trace import set_span_in_context

        step = self._tracer.start_span(name, set_span_in_context(span))
        try:
            yield step
        finally:
            step.end()

    def close(self) -> None:
        """Hand on what is finished, for a bounded time."""
        self._batches.force_flush(_FLUSH_MILLISECONDS)
        self._provider.shutdown()


def opened(settings: TracingSettings) -> Tracing | None:
    """The tracing that the settings ask for; None when they ask for none.

    Raises:
        BadInputError: ``missing_extra``.
    """
    if not settings.endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise BadInputError(
            "needs OpenTelemetry, which is not installed.",
            field="tracing.endpoint",
            remedy="Run: pip install 'maestro-conductor[tracing]'",
            code="missing_extra",
        ) from error
    exporter = OTLPSpanExporter(settings.endpoint, headers=dict(settings.headers), timeout=5)
    return Tracing(exporter, sample=settings.sample, service=settings.service)


def _context_of(parent: Parent) -> Context:
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    flags = TraceFlags(TraceFlags.SAMPLED)
    remote = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote))
