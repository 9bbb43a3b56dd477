"""``maestro edge status | poll | pin | unpin | clock-reset``: an operator's commands to a running edge."""

from __future__ import annotations

import argparse
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from maestro.kernel.errors import BadInputError, MaestroError, PortError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["add_to"]

_SECONDS = 10.0
_WHERE = """\
The sidecar is the one of the settings (--config, MAESTRO_CONFIG, else the default port of this machine), or the one
at --url, http://host:port or unix:/path. Exit 3: nothing decides.
"""
_COMMANDS: tuple[tuple[str, str, str, str], ...] = (
    (
        "status",
        "GET",
        "/api/edge/status",
        "how a running edge is: what decides, what waits, what was refused",
    ),
    ("poll", "POST", "/api/edge/refresh", "have a running edge ask its source now"),
    ("pin", "PUT", "/api/edge/pin", "have one of the held bundles decide until it is unpinned"),
    ("unpin", "DELETE", "/api/edge/pin", "let the newest bundle decide again"),
    ("clock-reset", "POST", "/api/edge/clock-reset", "believe the wall clock, though it was ahead before"),
)


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    for name, method, path, brief in _COMMANDS:
        parser = commands.add_parser(
            name,
            help=brief,
            description=f"{brief[0].upper()}{brief[1:]}. {_WHERE}",
            example=f"  maestro edge {name}{' 41' if name == 'pin' else ''} --url http://127.0.0.1:8321 || true",
        )
        if name == "pin":
            parser.add_argument("bundle", metavar="BUNDLE", help="its revision or digest")
        parser.add_argument("--url", metavar="URL", help="of the sidecar")
        parser.add_argument("--token-file", metavar="FILE", help="with the token of an operator")
        parser.add_argument("--config", metavar="FILE", help="the sidecar's settings")
        add_json(parser)
        parser.set_defaults(run=_runner(method, path))


def _runner(method: str, path: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        url, token = _where(arguments)
        wanted = getattr(arguments, "bundle", None)
        document = _ask(url, token, method, path, None if wanted is None else {"bundle": wanted})
        if document is None:
            document = {"asked": True, "deciding": True}
            lines = ["the edge asks its source"]
        else:
            lines = list(_lines(document))
        if arguments.json:
            answers.tell_document(document)
        else:
            answers.tell("\n".join(lines))
        return answers.DONE if document["deciding"] else answers.NO

    return run


def _where(arguments: argparse.Namespace) -> tuple[str, str]:
    """The sidecar's address and the token."""
    from pathlib import Path

    from maestro_sidecar.settings import load

    url, token_file = arguments.url, arguments.token_file
    if url is None or token_file is None:
        settings = load(arguments.config)
        server = settings.server
        if url is None:
            scheme = "http" if server.tls is None else "https"
            url = f"{scheme}://{server.host}:{server.port}" if server.host else f"unix:{server.socket}"
        if token_file is None and not settings.tokens and settings.token_path.exists():
            token_file = str(settings.token_path)
    return url, _read(Path(token_file)) if token_file else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"cannot be read: {error}.",
            field="--token-file",
            value=str(path),
            remedy="Name a file that this user may read.",
        ) from error


def _ask(url: str, token: str, method: str, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    content = None if body is None else json.dumps(body)
    if content is not None:
        headers["Content-Type"] = "application/json"
    try:
        with closing(_connection(url)) as connection:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise PortError(
            f"The sidecar at {url} cannot be asked: {error}.", remedy="See that it runs; name it with --url."
        ) from error
    if answer.status >= 400:
        raise _problem(text, answer.status)
    return json.loads(text) if text else None


def _problem(text: bytes, status: int) -> MaestroError:
    try:
        problem = json.loads(text)
        code, detail, remedy = problem["code"], problem["detail"], problem.get("remedy", "")
    except (ValueError, KeyError, TypeError):
        return PortError(f"The sidecar answered {status}.", remedy="See its log.")
    kind = PortError if status >= 500 else BadInputError
    return kind(detail, code=code, remedy=remedy)


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _Unix(parts.path)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInputError(
            "is no address.", field="--url", value=url, remedy="Write http://host:port or unix:/path."
        )
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=_SECONDS)


class _Unix(http.client.HTTPConnection):
    """Over the sidecar's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def _lines(status: dict[str, Any]) -> Iterator[str]:
    how = "decides" if status["deciding"] else "decides nothing: everything is denied"
    by = "a central OPA" if status["central"] else f"edge {status['node']}, {status['state']},"
    yield f"{by} {how}"
    for name in ("serving", "candidate"):
        one = status.get(name)
        if one:
            yield f"  {name:9} {one['revision']}  {one['digest'][:23]}…  fresh until {one['freshUntil']}, good until {one['goodUntil']}"
    for one in status.get("earlier") or []:
        yield f"  earlier   {one['revision']}  {one['digest'][:23]}…  good until {one['goodUntil']}"
    for one in (status.get("refused") or [])[:5]:
        yield f"  refused   {one['revision'] or '?'}  {', '.join(one['reasons'])}  at {one['at']}"
    if status.get("pin"):
        yield f"  pinned by {status['pin']['by']} at {status['pin']['at']}"
    if status.get("incident"):
        yield f"  incident  {status['incident']['reason']} since {status['incident']['openedAt']}"
    source = status.get("source")
    if source:
        yield f"  source    {source['failures']} failures in a row{', ' + source['trouble'] if source['trouble'] else ''}"
        if source.get("returnsAt"):
            yield f"  held back until {source['returnsAt']}"
    clock = status.get("clock")
    if clock and clock["behindSeconds"]:
        yield f"  the clock is {clock['behindSeconds']:.0f} s behind what was seen; see 'maestro edge clock-reset'"
