"""Proxies of several processes, started in the running loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers.supervisor import Supervisor, start

SETTINGS = ProxySettings(
    ip="127.0.0.1",
    port=0,
    api_ip="127.0.0.1",
    metrics_ip="127.0.0.1",
    metrics_port=0,
    drain_timeout=0.2,
    auth_token="secret",
    workers=2,
)


class Supervisors:
    """Starts proxies and stops them at the end."""

    def __init__(self) -> None:
        self._running: list[Supervisor] = []

    async def __call__(self, routes: Mapping[str, str] | None = None, **settings: Any) -> Supervisor:
        """Start a proxy with *routes* (path: target)."""
        proxy = await start(replace(SETTINGS, **settings))
        self._running.append(proxy)
        for path, url in (routes or {}).items():
            target = parse_target(url)
            assert isinstance(target, Target)
            proxy.book.put(proxy.book.key(path), target, {}, time.time())
        return proxy

    async def close(self) -> None:
        for proxy in self._running:
            await proxy.stop(0)


@pytest.fixture
async def start_workers() -> AsyncIterator[Supervisors]:
    proxies = Supervisors()
    yield proxies
    await proxies.close()
