"""Putting a proxy together, running it, and stopping it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import signal
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import perijove
from perijove.proxy.admin.api import FEATURES, AdminApi
from perijove.proxy.admin.protocol import AdminConnection
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.metrics import Snapshot
from perijove.proxy.core.targets import BadTarget, parse_target
from perijove.proxy.net.context import Context
from perijove.proxy.net.errorpages import error_pages
from perijove.proxy.net.gauges import worker_samples
from perijove.proxy.net.listener import ClientConnection
from perijove.proxy.net.logs import configure, log
from perijove.proxy.net.observer import new_observer
from perijove.proxy.net.oneshot import OneShot, Respond, metrics_from, redirect_to
from perijove.proxy.net.sockets import notice_vanished_peers
from perijove.proxy.net.statefile import StateFile, load
from perijove.proxy.net.tls import BadTls, Certificates, TlsFiles, api_files, client_files, public_files
from perijove.proxy.net.upstream import UpstreamPool
from perijove.proxy.settings import ProxySettings

BACKLOG = 2048
HANDSHAKE_SECONDS = 30.0


class CannotStart(Exception):
    """Why a proxy cannot be started, in words for the operator."""


def bind(ip: str, port: int, path: str) -> socket.socket:
    """Return a socket bound to *path*, or to *ip* and *port*; all addresses for an empty *ip*. Raises CannotStart."""
    try:
        bound = _bind_unix(path) if path else _bind_tcp(ip, port)
    except OSError as error:
        where = path or f"{ip or '*'}:{port}"
        raise CannotStart(f"cannot listen at {where}: {error.strerror or error}") from error
    notice_vanished_peers(bound)
    return bound


def _bind_tcp(ip: str, port: int) -> socket.socket:
    if ip in ("", "*", "::") and socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    if ip in ("", "*"):
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - what an empty ip asks for
    found = socket.getaddrinfo(
        ip.removeprefix("[").removesuffix("]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)


def _bind_unix(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # What a killed proxy left behind; a socket that somebody still serves is not taken over.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(path) == 0:
                raise OSError(0, "another process serves this socket")
        if Path(path).is_socket():
            Path(path).unlink()
        server.bind(path)
    except OSError:
        server.close()
        raise
    return server


@dataclass(slots=True)
class RunningProxy:
    """A proxy at work. The ports are the bound ones, 0 for UNIX sockets and for what is off."""

    context: Context
    api: AdminApi
    port: int
    api_port: int
    _listeners: Listeners
    _sockets: list[str]
    _state: StateFile | None
    metrics_port: int = 0
    redirect_port: int = 0

    @property
    def book(self) -> RouteBook:
        """The routes."""
        return self.context.book

    def reload(self) -> None:
        """Take changed certificates into use, and open the access log anew."""
        self._listeners.certificates.check()
        self.context.certificates.check()
        if self.context.observer is not None and self.context.observer.access is not None:
            self.context.observer.access.reopen()

    async def stop(self, drain: float | None = None) -> None:
        """Stop accepting, let exchanges under way finish for *drain* seconds (default: as set), then close all."""
        context = self.context
        self._listeners.close()
        for path in self._sockets:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - one call on a local socket file
        context.draining = True
        for connection in list(context.connections):
            if isinstance(connection, ClientConnection):
                connection.finish()
        limit = context.settings.drain_timeout if drain is None else drain
        if (context.connections or context.tunnels) and limit > 0:
            log.info("waiting for %d exchanges and %d tunnels", len(context.connections), len(context.tunnels))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(context.idle.wait(), limit)
        for connection in list(context.connections):
            if isinstance(connection, ClientConnection):
                connection.abort()
        for transport in [*context.tunnels, *self._listeners.admin]:
            transport.close()
        await context.close()
        if self._state is not None:
            await self._state.close()
        # Closed transports tell their protocols in the next turn of the loop.
        await asyncio.sleep(0)


class Listeners:
    """The listening sockets of a proxy, and the connections of its admin API."""

    def __init__(self) -> None:
        self.servers: list[asyncio.Server] = []
        self.admin: set[asyncio.Transport] = set()
        self.certificates = Certificates()

    async def open(
        self, make: Callable[[], asyncio.Protocol], bound: socket.socket, secure: ssl.SSLContext | None
    ) -> int:
        """Listen; return the port, 0 for a UNIX socket."""
        loop = asyncio.get_running_loop()
        unix = bound.family == socket.AF_UNIX
        opening = loop.create_unix_server if unix else loop.create_server
        patience = HANDSHAKE_SECONDS if secure else None
        self.servers.append(
            await opening(make, sock=bound, ssl=secure, backlog=BACKLOG, ssl_handshake_timeout=patience)
        )
        return 0 if unix else int(bound.getsockname()[1])

    def tls(self, files: TlsFiles) -> ssl.SSLContext | None:
        """Return the TLS context of a side, None where it has no certificate. Raises CannotStart."""
        try:
            return self.certificates.listening(files)
        except BadTls as error:
            raise CannotStart(str(error)) from error

    def close(self) -> None:
        """Stop listening."""
        self.certificates.stop()
        for server in self.servers:
            server.close()


def new_context(settings: ProxySettings, book: RouteBook) -> Context:
    """Return what the connections of the public side share. Raises CannotStart."""
    pool = UpstreamPool(settings.pool_idle, settings.pool_size)
    certificates = Certificates()
    try:
        files = client_files(settings)
        if files != TlsFiles(files.name) or settings.insecure:
            certificates.targets(files, pool.use_tls, insecure=settings.insecure)
        errors = error_pages(settings.error_target, settings.error_path, settings.error_timeout, pool.tls_for)
    except BadTls as error:
        raise CannotStart(str(error)) from error
    except (ValueError, OSError) as error:
        raise CannotStart(f"error pages: {error}") from error
    try:
        observer = new_observer(settings)
    except OSError as error:
        raise CannotStart(f"the access log cannot be written: {error}") from error
    return Context(settings, book, pool, errors, certificates, observer)


def new_book(settings: ProxySettings) -> RouteBook:
    """Return the routes that a proxy begins with. Raises CannotStart."""
    book = RouteBook(host_routing=settings.host_routing, epoch=secrets.token_hex(8))
    if settings.state_file:
        load(Path(settings.state_file), book)
    if settings.default_target:
        target = parse_target(settings.default_target)
        if isinstance(target, BadTarget):
            raise CannotStart(f"--default-target: {target.reason}")
        book.put("/", target, {}, time.time())
    return book


async def open_public(listeners: Listeners, context: Context, bound: socket.socket | None = None) -> int:
    """Open the public side, on *bound* if given; return its port, 0 for a UNIX socket. Raises CannotStart."""
    settings = context.settings
    tls = listeners.tls(public_files(settings))
    proto = b"https" if tls else b"http"
    public = bound or bind(settings.ip, settings.port, settings.socket)
    return await listeners.open(lambda: ClientConnection(context, proto), public, tls)


async def open_admin(listeners: Listeners, settings: ProxySettings, api: AdminApi) -> int:
    """Open the admin API; return its port, 0 for a UNIX socket. Raises CannotStart."""
    tls = listeners.tls(api_files(settings))
    wanted = settings.api_port if settings.api_port is not None else settings.port + 1 if settings.port else 0
    private = bind(settings.api_ip, wanted, settings.api_socket)
    return await listeners.open(lambda: AdminConnection(api, listeners.admin), private, tls)


async def open_redirect(listeners: Listeners, settings: ProxySettings, public_port: int) -> int:
    """Open the port that leads to HTTPS, if it is asked for; return it, 0 if not. Raises CannotStart."""
    if settings.redirect_port is None:
        return 0
    if not settings.ssl_cert:
        raise CannotStart("--redirect-port needs --ssl-cert: there is no HTTPS to lead to")
    respond = redirect_to(settings.redirect_to or public_port)
    return await _open_oneshot(listeners, bind(settings.ip, settings.redirect_port, ""), respond)


async def open_metrics(
    listeners: Listeners, settings: ProxySettings, collect: Callable[[], Coroutine[Any, Any, Snapshot]]
) -> int:
    """Open the metrics, if they are asked for; return their port, 0 if not or on a socket file. Raises CannotStart."""
    if settings.metrics_port is None and not settings.metrics_socket:
        return 0
    bound = bind(settings.metrics_ip, settings.metrics_port or 0, settings.metrics_socket)
    return await _open_oneshot(listeners, bound, metrics_from(collect))


async def _open_oneshot(listeners: Listeners, bound: socket.socket, respond: Respond) -> int:
    return await listeners.open(lambda: OneShot(respond, listeners.admin), bound, None)


def new_api(settings: ProxySettings, book: RouteBook) -> AdminApi:
    """Return the admin API over *book*."""
    info: dict[str, object] = {"name": "perijove", "version": perijove.__version__, "pid": os.getpid()}
    return AdminApi(book, settings.auth_token, info | {"features": FEATURES})


def keep_state(settings: ProxySettings, book: RouteBook) -> StateFile | None:
    """Keep the routes on disk from now on, if settings say where."""
    return StateFile(Path(settings.state_file), book) if settings.state_file else None


def socket_paths(settings: ProxySettings) -> list[str]:
    """Return the files of UNIX sockets to remove at the end."""
    return [path for path in (settings.socket, settings.api_socket, settings.metrics_socket) if path]


async def start(settings: ProxySettings) -> RunningProxy:
    """Start a proxy in the running loop and return it, listening. Raises CannotStart."""
    book = new_book(settings)
    context = new_context(settings, book)
    api = new_api(settings, book)
    listeners = Listeners()
    if context.observer is not None:
        api.metrics = context.observer.metrics

    async def collect() -> Snapshot:
        return worker_samples(context)

    try:
        port = await open_public(listeners, context)
        api_port = await open_admin(listeners, settings, api)
        redirect_port = await open_redirect(listeners, settings, port)
        metrics_port = await open_metrics(listeners, settings, collect)
    except CannotStart:
        listeners.close()
        await context.close()
        raise
    listeners.certificates.start()
    state = keep_state(settings, book)
    return RunningProxy(
        context, api, port, api_port, listeners, socket_paths(settings), state, metrics_port, redirect_port
    )


class Stoppable(Protocol):
    """A proxy at work, in this process or in several."""

    port: int
    api_port: int

    metrics_port: int

    def reload(self) -> None:
        """Take changed certificates into use, and open the access log anew."""

    async def stop(self, drain: float | None = None) -> None:
        """Stop accepting, let exchanges under way finish for *drain* seconds (default: as set), then close all."""


Starter = Callable[[ProxySettings], Coroutine[Any, Any, Stoppable]]


async def serve(settings: ProxySettings, starter: Starter = start) -> None:
    """Run a proxy until SIGTERM or SIGINT; a second signal ends the wait for exchanges under way."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    told_again = asyncio.Event()

    def on_signal() -> None:
        (told_again if told.is_set() else told).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    proxy = await starter(settings)

    def on_hangup() -> None:
        # No reason to stop: the proxy may outlive the terminal of whoever started it.
        log.info("SIGHUP: looking for changed certificates, opening the access log anew")
        proxy.reload()

    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        # Only now, so that a second proxy that cannot have the port does not take the first one's file.
        if settings.pid_file:
            Path(settings.pid_file).write_text(f"{os.getpid()}\n")  # noqa: ASYNC240 - once, before any work
        log.info("serving at %s", settings.socket or f"{settings.ip or '*'}:{proxy.port}")
        log.info("admin API at %s", settings.api_socket or f"{settings.api_ip}:{proxy.api_port}")
        if not settings.auth_token:
            log.warning("CONFIGPROXY_AUTH_TOKEN is not set: the admin API is open to everybody who can reach it")
        await told.wait()
        log.info("stopping")
        stopping = loop.create_task(proxy.stop())
        waiting = loop.create_task(told_again.wait())
        await asyncio.wait((stopping, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stopping.cancel()
        await asyncio.wait((stopping, waiting))
    finally:
        # Whatever stopped early, nothing may be left open: a loop with open servers does not close.
        await proxy.stop(0)
    log.info("stopped")


def run(settings: ProxySettings, starter: Starter = start) -> None:
    """Run a proxy in this process until it is told to stop. Raises CannotStart."""
    handler = configure(settings.log_level)
    raise_open_files()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(settings, starter))
    except OSError as error:
        raise CannotStart(str(error)) from error
    finally:
        if settings.pid_file:
            _remove_own(Path(settings.pid_file))
        handler.close()


def child_environment() -> dict[str, str]:
    """Return the environment for a process of our own that needs none of the secrets in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CONFIGPROXY_")}


def raise_open_files() -> None:
    """Allow as many open files as this process may have: each tunnel takes two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _remove_own(pid_file: Path) -> None:
    with contextlib.suppress(OSError):
        if pid_file.read_text().strip() == str(os.getpid()):
            pid_file.unlink()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops: uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
