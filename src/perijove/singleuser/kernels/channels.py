"""Connections between a page and its kernel that hold nothing back."""

from __future__ import annotations

import asyncio

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptChannels(ZMQChannelsWebsocketConnection):
    """Jupyter's own, but each message leaves at once.

    A kernel answers with several small messages. TCP keeps all but the first back until that is acknowledged, which
    the other side may put off for 40 ms (Nagle's algorithm and delayed acknowledgements).
    """

    def connect(self) -> asyncio.Future[None] | None:  # type: ignore[override]  # as in the class above
        """Open the connection; returns what Jupyter's own returns."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
