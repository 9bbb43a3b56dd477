"""/api/contracts in the field's manners: media type, error body, Basic, scopes; whatever comes in."""

import base64
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro.kernel.errors import PortError
from maestro_sidecar.openapi import document

ROOT = "/api/contracts"
MEDIA = "application/vnd.schemaregistry.v1+json"
STRING, LONG = {"schema": '"string"'}, {"schema": '"long"'}
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in document()["paths"].items()
    for method, operation in operations.items()
    if path.startswith(ROOT)
]


@pytest.fixture
def ask(sidecar):
    """Asks below the root; gives status and body."""
    client = sidecar()

    def asked(method, path, body=None, *, token="op", headers=None):
        response = client(method, f"{ROOT}{path}", body, token=token, headers=headers)
        if response.status != 503:
            assert response.headers["content-type"] == MEDIA
        return response.status, response.json

    asked.client = client
    return asked


def test_a_schema_is_registered_read_and_judged(ask):
    assert ask("POST", "/subjects/s/versions", STRING, headers={"content-type": MEDIA})[1]["id"] == 1
    assert ask("GET", "/subjects/s/versions/latest/schema") == (200, "string")
    assert ask("GET", "/schemas/ids/1/schema") == (200, "string")
    assert ask("GET", "/schemas/ids/1?fetchMaxId=true")[1]["maxId"] == 1
    assert ask("GET", "/schemas/ids/1?subject=s")[1]["version"] == 1
    assert ask("POST", "/compatibility/subjects/s/versions/1?verbose=true", LONG) == (
        200,
        {
            "is_compatible": False,
            "messages": [
                (
                    "/: type_mismatch: The schema: string cannot be read as long. "
                    "Keep the type, or add a new field of the new type with a default."
                )
            ],
        },
    )
    assert ask("POST", "/compatibility/subjects/new/versions", LONG) == (200, {"is_compatible": True})
    assert ask("GET", "/subjects/s/versions/1")[1].keys() == {"subject", "version", "id", "guid", "schema"}


def test_schemas_keep_what_came_with_them(ask):
    told = {"schema": "string", "ruleSet": {"domainRules": []}, "metadata": {"properties": {"owner": "ann"}}}
    answer = ask("POST", "/subjects/s/versions", told)[1]
    assert (answer["ruleSet"], answer["metadata"]) == (told["ruleSet"], told["metadata"])
    assert ask("GET", "/schemas/ids/1/schema") == (200, "string")
    assert ask("GET", f"/schemas/guids/{answer['guid']}")[1]["schema"] == "string"
    assert ask("GET", "/schemas/guids/0")[0] == 404
    other = ask("POST", "/subjects/t/versions", {"schema": '"long"'})[1]
    assert ask("GET", f"/schemas/guids/{other['guid']}")[1]["schema"] == '"long"'


def test_lists_are_filtered_and_paged(ask):
    for name in ("a-1", "a-2", "b-1"):
        ask("POST", f"/subjects/{name}/versions", STRING)
    ask("DELETE", "/subjects/a-1")
    assert ask("GET", "/subjects?subjectPrefix=a-") == (200, ["a-2"])
    assert ask("GET", "/subjects?deletedOnly=true") == (200, ["a-1"])
    assert ask("GET", "/subjects?deleted=true&offset=1&limit=1") == (200, ["a-2"])
    assert ask("GET", "/schemas/ids/1/subjects") == (200, ["a-2", "b-1"])
    assert ask("GET", "/schemas/ids/1/versions?subject=b-1") == (200, [{"subject": "b-1", "version": 1}])
    assert ask("GET", "/subjects?offset=x")[0] == 400
    assert ask("GET", f"/subjects?{'a=1&' * 40}")[0] == 400


def test_a_name_may_hold_a_slash(ask):
    scope_path = f"{ROOT}/subjects/shop%2Forders/versions"
    assert ask("POST", "/subjects/plain/versions", STRING)[0] == 200
    client = ask.client
    app = client.app
    seen = []

    async def router(scope, receive, send):
        seen.append(scope["path"])

    app._router = router
    import asyncio

    asyncio.run(
        app(
            {"type": "http", "method": "GET", "path": f"{ROOT}/subjects/shop/orders/versions",
             "raw_path": scope_path.encode(), "query_string": b"", "headers": []}, None, None)
    )  # fmt: skip
    assert seen == [scope_path]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/subjects/none/versions", None, 404, 40401),
        ("GET", "/subjects/s/versions/7", None, 404, 40402),
        ("GET", "/schemas/ids/x", None, 404, 40403),
        ("GET", "/schemas/ids/9/versions", None, 404, 40403),
        ("GET", "/schemas/guids/none", None, 404, 40403),
        ("GET", "/subjects/s/versions/first", None, 422, 42202),
        ("POST", "/subjects/s/versions", {"schema": "{"}, 422, 42201),
        ("POST", "/subjects/s/versions", {"schema": "syntax", "schemaType": "PROTOBUF"}, 422, 42201),
        ("POST", "/subjects/s/versions", LONG, 409, 409),
        ("POST", "/subjects/s/versions", {}, 400, 400),
        ("POST", "/subjects/s/versions", b"{", 400, 400),
        ("PUT", "/config", {"compatibility": "MOSTLY"}, 422, 42203),
        ("PUT", "/mode/s", {"mode": "ODD"}, 422, 42204),
        ("GET", "/config/s", None, 404, 40408),
        ("GET", "/mode/s", None, 404, 40409),
        ("GET", "/subjects/s/metadata?key=a&value=b", None, 404, 40403),
        ("GET", "/contexts", None, 501, 501),
        ("GET", "/exporters", None, 501, 501),
        ("POST", "/associations", {}, 501, 501),
        ("PATCH", "/subjects", None, 405, 405),
    ],
)
def test_errors_have_the_fields_body_and_codes(ask, method, path, body, status, code):
    ask("POST", "/subjects/s/versions", STRING)
    answered, fault = ask(method, path, body)
    assert (answered, fault["error_code"]) == (status, code)
    assert fault["message"]


def test_configuration_and_mode_fall_back_when_asked_to(ask):
    assert ask("GET", "/config/s?defaultToGlobal=true") == (200, {"compatibilityLevel": "BACKWARD"})
    assert ask("GET", "/mode/s?defaultToGlobal=true") == (200, {"mode": "READWRITE"})
    assert ask("PUT", "/config", {"normalize": True}) == (200, {"normalize": True})


def test_who_may_do_what(ask):
    for token, status in (("acme", 403), ("run", 403), ("pub", 200), ("op", 200)):
        assert ask("POST", "/subjects/s/versions", STRING, token=token)[0] == status
    assert ask("GET", "/subjects", token="acme") == (200, ["s"])
    for method, path, body in (
        ("DELETE", "/subjects/s", None),
        ("PUT", "/config", {"compatibility": "NONE"}),
    ):
        assert ask(method, path, body, token="pub")[0] == 403
        assert ask(method, path, body, token="op")[0] == 200


@pytest.mark.parametrize(
    ("credentials", "status"),
    [("any:op", 200), (":op", 200), ("op", 401), ("op:", 401), ("any:nothing", 401)],
)
def test_basic_takes_the_token_as_password(ask, credentials, status):
    told = base64.b64encode(credentials.encode()).decode()
    assert ask("GET", "/subjects", token=None, headers={"authorization": f"Basic {told}"})[0] == status


def test_what_is_no_basic_is_refused_with_both_challenges(ask):
    response = ask.client("GET", f"{ROOT}/subjects", headers={"authorization": "Basic ???"})
    assert response.status == 401
    assert ask("GET", "/subjects", token=None)[1]["error_code"] == 401


def test_a_store_that_fails_is_told_in_the_fields_words(ask, monkeypatch):
    def broken(*_):
        raise PortError("The store is away.", retry_after=7)

    monkeypatch.setattr(ask.client.context.contracts, "ask", broken)
    response = ask.client("GET", f"{ROOT}/subjects", token="op")
    assert (response.status, response.json["error_code"], response.headers["retry-after"]) == (
        503,
        50001,
        "7",
    )


def test_a_defect_is_told_without_its_trace(ask, monkeypatch):
    monkeypatch.setattr(ask.client.context.contracts, "ask", lambda *_: 1 // 0)
    status, fault = ask("GET", "/subjects")
    assert status == 500
    assert "request id" in fault["message"]
    assert ask.client.log("internal_error")


def test_each_change_is_entered_in_the_audit_log(ask):
    ask("POST", "/subjects/s/versions", STRING, token="pub")
    ask("DELETE", "/subjects/s")
    trail = ask.client.context.audit
    trail.follow()
    bodies = [json.loads(entry.body) for entry in trail.store.read(0, 100)]
    told = [(each["actor"], each["action"]) for each in bodies if each["action"].startswith("mc.contracts.")]
    assert told == [("pub", "mc.contracts.registered"), ("op", "mc.contracts.subject_deleted")]


words = st.sampled_from(
    ["s", "latest", "1", "-1", "AVRO", "JSON", '"string"', '{"type": "object"}', "NONE", "é"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
bodies = st.dictionaries(
    st.sampled_from(
        ["schema", "schemaType", "references", "metadata", "compatibility", "mode", "id", "version"]
    ),
    words | values,
    max_size=5,
)


@given(
    st.sampled_from(OPERATIONS),
    st.lists(words, min_size=2, max_size=2),
    bodies.map(json.dumps).map(str.encode) | st.binary(max_size=30),
    st.lists(
        st.sampled_from(["deleted=true", "permanent=true", "normalize=True", "offset=1", "limit=x", "%ff"])
    ),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=400)
def test_whatever_comes_in_is_answered_as_documented(ask, operation, names, body, query):
    method, path, told = operation
    for parameter, name in zip(
        [p for p in told.get("parameters", ()) if p["in"] == "path"], names, strict=False
    ):
        path = path.replace(f"{{{parameter['name']}}}", name)
    status, answer = ask(
        method, f"{path.removeprefix(ROOT)}?{'&'.join(query)}", body if "requestBody" in told else None
    )
    assert status < 500 or status == 501
    if status >= 400:
        assert answer.keys() == {"error_code", "message"}


CLIENTS_PATHS = """
GET /subjects
GET POST /subjects/{}/versions
GET DELETE /subjects/{}/versions/{}
GET /subjects/{}/versions/{}/referencedby
GET /subjects/{}/metadata
POST DELETE /subjects/{}
GET /schemas/types
GET /schemas/ids/{}
GET /schemas/ids/{}/subjects
GET /schemas/ids/{}/versions
GET /schemas/guids/{}
GET PUT DELETE /config
GET PUT DELETE /config/{}
POST /compatibility/subjects/{}/versions
POST /compatibility/subjects/{}/versions/{}
GET PUT /mode
GET PUT DELETE /mode/{}
GET /contexts
POST /associations
GET /associations/resources/{}/{}
DELETE /associations/resources/{}
"""
"""What confluent-kafka's client asks, method and path."""


def test_every_path_of_the_fields_client_is_there():
    served = {(method, re.sub(r"{\w+}", "{}", path.removeprefix(ROOT))) for method, path, _ in OPERATIONS}
    asked = {
        (method, path)
        for line in CLIENTS_PATHS.split("\n")
        if line
        for *methods, path in [line.split()]
        for method in methods
    }
    assert len(asked) == 31
    assert asked <= served
