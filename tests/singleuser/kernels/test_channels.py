from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect
from traitlets import Any

from perijove.singleuser.kernels.channels import PromptChannels

seen: list[int] = []


class Channels(PromptChannels):
    """Of a handler that has nothing of Jupyter."""

    websocket_handler = Any()


class Kernel(WebSocketHandler):
    """Opens the channels as Jupyter's handler does, and keeps how its socket is set."""

    def open(self, *args: str, **kwargs: str) -> None:
        channels = Channels.__new__(Channels)
        channels.websocket_handler = self
        channels.connect()
        assert self.ws_connection is not None and self.ws_connection.stream is not None
        seen.append(self.ws_connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.write_message("open")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where a kernel's WebSocket is."""
    listener, port = bind_unused_port()
    server = HTTPServer(Application([("/", Kernel)]))
    server.add_socket(listener)
    yield f"ws://127.0.0.1:{port}/"
    server.stop()
    await server.close_all_connections()


async def test_nothing_is_held_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []

    def connect(channels: object) -> None:
        connected.append(channels)

    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", connect)
    connection = await websocket_connect(url)
    assert await connection.read_message() == "open"
    assert len(connected) == 1 and seen == [1]
    connection.close()
