"""``maestro edge status`` and its like: what they ask, where they find the sidecar, and what they tell."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

STATUS = {
    "node": "n1",
    "state": "quarantined",
    "deciding": True,
    "central": False,
    "serving": {"revision": "7", "digest": "sha256:" + "1" * 64, "freshUntil": "F", "goodUntil": "G"},
    "candidate": {"revision": "9", "digest": "sha256:" + "3" * 64, "freshUntil": "F", "goodUntil": "G"},
    "earlier": [{"revision": "6", "digest": "sha256:" + "2" * 64, "goodUntil": "G"}],
    "refused": [{"revision": "", "reasons": ["signature_missing"], "at": "T"}],
    "pin": {"by": "ann", "at": "T"},
    "incident": {"reason": "signature_missing", "openedAt": "T"},
    "clock": {"behindSeconds": 60.0, "aheadSeconds": 0.0},
    "source": {"failures": 2, "trouble": "signature_missing", "returnsAt": "R"},
}
CLOSED = {"node": "n1", "state": "closed", "deciding": False, "central": False}
CENTRAL = {"node": "n1", "state": "", "deciding": True, "central": True}


class Fake(HTTPServer):
    """A sidecar that answers as it is told and remembers what it was asked."""

    answer = (200, STATUS)

    def __init__(self, *where):
        super().__init__(*where)
        self.asked = []

    def handle_error(self, *_):
        pass


class UnixFake(Fake):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0


class Handler(BaseHTTPRequestHandler):
    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, body, self.headers.get("Authorization")))
        status, document = self.server.answer
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # as http.server wants them

    def address_string(self):
        return "test"

    def log_message(self, *_):
        pass


@pytest.fixture
def serving():
    made = []

    def serve(kind, where):
        server = kind(where, Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.append((server, thread))
        return server

    yield serve
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def fake(serving):
    return serving(Fake, ("127.0.0.1", 0))


@pytest.fixture
def edge(maestro, fake, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")

    def run(*arguments):
        url = f"http://127.0.0.1:{fake.server_port}"
        return maestro("edge", *arguments, "--url", url, "--token-file", token)

    return run


def test_status_is_one_screen(edge, fake):
    answer = edge("status")
    assert answer.code == 0
    assert answer.out.startswith("edge n1, quarantined, decides\n  serving   7  sha256:1111")
    for words in (
        "candidate 9",
        "earlier   6",
        "refused   ?  signature_missing",
        "pinned by ann",
        "incident",
        "held back",
    ):
        assert words in answer.out
    assert "60 s behind" in answer.out
    assert fake.asked == [("GET", "/api/edge/status", None, "Bearer secret")]


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [(CLOSED, 3, "decides nothing: everything is denied"), (CENTRAL, 0, "a central OPA decides")],
)
def test_whether_anything_decides_is_the_exit_code(edge, fake, document, code, words):
    fake.answer = (200, document)
    answer = edge("status")
    assert (answer.code, words in answer.out) == (code, True)
    assert edge("status", "--json").document == document


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("pin", "7"), ("PUT", "/api/edge/pin", {"bundle": "7"})),
        (("unpin",), ("DELETE", "/api/edge/pin", None)),
        (("clock-reset",), ("POST", "/api/edge/clock-reset", None)),
    ],
)
def test_what_operators_may_do(edge, fake, arguments, asked):
    assert edge(*arguments).code == 0
    assert fake.asked[0][:3] == asked


def test_a_poll_has_nothing_to_tell(edge, fake):
    fake.answer = (202, b"")
    assert edge("poll").out == "the edge asks its source\n"
    assert edge("poll", "--json").document == {"asked": True, "deciding": True}


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (409, {"code": "conflict", "detail": "Not held.", "remedy": "Choose."}, 2, "Not held. Choose."),
        (503, {"code": "port_failed", "detail": "Down."}, 1, "Down."),
        (500, b"<html>", 1, "answered 500"),
        (500, b"[]", 1, "answered 500"),
    ],
)
def test_what_the_sidecar_refuses_is_told(edge, fake, status, body, code, words):
    fake.answer = (status, body)
    answer = edge("status")
    assert (answer.code, words in answer.err) == (code, True)


def test_nobody_there_is_a_failure(maestro, fake, serving):
    answer = maestro("edge", "status", "--url", "unix:/nonexistent/socket", "--token-file", "/dev/null")
    assert (answer.code, "cannot be asked" in answer.err) == (1, True)


@pytest.mark.parametrize(("option", "value"), [("--url", "ftp://x"), ("--token-file", "/nonexistent")])
def test_what_cannot_be_used_is_bad_usage(maestro, fake, option, value):
    given = {"--url": f"http://127.0.0.1:{fake.server_port}", "--token-file": "/dev/null"} | {option: value}
    answer = maestro("edge", "status", *(part for pair in given.items() for part in pair))
    assert (answer.code, option in answer.err) == (2, True)


def test_by_default_it_is_the_sidecar_of_the_settings(maestro, fake, tmp_path):
    (tmp_path / "token").write_text("made")
    config = tmp_path / "maestro.toml"
    config.write_text(f'state = "{tmp_path}"\n[server]\nport = {fake.server_port}\n')
    assert maestro("edge", "status", "--config", config).code == 0
    assert fake.asked[0][3] == "Bearer made"


def test_a_socket_will_do(maestro, serving, tmp_path):
    path = str(tmp_path / "s.sock")
    server = serving(UnixFake, path)
    config = tmp_path / "maestro.toml"
    config.write_text(f'state = "{tmp_path}"\n[server]\nhost = ""\nsocket = "{path}"\n')
    assert maestro("edge", "status", "--config", config).code == 0
    assert server.asked[0][3] is None
