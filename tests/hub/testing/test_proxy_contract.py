from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perijove.hub.core.routes import Route
from perijove.hub.ports.proxy import Proxy
from perijove.hub.testing.fakes import FakeProxy
from perijove.hub.testing.proxy_contract import ProxyContract


class TestFakeProxy(ProxyContract):
    @pytest.fixture
    async def proxy(self) -> Proxy:
        proxy = FakeProxy()
        await proxy.start()
        return proxy


class Sloppy(FakeProxy):
    """Deletes what lies below a route too, and forgets data."""

    async def delete_route(self, routespec: str) -> None:
        for spec in [spec for spec in self.routes if spec.startswith(routespec)]:
            del self.routes[spec]

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        self.routes[routespec] = Route(routespec, target)


async def test_the_suite_finds_a_sloppy_proxy() -> None:
    suite = ProxyContract()
    for check in (suite.test_a_deleted_route_is_gone_and_others_stay, suite.test_a_route_is_listed_as_it_was_added):
        proxy = Sloppy()
        await proxy.start()
        with pytest.raises(AssertionError):
            await check(proxy)
