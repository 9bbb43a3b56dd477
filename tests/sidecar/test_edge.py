"""The edge over HTTP: OPA's Data API, its health, and what operators ask for."""

import json

import pytest

from edge_support.bundles import packed
from edge_support.native import edge_table, native_files, publish, write
from maestro import BadInputError
from maestro_adapters.opa import OpaClient
from maestro_sidecar.settings import parse_settings

DECISION = "/v1/data/mc/limits/decision"
REQUEST = {"input": {"request": {"tenant": "acme", "package": "ns/a"}}}
FULL = {"input": {"request": {"tenant": "acme", "package": "ns/a"}, "packageUsage": {"ns/a": 1}}}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "bundle.tar.gz"


@pytest.fixture
def edge(sidecar, tmp_path):
    """`edge(**edge_settings)`: a sidecar whose edge has polled once."""

    def make(*, flags=None, **more):
        made = sidecar(edge=edge_table(tmp_path, **more), flags=flags or {})
        if made.context.edge.node is not None:
            made.context.edge.node.poll()
        return made

    return make


@pytest.fixture
def asked(edge, place):
    publish(place, 1)
    return edge()


# ---- the Data API ----------------------------------------------------------------------------------------


def test_a_rule_is_answered(asked):
    answer = asked("POST", DECISION, REQUEST, token="run")
    assert answer.status == 200
    assert answer.json["result"]["allowed"] is True
    assert answer.headers["maestro-policy"].startswith("sha256:")
    assert asked("POST", "/v1/data/mc/limits/allow", FULL, token="run").json == {"result": False}
    assert set(asked("POST", "/v1/data/mc/limits", FULL, token="run").json["result"]) == {
        "allow",
        "decision",
        "denies",
        "deny",
    }


def test_undefined_is_an_empty_object(asked):
    answer = asked("POST", "/v1/data/mc/other", REQUEST, token="run")
    assert (answer.status, answer.json) == (200, {})


def test_a_question_by_get_brings_its_input_in_the_query(asked):
    query = json.dumps(REQUEST["input"]).replace('"', "%22").replace(" ", "")
    assert asked("GET", f"/v1/data/mc/limits/allow?input={query}", token="run").json == {"result": True}
    assert asked("GET", "/v1/data/mc/limits/allow", token="run").json == {"result": False}


def test_without_an_input_opa_would_warn(asked):
    answer = asked("POST", "/v1/data/mc/limits/allow", {}, token="run").json
    assert answer["warning"]["code"] == "api_usage_warning"
    assert asked("POST", "/v1/data/mc/limits/allow", token="run").json["result"] is False


def test_what_else_may_be_told(asked):
    answer = asked(
        "POST", f"{DECISION}?provenance=true&metrics&pretty=true&explain=off", REQUEST, token="run"
    )
    assert answer.body.endswith(b"}\n")
    assert answer.json["provenance"] == {"bundles": {"bundle": {"revision": "1"}}}
    assert answer.json["metrics"]["timer_server_handler_ns"] > 0


@pytest.mark.parametrize(
    ("method", "path", "body", "token", "status", "code"),
    [
        ("POST", DECISION, b"{", "run", 400, "invalid_parameter"),
        ("POST", DECISION, b"[]", "run", 400, "invalid_parameter"),
        ("POST", DECISION, b'{"input":1,"input":2}', "run", 400, "invalid_parameter"),
        ("GET", f"{DECISION}?input={{", None, "run", 400, "invalid_parameter"),
        ("GET", f"{DECISION}?input=%ff", None, "run", 400, "invalid_parameter"),
        ("GET", f"{DECISION}?explain=full", None, "run", 400, "invalid_parameter"),
        ("GET", "/v1/data/%ff", None, "run", 400, "invalid_parameter"),
        ("POST", DECISION, REQUEST, None, 401, "unauthorized"),
        ("POST", DECISION, REQUEST, "acme", 403, "unauthorized"),
        ("PUT", "/v1/data/x", {}, "op", 405, "invalid_operation"),
        ("POST", DECISION, b'{"input":"' + b"x" * 70_000 + b'"}', "run", 413, "internal_error"),
    ],
)
def test_what_is_refused_is_told_in_opas_form(asked, method, path, body, token, status, code):
    answer = asked(method, path, body, token=token)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json["message"]
    if status != 413:
        assert answer.json["code"] == code


def test_without_a_bundle_it_is_503_and_never_an_empty_answer(edge):
    empty = edge()
    answer = empty("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (503, "policy_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "result" not in answer.json
    assert empty("GET", "/health?bundles").status == 500
    assert empty("GET", "/health").status == 200


def test_a_sidecar_without_an_edge_has_no_data(sidecar):
    bare = sidecar()
    answer = bare("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (404, "resource_not_found")
    assert bare("GET", "/health?bundles").status == 500
    assert bare("GET", "/api/edge/status", token="op").status == 404
    assert bare("POST", "/api/edge/refresh", token="op").status == 404
    assert bare("DELETE", "/api/edge/pin", token="op").status == 409


def test_health_is_opas_and_asks_for_no_token(asked):
    for path in ("/health", "/health?bundles", "/health?bundles=true&plugins", "/health?bundles=false"):
        answer = asked("GET", path)
        assert (answer.status, answer.json) == (200, {})


def test_while_it_stops_it_says_so_in_opas_form(asked):
    asked.context.gate.draining = True
    answer = asked("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (503, "draining")


def test_a_defect_of_ours_is_500_without_a_trace(asked, monkeypatch):
    monkeypatch.setattr(type(asked.context.edge), "decide", lambda *_: 1 / 0)
    answer = asked("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert "division" not in answer.body.decode()
    assert asked.log("internal_error")


def test_a_client_that_goes_away_is_no_defect(asked):
    assert asked("POST", DECISION, token="run", chunks=[b"{", ...]) is None


# ---- cache and log ---------------------------------------------------------------------------------------


def test_an_allow_with_a_live_count_is_not_kept_and_a_deny_is(asked):
    fixed = {"request": {"tenant": "acme", "package": "ns/b", "ts": "2026-03-30T10:00:00Z"}}
    counts = asked.context.edge.decisions.cache.counts
    for _ in range(2):
        asked("POST", DECISION, {"input": {**fixed, "packageUsage": {"ns/b": 0}}}, token="run")
    assert counts["hit"] == 0
    for _ in range(2):
        asked("POST", DECISION, {"input": fixed}, token="run")
    assert counts["hit"] == 1
    for _ in range(2):
        full = {**fixed, "runningTotal": 2}
        assert not asked("POST", DECISION, {"input": full}, token="run").json["result"]["allowed"]
    assert counts["hit"] == 2


def test_decisions_are_logged_as_opa_logs_them_with_what_is_masked_taken_out(edge, place, tmp_path):
    publish(place, 1)
    path = tmp_path / "decisions.jsonl"
    made = edge(decisionLog={"path": str(path), "mask": ["/input/request/run", "/result/explanation"]})
    told = {"input": {"request": {**REQUEST["input"]["request"], "run": "secret"}}}
    identifier = made("POST", DECISION, told, token="run").json["decision_id"]
    made.context.edge.log.flush()
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line["decision_id"] == identifier
    assert line["labels"] == {"id": "n1", "app": "maestro"}
    assert line["path"] == "mc/limits/decision"
    assert line["bundles"] == {"bundle": {"revision": "1"}}
    assert line["erased"] == ["/input/request/run", "/result/explanation"]
    assert line["requested_by"] == "run"
    assert "secret" not in json.dumps(line)
    assert line["result"]["allowed"] is True


def test_a_log_that_nobody_can_write_to_holds_up_no_decision(edge, place, tmp_path):
    publish(place, 1)
    made = edge(decisionLog={"path": str(tmp_path / "none" / "x"), "mostWaiting": 2})
    for _ in range(3):
        assert made("POST", DECISION, REQUEST, token="run").status == 200
    log = made.context.edge.log
    assert log.dropped == 1
    log.flush()
    log.flush()
    assert (log.dropped, log.written) == (3, 0)


# ---- operators -------------------------------------------------------------------------------------------


def test_status_tells_what_decides_and_until_when(asked):
    status = asked("GET", "/api/edge/status", token="op").json
    assert (status["node"], status["state"], status["deciding"], status["central"]) == (
        "n1",
        "active",
        True,
        False,
    )
    assert status["serving"]["revision"] == "1"
    assert status["serving"]["goodUntil"] > status["serving"]["freshUntil"]
    assert status["source"]["ordering"] == "revision"
    assert status["clock"]["behindSeconds"] == 0
    assert asked("GET", "/api/edge/status", token="acme").status == 403


def test_a_refused_bundle_is_in_status_and_metrics_with_its_code(asked, place):
    write(place, packed(native_files(2)))
    asked.context.edge.node.poll()
    status = asked("GET", "/api/edge/status", token="op").json
    assert status["state"] == "quarantined"
    assert status["refused"][0]["reasons"] == ["signature_missing"]
    assert status["incident"]["reason"] == "signature_missing"
    assert status["serving"]["revision"] == "1"
    text = asked("GET", "/metrics", token="op").body.decode()
    assert 'mc_edge_quarantines_total{reason="signature_missing"} 1.0' in text
    assert 'mc_edge_refusals_total{reason="signature_missing"} 1.0' in text
    assert 'mc_edge_state{state="quarantined"} 1.0' in text
    assert "mc_edge_bundle_age_seconds" in text
    assert asked("POST", DECISION, REQUEST, token="run").status == 200


def test_a_pin_and_its_end(asked, place):
    publish(place, 2)
    asked.context.edge.node.poll()
    answer = asked("PUT", "/api/edge/pin", {"bundle": "1"}, token="op")
    assert (answer.status, answer.json["state"], answer.json["pin"]["by"]) == (200, "pinned", "op")
    assert asked("PUT", "/api/edge/pin", {"bundle": "9"}, token="op").status == 409
    assert asked("PUT", "/api/edge/pin", {"bundle": "1"}, token="run").status == 403
    assert asked("DELETE", "/api/edge/pin", token="op").json["serving"]["revision"] == "2"
    assert asked.log("edge_changed")


def test_a_refresh_is_a_hint(asked):
    assert asked("POST", "/api/edge/refresh", token="pub").status == 202
    assert asked("POST", "/api/edge/refresh", token="run").status == 403


def test_a_clock_reset_is_an_operators(asked):
    assert asked("POST", "/api/edge/clock-reset", token="op").json["state"] == "active"
    actions = [entry.body for entry in asked.context.audit.store.read()]
    assert any(b"mc.edge.clock-reset" in body for body in actions)
    assert any(b"mc.edge.swapped" in body for body in actions)


# ---- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": None}, "edge"),
        ({"source": {}}, "edge.source.url"),
        ({"source": {"path": "x", "url": "http://y"}}, "edge.source.url"),
        ({"source": {"path": "x", "kind": "repository"}}, "edge.source.root"),
        ({"source": {"path": "x", "root": "y"}}, "edge.source.root"),
        ({"keys": []}, "edge.keys"),
        ({"engine": "opa"}, "edge.opa.url"),
        ({"ttlSeconds": 100, "lastGoodMaxAgeSeconds": 10}, "lastGoodMaxAgeSeconds"),
        ({"damping": {"reuse": 9000}}, "damping"),
        ({"decisionLog": {"mask": ["input"]}}, "edge.decisionLog.mask"),
        ({"pollSeconds": 0}, "edge.pollSeconds"),
        ({"unknown": 1}, "edge.unknown"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path, change, field):
    table = {name: value for name, value in {**edge_table(tmp_path), **change}.items() if value is not None}
    with pytest.raises(BadInputError) as caught:
        parse_settings({"state": str(tmp_path), "edge": table})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "change",
    [
        {"keys": [{"file": "/nonexistent"}]},
        {"source": {"url": "http://127.0.0.1:9", "tokenFile": "/nonexistent"}},
        {"source": {"path": "x", "kind": "repository", "root": "/nonexistent"}},
        {"source": {"url": "ftp://x"}},
    ],
)
def test_files_and_addresses_that_cannot_be_used_stop_the_start(edge, change):
    with pytest.raises(BadInputError):
        edge(**change)


# ---- a central OPA ---------------------------------------------------------------------------------------


@pytest.fixture
def central(service):
    """A real OPA with a rule that the edge's bundle has not."""
    address = service("opa")
    with OpaClient(address) as client:
        client.put_policy("central", "package central\n\nanswer := input.x\n")
        yield {"url": address}


@pytest.mark.services
def test_while_the_flag_is_off_the_central_opa_decides(edge, place, central):
    publish(place, 1)
    made = edge(flags={"edge_policy_ga": False}, opa=central)
    assert made("POST", "/v1/data/central/answer", {"input": {"x": 7}}, token="run").json == {"result": 7}
    assert made("POST", "/v1/data/central/none", {"input": {"x": 7}}, token="run").json == {}
    assert made("GET", "/health?bundles").status == 200
    status = made("GET", "/api/edge/status", token="op").json
    assert (status["central"], status["deciding"], status["state"]) == (True, True, "active")


@pytest.mark.services
def test_a_central_opa_alone_needs_no_source(sidecar, central):
    made = sidecar(edge={"opa": central})
    assert made("POST", "/v1/data/central/answer", {"input": {"x": 7}}, token="run").json == {"result": 7}
    status = made("GET", "/api/edge/status", token="op").json
    assert (status["central"], status["state"]) == (True, "")
    assert made("POST", "/api/edge/refresh", token="op").status == 404
    assert made("GET", "/metrics", token="op").status == 200


@pytest.mark.services
def test_a_bundle_may_be_accepted_by_a_central_opa(edge, place, central):
    publish(place, 1)
    made = edge(engine="opa", opa=central)
    assert made("POST", "/v1/data/central/answer", {"input": {"x": 7}}, token="run").json == {"result": 7}
    assert made("GET", "/api/edge/status", token="op").json["serving"]["revision"] == "1"


def test_while_the_flag_is_off_and_no_opa_is_named_nothing_decides(edge, place):
    publish(place, 1)
    made = edge(flags={"edge_policy_ga": False})
    answer = made("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (503, "policy_unavailable")
    assert made("GET", "/health?bundles").status == 500


def test_a_central_opa_that_is_gone_is_503(edge, place, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    opa = {"url": "http://127.0.0.1:9", "tokenFile": str(token), "seconds": 1}
    made = edge(flags={"edge_policy_ga": False}, opa=opa)
    answer = made("POST", DECISION, REQUEST, token="run")
    assert (answer.status, answer.json["code"]) == (503, "opa_unreachable")
    assert made("GET", "/health?bundles").status == 500


def test_without_tokens_only_local_programs_are_answered(sidecar, place, tmp_path):
    publish(place, 1)
    made = sidecar(server={"auth": "none"}, edge=edge_table(tmp_path, cache={"decisions": 0}))
    made.context.edge.node.poll()
    assert made("POST", DECISION, REQUEST).json["result"]["allowed"] is True
    evil = made("POST", DECISION, REQUEST, headers={"origin": "https://evil.example"})
    assert (evil.status, evil.json["code"]) == (403, "unauthorized")
    assert "mc_edge_cache" not in made("GET", "/metrics").body.decode()


def test_the_logs_figures_are_metrics(edge, place, tmp_path):
    publish(place, 1)
    made = edge(decisionLog={"path": str(tmp_path / "d.jsonl")})
    made("POST", DECISION, REQUEST, token="run")
    made.context.edge.log.flush()
    text = made("GET", "/metrics", token="op").body.decode()
    assert "mc_edge_log_written_total 1.0" in text
    assert "mc_edge_cache_hit_ratio" in text
