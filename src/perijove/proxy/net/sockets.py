"""Options of sockets."""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import termios

# A peer that vanished without a word (a closed laptop) is noticed after about three minutes of silence.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))


def notice_vanished_peers(connection: socket.socket) -> None:
    """Let the kernel probe a silent peer; set on a listening socket, its connections inherit it on Linux."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def unsent(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes the other side has still to take, those that the kernel holds for it included.

    The kernel wakes a writer only when a good part of its buffer is free: of a very slow reader nothing else is seen.
    """
    size = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return size
    held = array.array("i", [0])
    try:
        fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
    except OSError:
        return size
    return size + held[0]
