"""The issue's table of bad input, over HTTP: a clear 4xx that names field and remedy, and nothing stored."""

import pytest

WINDOWS, CAPS = "/api/limits/windows", "/api/limits/package-caps"
DECISIONS, RUNS = "/api/limits/decisions", "/api/limits/runs"


def windows(**document):
    return WINDOWS, {"tenant": "acme", **document}


CASES = {
    "unknown zone": (*windows(timezone="Mars/Olympus"), 400, "unknown_timezone", "timezone"),
    "25:00": (
        *windows(allowedWindows=[{"start": "25:00", "end": "06:00"}]),
        400,
        "bad_time",
        "allowedWindows[0].start",
    ),
    "closure ends before it starts": (
        *windows(closures=[{"start": "2026-12-27T00:00", "end": "2026-12-24T00:00"}]),
        400,
        "bad_time",
        "closures[0].end",
    ),
    "negative cap": (
        CAPS,
        {"tenant": "acme", "packageCaps": {"ns/a": -1}},
        400,
        "bad_field",
        'packageCaps["ns/a"]',
    ),
    "cap of text": (CAPS, {"tenant": "acme", "maxConcurrent": "5"}, 400, "bad_field", "maxConcurrent"),
    "huge cap": (CAPS, {"tenant": "acme", "maxConcurrent": 10**30}, 400, "bad_field", "maxConcurrent"),
    "duplicate key": (WINDOWS, b'{"tenant":"acme","tenant":"acme"}', 400, "duplicate_key", "tenant"),
    "unknown field": (*windows(windws=[]), 400, "bad_field", "windws"),
    "missing tenant": (WINDOWS, {}, 400, "bad_field", "tenant"),
    "bad tenant": (WINDOWS, {"tenant": "a b"}, 400, "bad_input", "tenant"),
    "not UTF-8": (WINDOWS, b'{"tenant":"\xff"}', 400, "bad_json", None),
    "lone surrogate": (WINDOWS, b'{"tenant":"\\ud800"}', 400, "bad_json", None),
    "not JSON": (WINDOWS, b"tenant=acme", 400, "bad_json", None),
    "nothing": (WINDOWS, b"", 400, "bad_json", None),
    "no object": (WINDOWS, b"[]", 400, "bad_field", None),
    "two values": (WINDOWS, b'{"tenant":"acme"}{}', 400, "bad_json", None),
    "huge body": (WINDOWS, b" " * 70_000, 413, "body_too_large", None),
    "deep nesting": (WINDOWS, b"[" * 5000 + b"]" * 5000, 400, "bad_json", None),
    "NaN": (WINDOWS, b'{"tenant":"acme","startCutoffSeconds":NaN}', 400, "bad_json", None),
    "endless number": (
        WINDOWS,
        b'{"tenant":"acme","startCutoffSeconds":' + b"9" * 6000 + b"}",
        400,
        "bad_json",
        None,
    ),
    "instant without offset": (
        DECISIONS,
        {"tenant": "acme", "package": "p", "ts": "2026-03-30T10:00:00"},
        400,
        "bad_field",
        "ts",
    ),
    "bad package": (DECISIONS, {"tenant": "acme", "package": "a//b"}, 400, "bad_input", "package"),
    "decision with a duplicate key": (
        DECISIONS,
        b'{"tenant":"acme","package":"p","package":"p"}',
        400,
        "duplicate_key",
        "package",
    ),
    "negative duration": (
        DECISIONS,
        {"tenant": "acme", "package": "p", "expectedSeconds": -1},
        400,
        "bad_field",
        "expectedSeconds",
    ),
    "bad run": (RUNS, {"tenant": "acme", "package": "p", "run": "a/b"}, 400, "bad_input", "run"),
    "no ttl": (
        RUNS,
        {"tenant": "acme", "package": "p", "run": "r", "ttlSeconds": 0},
        400,
        "bad_field",
        "ttlSeconds",
    ),
    "longer than a year": (
        RUNS,
        {"tenant": "acme", "package": "p", "run": "r", "expectedSeconds": 31_536_001},
        400,
        "bad_field",
        "expectedSeconds",
    ),
    "ttl of a year": (
        RUNS,
        {"tenant": "acme", "package": "p", "run": "r", "ttlSeconds": 3e7},
        400,
        "bad_field",
        "ttlSeconds",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named_and_changes_nothing(ask, name):
    path, body, status, code, field = CASES[name]
    before = {"tenant": "acme", "timezone": "Europe/Berlin"}
    assert ask("PUT", WINDOWS, before, token="op").status == 201
    method, token = ("PUT", "op") if path in {WINDOWS, CAPS} else ("POST", "run")
    response = ask(method, path, body, token=token)
    assert (response.status, response.code) == (status, code)
    assert response.json["remedy"]
    assert response.json.get("field") == field
    stored = ask("GET", f"{WINDOWS}?tenant=acme", token="op")
    assert (stored.json, stored.headers["etag"]) == (before, '"1"')
    assert ask("GET", f"{CAPS}?tenant=acme", token="op").status == 404


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/json; charset=latin-1", "application/jsonp", "application/xml", ""],
)
@pytest.mark.parametrize("path", [DECISIONS, RUNS])
def test_another_media_type_is_415(ask, path, media_type):
    response = ask("POST", path, {}, token="run", headers={"content-type": media_type})
    assert (response.status, response.code) == (415, "unsupported_media_type")
    assert response.headers["accept-post"] == "application/json"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
    ],
)
def test_json_is_known_in_its_spellings(ask, media_type):
    body = {"tenant": "acme", "package": "p"}
    assert ask("POST", DECISIONS, body, token="run", headers={"content-type": media_type}).status == 200


def test_an_encoded_body_is_415(ask):
    body = {"tenant": "acme", "package": "p"}
    headers = {"content-encoding": "gzip"}
    assert ask("POST", DECISIONS, body, token="run", headers=headers).status == 415
    assert ask("POST", DECISIONS, body, token="run", headers={"content-encoding": "identity"}).status == 200


def test_a_renewal_may_come_without_a_body_but_not_with_another_type(ask):
    where, match = f"{RUNS}/r-1/renew?tenant=acme", {"If-Match": '"1"'}
    assert ask("POST", where, token="run", headers=match).status == 412
    text = {**match, "content-type": "text/plain"}
    assert ask("POST", where, b"{}", token="run", headers=text).status == 415
    bad = ask("POST", where, {"ttlSeconds": 0}, token="run", headers=match)
    assert (bad.status, bad.json["field"]) == (400, "ttlSeconds")


def test_a_body_without_a_type_is_415_even_where_it_is_optional(ask):
    import asyncio

    from maestro_sidecar.messages import Request
    from maestro_sidecar.refusals import RefusedError

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    request = Request({"headers": []}, receive, most=100, seconds=1)
    with pytest.raises(RefusedError) as refused:
        asyncio.run(request.json_body(optional=True))
    assert refused.value.status == 415


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*, text/plain", "*/*;q=0.0"])
@pytest.mark.parametrize("path", [DECISIONS, RUNS])
def test_what_cannot_be_sent_is_406(ask, path, accept):
    response = ask("POST", path, {}, token="run", headers={"accept": accept})
    assert (response.status, response.code) == (406, "not_acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html, application/*;q=0.8", "", "application/problem+json"]
)
def test_what_can_be_sent_is_sent(ask, accept):
    body = {"tenant": "acme", "package": "p"}
    assert ask("POST", DECISIONS, body, token="run", headers={"accept": accept}).status == 200


@pytest.mark.parametrize("path", [DECISIONS, RUNS])
def test_a_body_is_bounded_however_it_comes(ask, path):
    declared = ask("POST", path, b"{}", token="run", headers={"content-length": "65537"})
    chunked = ask("POST", path, token="run", chunks=[b" " * 40_000, b" " * 40_000, b"{}"])
    for response in (declared, chunked):
        assert (response.status, response.code) == (413, "body_too_large")
        assert response.headers["connection"] == "close"
    whole = ask("POST", DECISIONS, token="run", chunks=[b'{"tenant":"acme",', b'"package":"p"}'])
    assert whole.status == 200


@pytest.mark.parametrize("path", [DECISIONS, RUNS])
def test_a_body_that_does_not_come_is_408(sidecar, path):
    ask = sidecar(server={"requestTimeoutSeconds": 0.05})
    ask("GET", "/openapi.json", token="run")  # so that the hot route knows the token
    for chunks in ([None], [b'{"ten', None]):
        response = ask("POST", path, token="run", chunks=chunks)
        assert (response.status, response.code) == (408, "request_timeout")
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", [DECISIONS, RUNS])
def test_a_client_that_goes_away_gets_no_answer(sidecar, path):
    ask = sidecar()
    ask("GET", "/openapi.json", token="run")
    for chunks in ([...], [b"{", ...]):
        assert ask("POST", path, token="run", chunks=chunks) is None


def test_each_path_tells_its_methods(ask):
    for path, allow in {
        WINDOWS: "GET, HEAD, PUT",
        CAPS: "GET, HEAD, PUT",
        DECISIONS: "POST",
        RUNS: "POST",
        f"{RUNS}/r-1": "DELETE",
        f"{RUNS}/r-1/renew": "POST",
        "/livez": "GET, HEAD",
    }.items():
        for method in ("PATCH", "OPTIONS", "BREW"):
            response = ask(method, path, token="op")
            assert (response.status, response.code, response.headers["allow"]) == (
                405,
                "method_not_allowed",
                allow,
            )


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/limits/windows/", "/api/limits/runs/a/b/c", "/v2/data/x"]
)
def test_an_unknown_path_is_404(ask, path):
    assert ask("GET", path, token="op").code == "not_found"
