"""Options of sockets."""

from __future__ import annotations

import socket

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
