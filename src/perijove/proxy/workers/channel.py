"""Messages between supervisor and worker: JSON objects over a socket pair, each behind its length in four bytes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

Message = dict[str, Any]
_LENGTH = 4
MAX_MESSAGE = 256 * 1024 * 1024


class BrokenChannel(Exception):
    """What came is no message."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as it is sent."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(_LENGTH, "big") + body


def read_message(connection: socket.socket) -> Message:
    """Read one message, and not a byte more, from a blocking socket. Raises BrokenChannel."""

    def exactly(size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise BrokenChannel("closed within a message")
            data += part
        return bytes(data)

    return _decode(exactly(_size(exactly(_LENGTH))))


def _size(prefix: bytes) -> int:
    size = int.from_bytes(prefix, "big")
    if size > MAX_MESSAGE:
        raise BrokenChannel("a message is too large")
    return size


def _decode(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise BrokenChannel("a message is not JSON") from error
    if not isinstance(message, dict):
        raise BrokenChannel("a message is no object")
    return message


class Channel(asyncio.Protocol):
    """One end. *received* is called with each message, *lost* once, when the other end is gone or not understood."""

    def __init__(self, received: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._pending += data
        try:
            while len(self._pending) >= _LENGTH:
                end = _LENGTH + _size(bytes(self._pending[:_LENGTH]))
                if len(self._pending) < end:
                    return
                message = _decode(bytes(self._pending[_LENGTH:end]))
                del self._pending[:end]
                self._received(message)
        except BrokenChannel:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._lost()

    def send(self, message: bytes) -> None:
        """Send what `encode` returned; nothing happens if the other end is gone."""
        if not self._transport.is_closing():
            self._transport.write(message)

    def waiting(self) -> int:
        """Return how many bytes the other end has not taken."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close behind what was sent."""
        self._transport.close()


async def connect(connection: socket.socket, received: Callable[[Message], None], lost: Callable[[], None]) -> Channel:
    """Return the channel over one socket of a pair, which it takes over."""
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_unix_connection(lambda: Channel(received, lost), sock=connection)
    return channel
