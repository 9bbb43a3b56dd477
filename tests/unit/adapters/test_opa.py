"""The client of a central OPA against a server that misbehaves as told; a real one is in tests/rego."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import maestro_adapters.opa
from maestro.kernel.errors import BadInputError, PortError
from maestro_adapters.opa import OpaClient


class Server(ThreadingHTTPServer):
    """Answers what `answers` holds, one after the other, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.connections = [], [], 0
        self.address = f"http://127.0.0.1:{self.server_port}"

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        """A connection cut by a test is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.command, self.path, body, dict(self.headers)))
        status, text, *then = self.server.answers.pop(0)
        if status == "silence":
            then[0].wait(10)
            return
        if status == "cut":
            self.wfile.write(text.encode())
        else:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        if then or status == "cut":
            self.close_connection = True

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    with OpaClient(server.address, timeout=5) as client:
        yield client


def result(value):
    return 200, json.dumps({"result": value})


def test_a_rule_is_evaluated_over_one_connection(server, client):
    server.answers = [result({"allowed": True}), result([])]
    assert client.evaluate("mc/limits/decision", {"tenant": {"tenant": "acme"}}) == {"allowed": True}
    assert client.evaluate("/mc/windows/deny/", {}) == []
    assert [asked[:3] for asked in server.asked] == [
        ("POST", "/v1/data/mc/limits/decision", '{"input":{"tenant":{"tenant":"acme"}}}'),
        ("POST", "/v1/data/mc/windows/deny", '{"input":{}}'),
    ]
    assert server.connections == 1
    assert "Authorization" not in server.asked[0][3]


def test_falsy_values_are_values(server, client):
    server.answers = [result(False), result(None), result(0)]
    assert [client.evaluate("mc/limits/allow", {}) for _ in range(3)] == [False, None, 0]


def test_undefined_is_an_error_because_it_reads_as_allowed(server, client):
    server.answers = [(200, "{}")]
    with pytest.raises(PortError, match="has no value for mc/limits/decision") as caught:
        client.evaluate("mc/limits/decision", {})
    assert (caught.value.code, caught.value.retry_after) == ("opa_undefined", None)


def test_policies_and_data_are_put(server, client):
    server.answers = [(200, "{}"), (204, "")]
    client.put_policy("maestro/windows.rego", "package mc.windows")
    client.put_data("mc/intervals/a b", {"from": 1})
    assert [(*asked[:3], asked[3]["Content-Type"]) for asked in server.asked] == [
        ("PUT", "/v1/policies/maestro%2Fwindows.rego", "package mc.windows", "text/plain"),
        ("PUT", "/v1/data/mc/intervals/a%20b", '{"from":1}', "application/json"),
    ]


def test_the_server_is_checked_by_its_health_behind_a_path_with_a_token(server):
    server.answers = [(200, "{}")]
    with OpaClient(f"{server.address}/opa/", token="secret") as client:
        client.check()
    assert server.asked[0][:2] == ("GET", "/opa/health?bundles")
    assert server.asked[0][3]["Authorization"] == "Bearer secret"


def test_a_kept_connection_that_is_gone_is_opened_again(server, client):
    # Closed without saying so, as a server does whose patience with an idle connection ended.
    server.answers = [(*result(1), "then close"), result(2)]
    assert client.evaluate("a", {}) == 1
    assert client.evaluate("a", {}) == 2
    assert server.connections == 2


def test_a_fresh_connection_is_not_tried_twice(server, client):
    server.answers = [("cut", "")]
    with pytest.raises(PortError, match="could not be asked") as caught:
        client.evaluate("a", {})
    assert (caught.value.code, caught.value.retry_after) == ("opa_unreachable", 1.0)
    assert len(server.asked) == 1


def test_half_an_answer_is_not_taken_for_the_next(server, client):
    server.answers = [("cut", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), result("whole")]
    with pytest.raises(PortError, match="could not be asked"):
        client.evaluate("a", {})
    assert client.evaluate("a", {}) == "whole"


def test_a_silent_server_is_left_in_time(server):
    done = threading.Event()
    server.answers = [("silence", "", done), result("later")]
    with OpaClient(server.address, timeout=0.1) as client:
        with pytest.raises(PortError, match="did not answer in time"):
            client.evaluate("a", {})
        assert client.evaluate("a", {}) == "later"
    done.set()


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with OpaClient(address) as client, pytest.raises(PortError, match="See that it runs") as caught:
        client.check()
    assert caught.value.code == "opa_unreachable"


@pytest.mark.parametrize(
    ("status", "text", "said", "retry_after"),
    [
        (500, '{"code": "internal_error", "message": "bundle not active"}', "bundle not active", None),
        (503, "busy", "busy", 1.0),
        (429, "", "nothing", 1.0),
        (401, '{"message": "no", "errors": []}', "no", None),
        (400, "[1]", r"\[1\]", None),
        (400, '{"errors": 1}', "errors", None),
        (
            400,
            '{"message": "error(s)", "errors": [{"message": "unsafe", "location": {"file": "w.rego", "row": 3}}]}',
            r"error\(s\) w.rego:3: unsafe",
            None,
        ),
    ],
)
def test_a_refusal_says_what_opa_said(server, client, status, text, said, retry_after):
    server.answers = [(status, text)]
    with pytest.raises(PortError, match=f"answered {status}: .*{said}") as caught:
        client.put_data("a", 1)
    assert (caught.value.code, caught.value.retry_after) == ("opa_refused", retry_after)


@pytest.mark.parametrize(("text", "fault"), [("<html>", "no JSON"), ("[]", "no object")])
def test_what_is_no_answer_of_opa(server, client, text, fault):
    server.answers = [(200, text)]
    with pytest.raises(PortError, match=fault) as caught:
        client.evaluate("a", {})
    assert caught.value.code == "opa_unreachable"


def test_an_endless_answer_is_cut(server, client, monkeypatch):
    monkeypatch.setattr(maestro_adapters.opa, "_MOST_BYTES", 100)
    server.answers = [result("x" * 100), result("short")]
    with pytest.raises(PortError, match="more than 100 bytes"):
        client.evaluate("a", {})
    assert client.evaluate("a", {}) == "short"


def test_closing_twice_and_asking_again(server, client):
    server.answers = [result(1)]
    client.close()
    client.close()
    assert client.evaluate("a", {}) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "opa:8181",
        "ftp://opa",
        "http://",
        "http://opa:port",
        "http://opa/?x",
        "http://u@opa",
        "http://[::1",
    ],
)
def test_what_is_no_address(address):
    with pytest.raises(BadInputError, match="Write http://host:port") as caught:
        OpaClient(address)
    assert caught.value.field == "address"


def test_https_is_spoken():
    assert OpaClient("https://opa.example")._connection.default_port == 443
