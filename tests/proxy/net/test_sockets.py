"""Peers that vanish are noticed."""

from __future__ import annotations

import socket
from typing import Any

from perijove.proxy.net.sockets import notice_vanished_peers


def test_silent_peers_are_probed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        notice_vanished_peers(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local:
        notice_vanished_peers(local)
        assert local.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


async def test_connections_of_clients_are_watched(start_proxy: Any, connect: Any, eventually: Any) -> None:
    proxy = await start_proxy()
    await connect(proxy.port)
    await eventually(lambda: len(proxy.context.connections) == 1)
    (connection,) = proxy.context.connections
    accepted = connection._transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
