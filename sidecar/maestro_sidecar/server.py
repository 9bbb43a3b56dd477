"""Serving: listeners, signals, drain. ``serve(settings, ready=...)`` is all that the command line calls.

``serve`` blocks until SIGTERM or SIGINT and answers the exit code (0 after a drain). It raises MaestroError when it
cannot start: BadInputError for the settings, PortError for a store or an address that is not to be had. ``ready`` is
called once when every listener accepts, with a ``Started``. Logs go to standard error, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import ssl
import stat
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import msgspec
import uvicorn

from maestro.kernel.errors import BadInputError, MaestroError, PortError
from maestro_sidecar.app import Application
from maestro_sidecar.context import Context
from maestro_sidecar.logs import ServerLogs
from maestro_sidecar.protocol import BoundedProtocol, Sweeper
from maestro_sidecar.settings import ServerSettings, Settings, TlsSettings
from maestro_sidecar.wiring import wire

__all__ = ["Started", "serve"]

_REPLAY_EVERY = 1.0
_AUDIT_EVERY = 1.0
_FLAGS_EVERY = 1.0
_FORGET_EVERY = 30.0
_BACKLOG = 1024


class Started(msgspec.Struct, rename="camel", frozen=True):
    """What a sidecar tells when it is ready.

    Attributes:
        addresses: where it listens: ``http://127.0.0.1:8321``, ``unix:/run/maestro/maestro.sock``.
        token_file: the file that holds the token, when one was made; its content is never told.
        store: the SQLite file, or the kind of store.
        audit_key: public key of this node's audit log, by which others verify it.
    """

    addresses: list[str]
    token_file: str | None
    store: str
    audit_key: str


def serve(settings: Settings, ready: Callable[[Started], None] | None = None) -> int:
    """Run the sidecar until it is told to stop.

    Args:
        settings: as ``maestro_sidecar.settings.load`` gives them.
        ready: called once when every listener accepts.

    Raises:
        BadInputError: the settings cannot be met: token file, certificates.
        PortError: a store cannot be opened, or an address is in use.
    """
    context = wire(settings)
    try:
        with _listeners(settings.server) as listeners:
            return _run(context, listeners, ready)
    finally:
        context.close()


def _run(context: Context, listeners: list[socket.socket], ready: Callable[[Started], None] | None) -> int:
    server = context.settings.server
    _route_server_logs(context)
    config = uvicorn.Config(
        Application(context),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=_BACKLOG,
    )
    BoundedProtocol.most_connections = server.max_connections
    config.load()
    serving = _Server(config, context, listeners, _tls(server.tls), ready)
    gc.collect()
    gc.freeze()  # what was loaded stays; collections then look at requests only,
    gc.set_threshold(20_000, 20, 20)  # and seldom, since requests leave no cycles behind
    serving.run()
    return 0


class _Server(uvicorn.Server):
    """uvicorn's server with our listeners and our way of stopping."""

    def __init__(
        self,
        config: uvicorn.Config,
        context: Context,
        listeners: list[socket.socket],
        tls: ssl.SSLContext | None,
        ready: Callable[[Started], None] | None,
    ) -> None:
        super().__init__(config)
        self._context = context
        self._listeners = listeners
        self._tls = tls
        self._ready = ready
        self._background: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept on every listener, then say so."""
        del sockets
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.Protocol:
            return BoundedProtocol(config=self.config, server_state=self.server_state, app_state={})

        self.servers = []
        for listener in self._listeners:
            if listener.family == socket.AF_UNIX:
                server = await loop.create_unix_server(connection, sock=listener, backlog=_BACKLOG)
            else:
                server = await loop.create_server(connection, sock=listener, ssl=self._tls, backlog=_BACKLOG)
            self.servers.append(server)
        self.started = True
        self._spawn(self._follow_events())
        self._spawn(self._sweep())
        self._spawn(self._follow_for_audit())
        self._spawn(self._follow_flags())
        self._spawn(self._forget_events())
        edge = self._context.edge
        if edge is not None and edge.pump is not None:
            edge.pump.start()
        started = _started(self._context, self._listeners)
        self._context.log.info("ready", **msgspec.to_builtins(started))
        if self._ready is not None:
            self._ready(started)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on the first signal, give up draining on the second; end with a code, not by the signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self, why: str) -> None:
        """Refuse new requests and wait for those under way; called again: stop waiting."""
        gate = self._context.gate
        if gate.draining:
            self.should_exit = self.force_exit = True
            return
        gate.draining = True
        self._context.log.info("draining", signal=why, active=gate.active)
        self._spawn(self._drain())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners and connections."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await super().shutdown(sockets)
        self._context.log.info("stopped", unfinished=self._context.gate.active)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._context.settings.server.drain_seconds
        while self._context.gate.active and loop.time() < until:  # noqa: ASYNC110 - an event would cost each request
            await asyncio.sleep(0.02)
        self.should_exit = True

    async def _follow_events(self) -> None:
        context = self._context
        while True:
            try:
                while await context.background.run(context.violations.turn):  # noqa: ASYNC110 - a breath, no poll
                    await asyncio.sleep(0.005)
            except MaestroError as error:
                context.log.warning("replay_waits", error=str(error))
            await asyncio.sleep(_REPLAY_EVERY)

    async def _follow_for_audit(self) -> None:
        context = self._context
        while True:
            await context.background.run(context.audit.follow)
            await asyncio.sleep(_AUDIT_EVERY)

    async def _follow_flags(self) -> None:
        """What an operator sets at another sidecar holds here within a second."""
        context = self._context
        while True:
            await asyncio.sleep(_FLAGS_EVERY)
            try:
                await context.background.run(context.flags.refresh)
            except MaestroError as error:
                context.log.warning("flags_stay", error=str(error))

    async def _forget_events(self) -> None:
        """Keep what the replay found, then forget what it no longer needs."""
        context = self._context
        while True:
            await asyncio.sleep(_FORGET_EVERY)
            try:
                await context.background.run(context.violations.keep)
                while await context.background.run(context.retention.turn):  # noqa: ASYNC110 - a breath, no poll
                    await asyncio.sleep(0.05)
            except MaestroError as error:
                context.log.warning("events_stay", error=str(error))

    async def _sweep(self) -> None:
        seconds = self._context.settings.server.request_timeout_seconds
        loop = asyncio.get_running_loop()
        sweeper = Sweeper(seconds)
        while True:
            await asyncio.sleep(min(1.0, seconds / 2))
            late = sweeper.sweep(self.server_state.connections, loop.time())
            if late:
                self._context.log.info("slow_heads_closed", connections=late)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


@contextlib.contextmanager
def _listeners(server: ServerSettings) -> Iterator[list[socket.socket]]:
    """Bind what the settings name, and remove the Unix socket's path at the end."""
    with contextlib.ExitStack() as stack:
        found = []
        if server.host:
            found.append(stack.enter_context(_tcp(server)))
        if server.socket:
            found.append(stack.enter_context(_unix(Path(server.socket))))
        yield found


def _tcp(server: ServerSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise _unbound(f"{server.host}:{server.port}", error) from error
    return listener


@contextlib.contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            _remove_stale(path)
            before = os.umask(0o177)  # so that nobody can connect before a chmod
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            listener.setblocking(False)
            ours = path.stat().st_ino
        except OSError as error:
            raise _unbound(str(path), error) from error
        yield listener
        with contextlib.suppress(OSError):
            if path.stat().st_ino == ours:
                path.unlink()
    finally:
        listener.close()


def _remove_stale(path: Path) -> None:
    """A socket that nobody answers on is left over from a crash; anything else is not ours to remove."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, "the path exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "it is in use by another process")


def _unbound(where: str, error: OSError) -> PortError:
    return PortError(
        f"Cannot listen on {where}: {error.strerror or error}.",
        code="port_failed",
        retry_after=None,
        remedy="Name another address, or stop what uses it.",
    )


def _tls(settings: TlsSettings | None) -> ssl.SSLContext | None:
    if settings is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(settings.cert, settings.key)
        if settings.client_ca:
            context.load_verify_locations(settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise BadInputError(
            f"cannot be used: {error}.",
            field="server.tls",
            remedy="Name PEM files that this user may read; the key must be the certificate's.",
        ) from error
    return context


def _started(context: Context, listeners: list[socket.socket]) -> Started:
    settings = context.settings
    addresses = []
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            addresses.append(f"unix:{settings.server.socket}")
        else:
            host, port = listener.getsockname()[:2]
            scheme = "http" if settings.server.tls is None else "https"
            addresses.append(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    made = not settings.tokens and settings.server.auth == "tokens"
    return Started(
        addresses,
        str(settings.token_path) if made else None,
        settings.store_name,
        str(context.audit.log.key),
    )


def _route_server_logs(context: Context) -> None:
    """What uvicorn has to say goes into our log, and nowhere else."""
    logger = logging.getLogger("uvicorn")
    logger.handlers = [ServerLogs(context.log)]
    logger.setLevel(logging.WARNING)
    logger.propagate = False
