import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro.kernel.errors import BadInputError, PortError
from maestro.kernel.events import Event
from maestro.kernel.names import require_package, require_run, require_tenant
from maestro.limits.events import RUN_ADMITTED, SOURCE
from maestro_adapters.inprocess import InProcessLeases
from maestro_sidecar.logs import Log, ServerLogs
from maestro_sidecar.messages import accepts_json, entity_tags
from maestro_sidecar.openapi import document, document_text

RUN = {"run": "r-1", "package": "ns/a"}


def test_readiness_ends_when_the_sidecar_stops_and_liveness_does_not(ask):
    ask.context.gate.draining = True
    stopping = ask("GET", "/readyz")
    assert (stopping.status, stopping.code, stopping.headers["retry-after"]) == (503, "draining", "1")
    assert ask("GET", "/livez").status == 200
    assert ask("GET", "/metrics", token="op").status == 200
    refused = ask("POST", "/api/limits/decisions", {"tenant": "acme", "package": "p"}, token="acme")
    assert (refused.status, refused.code, refused.headers["connection"]) == (503, "draining", "close")


def test_too_many_requests_at_once_are_told_to_come_back(sidecar):
    ask = sidecar(server={"maxRequests": 1})
    ask.context.gate.active = 1
    for where in ("/api/limits/decisions", "/api/limits/runs"):
        refused = ask("POST", where, {}, token="run")
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "overloaded", "1")
    assert ask("GET", "/livez").status == 200
    assert ask.context.gate.active == 1


def test_a_slow_store_is_not_ready(sidecar, monkeypatch):
    import time

    ask = sidecar()
    monkeypatch.setattr("maestro_sidecar.operations._READY_SECONDS", 0.01)
    monkeypatch.setattr("maestro_sidecar.readiness.Readiness.require", lambda _: time.sleep(0.2))
    assert ask("GET", "/readyz").code == "port_failed"


def test_a_store_that_reads_and_takes_no_write_is_not_ready(sidecar, monkeypatch):
    ask = sidecar()
    assert ask("GET", "/readyz").status == 200
    asked = []

    def full(_self, consumer, _position):
        asked.append(consumer)
        raise PortError("full", code="store_full", retry_after=30.0)

    monkeypatch.setattr("maestro_adapters.inprocess.InProcessOutbox.acknowledge", full)
    assert ask("GET", "/readyz").status == 200  # it was asked less than a second ago
    assert not asked
    ask.context.readiness._well_at -= 10**9
    for _ in range(2):
        refused = ask("GET", "/readyz")
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "store_full", "30")
    assert len(asked) == 2
    monkeypatch.undo()
    assert ask("GET", "/readyz").status == 200


def figures(ask):
    text = ask("GET", "/metrics", token="run").body.decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")


def test_metrics_tell_denies_leases_and_decisions(ask):
    for tenant in ("acme", "beta"):
        assert ask("POST", "/api/limits/runs", RUN, token=tenant).status == 201
    ask("PUT", "/api/limits/package-caps", {"tenant": "acme", "maxConcurrent": 1}, token="op")
    ask("POST", "/api/limits/runs", {**RUN, "run": "r-2"}, token="acme")
    ask("POST", "/api/limits/decisions", {"tenant": "acme", "package": "p"}, token="acme")
    ask("POST", "/api/limits/decisions", {"tenant": "acme", "package": "p"}, token="acme")
    while ask.context.violations.turn():
        pass
    found = figures(ask)
    assert found['mc_window_denies_total{reason="tenant_cap",tenant="acme"}'] == "3.0"
    assert (
        found['mc_limits_leases_held{tenant="acme"}']
        == found['mc_limits_leases_held{tenant="beta"}']
        == "1.0"
    )
    assert float(found["mc_limits_decision_seconds_count"]) >= 1
    assert found["mc_limit_violations_ratio"] == "0.0"
    assert found["mc_limits_replayed_runs_total"] == "2.0"
    assert found['mc_http_requests_total{method="POST",route="/api/limits/runs",status="429"}'] == "1.0"
    assert any(name.startswith("mc_build_info{") for name in found)
    assert not any("_created" in name for name in found)


def test_tenants_beyond_the_bound_count_as_other(sidecar):
    ask = sidecar(metrics={"tenants": 2})
    for number in range(5):
        ask("POST", "/api/limits/runs", {**RUN, "tenant": f"t{number}"}, token="run")
    held = {name: value for name, value in figures(ask).items() if "leases_held" in name}
    assert held == {
        'mc_limits_leases_held{tenant="t0"}': "1.0",
        'mc_limits_leases_held{tenant="t1"}': "1.0",
        'mc_limits_leases_held{tenant="other"}': "3.0",
    }


def test_methods_and_paths_are_bounded_labels(sidecar):
    ask = sidecar()
    for number in range(3):
        ask(f"M{number}", "/livez")
        ask("GET", f"/nowhere/{number}")
    found = figures(ask)
    assert found['mc_http_requests_total{method="other",route="/livez",status="405"}'] == "3.0"
    assert found['mc_http_requests_total{method="GET",route="unmatched",status="404"}'] == "3.0"


def test_a_scrape_is_answered_while_the_store_is_down(sidecar, monkeypatch):
    assert figures(sidecar())["mc_limits_store_up"] == "1.0"

    def held(_):
        raise PortError("The store is down.")

    monkeypatch.setattr(InProcessLeases, "held", held)
    found = figures(sidecar())
    assert found["mc_limits_store_up"] == "0.0"
    assert found["mc_limit_violations_ratio"] == "0.0"


def test_a_scraper_may_ask_for_openmetrics(sidecar):
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = sidecar()("GET", "/metrics", token="op", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.body.endswith(b"# EOF\n")


def test_a_violation_is_found_told_and_counted(sidecar):
    ask = sidecar()
    ask("PUT", "/api/limits/windows", {"tenant": "acme", "allowedWindows": []}, token="op")
    run = {"tenant": "acme", "run": "r", "package": "p", "token": 9, "ttlSeconds": 5.0, "storeSeconds": 1.0}
    run |= {"policyRevision": "w1.c0", "source": "document", "enforced": True}
    admitted = Event("9/admitted", SOURCE, RUN_ADMITTED, "acme/r", datetime(2026, 3, 30, tzinfo=UTC), run)
    malformed = Event("10/admitted", SOURCE, RUN_ADMITTED, "acme/r", datetime(2026, 3, 30, tzinfo=UTC), {})
    ask.context.writing.leases.outbox.append([admitted, malformed])
    assert ask.context.violations.turn() is False
    found = figures(ask)
    assert found["mc_limit_violations_ratio"] == "1.0"
    assert found["mc_limits_violations_total"] == "1.0"
    assert found["mc_limits_replay_skipped_events_total"] == "1.0"
    assert ask.log("limit_violated")[0]["subject"] == "acme/r"
    assert ask.log("replay_skipped")[0]["id"] == "10/admitted"


def test_the_replay_reads_in_turns(sidecar, monkeypatch):
    monkeypatch.setattr("maestro_sidecar.violations.TURN", 2)
    ask = sidecar()
    for number in range(4):
        ask("POST", "/api/limits/runs", {**RUN, "run": f"r-{number}"}, token="acme")
    turns = 1
    while ask.context.violations.turn():
        turns += 1
    assert turns >= 3
    assert ask.context.violations.figures().admitted == 4


def test_debug_logs_tell_every_request_and_never_a_token(sidecar):
    ask = sidecar(log={"level": "debug"})
    body = {"tenant": "acme", "package": "p"}
    response = ask("POST", "/api/limits/decisions", body, token="acme", headers={"x-request-id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    (line,) = ask.log("request")
    assert (line["request"], line["route"], line["status"]) == ("abc-1", "/api/limits/decisions", 200)
    assert line["milliseconds"] > 0
    assert ask("GET", "/livez", headers={"x-request-id": "a b\n"}).headers["x-request-id"] != "a b\n"
    ask("GET", "/api/flags", token="secret-token")
    assert ask.log("request_refused")[0]["code"] == "not_authenticated"
    assert not any("secret-token" in line or "Bearer" in line for line in ask.lines)


def test_levels_keep_lines_away():
    lines = []
    log = Log(lines.append, lambda: datetime(2026, 1, 1, tzinfo=UTC), "warning")
    log.debug("a")
    log.info("b")
    log.warning("c", odd=object)
    log.error("d")
    assert [json.loads(line)["event"] for line in lines] == ["c", "d"]
    assert lines[1] == '{"time":"2026-01-01T00:00:00Z","level":"error","event":"d"}\n'


def test_what_the_http_server_says_goes_the_same_way():
    import logging

    lines = []
    handler = ServerLogs(Log(lines.append, lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    logger = logging.getLogger("tests.sidecar")
    logger.propagate = False
    logger.handlers = [handler]
    logger.info("not this")
    logger.warning("request %d", 7)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger.exception("broken")
    first, second = map(json.loads, lines)
    assert (first["level"], first["message"]) == ("warning", "request 7")
    assert (second["level"], second["error"]) == ("error", "ZeroDivisionError('division by zero')")


# ---- the description ----


def test_the_document_is_served_and_describes_each_route(ask):
    response = ask("GET", "/openapi.json", token="acme")
    assert response.json == json.loads(document_text())
    assert response.json["openapi"] == "3.1.0"
    assert set(response.json["paths"]) >= {
        "/api/limits/decisions",
        "/api/limits/package-caps",
        "/api/limits/runs",
        "/api/limits/runs/{run}",
        "/api/limits/runs/{run}/renew",
        "/api/limits/windows",
        "/api/flags",
        "/livez",
        "/metrics",
        "/openapi.json",
        "/readyz",
    }


def test_the_document_has_no_dangling_reference_and_unique_names():
    told = document()
    schemas = told["components"]["schemas"]
    references = re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', json.dumps(told))
    assert set(references) <= set(schemas)
    names = [op["operationId"] for path in told["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))
    for path, operations in told["paths"].items():
        declared = {
            p["name"] for op in operations.values() for p in op.get("parameters", ()) if p["in"] == "path"
        }
        assert declared == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize(
    ("field", "require"), [("tenant", require_tenant), ("run", require_run), ("package", require_package)]
)
@given(
    name=st.text(st.sampled_from("aZ0._~-:/ *é"), max_size=6)
    | st.sampled_from(["a" * 128, "a" * 129, "a/b/c/d"])
)
def test_the_told_patterns_are_the_checked_ones(field, require, name):
    pattern = document()["components"]["schemas"]["DecisionRequest"]["properties"][field]["pattern"]
    try:
        require(name)
    except BadInputError:
        assert re.fullmatch(pattern, name, re.ASCII) is None
    else:
        assert re.fullmatch(pattern, name, re.ASCII)


@pytest.mark.parametrize(
    ("text", "tags"),
    [('"1"', {"1"}), ('"1", W/"2" , "x"', {"1", "x"}), ("*", None), (' "" ', {""}), ('W/"1"', set())],
)
def test_entity_tags(text, tags):
    assert entity_tags(text, "If-Match") == tags


def test_the_most_specific_range_decides():
    assert not accepts_json(b"application/json;q=0, */*")
    assert accepts_json(b"application/json, */*;q=0")
    assert not accepts_json(b"application/*;q=0.000, */*")


# ---- servers other than ours ----


def test_lifespan_and_websocket_scopes_are_answered(sidecar):
    import asyncio

    app = sidecar().app

    async def speak(kind):
        sent = []

        async def receive():
            return {"type": "anything"}

        async def send(message):
            sent.append(message["type"])

        await app({"type": kind}, receive, send)
        return sent

    assert asyncio.run(speak("lifespan")) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(speak("websocket")) == ["websocket.close"]


def test_tokens_in_the_clear_are_warned_of(sidecar):
    assert sidecar(server={"host": "192.0.2.1"}).log("tokens_in_the_clear")
    assert not sidecar().log("tokens_in_the_clear")
