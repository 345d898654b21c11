"""A hub for each test, under two prefixes of its installation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from perijove.hub.testing.running import RunningHub, running_hub


@pytest.fixture(params=["/", "/jh/lab/"], ids=["at the root", "under a prefix"])
def base_url(request: pytest.FixtureRequest) -> str:
    """The prefix of the installation."""
    return str(request.param)


@pytest.fixture
async def hub(base_url: str) -> AsyncIterator[RunningHub]:
    """A hub whose requests do not wait for servers."""
    async with running_hub(base_url=base_url, slow_start=0.0, slow_stop=0.0) as running:
        yield running


@pytest.fixture
async def waiting_hub(base_url: str) -> AsyncIterator[RunningHub]:
    """A hub whose requests wait until servers are ready or stopped."""
    async with running_hub(base_url=base_url, keeps_accounts=True) as running:
        yield running


@pytest.fixture(scope="session")
def start_of_time() -> datetime:
    """What the clock of a fresh hub says."""
    return datetime(2026, 1, 1, tzinfo=UTC)


class Exchange:
    """One request put to the application as a server would, byte for byte; the client leaves when it is told to."""

    def __init__(
        self,
        hub: RunningHub,
        path: str,
        *,
        method: str = "GET",
        query: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.left = asyncio.Event()
        self.answered = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._hub = hub
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 1),
            "server": ("hub.test", 80),
        }
        self._body_sent = False

    async def __call__(self) -> Exchange:
        """Put the request and return when it is answered."""
        await self._hub.app(self._scope, self._receive, self._send)
        return self

    async def _receive(self) -> Any:
        if not self._body_sent:
            self._body_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.answered.set()


@pytest.fixture
def exchange() -> type[Exchange]:
    """The class of single exchanges."""
    return Exchange
