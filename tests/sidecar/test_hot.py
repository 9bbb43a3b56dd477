"""The hot route and the ordinary endpoint answer alike, whatever comes in."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_sidecar.app import Application
from maestro_sidecar.messages import first_message
from maestro_sidecar.settings import parse_settings
from maestro_sidecar.wiring import wire

DECISIONS = "/api/limits/decisions"
BODY = {"tenant": "acme", "package": "ns/a", "run": "r-1", "ts": "2026-03-30T10:00:00-06:00"}

names = st.sampled_from(["acme", "beta", "", "a b", "ns/a", "*", "é", "\ud83d\ude00", "a\\b"])
values = st.one_of(
    names, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.lists(names)
)
bodies = st.one_of(
    st.fixed_dictionaries(
        {"tenant": names | values, "package": names | values},
        optional={
            "run": values,
            "ts": values | st.datetimes().map(str),
            "expectedSeconds": values,
            "x": values,
        },
    ).map(lambda body: json.dumps(body).encode("utf-8", "surrogatepass")),
    st.binary(max_size=200),
    st.sampled_from(
        [b'{"tenant":"acme","tenant":"acme","package":"p"}', b'{"tenant":"acme","package":"p"}\n']
    ),
)
heads = st.fixed_dictionaries(
    {},
    optional={
        b"authorization": st.sampled_from([b"Bearer acme", b"Bearer op", b"Bearer x", b"acme"]),
        b"content-type": st.sampled_from(
            [b"application/json", b"application/json; charset=utf-8", b"text/plain"]
        ),
        b"accept": st.sampled_from([b"*/*", b"text/html", b"application/json;q=0.5"]),
        b"content-encoding": st.sampled_from([b"gzip", b"identity"]),
        b"origin": st.just(b"http://x"),
        b"x-request-id": st.just(b"one"),
        b"host": st.just(b"localhost"),
    },
)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    tokens = [
        # SHA-256 of "acme" and of "op".
        {"name": "acme", "sha256": _sha(b"acme"), "scopes": ["tenant:acme"]},
        {"name": "op", "sha256": _sha(b"op"), "scopes": ["operator"]},
    ]
    settings = parse_settings(
        {"store": {"kind": "memory"}, "tokens": tokens, "state": str(tmp_path_factory.mktemp("state"))}
    )
    context = wire(settings, write_log=lambda line: None)
    for token in (b"Bearer acme", b"Bearer op"):
        context.authenticator.identify(token, socket=False)
    yield Application(context)
    context.close()


def _sha(token):
    import hashlib

    return hashlib.sha256(token).hexdigest()


def asked(app, head, body, pieces=1):
    """Status, headers but for the request's id, and body without the moment of the verdict."""
    parts = [body[index::pieces] for index in range(pieces)] if pieces == 1 else [body[:1], body[1:]]
    sent = []

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": DECISIONS,
        "query_string": b"",
        "headers": list(head.items()),
        "server": ("127.0.0.1", 1),
    }
    asyncio.run(app(scope, receive, send))
    headers = {name: value for name, value in sent[0]["headers"] if name != b"x-request-id"}
    answer = json.loads(sent[1]["body"])
    if "ts" not in body.decode("latin-1"):
        answer.pop("evaluatedAt", None)
    headers.pop(b"content-length")
    return sent[0]["status"], headers, answer


@given(heads, bodies)
def test_both_answer_alike(app, head, body):
    hot = asked(app, head, body)
    app._hot._off = True
    try:
        assert asked(app, head, body) == hot
    finally:
        app._hot._off = False
    assert hot[0] in {200, 400, 401, 403, 406, 413, 415}


def test_the_usual_request_takes_the_hot_route(app, monkeypatch):
    def ordinary(*_):
        raise AssertionError("not hot")

    monkeypatch.setattr(app._hot, "_ordinary", ordinary)
    head = {b"authorization": b"Bearer acme", b"content-type": b"application/json"}
    status, _, answer = asked(app, head, json.dumps(BODY).encode())
    assert (status, answer["allowed"]) == (200, True)
    count = app.context.metrics.registry.get_sample_value
    before = count("mc_limits_decision_seconds_count")
    asked(app, {**head, b"accept": b"*/*", b"host": b"anything"}, json.dumps(BODY).encode())
    assert count("mc_limits_decision_seconds_count") == before + 1
    assert count("mc_http_requests_total", {"route": DECISIONS, "method": "POST", "status": "200"}) >= 2


@pytest.mark.parametrize("twice", [b"authorization", b"content-type", b"accept", b"host"])
def test_a_header_that_comes_twice_is_left_to_the_ordinary_endpoint(app, twice):
    scope = {
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer acme"),
            (twice, b"*/*"),
        ]
        * 2,
    }
    assert app._hot._usual(scope) is None


def test_a_body_in_pieces_is_put_together(app):
    head = {b"authorization": b"Bearer acme", b"content-type": b"application/json"}
    assert asked(app, head, json.dumps(BODY).encode(), pieces=2)[0] == 200


# ---- waiting for the first message ----


def test_a_message_that_is_there_costs_no_timer():
    async def receive():
        return {"type": "http.request"}

    assert asyncio.run(first_message(receive, 0)) == {"type": "http.request"}


def test_a_message_that_comes_later_is_waited_for():
    async def receive():
        for _ in range(3):
            await asyncio.sleep(0.001)
        return {"type": "late"}

    assert asyncio.run(first_message(receive, 5)) == {"type": "late"}


def test_a_message_that_never_comes_times_out_and_its_receiver_may_clean_up():
    seen = []

    async def receive():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    with pytest.raises(TimeoutError):
        asyncio.run(first_message(receive, 0.01))
    assert seen == ["cleaned up"]


def test_a_receiver_may_survive_cancellation():
    async def receive():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return {"type": "anyway"}

    assert asyncio.run(first_message(receive, 0.01)) == {"type": "anyway"}


def test_what_goes_wrong_while_receiving_is_passed_on():
    async def receive():
        await asyncio.sleep(0)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(first_message(receive, 5))
