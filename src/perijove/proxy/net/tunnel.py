"""A tunnel: two connections tied together after 101, bytes passed both ways as they come.

Each end writes what it reads to the other end and stops reading while the other cannot keep up. When one side has sent
its last byte, so is the other told, and the way back stays open. What breaks off on one side breaks off on both.
A piece of data costs one call in Python and no more; whether a tunnel is in use is found out by looking at its count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from perijove.proxy.net.sockets import notice_vanished_peers


class TunnelEnd(asyncio.Protocol):
    """What reads one of the two connections."""

    peer: TunnelEnd

    def __init__(self, own: asyncio.Transport, other: asyncio.Transport) -> None:
        self._own = own
        self._other = other
        self._write = other.write
        self.ended = False
        self.moved = 0
        self.closed: Callable[[], None] | None = None

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._write(data)
        self.moved += len(data)

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
        self._end = end
        self._used = used
        self._seen = end.moved + end.peer.moved

    def look(self) -> None:
        """Say that the tunnel was used, if anything passed since the last look."""
        moved = self._end.moved + self._end.peer.moved
        if moved != self._seen:
            self._seen = moved
            self._used()


def tie(client: asyncio.Transport, upstream: asyncio.Transport) -> TunnelEnd:
    """Tie two connections and return the end that reads the client."""
    client_end = TunnelEnd(client, upstream)
    upstream_end = TunnelEnd(upstream, client)
    client_end.peer, upstream_end.peer = upstream_end, client_end
    for transport, end in ((client, client_end), (upstream, upstream_end)):
        transport.set_protocol(end)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            notice_vanished_peers(connection)
    return client_end
