"""Connections of clients: reading requests one after the other, and giving each to a relay.

Requests that a client sends without waiting (pipelining) stay unread until the exchange before them is over, so answers
keep their order and nothing piles up. A client that closes its side in the middle of an exchange is taken as gone.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import cast

from perijove.proxy.core.bodies import BodyReader, Progress, request_reader
from perijove.proxy.core.errors import HEALTH_PATH, html_page, render_answer
from perijove.proxy.core.forwarding import Peer, is_trusted
from perijove.proxy.core.heads import (
    MAX_REQUEST_LINE,
    Refusal,
    RequestHead,
    has_bare_line_feed,
    parse_request,
)
from perijove.proxy.net.context import Context
from perijove.proxy.net.logs import log
from perijove.proxy.net.relay import HOLD_CONNECTING, HOLD_PENDING, HOLD_UPSTREAM, Relay
from perijove.proxy.net.shortcut import Shortcut
from perijove.proxy.net.sockets import unsent
from perijove.proxy.net.tunnel import Tunnel, tie

HIGH_WATER = 256 * 1024

# A connection closed with bytes unread makes the kernel discard what the client has not read yet: our answer, too.
LINGER_SECONDS = 2.0

# Refused connections that may wait for their answer to be read; beyond these, connections are closed without one.
MAX_REFUSED = 64

# A client that takes nothing of a finished answer for so long is cut off; one that reads slowly is not.
STALL_SECONDS = 60.0


class ClientConnection(asyncio.Protocol):
    """One connection of a client, until it becomes a tunnel."""

    __slots__ = (
        "_body",
        "_context",
        "_holds",
        "_lingering",
        "_pending",
        "_proto",
        "_reading",
        "_refused",
        "_relay",
        "_shortcut",
        "_transport",
        "_unsent",
        "address",
        "blocked",
        "deadline",
        "peer",
    )

    def __init__(self, context: Context, proto: bytes) -> None:
        self.deadline = inf
        self.blocked = False
        self.peer: Peer | None = None
        self.address = ""
        self._refused = False
        self._context = context
        self._proto = proto
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._relay: Relay | None = None
        self._shortcut = Shortcut(context, self)
        self._body: BodyReader | None = None
        self._pending = b""
        self._holds = 0
        self._reading = False
        self._lingering = False
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        context = self._context
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.address = peername[0].removeprefix("::ffff:")
        if context.settings.x_forward:
            trusted = is_trusted(self.address, context.trusted)
            self.peer = Peer(self.address.encode("ascii", "ignore"), self._proto, trusted)
        context.connections.add(self)
        context.idle.clear()
        self._set_deadline(context.settings.head_timeout)
        status = context.limits.admit(self.address)
        if status:
            self._refused = True
            self._refuse_connection(status)
        elif context.draining:
            # Accepted in the moment before the listening socket was closed; nothing may keep the proxy from ending.
            self.finish()

    def _refuse_connection(self, status: int) -> None:
        context = self._context
        context.refuse_connection(self.address, status)
        if context.limits.refused > MAX_REFUSED:
            self.abort()
            return
        page = html_page(status, "Too many connections are open. Try again later.", context.new_request_id().decode())
        self.write(render_answer(status, *page, close=True))
        self._close(unread=True)

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._context.monotonic() + seconds if seconds > 0 else inf

    # What the transport tells

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._relay is None and not self._shortcut.busy:
            if self._lingering:
                return
            if self._pending or self.blocked:
                self._read_requests(self._pending + data)
            elif not self._shortcut.begin(data):
                self._read_requests(data)
        elif self._relay is not None and self._body is not None:
            self._keep(self._feed_body(self._relay, self._body, data))
        else:
            self._keep(data)

    def _exchange(self) -> Relay | None:
        """Return the relay of the exchange under way; a plain one gets its relay now."""
        return self._shortcut.relay() if self._shortcut.busy else self._relay

    def relayed(self, relay: Relay) -> None:
        """A relay carries the plain exchange from now on."""
        self._relay = relay

    def _keep(self, data: bytes) -> None:
        if data:
            self._pending += data
            self.hold(HOLD_PENDING)

    def eof_received(self) -> bool:
        """The client sends no more; the transport closes behind what is written."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        relay, self._relay = self._exchange(), None
        self._pending = b""
        if relay is not None:
            relay.client_lost()
        self._context.forget(self)
        if self._refused:
            self._context.limits.dismiss()
        else:
            self._context.limits.release(self.address)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.blocked = True
        relay = self._exchange()
        if relay is not None:
            relay.client_blocked(True)

    def resume_writing(self) -> None:
        """The client has read on."""
        self.blocked = False
        relay = self._exchange()
        if relay is not None:
            relay.client_blocked(False)
        elif self._pending:
            self._go_on()

    def expire(self) -> None:
        """The deadline has passed."""
        relay = self._exchange()
        if relay is not None:
            relay.expire()
            return
        waiting = self.unsent()
        if waiting and waiting != self._unsent:
            self._unsent = waiting
            self._set_deadline(STALL_SECONDS)
        elif self._pending and not self._lingering and not self.blocked:
            self._refuse(Refusal(408, "the request took too long"))
        else:
            self.abort()

    # Reading requests

    def _read_requests(self, data: bytes) -> None:
        """Take requests from *data* as long as each is over at once; keep the rest."""
        self._reading = True
        try:
            while data and self._relay is None:
                if self._lingering or self._transport.is_closing():
                    return
                if self.blocked:
                    break
                while data.startswith(b"\r\n"):
                    data = data[2:]
                end = data.find(b"\r\n\r\n")
                refusal = self._too_large(data, end)
                if refusal is not None:
                    self._refuse(refusal)
                    return
                if end < 0:
                    if data and not self._pending:
                        self._set_deadline(self._context.settings.head_timeout)
                    self._pending = data
                    return
                head = parse_request(data, 0, end + 4)
                if isinstance(head, Refusal):
                    self._refuse(head)
                    return
                data = self._begin(head, data[end + 4 :])
        finally:
            self._reading = False
        self._pending = b""
        self._keep(data)

    def _too_large(self, data: bytes, end: int) -> Refusal | None:
        size = end if end >= 0 else len(data)
        if size > MAX_REQUEST_LINE and data.find(b"\r\n", 0, MAX_REQUEST_LINE) < 0:
            return Refusal(414, "the request line is too long")
        if size > self._context.settings.max_header_size:
            return Refusal(431, "the request head is too large")
        if end < 0 and has_bare_line_feed(data, max(0, len(self._pending) - 1)):
            return Refusal(400, "the request head has a bare line feed")
        return None

    def _begin(self, head: RequestHead, rest: bytes) -> bytes:
        """Start the exchange of *head*; return what is left of *rest* behind its body."""
        self._pending = b""
        self.deadline = inf
        if head.path == HEALTH_PATH and not head.body:
            close = not head.keep_alive or self._context.draining
            page = b'{"status":"OK"}'
            self.write(render_answer(200, b"application/json", page, head_only=head.method == b"HEAD", close=close))
            self.exchange_over(close=close)
            return rest
        relay = self._relay = Relay(self._context, self, head)
        if head.body:
            self._body = request_reader(head.body, head.named | self._context.rewriting.field_names)
        relay.begin()
        if self._relay is relay and self._body is not None and rest:
            return self._feed_body(relay, self._body, rest)
        return rest

    def _feed_body(self, relay: Relay, body: BodyReader, data: bytes) -> bytes:
        """Give a part of the request's body to the relay; return what lies behind the body."""
        part, used, progress = body.feed(data)
        if part:
            relay.request_data(part)
        if progress is Progress.MORE:
            return b""
        self._body = None
        if progress is Progress.BAD:
            relay.request_bad()
            return b""
        relay.request_end()
        return data[used:]

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that cannot be served, and close: what follows cannot be trusted."""
        request_id = self._context.new_request_id().decode()
        log.info("refused: %d %s request=%s", refusal.status, refusal.reason, request_id)
        page = html_page(refusal.status, f"Refused: {refusal.reason}.", request_id)
        self.write(render_answer(refusal.status, *page, close=True))
        if self._context.observer is not None:
            self._context.observer.refused(self.address, refusal.status, request_id)
        self._close(unread=True)

    # What the relay asks

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        self._transport.write(data)

    def unsent(self) -> int:
        """Return how many bytes the client has still to take."""
        return unsent(self._transport)

    def hold(self, reason: int) -> None:
        """Stop reading."""
        if not self._holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds |= reason

    def release(self, reason: int) -> None:
        """Read on, if nothing else holds."""
        if not self._holds & reason:
            return
        self._holds &= ~reason
        if not self._holds and not self._transport.is_closing():
            self._transport.resume_reading()

    def exchange_over(self, *, close: bool) -> None:
        """An answer is written: take the next request, or close."""
        self._relay = None
        unread, self._body = self._body is not None, None
        self.release(HOLD_CONNECTING | HOLD_UPSTREAM)
        if close or self._context.draining:
            self._close(unread=unread or bool(self._pending))
            return
        self._set_deadline(self._context.settings.keep_alive_timeout)
        if self._pending and not self._reading:
            self._go_on()

    def _go_on(self) -> None:
        data, self._pending = self._pending, b""
        self.release(HOLD_PENDING)
        self._read_requests(data)

    def _close(self, *, unread: bool) -> None:
        self._pending = b""
        self._lingering = True
        self._set_deadline(LINGER_SECONDS)
        if unread and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            self.release(self._holds)
        else:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def finish(self) -> None:
        """Close as soon as no exchange is under way."""
        if self._relay is None and not self._shortcut.busy and not self._lingering:
            self._close(unread=False)

    def open_tunnel(self, upstream: asyncio.Transport, head: bytes, rest: bytes, relay: Relay) -> None:
        """Become one end of a tunnel: *head* and *rest* go to the client, what it sent already to the target."""
        context, client = self._context, self._transport
        self._relay = None
        pending, self._pending = self._pending, b""
        if self.blocked:
            upstream.pause_reading()
        end = tie(client, upstream, counted=context.observer is not None)
        end.moved, end.peer.moved = len(pending), len(head) + len(rest)
        tunnel = Tunnel(end, relay.tunnel_used)

        def closed() -> None:
            tunnel.look()
            context.forget_tunnel(client)
            context.limits.release(self.address)
            relay.tunnel_closed(end.moved, end.peer.moved)

        # Known as a tunnel before it is forgotten as a connection: at no moment does the proxy seem idle.
        context.tunnels[client] = tunnel
        context.forget(self)
        end.closed = closed
        self.release(self._holds)
        client.write(head + rest)
        if pending:
            upstream.write(pending)
