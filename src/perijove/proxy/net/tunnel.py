"""A tunnel: two connections tied together after 101, bytes passed both ways as they come.

Each end writes what it reads to the other end and stops reading while the other cannot keep up. When one side has sent
its last byte, so is the other told, and the way back stays open. What breaks off on one side breaks off on both.
Where nobody asks how many bytes there were, a piece of data costs no line of Python: the transport that reads it calls
the ``write`` of the other one. Only the first piece after each look at the tunnel is noticed; it says that it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from perijove.proxy.net.sockets import notice_vanished_peers


class Receive(Protocol):
    """What takes a piece of data."""

    def __call__(self, data: bytes) -> None:
        """Take it."""


class TunnelEnd(asyncio.Protocol):
    """What reads one of the two connections.

    Attributes:
        peer: what reads the other one.
        used: whether bytes came since ``watch``.
        ended: whether this side has sent its last byte.
        moved: how many bytes came from this side, if they are counted.
        closed: called when this side is closed.
    """

    peer: TunnelEnd
    data_received: Receive

    def __init__(self, own: asyncio.Transport, other: asyncio.Transport, *, counted: bool) -> None:
        self._own = own
        self._other = other
        self._write = other.write
        self._counted = counted
        self.used = False
        self.ended = False
        self.moved = 0
        self.closed: Callable[[], None] | None = None
        self.data_received = self._count if counted else self._notice

    def _count(self, data: bytes) -> None:
        """Pass bytes on."""
        self._write(data)
        self.moved += len(data)
        self.used = True

    def _notice(self, data: bytes) -> None:
        """Pass bytes on, and let those that follow take the short way."""
        self._write(data)
        self.used = True
        self._receive_by(self._write)

    def watch(self) -> None:
        """Notice when bytes come from now on."""
        self.used = False
        if not self._counted:
            self._receive_by(self._notice)

    def _receive_by(self, receive: Receive) -> None:
        self.data_received = receive
        # uvloop's transports look the method up once, when they are given their protocol.
        if not self._own.is_closing():
            self._own.set_protocol(self)

    def eof_received(self) -> bool:
        """Carry the half-close; TLS knows none, there the end of one direction ends both."""
        if self.ended or self._other.is_closing():
            return False
        self.ended = True
        if self.peer.ended or not (self._other.can_write_eof() and self._own.can_write_eof()):
            self._other.close()
            return False
        self._other.write_eof()
        return True

    def pause_writing(self) -> None:
        """This side reads too slowly: stop reading the other."""
        if not self.peer.ended and not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        """This side has caught up."""
        if not self.peer.ended and not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side: behind what was written to it, or at once if this side broke off."""
        if exc is not None:
            self._other.abort()
        elif not self._other.is_closing():
            self._other.close()
        if self.closed is not None:
            self.closed()


class Tunnel:
    """Two connections tied together, seen as a whole."""

    def __init__(self, end: TunnelEnd, used: Callable[[], None]) -> None:
        self._ends = end, end.peer
        self._used = used

    def look(self) -> None:
        """Say that the tunnel was used, if anything passed since the last look."""
        ends = [end for end in self._ends if end.used]
        for end in ends:
            end.watch()
        if ends:
            self._used()


def tie(client: asyncio.Transport, upstream: asyncio.Transport, *, counted: bool) -> TunnelEnd:
    """Tie two connections and return the end that reads the client; *counted* says whether bytes are."""
    client_end = TunnelEnd(client, upstream, counted=counted)
    upstream_end = TunnelEnd(upstream, client, counted=counted)
    client_end.peer, upstream_end.peer = upstream_end, client_end
    for transport, end in ((client, client_end), (upstream, upstream_end)):
        transport.set_protocol(end)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            notice_vanished_peers(connection)
    return client_end
