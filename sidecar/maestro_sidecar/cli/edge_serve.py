"""``maestro edge serve-repo``: a static server for tests and demos; in production any web server or CDN does it."""

from __future__ import annotations

import argparse

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.edge_common import SETUP, add_command
from maestro_sidecar.cli.parsing import Parser

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "serve-repo",
        _serve,
        brief="serve a repository over HTTP, for tests and demos",
        description="Serve a folder's files over HTTP with ETags, read-only, on the loopback address. A policy repository is "
        "plain files: in production any static web server or CDN does this.",
        example=f"{SETUP}\n  timeout 2 maestro edge serve-repo repository --port 0 || true",
    )
    parser.add_argument("folder", metavar="DIR", help="the repository's folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8181, help="port; 0 takes a free one (default: 8181)")


def _serve(arguments: argparse.Namespace) -> int:
    from maestro_sidecar.static_server import StaticServer

    try:
        server = StaticServer(arguments.folder, arguments.host, arguments.port)
    except (OSError, OverflowError) as error:
        raise BadInputError(
            f"cannot be served: {error}.",
            field="DIR",
            value=arguments.folder,
            remedy="Name a folder, and a port that is free.",
        ) from error
    with server:
        if arguments.json:
            answers.tell_document({"address": server.address, "folder": arguments.folder})
        else:
            answers.tell(f"{arguments.folder} is served at {server.address}")
        import sys

        sys.stdout.flush()
        server.serve_forever()
    return answers.DONE
