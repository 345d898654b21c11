"""What all connections of one proxy share."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine
from itertools import count
from math import inf
from typing import Any, Literal, Protocol, cast

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.forwarding import read_networks
from perijove.proxy.core.heads import host_name
from perijove.proxy.core.limits import ConnectionLimits, Throttle
from perijove.proxy.core.plain import PlainRequests
from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting
from perijove.proxy.core.routes import Route
from perijove.proxy.net.errorpages import ErrorPages
from perijove.proxy.net.logs import log
from perijove.proxy.net.observer import Observer
from perijove.proxy.net.tls import Certificates
from perijove.proxy.net.tunnel import Tunnel
from perijove.proxy.net.upstream import UpstreamPool
from perijove.proxy.settings import ProxySettings


class Expiring(Protocol):
    """Something with a deadline in the event loop's time; ``inf`` for none."""

    deadline: float

    def expire(self) -> None:
        """Act on the passed deadline, and set another."""


def rewriting_of(settings: ProxySettings) -> Rewriting:
    """Return the changes to requests and answers that settings ask for."""
    asked = Rewriting(
        change_origin=settings.change_origin,
        prepend_path=settings.prepend_path,
        include_prefix=settings.include_prefix,
        auto_rewrite=settings.auto_rewrite,
        protocol_rewrite=cast("Literal['', 'http', 'https']", settings.protocol_rewrite),
        fields=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in settings.custom_headers),
    )
    return NO_REWRITING if asked == NO_REWRITING else asked


class Context:
    """Settings, routes, pool, error pages, limits, who observes, and the watch over deadlines."""

    def __init__(
        self,
        settings: ProxySettings,
        book: RouteBook,
        pool: UpstreamPool,
        errors: ErrorPages,
        certificates: Certificates,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.book = book
        self.pool = pool
        self.errors = errors
        self.certificates = certificates
        self.certificates.start()
        self.observer = observer
        self.rewriting = rewriting_of(settings)
        self.trusted = read_networks(settings.trusted_proxies)
        self.limits = ConnectionLimits(settings.max_connections, settings.max_connections_per_client)
        self.refusals = Throttle(1.0)
        self.loop = asyncio.get_running_loop()
        self.monotonic = self.loop.time
        self.answer_limit = min(settings.timeout or inf, settings.proxy_timeout or inf)
        self.plain_requests = PlainRequests(self.rewriting, settings.max_header_size)
        self.connections: set[Expiring] = set()
        self.tunnels: dict[asyncio.Transport, Tunnel] = {}
        self.draining = False
        self.idle = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._request_ids = count(1)
        self._request_id_form = secrets.token_hex(6).encode() + b"-%x"
        timeouts = (settings.keep_alive_timeout, settings.head_timeout, settings.timeout, settings.proxy_timeout)
        self._interval = min(0.5, *(limit / 4 for limit in timeouts if limit > 0), 0.5)
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._sweep()

    def new_request_id(self) -> bytes:
        """Return an id that no other request of this or another proxy has."""
        return self._request_id_form % next(self._request_ids)

    @staticmethod
    def now() -> float:
        """Return the time in seconds since the epoch."""
        return time.time()

    def touch(self, key: str) -> None:
        """Note that a route is in use now."""
        if self.observer is None:
            self.book.activity.touch(key, time.time())
            return
        began = time.perf_counter()
        self.book.activity.touch(key, time.time())
        metrics = self.observer.metrics
        metrics.touch_seconds += time.perf_counter() - began
        metrics.touch_count += 1

    def find(self, path: str, host: bytes) -> Route | None:
        """Return the route for a request's path and Host."""
        table = self.book.table
        name = host_name(host) if table.host_routing else ""
        if self.observer is None:
            return table.find(path, name)
        began = time.perf_counter()
        route = table.find(path, name)
        metrics = self.observer.metrics
        metrics.find_seconds += time.perf_counter() - began
        metrics.find_count += 1
        return route

    def refuse_connection(self, address: str, status: int) -> None:
        """Count and log that a connection is refused because of a limit, one line a second at most."""
        if self.observer is not None:
            self.observer.metrics.refused(status, connection=True)
        count = self.refusals.allows(self.loop.time())
        if count:
            why = "too many of this address" if status == 429 else "too many in all"
            log.warning("refused %d connections; the last from %s: %s", count, address or "a socket file", why)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *work* in a task that lives as long as it takes, and log what it fails with."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("internal error", exc_info=error)

    def forget(self, connection: Expiring) -> None:
        """Take a closed client connection from the books."""
        self.connections.discard(connection)
        if not self.connections and not self.tunnels:
            self.idle.set()

    def forget_tunnel(self, client: asyncio.Transport) -> None:
        """Take a closed tunnel from the books."""
        self.tunnels.pop(client, None)
        if not self.connections and not self.tunnels:
            self.idle.set()

    def _sweep(self) -> None:
        # One pass over all connections per interval is cheaper than a timer per request.
        now = self.loop.time()
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire()
        for tunnel in self.tunnels.values():
            tunnel.look()
        self.pool.sweep(now)
        self._sweep_handle = self.loop.call_later(self._interval, self._sweep)

    async def close(self) -> None:
        """Stop the watch, close pooled connections and end what still runs."""
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
        self.certificates.stop()
        self.pool.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.observer is not None and self.observer.access is not None:
            self.observer.access.close()
