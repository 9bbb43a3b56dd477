"""A sidecar in this process, asked over bare ASGI; every answer is held against the OpenAPI document."""

import asyncio
import hashlib
import json
import re
from pathlib import Path

import attrs
import pytest

from maestro_sidecar.app import Application
from maestro_sidecar.openapi import document
from maestro_sidecar.settings import parse_settings
from maestro_sidecar.wiring import wire

TOKENS = {
    "op": ["operator"],
    "run": ["runner"],
    "acme": ["tenant:acme"],
    "beta": ["tenant:beta"],
    "both": ["tenant:acme", "tenant:beta"],
    "pub": ["publisher", "moderator"],
}
OPENAPI = document()


def token_tables():
    return [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes}
        for name, scopes in TOKENS.items()
    ]


@attrs.frozen
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        assert self.headers["content-type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert problem["detail"]
        assert problem["title"]
        assert problem["type"] == f"urn:maestro:problem:{problem['code']}"
        return problem["code"]


class Sidecar:
    """One sidecar and the way to ask it."""

    def __init__(self, context, lines):
        self.context = context
        self.app = Application(context)
        self.lines = lines

    def __call__(
        self, method, path, body=None, *, token=None, socket=False, headers=None, chunks=None, then_gone=False
    ):
        """Send one request. `body`: bytes as they are, anything else as JSON."""
        path, _, query = path.partition("?")
        head = {"host": "localhost:8321", **(headers or {})}
        if body is not None or chunks is not None:
            head.setdefault("content-type", "application/json")
        if token is not None:
            head["authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(k.lower().encode("latin-1"), str(v).encode("latin-1")) for k, v in head.items()],
            "server": ("/run/x.sock", None) if socket else ("127.0.0.1", 8321),
        }
        pieces = chunks if chunks is not None else [body or b""]
        response = asyncio.run(exchange(self.app, scope, pieces, then_gone=then_gone))
        if response is not None and self.context.settings.server.auth == "tokens":
            check_documented(method, path, response)
        return response

    def log(self, event):
        return [line for line in map(json.loads, self.lines) if line["event"] == event]


async def exchange(app, scope, pieces, *, then_gone=False):
    """`pieces`: parts of the body; None stands for a client that goes silent, ... for one that goes away.

    `then_gone`: the client goes away when its body has been read.
    """
    waiting = list(pieces)
    sent = []

    async def receive():
        piece = waiting.pop(0) if waiting else ... if then_gone else None
        if piece is None:
            await asyncio.sleep(60)
        if piece is ...:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return None
    head, *parts = sent
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in head["headers"]}
    body = b"".join(part.get("body", b"") for part in parts)
    if head["status"] not in {204, 304}:
        assert int(headers["content-length"]) == len(body)
    return Response(head["status"], headers, body)


def check_documented(method, path, response):
    for pattern, operations in OPENAPI["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path) is None:
            continue
        operation = operations.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            assert response.status in {405, 503}
            return
        told = operation["responses"].get(str(response.status))
        assert told is not None, f"{method} {path} {response.status} is not in the OpenAPI document"
        media = response.headers.get("content-type", "").partition(";")[0]
        assert (media or None) in {None, *told.get("content", {})}
        if media == "application/problem+json":
            assert f"`{response.json['code']}`" in told["description"], response.json["code"]


@pytest.fixture
def sidecar(tmp_path):
    """`sidecar(**tables)` wires one from settings in which tokens are named as they are spelled."""
    made = []

    def make(*, opening=None, clock=None, tracing_through=None, **tables):
        raw = {
            "store": {"kind": "memory"},
            "tokens": token_tables(),
            "state": str(tmp_path / "state"),
            **tables,
        }
        lines = []
        context = wire(
            parse_settings(raw),
            write_log=lines.append,
            opening=opening,
            clock=clock,
            tracing=tracing_through,
        )
        made.append(context)
        return Sidecar(context, lines)

    yield make
    for context in made:
        context.close()


@pytest.fixture(params=["memory", "sqlite"])
def ask(request, sidecar, tmp_path: Path):
    """One sidecar on each store."""
    store = {"kind": "memory"}
    if request.param == "sqlite":
        store = {"kind": "sqlite", "path": str(tmp_path / "maestro.db")}
    return sidecar(store=store)
