"""A small closed-loop load generator and the upstream it is aimed at, both in the calling event loop.

Each connection has one request under way; when its answer is complete, the next one goes out. Every answer is checked:
one that is not a 200 with the expected body ends the measurement.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

BODY = b'{"status": "ok", "what": "a small answer, as from an API"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one measurement saw.

    Attributes:
        requests: answers received.
        seconds: how long it took.
        latencies: seconds from request to complete answer, sorted.
    """

    requests: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that *share* of the requests stayed within."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


class Upstream(asyncio.Protocol):
    """Answers every request with the same small JSON."""

    def __init__(self) -> None:
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *complete, self.pending = (self.pending + data).split(END_OF_HEAD)
        self.transport.write(ANSWER * len(complete))


class Client(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, request: bytes, until: float, finished: asyncio.Future[None]) -> None:
        self.request = request
        self.until = until
        self.finished = finished
        self.latencies: list[float] = []
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        self.asked = perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, end, body = self.answer.partition(END_OF_HEAD)
        if not end or (head.startswith(b"HTTP/1.1 200") and len(body) < len(BODY)):
            return
        if not head.startswith(b"HTTP/1.1 200") or body != BODY:
            self.fail(f"unexpected answer: {self.answer[:200]!r}")
            return
        now = perf_counter()
        self.latencies.append(now - self.asked)
        self.answer = b""
        if now < self.until:
            self.ask()
        elif not self.finished.done():
            self.finished.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"connection closed under load: {exc}")

    def fail(self, reason: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(RuntimeError(reason))


def _same(client: Client) -> Client:
    return client


async def serve_upstream() -> tuple[asyncio.Server, int]:
    """Start the upstream; return its server and its port."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def measure(port: int, path: str, connections: int, seconds: float) -> Sample:
    """Load 127.0.0.1:*port* with *connections* connections for *seconds*."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()
    begin = perf_counter()
    clients = [Client(request, begin + seconds, loop.create_future()) for _ in range(connections)]
    try:
        for client in clients:
            await loop.create_connection(partial(_same, client), "127.0.0.1", port)
        async with asyncio.timeout(seconds + 15):
            await asyncio.gather(*(client.finished for client in clients))
        elapsed = perf_counter() - begin
    finally:
        for client in clients:
            if hasattr(client, "transport"):
                client.transport.close()
    latencies = sorted(latency for client in clients for latency in client.latencies)
    return Sample(len(latencies), elapsed, latencies)
