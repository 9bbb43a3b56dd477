"""A TCP proxy between a part and its server, to cut the two apart: loopback to one address, with counters."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

__all__ = ["FaultProxy"]

_PIECE = 65_536
_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends a reset, as a server does that was killed."""


class FaultProxy:
    """Hands TCP through until it is told to be down; then it resets what is open and what comes.

    Args:
        host: of the server.
        port: of the server.

    Attributes:
        port: where it listens, on 127.0.0.1.
        accepted: connections handed through.
        cut: connections that were open when it went down.
        refused: connections reset while it was down.
        delay: seconds that every piece is held back.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._down = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.accepted = self.cut = self.refused = 0
        self.delay = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def down(self) -> None:
        """Reset every connection, and each new one, from now on."""
        with self._lock:
            self._down = True
            self.cut += len(self._open) // 2
            for end in self._open:
                _reset(end)

    def up(self) -> None:
        """Hand through again; harmless when it was not down."""
        with self._lock:
            self._down = False

    def close(self) -> None:
        """Stop listening and cut what is left."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.down()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._down:
                raise ConnectionRefusedError
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            self.refused += 1
            _reset(client)
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self.accepted += 1
            self._open |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        with self._lock:
            self._open -= {client, server}
        for end in (client, server):
            end.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if self.delay:
                    threading.Event().wait(self.delay)
                target.sendall(piece)
        # The other side hears of the end too, and answers it by ending the other direction.
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _reset(end: socket.socket) -> None:
    """End it at once; whoever reads from it closes it."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # A close alone would not wake the thread that waits in recv.
        end.shutdown(socket.SHUT_RDWR)
