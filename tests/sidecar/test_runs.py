import pytest

from maestro.kernel.errors import PortError
from maestro_adapters.clock import SystemClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessLeases, InProcessOutbox
from maestro_sidecar.wiring import Stores

RUNS = "/api/limits/runs"
WEEK_FAR = {"allowedWindows": [{"start": "03:00", "end": "03:01", "days": ["tue"]}]}


def take(ask, run="r-1", package="ns/a", token="acme", **more):
    return ask("POST", RUNS, {"run": run, "package": package, **more}, token=token)


def limits(ask, kind, **document):
    assert ask("PUT", f"/api/limits/{kind}", {"tenant": "acme", **document}, token="op").status < 300


def test_a_run_is_admitted_renewed_and_released(ask):
    taken = take(ask, ttlSeconds=60, expectedSeconds=9)
    lease = taken.json
    assert (taken.status, taken.headers["etag"]) == (201, f'"{lease["token"]}"')
    assert (lease["tenant"], lease["run"], lease["package"]) == ("acme", "r-1", "ns/a")
    assert (lease["ttlSeconds"], lease["expectedSeconds"]) == (60, 9)
    assert lease["decision"]["allowed"]
    match = {"If-Match": taken.headers["etag"]}
    renewed = ask("POST", f"{RUNS}/r-1/renew", {"ttlSeconds": 90}, token="acme", headers=match)
    assert (renewed.status, renewed.headers["etag"]) == (200, match["If-Match"])
    assert renewed.json["ttlSeconds"] == 90
    assert "decision" not in renewed.json
    assert ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match).json["ttlSeconds"] == 30
    released = ask("DELETE", f"{RUNS}/r-1", token="acme", headers=match)
    assert (released.status, released.body) == (204, b"")
    assert ask("DELETE", f"{RUNS}/r-1", token="acme", headers=match).status == 204
    assert ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match).code == "lease_lost"


def test_the_same_run_gets_the_same_slot_and_another_package_conflicts(ask):
    first = take(ask)
    again = ask("POST", RUNS, first_body(), token="acme", headers={"Idempotency-Key": "k"})
    assert (again.status, again.headers["etag"]) == (200, first.headers["etag"])
    other = take(ask, package="ns/b")
    assert (other.status, other.code) == (409, "run_package_conflict")
    limits(ask, "windows", allowedWindows=[])
    assert take(ask).status == 200


def first_body():
    return {"run": "r-1", "package": "ns/a"}


def test_a_stale_token_neither_renews_nor_releases(ask):
    token = take(ask).json["token"]
    stale = (
        f'"{token + 1}"',
        f'"{token - 1}"',
        f'W/"{token}"',
        '"x"',
        f'"{token}", "9"',
        '"99999999999999999999"',
    )
    for match in stale:
        headers = {"If-Match": match}
        assert ask("DELETE", f"{RUNS}/r-1", token="acme", headers=headers).code == "lease_lost"
        assert ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=headers).status == 412
    assert take(ask).status == 200


def test_renewal_and_release_need_the_token(ask):
    take(ask)
    for method, where in (("POST", f"{RUNS}/r-1/renew"), ("DELETE", f"{RUNS}/r-1")):
        missing = ask(method, where, token="acme")
        assert (missing.status, missing.code) == (428, "precondition_required")
        any_tag = ask(method, where, token="acme", headers={"If-Match": "*"})
        assert (any_tag.status, any_tag.json["field"]) == (400, "If-Match")
        assert ask(method, f"{where}?x=1", token="acme").code == "unknown_parameter"
    assert ask("DELETE", f"{RUNS}/a b", token="acme", headers={"If-Match": '"1"'}).json["field"] == "run"


def test_a_window_deny_is_429_with_the_whole_decision(ask):
    limits(ask, "windows", **WEEK_FAR)
    denied = take(ask)
    problem = denied.json
    assert (denied.status, denied.code) == (429, "outside_run_window")
    assert int(denied.headers["retry-after"]) == problem["retryAfter"] > 0
    assert problem["denies"][0]["opensAt"] == problem["opensAt"]
    assert problem["allowed"] is False
    assert problem["detail"] == problem["explanation"]


def test_a_cap_deny_is_429_with_an_estimate(ask):
    limits(ask, "package-caps", maxConcurrent=1)
    assert take(ask, ttlSeconds=40).status == 201
    denied = take(ask, run="r-2")
    assert (denied.status, denied.code) == (429, "tenant_cap")
    assert 1 <= int(denied.headers["retry-after"]) <= 40
    assert denied.json["denies"][0]["estimate"] is True


def test_what_never_opens_is_403_without_advice(ask):
    limits(ask, "package-caps", packageCaps={"ns/a": 0})
    denied = take(ask)
    assert (denied.status, denied.code) == (403, "package_cap")
    assert "retry-after" not in denied.headers
    assert denied.json["retryAfter"] is None


def test_renewal_past_the_end_of_a_must_fit_window_is_a_deny(ask):
    taken = take(ask)
    limits(ask, "windows", onWindowEnd="must_fit", **WEEK_FAR)
    match = {"If-Match": taken.headers["etag"]}
    over = ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match)
    assert (over.status, over.code) == (429, "outside_run_window")
    limits(ask, "windows", onWindowEnd="must_fit", allowedWindows=[])
    assert ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match).status == 403
    assert ask("DELETE", f"{RUNS}/r-1", token="acme", headers=match).status == 204


def test_the_flag_turns_denies_into_shadows(sidecar):
    ask = sidecar(flags={"run_windows_caps": False})
    limits(ask, "windows", allowedWindows=[])
    taken = take(ask)
    assert taken.status == 201
    assert [deny["reason"] for deny in taken.json["decision"]["shadowDenies"]] == ["outside_run_window"]
    metrics = ask("GET", "/metrics", token="op").body.decode()
    assert 'mc_limits_shadow_denies_total{reason="outside_run_window",tenant="acme"} 1.0' in metrics


def test_a_decision_takes_nothing_and_is_200_whatever_the_verdict(ask):
    limits(ask, "package-caps", maxConcurrent=1)
    body = {"tenant": "acme", "package": "ns/a", "run": "r-9", "expectedSeconds": 5}
    for _ in range(3):
        verdict = ask("POST", "/api/limits/decisions", body, token="acme")
        assert (verdict.status, verdict.json["allowed"]) == (200, True)
    take(ask)
    verdict = ask("POST", "/api/limits/decisions", body, token="acme")
    assert (verdict.status, verdict.json["denies"][0]["reason"]) == (200, "tenant_cap")
    limits(ask, "windows", **WEEK_FAR)
    inside = ask("POST", "/api/limits/decisions", {**body, "ts": "2026-03-31T03:00:30Z"}, token="acme").json
    assert [deny["reason"] for deny in inside["denies"]] == ["tenant_cap"]


class Broken:
    """Stores that answer until they are told not to."""

    def __init__(self, retry_after):
        self.down = False
        self.retry_after = retry_after
        outbox = InProcessOutbox()
        self.leases, self.documents = InProcessLeases(outbox=outbox), InProcessDocuments(outbox)
        self.events = outbox

    def __call__(self):
        return Stores(Breaking(self, self.leases), Breaking(self, self.documents), self.events, ())


class Breaking:
    def __init__(self, broken, store):
        self._broken, self._store = broken, store

    def __getattr__(self, name):
        if self._broken.down and name not in {"capabilities", "outbox", "close"}:
            raise PortError("The store is gone.", retry_after=self._broken.retry_after)
        return getattr(self._store, name)


@pytest.mark.parametrize(("retry_after", "told"), [(2.5, "3"), (None, "30")])
def test_a_store_that_is_down_fails_closed(sidecar, retry_after, told):
    broken = Broken(retry_after)
    ask = sidecar(opening=broken)
    match = {"If-Match": take(ask).headers["etag"]}
    broken.down = True
    denied = take(ask, run="r-2")
    assert (denied.status, denied.code, denied.headers["retry-after"]) == (503, "limits_unavailable", told)
    verdict = ask("POST", "/api/limits/decisions", {"tenant": "acme", "package": "p"}, token="acme")
    assert (verdict.status, verdict.json["denies"][0]["reason"]) == (200, "limits_unavailable")
    for response in (
        ask("POST", f"{RUNS}/r-1/renew", token="acme", headers=match),
        ask("DELETE", f"{RUNS}/r-1", token="acme", headers=match),
        ask("GET", "/api/limits/windows?tenant=acme", token="op"),
        ask("GET", "/readyz"),
    ):
        assert (response.status, response.code) == (503, "port_failed")
        assert int(response.headers["retry-after"]) >= 1
    assert ask("GET", "/livez").status == 200
    assert ask.log("request_failed")
    broken.down = False
    assert ask("GET", "/readyz").status == 200


def test_a_tenant_may_choose_to_run_on_its_last_known_document(sidecar):
    broken = Broken(1.0)
    ask = sidecar(opening=broken)
    limits(ask, "windows", onUnavailable="open")
    take(ask)
    broken.down = True
    admitted = take(ask, run="r-2")
    assert (admitted.status, admitted.json["token"]) == (200, None)
    assert "etag" not in admitted.headers
    assert admitted.json["decision"]["source"] == "cached"


def test_an_unforeseen_failure_is_told_without_a_trace(sidecar):
    class Clock(SystemClock):
        def now(self):
            raise ZeroDivisionError("secret detail")

    ask = sidecar()
    object.__setattr__(ask.context, "clock", Clock())
    failed = ask("POST", "/api/limits/decisions", {"tenant": "acme", "package": "p"}, token="acme")
    assert (failed.status, failed.code) == (500, "internal")
    assert b"secret" not in failed.body
    (line,) = ask.log("internal_error")
    assert line["request"] == failed.json["requestId"] == failed.headers["x-request-id"]
    assert "ZeroDivisionError" in line["error"]
