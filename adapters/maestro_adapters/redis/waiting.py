"""A waiting room on Redis: tickets in a hash of each tenant, rings by PUBLISH."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any

import msgspec

from maestro.kernel.errors import PortError
from maestro.ports.waiting import Waiter
from maestro_adapters.listening import HEARS_SECONDS, listen
from maestro_adapters.redis.server import Server

__all__ = ["RedisWaitingRoom"]

_packing = msgspec.msgpack.Encoder()
_unpacking = msgspec.msgpack.Decoder(tuple[str, str])


class RedisWaitingRoom:
    """Implements ``WaitingRoom``.

    A server that came back empty knows no tickets; those who wait keep theirs within a second, so they stand again in
    their order.

    Args:
        server: where tickets are kept; its clock says when they run out.
        prefix: of all keys.
        now: what stands for the server's clock in tests, else an empty text.
    """

    def __init__(self, server: Server, prefix: bytes, now: Callable[[], str]) -> None:
        self._server = server
        self._prefix = prefix
        self._now = now
        self._channel = prefix + b"waiting"

    def join(self, tenant: str, run: str, package: str, lasts: float) -> Waiter:
        """Take a ticket."""
        ticket = self._do(tenant, "keep", "", round(lasts * 1e6), _packing.encode((run, package)))
        return Waiter(ticket, tenant, run, package)

    def stay(self, waiters: Sequence[Waiter], lasts: float) -> None:
        """Keep the tickets for ``lasts`` seconds from now."""
        for waiter in waiters:
            packed = _packing.encode((waiter.run, waiter.package))
            self._do(waiter.tenant, "keep", waiter.ticket, round(lasts * 1e6), packed)

    def leave(self, waiter: Waiter) -> None:
        """Give the ticket back."""
        self._do(waiter.tenant, "leave", waiter.ticket)

    def queue(self, tenant: str) -> Sequence[Waiter]:
        """Those of the tenant who wait, first come first."""
        found = [(ticket, *_unpacking.decode(packed)) for ticket, packed in self._do(tenant, "queue")]
        return tuple(Waiter(ticket, tenant, run, package) for ticket, run, package in sorted(found))

    def ring(self, tenant: str) -> None:
        """Tell all subscribers, if anybody of the tenant waits."""
        try:
            self._do(tenant, "ring", self._channel, tenant.encode())
        except PortError:
            return  # the waiters look by themselves

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call ``heard`` at every ring from now on, from a thread with a connection of its own."""
        return listen(partial(self._listen, heard))

    def _listen(self, heard: Callable[[str], None], over: Event) -> None:
        with self._server.subscription(self._channel) as messages:
            heard("")  # what rang while nobody listened
            while not over.is_set():
                message = messages.get_message(ignore_subscribe_messages=True, timeout=HEARS_SECONDS)
                if message is not None:
                    heard(bytes(message["data"]).decode())

    def _do(self, tenant: str, what: str, *arguments: bytes | int | str) -> Any:
        keys = (self._prefix + b"meta", self._prefix + b"waiting:" + tenant.encode())
        return self._server.run("waiting", keys, self._now(), what, *arguments)
