"""Sampled tracing: which requests are traced, what their spans tell, and that they arrive at a collector."""

import gzip
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from maestro.kernel.errors import BadInputError, PortError
from maestro_sidecar.settings import TracingSettings, parse_settings
from maestro_sidecar.tracing import Parent, Tracing, opened, parent_in

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DECISIONS, RUNS = "/api/limits/decisions", "/api/limits/runs"
ASKED = {"tenant": "acme", "package": "ns/a"}


class Traced:
    """Tracing into memory, with draws that the test chooses."""

    def __init__(self, sample=0.5):
        self.exporter = InMemorySpanExporter()
        self.next = 0.0
        self.tracing = Tracing(self.exporter, sample=sample, service="kit", draw=lambda: self.next)

    def spans(self):
        self.tracing._batches.force_flush()
        found = self.exporter.get_finished_spans()
        self.exporter.clear()
        return found


@pytest.fixture
def traced():
    made = Traced()
    yield made
    made.tracing.close()


@pytest.fixture
def ask(sidecar, traced):
    return sidecar(tracing_through=traced.tracing)


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", Parent(int(TRACE, 16), int(SPAN, 16), True)),
        (f"00-{TRACE}-{SPAN}-00", Parent(int(TRACE, 16), int(SPAN, 16), False)),
        (f"00-{TRACE}-{SPAN}-03", Parent(int(TRACE, 16), int(SPAN, 16), True)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", Parent(int(TRACE, 16), int(SPAN, 16), True)),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
    ],
)
def test_a_callers_span_is_read_by_the_rules_of_w3c(header, parent):
    assert parent_in(header.encode()) == parent


def test_a_share_of_requests_is_traced_and_tells_the_verdict(ask, traced):
    traced.next = 0.49
    assert ask("POST", DECISIONS, ASKED, token="run").status == 200
    step, request = traced.spans()
    assert (request.name, request.kind, request.parent) == (f"POST {DECISIONS}", SpanKind.SERVER, None)
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": DECISIONS,
        "http.response.status_code": 200,
    }
    assert request.resource.attributes["service.name"] == "kit"
    assert (step.name, step.parent.span_id) == ("limits.decide", request.context.span_id)
    assert step.attributes["maestro.tenant"] == "acme"
    assert step.attributes["maestro.allowed"] is True
    traced.next = 0.5
    assert ask("POST", DECISIONS, ASKED, token="run").status == 200
    assert traced.spans() == ()


def test_a_traced_request_is_answered_as_any_other(ask, traced):
    answers = []
    for traced.next in (0.0, 0.9, 0.0, 0.9):
        answers.append(ask("POST", DECISIONS, {**ASKED, "ts": "2026-03-30T16:00:00Z"}, token="run").json)
    assert answers == [answers[0]] * 4


@pytest.mark.parametrize(("flags", "draw", "spans"), [("01", 0.9, 2), ("00", 0.0, 0)])
def test_with_a_callers_span_the_callers_choice_holds(ask, traced, flags, draw, spans):
    traced.next = draw
    header = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
    for _ in range(2):  # the first is verified by the ordinary endpoint, the second may go the hot way
        assert ask("POST", DECISIONS, ASKED, token="run", headers=header).status == 200
        found = traced.spans()
        assert len(found) == spans
        for one in found:
            assert one.context.trace_id == int(TRACE, 16)
        if found:
            assert found[-1].parent.span_id == int(SPAN, 16)


def test_runs_are_told_step_by_step(ask, traced):
    took = ask("POST", RUNS, {**ASKED, "run": "r-1"}, token="acme")
    match = {"If-Match": took.headers["etag"]}
    assert ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match).status == 200
    assert ask("DELETE", f"{RUNS}/r-1", token="acme", headers=match).status == 204
    assert [one.name for one in traced.spans()] == [
        "limits.acquire",
        f"POST {RUNS}",
        "limits.renew",
        f"POST {RUNS}/{{run}}/renew",
        "limits.release",
        f"DELETE {RUNS}/{{run}}",
    ]


def test_refusals_and_failures_are_told(ask, traced, monkeypatch):
    ask("POST", DECISIONS, b"{", token="run")
    ask("GET", "/api/limits/windows?tenant=acme")

    def down(*_):
        raise PortError("down")

    monkeypatch.setattr(ask.context.writing.documents, "get", down)
    ask("GET", "/api/limits/windows?tenant=acme", token="op")
    assert ask("POST", DECISIONS, chunks=[b"{", ...], token="run") is None
    told = [(one.attributes["http.response.status_code"], one.status.status_code) for one in traced.spans()]
    assert told == [
        (400, StatusCode.UNSET),
        (401, StatusCode.UNSET),
        (503, StatusCode.ERROR),
        (499, StatusCode.UNSET),
    ]


def test_it_is_off_unless_an_endpoint_is_set(sidecar):
    assert opened(TracingSettings()) is None
    assert sidecar().context.tracing is None
    assert TracingSettings().sample == 0.01


@pytest.mark.parametrize(
    "table",
    [{"endpoint": "collector:4318"}, {"sample": 1.5}, {"sample": -0.1}, {"service": ""}, {"rate": 1}],
)
def test_settings_that_make_no_sense_are_refused(table):
    with pytest.raises(BadInputError):
        parse_settings({"tracing": table})


def test_without_the_extra_the_start_says_which_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(BadInputError, match=r"maestro-conductor\[tracing\]") as caught:
        opened(TracingSettings(endpoint="http://127.0.0.1:1/v1/traces"))
    assert caught.value.code == "missing_extra"


def test_spans_arrive_at_a_collector_when_the_sidecar_stops(sidecar):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            body = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
            received.append((self.path, self.headers["x-key"], ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
        ask = sidecar(tracing={"endpoint": endpoint, "sample": 1.0, "headers": {"x-key": "k"}})
        ask("POST", DECISIONS, ASKED, token="run")
        ask.context.tracing.close()
        server.shutdown()
        thread.join()
    ((path, key, message),) = received
    assert (path, key) == ("/v1/traces", "k")
    spans = [span.name for one in message.resource_spans for scope in one.scope_spans for span in scope.spans]
    assert sorted(spans) == [f"POST {DECISIONS}", "limits.decide"]
