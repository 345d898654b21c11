"""How many changes of the proxy's table are told: in one call where the proxy can, one by one elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from perijove.hub.core.routes import Changes, Route
from perijove.hub.core.site import Site
from perijove.hub.ports.proxy import Proxy
from perijove.hub.testing.fakes import FakeProxy
from perijove.hub.usecases.routes import Routes

A, B = Route("/user/a/", "http://127.0.0.1:1"), Route("/user/b/", "http://127.0.0.1:2")


class AtOnce(FakeProxy):
    """Can change many routes in one call, and counts these."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls = 0

    async def change_routes(self, add: Sequence[Route], delete: Sequence[str]) -> None:
        self.calls += 1
        for routespec in delete:
            self.routes.pop(routespec, None)
        self.routes |= {route.routespec: route for route in add}


@pytest.mark.parametrize(
    ("kind", "changes", "calls"),
    [
        (AtOnce, Changes((A, B), ("/user/gone/",)), 1),
        (AtOnce, Changes((A,), ("/user/gone/",)), 1),
        (AtOnce, Changes((A,)), 0),
        (FakeProxy, Changes((A, B), ("/user/gone/",)), None),
    ],
)
async def test_changes_are_told_as_the_proxy_can_take_them(
    kind: type[FakeProxy], changes: Changes, calls: int | None
) -> None:
    proxy = kind()
    await proxy.start()
    await proxy.add_route("/user/gone/", "http://127.0.0.1:3", {})
    routes = Routes(cast("Any", None), cast("Proxy", proxy), cast("Any", None), site=Site(), hub_url="http://h")
    await routes._apply(changes)
    left = set() if changes.delete else {"/user/gone/"}
    assert set(proxy.routes) == {route.routespec for route in changes.add} | left
    assert getattr(proxy, "calls", None) == calls
