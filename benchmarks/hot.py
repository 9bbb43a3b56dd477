"""What tracing costs a decision on the hot route: the ASGI application called straight, no socket."""

import asyncio
import hashlib
import json
from tempfile import TemporaryDirectory

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from benchmarks.table import Table, interleaved, microseconds
from maestro_sidecar.app import Application
from maestro_sidecar.settings import parse_settings
from maestro_sidecar.tracing import Tracing
from maestro_sidecar.wiring import wire

BODY = json.dumps({"tenant": "acme", "package": "ns/a", "ts": "2026-03-30T16:00:00Z"}).encode()
HEADS = [
    (b"host", b"localhost"),
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer bench"),
]
PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%s")


class _Nowhere(SpanExporter):
    def export(self, _spans):
        return SpanExportResult.SUCCESS


def run(*, quick=False):
    count, rounds = (500, 1) if quick else (5_000, 7)
    with TemporaryDirectory() as folder:
        contexts = {
            "off": _context(folder, None),
            "on, 1 % of the requests": _context(folder, Tracing(_Nowhere(), sample=0.01)),
            "on, a caller's span that is not sampled": _context(folder, Tracing(_Nowhere(), sample=0.01)),
            "on, every request": _context(folder, Tracing(_Nowhere(), sample=1.0)),
        }
        calls = {
            name: _call(context, [*HEADS, (PARENT[0], PARENT[1] % b"00")] if "caller" in name else HEADS)
            for name, context in contexts.items()
        }
        figures = interleaved(calls, rounds, lambda call: microseconds(call, count))
        for context in contexts.values():
            context.close()
    rows = [(name, f"{p50:.1f}", f"{p95:.1f}") for name, (p50, p95) in figures.items()]
    note = "Token, validation, metrics, flags and live usage in memory are on. Off is the default."
    return Table("The hot decision route, by tracing", ("µs", "p50", "p95"), rows, note)


def _context(folder, tracing):
    token = {
        "name": "bench",
        "sha256": hashlib.sha256(b"bench").hexdigest(),
        "scopes": ["operator", "runner"],
    }
    settings = parse_settings({"store": {"kind": "memory"}, "tokens": [token], "state": folder})
    context = wire(settings, write_log=lambda _line: None, tracing=tracing)
    context.writing.put({"tenant": "acme", "maxConcurrent": 20, "packageCaps": {"*": 3}}, by="bench")
    return context


def _call(context, heads):
    """One request to the application: nothing in it waits, so it can be driven without a loop once it is warm."""
    application = Application(context)
    scope = {"type": "http", "method": "POST", "path": "/api/limits/decisions", "query_string": b""}
    scope |= {"headers": heads, "server": ("127.0.0.1", 1)}
    message = {"type": "http.request", "body": BODY, "more_body": False}

    async def receive():
        return message

    sent = []

    async def send(part):
        sent.append(part)

    asyncio.run(application(dict(scope), receive, send))  # verifies the token
    assert sent[0]["status"] == 200, sent
    loop = asyncio.new_event_loop()

    def call():
        sent.clear()
        loop.run_until_complete(application(dict(scope), receive, send))

    return call
