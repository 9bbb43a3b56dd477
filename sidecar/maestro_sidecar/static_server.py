"""Files of a folder over HTTP: GET and HEAD, ETag and 304, nothing else. For tests and demos."""

from __future__ import annotations

import hashlib
import os
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["StaticServer"]

_TYPES = {".json": "application/json", ".gz": "application/gzip", ".tar": "application/x-tar"}


class StaticServer(ThreadingHTTPServer):
    """Serves one folder.

    Args:
        folder: whose files are served; links that lead out of it are not followed.
        host: address to listen on.
        port: 0 takes a free one.

    Raises:
        OSError: no folder, or the address is taken.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: str | os.PathLike[str], host: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = Path(folder).resolve(strict=True)
        if not self.folder.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(folder))
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        """The URL of the folder."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def server_bind(self) -> None:
        """Bind, without asking the name service who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: StaticServer

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        content = self._content()
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        unchanged = self.headers.get("If-None-Match") == etag
        self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK)
        self.send_header("ETag", etag)
        if not unchanged:
            suffix = Path(urlsplit(self.path).path).suffix
            self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and not unchanged:
            self.wfile.write(content)

    def _content(self) -> bytes | None:
        """The file below the folder, or None; never one beside it."""
        try:
            place = (self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
            return place.read_bytes() if place.is_relative_to(self.server.folder) else None
        except (OSError, ValueError):
            return None
