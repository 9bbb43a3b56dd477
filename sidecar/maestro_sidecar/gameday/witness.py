"""Who runs now, by a witness that knows no store: every holder keeps a connection to it, and a dead one's is closed.

Holders say when they begin, after they got a slot, and when they end, before they give it back, and wait for the answer
each time. So as many are counted as may be at work at the most, and the kernel tells of those that were killed.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import TextIO

from maestro_sidecar.gameday.stage import Stage

__all__ = ["Holder", "Witness"]


class Witness:
    """Counts, and holds the count against the cap.

    Args:
        stage: where a breach is told.
        name: of the store, for messages.
        cap: how many may run at once.

    Attributes:
        port: where holders connect, on 127.0.0.1.
        at_work: the same by node.
        live: holders at work now.
        most: the most at once so far.
        admitted: slots taken so far.
        crashed: holders that ended without a word.
        points: seconds from the start and ``live`` from then on.
    """

    def __init__(self, stage: Stage, name: str, cap: int) -> None:
        self._stage, self._name, self._cap = stage, name, cap
        self._lock = threading.Lock()
        self._tokens: set[int] = set()
        self.at_work: Counter[str] = Counter()
        self.live = self.most = self.admitted = self.crashed = 0
        self.points: list[tuple[float, int]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more holders."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                holder, _ = self._listener.accept()
                threading.Thread(target=self._hear, args=(holder,), daemon=True).start()

    def _hear(self, holder: socket.socket) -> None:
        holding = ""
        with holder, suppress(OSError), holder.makefile("rw", encoding="ascii") as said:
            for line in said:
                word, _, rest = line.strip().partition(" ")
                if word == "begin":
                    node, _, token = rest.partition(" ")
                    holding = node
                    self._begins(node, int(token))
                elif word == "end":
                    self._change(holding, -1)
                    holding = ""
                else:
                    self._stage.mark(word)
                said.write("ok\n")
                said.flush()
        if holding:
            with self._lock:
                self.crashed += 1
            self._change(holding, -1)

    def _begins(self, node: str, token: int) -> None:
        with self._lock:
            again = token in self._tokens
            self._tokens.add(token)
            self.admitted += 1
        self._stage.mark("admitted")
        self._change(node, 1)
        if again:
            self._stage.fault(f"{self._name}: fencing token {token} was given twice", violation=True)

    def _change(self, node: str, by: int) -> None:
        with self._lock:
            self.at_work[node] += by
            self.live += by
            live = self.live
            self.most = max(self.most, live)
            self.points.append((self._stage.seconds(), live))
        if by > 0 and live > self._cap:
            words = f"{self._name}: {live} holders at work at once under a cap of {self._cap}"
            self._stage.fault(words, violation=True)


class Holder:
    """A holder's end of it.

    Args:
        port: of the witness.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._said: TextIO = self._socket.makefile("rw", encoding="ascii")

    def say(self, words: str) -> None:
        """Say it, and wait until it was heard."""
        self._said.write(f"{words}\n")
        self._said.flush()
        self._said.readline()

    def close(self) -> None:
        """Go."""
        self._said.close()
        self._socket.close()
