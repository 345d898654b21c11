"""Small servers beside the public side: one request on each connection, answered from its head, then closed.

The redirect to HTTPS and the metrics need no more; what a client sends behind the head is read and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from perijove.proxy.core.errors import html_page, render_answer
from perijove.proxy.core.heads import Refusal, RequestHead, host_name, parse_request
from perijove.proxy.core.metrics import CONTENT_TYPE, Snapshot, render
from perijove.proxy.net.logs import log

MAX_HEAD = 16 * 1024
MOST_SECONDS = 10.0
LINGER_SECONDS = 1.0

Respond = Callable[[RequestHead], Awaitable[bytes]]


class OneShot(asyncio.Protocol):
    """One connection."""

    def __init__(self, respond: Respond, connections: set[asyncio.Transport]) -> None:
        self._respond = respond
        self._connections = connections
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._head = b""
        self._task: asyncio.Task[None] | None = None
        self._answered = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self._transport)
        self._timer = asyncio.get_running_loop().call_later(MOST_SECONDS, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._connections.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._answered or self._task is not None:
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= MAX_HEAD:
            return
        head = parse_request(self._head, 0, end + 4) if 0 <= end <= MAX_HEAD else Refusal(431, "the head is too large")
        if isinstance(head, Refusal):
            self._finish(render_answer(head.status, *html_page(head.status, head.reason, ""), close=True))
        else:
            self._task = asyncio.get_running_loop().create_task(self._answer(head))

    async def _answer(self, head: RequestHead) -> None:
        try:
            answer = await self._respond(head)
        except Exception:
            log.exception("internal error")
            answer = render_answer(500, b"", b"", close=True)
        self._finish(answer)

    def _finish(self, answer: bytes) -> None:
        self._answered = True
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        # A connection closed with bytes unread makes the kernel discard the answer before the client has read it.
        self._transport.write_eof()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)


def redirect_to(port: int) -> Respond:
    """Return what answers every request with a redirect to HTTPS at *port* of the host that it names."""

    async def respond(head: RequestHead) -> bytes:
        name = host_name(head.host)
        if not name:
            return render_answer(400, *html_page(400, "The request names no host, and only HTTPS is served.", ""))
        authority = name.encode("latin-1") + (b"" if port == 443 else b":%d" % port)
        path = head.target if head.target != b"*" else b"/"
        return (
            b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://%b%b\r\n"
            b"Content-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" % (authority, path)
        )

    return respond


def metrics_from(collect: Callable[[], Awaitable[Snapshot]]) -> Respond:
    """Return what answers ``GET /metrics`` with what *collect* returns, in Prometheus' text format."""

    async def respond(head: RequestHead) -> bytes:
        if head.path != "/metrics":
            return render_answer(404, *html_page(404, "Only /metrics is here.", ""), close=True)
        if head.method not in (b"GET", b"HEAD"):
            return render_answer(405, *html_page(405, "Only GET is possible here.", ""), close=True)
        page = render(await collect())
        return render_answer(200, CONTENT_TYPE, page, head_only=head.method == b"HEAD", close=True)

    return respond
