"""``maestro serve``: the sidecar. Settings and server are modules of their own; here is their command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

    from maestro_sidecar.server import Started
    from maestro_sidecar.settings import Settings

__all__ = ["add_to", "require_server", "serve_store"]

_DESCRIPTION = """\
Serve the limits over HTTP until SIGTERM or Ctrl-C, on this machine only unless told otherwise. Without
settings it makes a token, keeps it readable by this user alone and prints where. Options beat the
environment (MAESTRO_CONFIG, MAESTRO_SOCKET, MAESTRO_STATE), which beats the file.
"""
_EXAMPLE = "  maestro serve --port 8321 --store limits.db"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve", help="serve limits over HTTP", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("--config", metavar="FILE", help="settings as TOML")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8321; 0 takes a free one)")
    parser.add_argument("--socket", metavar="PATH", help="also listen on this Unix socket, mode 0600")
    parser.add_argument(
        "--store",
        metavar="PATH",
        help="the SQLite file, a postgresql:// URL, or :memory: (default: a file in the state folder)",
    )
    parser.add_argument("--leases", metavar="URL", help="keep the leases on this Redis server")
    parser.add_argument("--no-auth", action="store_true", help="ask nobody for a token; loopback only")
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], help="what to log (default info)"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    require_server("maestro serve")
    from maestro_sidecar.settings import Overrides, load

    overrides = Overrides(
        host=arguments.host,
        port=arguments.port,
        socket=arguments.socket,
        store=arguments.store,
        leases=arguments.leases,
        no_auth=arguments.no_auth,
        log_level=arguments.log_level,
    )
    settings = load(arguments.config, overrides=overrides)
    return _serve(settings, answers.tell, as_json=arguments.json)


def require_server(command: str) -> None:
    """Fail early and clearly when the server's drivers are not installed.

    Raises:
        BadInputError: ``missing_extra``.
    """
    with needs_extra("sidecar", command):
        importlib.import_module("maestro_sidecar.server")


def serve_store(store: Path) -> None:
    """Serve a store on a free port of this machine until Ctrl-C; its token goes with it."""
    from tempfile import TemporaryDirectory

    from maestro_sidecar.settings import Overrides, load

    with TemporaryDirectory(prefix="maestro-serve-") as state:
        # Nothing of the user's own settings: what is served here is the demo's.
        settings = load(
            overrides=Overrides(port=0, store=str(store), log_level="warning"),
            environment={"MAESTRO_STATE": state},
        )
        answers.note("")
        _serve(settings, answers.note)


def _serve(settings: Settings, say: Callable[[str], None], *, as_json: bool = False) -> int:
    from maestro_sidecar.server import serve

    def ready(started: Started) -> None:
        if as_json:
            answers.tell_document(started)
        else:
            say("\n".join(_lines(started)))
        sys.stdout.flush()

    return serve(settings, ready=ready)


def _lines(started: Started) -> Iterator[str]:
    import shlex

    for address in started.addresses:
        yield f"serving {started.store} at {address}; Ctrl-C stops it"
    token = ""
    if started.token_file is not None:
        yield f"the token is in {started.token_file}"
        token = f'-H "Authorization: Bearer $(cat {shlex.quote(started.token_file)})" '
    yield f"the audit log of this node is verified by {started.audit_key}"
    address = started.addresses[0]
    if address.startswith("http"):
        yield f"try: curl {token}'{address}/api/limits/windows?tenant=acme'"
