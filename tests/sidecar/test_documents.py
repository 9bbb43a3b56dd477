import pytest

KINDS = ["windows", "package-caps"]
CHANGES = {
    "windows": [{"timezone": "Europe/Berlin"}, {"allowedWindows": []}, {"startCutoffSeconds": 60}],
    "package-caps": [{"maxConcurrent": 3}, {"packageCaps": {"ns/*": 2}}, {"maxConcurrent": 0}],
}


def put(ask, kind, change=0, token="op", **headers):
    body = {"tenant": "acme", **CHANGES[kind][change]}
    return ask("PUT", f"/api/limits/{kind}", body, token=token, headers=headers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_is_created_changed_read_and_told_with_its_history(ask, kind):
    where = f"/api/limits/{kind}?tenant=acme"
    assert ask("GET", where, token="acme").code == "no_such_document"
    first, second = put(ask, kind, 0), put(ask, kind, 1)
    assert (first.status, first.headers["etag"]) == (201, '"1"')
    assert (second.status, second.headers["etag"]) == (200, '"2"')
    newest = ask("GET", where, token="acme")
    assert newest.json == {"tenant": "acme", **CHANGES[kind][1]} == second.json
    assert newest.headers["etag"] == '"2"'
    assert ask("GET", f"{where}&version=1", token="op").json == first.json
    assert ask("GET", f"{where}&version=3", token="op").code == "no_such_document"
    history = ask("GET", f"{where}&history=true", token="acme").json
    assert (history["tenant"], history["kind"]) == ("acme", kind)
    assert [(v["version"], v["changedBy"], v["document"]) for v in history["versions"]] == [
        (2, "op", second.json),
        (1, "op", first.json),
    ]
    assert all(v["changedAt"].endswith("Z") for v in history["versions"])
    assert [line["version"] for line in ask.log("document_changed")] == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_preconditions_are_honoured(ask, kind):
    assert put(ask, kind, 0, **{"If-Match": "*"}).code == "version_conflict"
    assert put(ask, kind, 0, **{"If-Match": '"1"'}).code == "version_conflict"
    assert put(ask, kind, 0, **{"If-None-Match": "*"}).status == 201
    again = put(ask, kind, 1, **{"If-None-Match": "*"})
    assert (again.status, again.code) == (412, "version_conflict")
    assert put(ask, kind, 1, **{"If-Match": '"1"'}).headers["etag"] == '"2"'
    for stale in ('"1"', 'W/"2"', '"0"', '"two"', '"99999999999999999999"'):
        assert put(ask, kind, 2, **{"If-Match": stale}).status == 412
    assert put(ask, kind, 2, **{"If-Match": '"7", "2"'}).headers["etag"] == '"3"'
    assert put(ask, kind, 2, **{"If-Match": "*"}).headers["etag"] == '"4"'


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "7"},
        {"If-Match": ""},
        {"If-Match": '"1', "X": "y"},
        {"If-None-Match": '"1"'},
        {"If-Match": '"1"', "If-None-Match": "*"},
    ],
)
def test_a_malformed_precondition_is_bad_input_and_nothing_is_stored(ask, headers):
    response = put(ask, "windows", 0, **headers)
    assert response.status == 400
    assert response.json["field"] in {"If-Match", "If-None-Match"}
    assert ask("GET", "/api/limits/windows?tenant=acme", token="op").status == 404


def test_an_unchanged_document_is_not_sent_again(ask):
    put(ask, "windows")
    where = "/api/limits/windows?tenant=acme"
    for tag in ('"1"', '"0", "1"', "*"):
        response = ask("GET", where, token="op", headers={"If-None-Match": tag})
        assert (response.status, response.body, response.headers["etag"]) == (304, b"", '"1"')
    assert ask("GET", where, token="op", headers={"If-None-Match": '"2"'}).status == 200
    assert ask("HEAD", where, token="op").status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "tenant"),
        ("?tenant=a%20b", "tenant"),
        ("?tenant=acme&version=0", "version"),
        ("?tenant=acme&version=x", "version"),
        ("?tenant=acme&version=9999999999999999", "version"),
        ("?tenant=acme&history=yes", "history"),
        ("?tenant=acme&history=true&version=1", "version"),
        ("?tenant=acme&tenant=acme", "tenant"),
        ("?tenant=%ff", "query"),
    ],
)
def test_a_bad_query_names_its_field(ask, query, field):
    response = ask("GET", f"/api/limits/windows{query}", token="op")
    assert (response.status, response.json["field"]) == (400, field)


def test_unknown_parameters_are_refused(ask):
    response = ask("GET", "/api/limits/windows?tenent=acme", token="op")
    assert response.code == "unknown_parameter"
    assert "tenent" in response.json["detail"]
    assert ask("PUT", "/api/limits/windows?tenant=acme", {"tenant": "acme"}, token="op").status == 400


def test_a_stored_document_decides_at_once(ask):
    body = {"tenant": "acme", "package": "ns/a"}
    assert ask("POST", "/api/limits/decisions", body, token="acme").json["allowed"]
    put(ask, "windows", 1)
    verdict = ask("POST", "/api/limits/decisions", body, token="acme").json
    assert verdict["denies"][0]["reason"] == "outside_run_window"
    assert verdict["policyRevision"] == "w1.c0"
