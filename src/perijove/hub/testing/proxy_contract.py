"""What every proxy must do with its table of routes.

Subclass `ProxyContract` in a test module, override `proxy`, and pytest runs the suite.
"""

from __future__ import annotations

import asyncio

import pytest

from perijove.hub.core.routes import Route
from perijove.hub.ports.proxy import ChangesRoutesAtOnce, Proxy
from perijove.wire.prefixes import server_prefix

TARGET = "http://127.0.0.1:9"


async def table(proxy: Proxy) -> dict[str, Route]:
    """Return the routes without what a proxy may add to their data: ``last_activity``."""
    return {
        routespec: Route(
            route.routespec, route.target, {key: value for key, value in route.data.items() if key != "last_activity"}
        )
        for routespec, route in (await proxy.get_all_routes()).items()
    }


class ProxyContract:
    """The suite. Override `proxy`."""

    @pytest.fixture
    def proxy(self) -> Proxy:
        """Return a proxy that was started, has no routes, and is stopped after the test."""
        pytest.fail("override the fixture 'proxy'")

    async def test_it_runs(self, proxy: Proxy) -> None:
        assert await proxy.is_running()

    async def test_starting_what_runs_keeps_it(self, proxy: Proxy) -> None:
        await proxy.add_route("/kept/", TARGET, {})
        assert await proxy.start() is False
        assert "/kept/" in await proxy.get_all_routes()

    async def test_there_are_no_routes_at_first(self, proxy: Proxy) -> None:
        assert await table(proxy) == {}

    async def test_a_route_is_listed_as_it_was_added(self, proxy: Proxy) -> None:
        data = {"user": "alice", "server_name": ""}
        await proxy.add_route("/user/alice/", TARGET, data)
        assert await table(proxy) == {"/user/alice/": Route("/user/alice/", TARGET, data)}

    async def test_the_root_can_be_routed(self, proxy: Proxy) -> None:
        await proxy.add_route("/", TARGET, {"hub": True})
        assert await table(proxy) == {"/": Route("/", TARGET, {"hub": True})}
        await proxy.delete_route("/")
        assert await table(proxy) == {}

    async def test_adding_again_replaces(self, proxy: Proxy) -> None:
        await proxy.add_route("/user/alice/", TARGET, {})
        await proxy.add_route("/user/alice/", "http://127.0.0.1:10", {"user": "alice"})
        assert await table(proxy) == {"/user/alice/": Route("/user/alice/", "http://127.0.0.1:10", {"user": "alice"})}

    async def test_a_deleted_route_is_gone_and_others_stay(self, proxy: Proxy) -> None:
        for routespec in ("/user/alice/", "/user/alice/lab/", "/user/alicia/"):
            await proxy.add_route(routespec, TARGET, {})
        await proxy.delete_route("/user/alice/")
        assert set(await proxy.get_all_routes()) == {"/user/alice/lab/", "/user/alicia/"}

    async def test_deleting_what_is_not_there_is_no_error(self, proxy: Proxy) -> None:
        await proxy.delete_route("/user/nobody/")

    @pytest.mark.parametrize(
        "name", ["al ice", "zoë", "a%2fb", "a%b", "a+b", "a@b.org", "~a", "a?b#c", "a&b=c;d,e", "名前", "a'b\"c", "a:b"]
    )
    async def test_any_name_comes_back_as_it_went_in(self, proxy: Proxy, name: str) -> None:
        routespec = server_prefix("/base/", name, "lab")
        await proxy.add_route(routespec, TARGET, {"user": name})
        assert await table(proxy) == {routespec: Route(routespec, TARGET, {"user": name})}
        await proxy.delete_route(routespec)
        assert await table(proxy) == {}

    async def test_many_routes_can_be_added_at_once(self, proxy: Proxy) -> None:
        routespecs = {f"/user/u{number}/" for number in range(60)}
        await asyncio.gather(*(proxy.add_route(routespec, TARGET, {}) for routespec in routespecs))
        assert set(await proxy.get_all_routes()) == routespecs

    async def test_stopping_twice_is_no_error(self, proxy: Proxy) -> None:
        await proxy.stop()
        assert not await proxy.is_running()
        await proxy.stop()


class ChangesRoutesAtOnceContract(ProxyContract):
    """The suite of a proxy with that ability. Override `proxy`."""

    async def test_many_routes_may_be_changed_in_one_call(self, proxy: Proxy) -> None:
        assert isinstance(proxy, ChangesRoutesAtOnce)
        for routespec in ("/user/al%20ice/", "/user/gone/", "/user/moved/", "/user/left/"):
            await proxy.add_route(routespec, TARGET, {})
        moved = Route("/user/moved/", "http://127.0.0.1:10", {"user": "moved"})
        new = Route("/user/%E5%90%8D%25/", TARGET, {"user": "名%"})
        await proxy.change_routes([moved, new], ["/user/al%20ice/", "/user/gone/", "/user/nobody/"])
        left = Route("/user/left/", TARGET)
        assert await table(proxy) == {route.routespec: route for route in (moved, new, left)}
