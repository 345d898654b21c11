"""Connections to targets: reading their answers, and keeping unused connections for the next request."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from perijove.proxy.core.bodies import BodyReader, EndlessBody, Progress, response_reader
from perijove.proxy.core.heads import MAX_HEAD, Refusal, ResponseHead, parse_response, response_body
from perijove.proxy.core.targets import Endpoint, Target
from perijove.proxy.net.sockets import notice_vanished_peers
from perijove.proxy.net.tls import TlsFiles, target_context

HIGH_WATER = 256 * 1024
MAX_INTERIM = 16


class AnswerSink(Protocol):
    """Who a target's answer is for."""

    method: bytes
    unwrap_chunks: bool

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer other than 101 came."""

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """101 came, and *rest* behind it; the connection is the sink's from now on."""

    def answer(self, head: ResponseHead, body: int) -> bytes:
        """The final head came. Return what to put before the body."""

    def answer_data(self, data: bytes) -> None:
        """A part of the answer to pass on."""

    def answer_end(self, *, reusable: bool) -> None:
        """The answer is complete. *reusable*: the connection could carry another request."""

    def answer_invalid(self, reason: str) -> None:
        """What came is no answer, or no body as announced."""

    def upstream_lost(self, reason: str) -> None:
        """The connection ended before the answer did."""

    def upstream_blocked(self, blocked: bool) -> None:
        """The target reads the request slower than it arrives, or does so no longer."""


class PlainSink(Protocol):
    """Who the answer to a plain request is for."""

    def answer(self, data: bytes) -> bool:
        """Take a whole answer. False for any other; the connection has a sink then, which is to read it."""

    def relay(self) -> object:
        """Give the connection a sink."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a target. At most one sink at a time, or a shortcut in its place; None while unused."""

    __slots__ = (
        "_body",
        "_buffer",
        "_interims",
        "_keep_alive",
        "_paused",
        "_sink",
        "endpoint",
        "heard",
        "idle_since",
        "pooled",
        "shortcut",
        "transport",
        "write",
    )

    def __init__(self, target: Target) -> None:
        self.endpoint: Endpoint = target.endpoint
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.pooled = False
        self.idle_since = 0.0
        self.heard = False
        self.shortcut: PlainSink | None = None
        self._sink: AnswerSink | None = None
        self._buffer = b""
        self._body: BodyReader | None = None
        self._interims = 0
        self._paused = False
        self._keep_alive = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            notice_vanished_peers(connection)

    @property
    def usable(self) -> bool:
        """Whether a request can be written."""
        return self.transport is not None and not self.transport.is_closing()

    def assign(self, sink: AnswerSink) -> None:
        """Give the next answer to *sink*."""
        self.shortcut = None
        self._sink = sink
        self.heard = False
        self._interims = 0
        self._buffer = b""

    def drop(self) -> None:
        """Close at once, telling nobody."""
        self.shortcut = None
        self._sink = None
        if self.transport is not None:
            self.transport.abort()

    def detach(self) -> asyncio.Transport:
        """Give the transport away; this object has no more to do with it."""
        self._sink = None
        return self.transport

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""
        if paused != self._paused and self.usable:
            self._paused = paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        shortcut = self.shortcut
        if shortcut is not None:
            self.shortcut = None
            if shortcut.answer(data):
                return
        sink = self._sink
        if sink is None:
            self.transport.abort()
            return
        self.heard = True
        if self._body is not None:
            self._feed(sink, self._body, data, b"")
        else:
            self._read_heads(sink, data)

    def _read_heads(self, sink: AnswerSink, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        position = 0
        while True:
            end = data.find(b"\r\n\r\n", position)
            if (end if end >= 0 else len(data)) - position > MAX_HEAD:
                self._invalid(sink, "the head of the answer is too large")
                return
            if end < 0:
                self._buffer = data[position:]
                return
            head = parse_response(data, position, end + 4)
            position = end + 4
            if isinstance(head, Refusal):
                self._invalid(sink, head.reason)
                return
            if head.status >= 200:
                break
            if head.status == 101:
                self._body = None
                sink.switch(head, data[position:])
                return
            self._interims += 1
            if self._interims > MAX_INTERIM:
                self._invalid(sink, "too many interim answers")
                return
            sink.interim(head)
        self._begin(sink, head, data[position:])

    def _begin(self, sink: AnswerSink, head: ResponseHead, rest: bytes) -> None:
        body = response_body(head, sink.method)
        self._keep_alive = head.keep_alive
        prefix = sink.answer(head, body)
        reader = self._body = response_reader(body, unwrap=sink.unwrap_chunks, dropped=head.named)
        if reader is None:
            sink.answer_data(prefix)
            self._end(sink, rest)
        elif rest:
            self._feed(sink, reader, rest, prefix)
        else:
            sink.answer_data(prefix)

    def _feed(self, sink: AnswerSink, body: BodyReader, data: bytes, prefix: bytes) -> None:
        relay, used, progress = body.feed(data)
        if prefix:
            relay = prefix + relay
        if relay:
            sink.answer_data(relay)
        if progress is Progress.DONE:
            self._body = None
            self._end(sink, data[used:])
        elif progress is Progress.BAD:
            self._invalid(sink, "the body of the answer is malformed")

    def _end(self, sink: AnswerSink, rest: bytes) -> None:
        if self._sink is not sink:
            return
        self._sink = None
        sink.answer_end(reusable=self._keep_alive and not rest and not self.transport.is_closing())

    def _invalid(self, sink: AnswerSink, reason: str) -> None:
        if self._sink is sink:
            self._sink = None
            self._body = None
            self.transport.abort()
            sink.answer_invalid(reason)

    def eof_received(self) -> bool:
        """The target sends no more."""
        sink = self._sink
        if sink is not None and isinstance(self._body, EndlessBody):
            self._body = None
            self._keep_alive = False
            self._end(sink, b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._leave_shortcut()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.upstream_lost(type(exc).__name__ if exc is not None else "closed by the target")

    def _leave_shortcut(self) -> None:
        if self.shortcut is not None:
            self.shortcut.relay()

    def pause_writing(self) -> None:
        """The target reads too slowly."""
        self._leave_shortcut()
        if self._sink is not None:
            self._sink.upstream_blocked(True)

    def resume_writing(self) -> None:
        """The target has read on."""
        if self._sink is not None:
            self._sink.upstream_blocked(False)


async def open_upstream(target: Target, timeout: float, tls: ssl.SSLContext | None) -> UpstreamConnection:
    """Connect to *target* within *timeout* seconds. Raises OSError (TLS failures and TimeoutError are OSErrors)."""
    loop = asyncio.get_running_loop()
    endpoint = target.endpoint
    if endpoint.socket:
        opening = loop.create_unix_connection(lambda: UpstreamConnection(target), endpoint.socket)
        _, connection = await asyncio.wait_for(opening, timeout)
        return connection
    _, connection = await asyncio.wait_for(
        loop.create_connection(
            lambda: UpstreamConnection(target),
            endpoint.host,
            endpoint.port,
            ssl=tls,
        ),
        timeout,
    )
    return connection


class UpstreamPool:
    """Unused connections by endpoint, the youngest first to be used again."""

    def __init__(self, idle: float, size: int) -> None:
        self._idle = idle
        self._size = size
        self._unused: dict[Endpoint, list[UpstreamConnection]] = {}
        self._tls: ssl.SSLContext | None = None

    def tls_for(self, target: Target) -> ssl.SSLContext | None:
        """Return the context for a target with TLS, made when first needed: certificates are verified."""
        if not target.endpoint.secure:
            return None
        if self._tls is None:
            self._tls = target_context(TlsFiles("targets"), insecure=False)
        return self._tls

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Open connections with *context* from now on; unused ones of the one before are closed."""
        self._tls = context
        for endpoint in [each for each in self._unused if each.secure]:
            for connection in self._unused.pop(endpoint):
                connection.drop()

    def take(self, endpoint: Endpoint, now: float, idle_limit: float) -> UpstreamConnection | None:
        """Return a connection that has been unused for at most *idle_limit* seconds, None if there is none."""
        unused = self._unused.get(endpoint)
        while unused:
            connection = unused.pop()
            if not connection.transport.is_closing():
                if now - connection.idle_since <= idle_limit:
                    return connection
                unused.append(connection)
                return None
        return None

    def give(self, connection: UpstreamConnection, now: float) -> None:
        """Keep an unused connection."""
        unused = self._unused.get(connection.endpoint)
        if unused is None:
            unused = self._unused[connection.endpoint] = []
        elif len(unused) >= self._size:
            connection.drop()
            return
        connection.pause(False)
        connection.pooled = True
        connection.idle_since = now
        unused.append(connection)

    def sweep(self, now: float) -> None:
        """Close what has been unused for too long."""
        for endpoint, unused in list(self._unused.items()):
            kept = [each for each in unused if each.usable and now - each.idle_since <= self._idle]
            for connection in unused:
                if connection not in kept:
                    connection.drop()
            if kept:
                self._unused[endpoint] = kept
            else:
                del self._unused[endpoint]

    def close(self) -> None:
        """Close all unused connections."""
        for unused in self._unused.values():
            for connection in unused:
                connection.drop()
        self._unused.clear()
