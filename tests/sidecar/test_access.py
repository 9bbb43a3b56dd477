import hashlib

import pytest

from maestro.kernel.errors import BadInputError
from maestro_sidecar.auth import Authenticator, Identity, made_token
from maestro_sidecar.settings import parse_settings

WINDOWS = {"tenant": "acme"}
DECISION = {"tenant": "acme", "package": "ns/a"}
RUN = {"run": "r-1", "package": "ns/a", "tenant": "acme"}
MATCH = {"If-Match": '"1"'}

# request -> the tokens that may send it (200s or a later complaint), all others get 403
WHO = {
    ("PUT", "/api/limits/windows"): (WINDOWS, {"op"}),
    ("PUT", "/api/limits/package-caps"): (WINDOWS, {"op"}),
    ("GET", "/api/limits/windows?tenant=acme"): (None, {"op", "acme", "both"}),
    ("GET", "/api/limits/package-caps?tenant=acme"): (None, {"op", "acme", "both"}),
    ("POST", "/api/limits/decisions"): (DECISION, {"op", "run", "acme", "both"}),
    ("POST", "/api/limits/runs"): (RUN, {"run", "acme", "both"}),
    ("POST", "/api/limits/runs/r-1/renew?tenant=acme"): (None, {"run", "acme", "both"}),
    ("DELETE", "/api/limits/runs/r-1?tenant=acme"): (None, {"run", "acme", "both"}),
    ("GET", "/metrics"): (None, {"op", "run"}),
    ("GET", "/api/flags"): (None, {"op"}),
    ("GET", "/openapi.json"): (None, {"op", "run", "acme", "beta", "both", "pub"}),
}


@pytest.mark.parametrize("token", ["op", "run", "acme", "beta", "both", "pub"])
@pytest.mark.parametrize("request_", WHO, ids=" ".join)
def test_who_may_what(sidecar, request_, token):
    body, allowed = WHO[request_]
    response = sidecar()(*request_, body, token=token, headers=MATCH if "runs/" in request_[1] else None)
    if token in allowed:
        assert response.status in {200, 201, 204, 404, 412}
    else:
        assert (response.status, response.code) == (403, "not_allowed")
        assert token in response.json["detail"]


@pytest.mark.parametrize("request_", WHO, ids=" ".join)
def test_nobody_comes_in_without_a_known_token(sidecar, request_):
    ask = sidecar()
    body = WHO[request_][0]
    missing = ask(*request_, body)
    assert (missing.status, missing.code) == (401, "not_authenticated")
    assert missing.headers["www-authenticate"] == 'Bearer realm="maestro"'
    for header in ("Bearer wrong", "Bearer ", "Basic b3A6", "op", "Bearer op, Bearer op"):
        wrong = ask(*request_, body, headers={"authorization": header})
        assert wrong.status == 401
        assert "invalid_token" in wrong.headers["www-authenticate"]
    assert all("wrong" not in line for line in ask.lines)


def test_probes_need_no_token(sidecar):
    ask = sidecar()
    assert ask("GET", "/livez").json == {"status": "alive"}
    assert ask("GET", "/readyz").json == {"status": "ready"}


def test_the_tenant_comes_from_the_token_or_must_be_named(sidecar):
    ask = sidecar()
    run = {"run": "r-1", "package": "ns/a"}
    assert ask("POST", "/api/limits/runs", run, token="acme").json["tenant"] == "acme"
    for token in ("both", "run"):
        unnamed = ask("POST", "/api/limits/runs", run, token=token)
        assert (unnamed.status, unnamed.json["field"]) == (400, "tenant")
    assert ask("POST", "/api/limits/runs", run, token="op").status == 403
    assert ask("POST", "/api/limits/runs", {**run, "tenant": "x"}, token="run").json["tenant"] == "x"
    assert ask("POST", "/api/limits/runs", {**run, "tenant": "beta"}, token="acme").status == 403
    assert ask("DELETE", "/api/limits/runs/r-1?tenant=beta", token="acme", headers=MATCH).status == 403


def test_the_scheme_is_read_in_any_case_and_verified_tokens_are_remembered(sidecar):
    ask = sidecar()
    for header in ("Bearer op", "bearer op", "BEARER  op"):
        for _ in range(2):
            assert ask("GET", "/api/flags", headers={"authorization": header}).status == 200
    remembered = ask.context.authenticator._verified
    assert set(remembered) == {b"Bearer op", b"bearer op", b"BEARER  op"}


def test_the_memory_of_tokens_is_bounded(sidecar, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.auth._CACHED", 4)
    authenticator = sidecar().context.authenticator
    for spaces in range(1, 20):
        authenticator.identify(b"Bearer" + b" " * spaces + b"op", socket=False)
        assert len(authenticator._verified) <= 4


def test_the_socket_maps_to_its_scope_and_a_token_still_tells(sidecar):
    ask = sidecar(server={"socket": "/run/x.sock", "socketScope": "runner"})
    assert ask("POST", "/api/limits/decisions", DECISION, socket=True).status == 200
    assert ask("POST", "/api/limits/decisions", DECISION).status == 401
    assert ask("GET", "/api/flags", socket=True).status == 403
    assert ask("GET", "/api/flags", socket=True, token="op").status == 200
    assert ask("GET", "/api/flags", socket=True, token="wrong").status == 401


def test_a_socket_without_a_scope_needs_a_token(sidecar):
    ask = sidecar(server={"socket": "/run/x.sock"})
    assert ask("POST", "/api/limits/decisions", DECISION, socket=True).status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8321", 200),
        ("127.0.0.1", 200),
        ("127.9.9.9:1", 200),
        ("[::1]:8321", 200),
        ("evil.example", 421),
        ("10.0.0.1:8321", 421),
        ("localhost.evil.example", 421),
        ("localhost:80:80", 421),
        ("", 421),
    ],
)
def test_without_tokens_only_local_hosts_are_answered(sidecar, host, status):
    ask = sidecar(server={"auth": "none"}, tokens=[])
    for method, where, body in (("GET", "/api/flags", None), ("POST", "/api/limits/decisions", DECISION)):
        response = ask(method, where, body, headers={"host": host})
        assert response.status == status
        if status == 421:
            assert response.code == "unknown_host"


def test_without_tokens_browsers_are_refused_but_not_on_the_socket(sidecar):
    ask = sidecar(server={"auth": "none", "socket": "/run/x.sock"}, tokens=[])
    headers = {"origin": "http://localhost:8321"}
    for method, where, body in (("GET", "/livez", None), ("POST", "/api/limits/decisions", DECISION)):
        assert ask(method, where, body, headers=headers).code == "browser_origin"
        assert ask(method, where, body, headers={"host": "any"}, socket=True).status == 200


def test_a_token_is_made_once_for_this_user_alone(tmp_path):
    settings = parse_settings({"state": str(tmp_path / "state")})
    made = made_token(settings)
    token = settings.token_path.read_text().strip()
    assert settings.token_path.stat().st_mode & 0o777 == 0o600
    assert len(token) >= 32
    assert made.sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert set(made.scopes) == {"operator", "runner"}
    assert made_token(settings) == made
    identity = Authenticator([made]).identify(f"Bearer {token}".encode(), socket=False)
    assert identity == Identity.of("made-at-start", ["runner", "operator"])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.chmod(0o644), "open to other users"),
        (lambda path: path.write_text("short\n"), "holds no token"),
        (lambda path: path.write_bytes(b"\xff" * 40), "cannot be used"),
        (lambda path: (path.unlink(), path.mkdir(mode=0o700)), "cannot be used"),
    ],
)
def test_a_token_file_that_cannot_be_trusted_is_refused(tmp_path, spoil, says):
    settings = parse_settings({"state": str(tmp_path)})
    made_token(settings)
    spoil(settings.token_path)
    with pytest.raises(BadInputError, match=says):
        made_token(settings)


def test_a_name_in_the_way_of_the_state_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="MAESTRO_STATE"):
        made_token(parse_settings({"state": str(tmp_path / "file" / "state")}))
