from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ProxyRestarted, RoutesChanged
from perijove.hub.core.routes import Route
from perijove.hub.core.servers import State
from perijove.hub.core.site import Site
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.tasks import Tasks

House = Any
HUB = "http://127.0.0.1:8081"


@pytest.fixture
def routes(house: House) -> Routes:
    house.proxy.running = False
    return Routes(house.ctx, house.proxy, Activity(house.ctx), site=Site(), hub_url=HUB)


@pytest.fixture
async def tasks() -> Any:
    made = Tasks()
    yield made
    await made.close()


async def ready(house: House, name: str = "ada", state: State = State.READY) -> Any:
    user = await house.user(name)
    async with house.store.transaction() as tx:
        server = await tx.servers.add(user.id, "")
    return await house.change(server, state=state, url=f"http://127.0.0.1:{20000 + server.id}", attempt=1)


async def test_the_proxy_starts_with_all_routes(house: House, routes: Routes, tasks: Tasks) -> None:
    server = await ready(house)
    assert await routes.start(tasks, check_interval=3600)
    assert {spec: route.target for spec, route in house.proxy.routes.items()} == {"/": HUB, "/user/ada/": server.url}


async def test_routes_of_the_operator_are_kept(house: House, routes: Routes) -> None:
    await house.proxy.start()
    house.proxy.extra_routes = {"/grafana": "http://127.0.0.1:3000"}
    await routes.reconcile()
    assert house.proxy.routes["/grafana/"] == Route("/grafana/", "http://127.0.0.1:3000", {"extra": True})
    del house.proxy.routes["/grafana/"]
    await routes.reconcile()
    assert "/grafana/" in house.proxy.routes


async def test_one_that_runs_is_adopted(house: House, routes: Routes, tasks: Tasks) -> None:
    await house.proxy.start()
    house.proxy.routes["/user/gone/"] = Route("/user/gone/", "http://127.0.0.1:1", {"user": "gone"})
    assert not await routes.start(tasks, check_interval=3600)
    assert set(house.proxy.routes) == {"/"}
    assert house.proxy.starts == 1


async def test_an_external_proxy_is_never_started_or_watched(house: House, routes: Routes, tasks: Tasks) -> None:
    house.proxy.should_start = False
    house.proxy.running = True
    assert not await routes.start(tasks, check_interval=3600)
    assert house.proxy.starts == 0
    assert [task.get_name() for task in tasks._running] == ["compare the proxy's routes"]


async def test_a_proxy_that_cannot_be_given_routes_is_stopped_if_it_was_started_now(
    house: House, routes: Routes, tasks: Tasks
) -> None:
    house.store.away = True
    with pytest.raises(PerijoveError):
        await routes.start(tasks, check_interval=3600)
    assert not house.proxy.running
    await house.proxy.start()
    with pytest.raises(PerijoveError):
        await routes.start(tasks, check_interval=3600)
    assert house.proxy.running


async def test_a_dead_proxy_comes_back_with_all_routes(house: House, routes: Routes, tasks: Tasks) -> None:
    server = await ready(house)
    await routes.start(tasks, check_interval=3600)
    house.proxy.crash()
    await routes.keep_alive()
    assert house.proxy.routes["/user/ada/"].target == server.url
    (fact,) = house.telemetry.of(ProxyRestarted)
    assert fact.routes == 2
    await routes.keep_alive()
    assert house.proxy.starts == 2


@pytest.mark.parametrize("failure", [RuntimeError("any"), OSError("net"), PerijoveError(Code.UNAVAILABLE, "away")])
async def test_a_proxy_that_raises_anything_is_looked_after_all_the_same(
    house: House, routes: Routes, tasks: Tasks, failure: Exception
) -> None:
    house.proxy.check_running_interval = 0.005
    await routes.start(tasks, check_interval=0.005)
    with capture_logs() as logs:
        house.proxy.failure = failure
        await house.when(lambda: len([line for line in logs if line["event"] == "periodic work failed"]) > 4)
        house.proxy.failure = None
        house.proxy.crash()
        await house.when(lambda: "/" in house.proxy.routes)


async def test_the_table_is_put_right_both_ways(house: House, routes: Routes) -> None:
    await house.proxy.start()
    server = await ready(house)
    await ready(house, "bob", State.STOPPED)
    await ready(house, "eve", State.ROUTING)
    house.proxy.routes |= {
        "/user/ada/": Route("/user/ada/", "http://127.0.0.1:1"),
        "/user/bob/": Route("/user/bob/", "http://127.0.0.1:2"),
        "/user/eve/": Route("/user/eve/", "http://127.0.0.1:3"),
    }
    changes = await routes.reconcile()
    assert {route.routespec for route in changes.add} == {"/", "/user/ada/"}
    assert changes.delete == ("/user/bob/",)
    assert house.proxy.routes["/user/ada/"].target == server.url
    assert "/user/eve/" in house.proxy.routes
    assert house.telemetry.of(RoutesChanged) == [RoutesChanged(2, 1)]
    again = await routes.reconcile()
    assert (again.add, again.delete) == ((), ())


async def test_a_server_that_became_ready_meanwhile_keeps_its_route(house: House, routes: Routes) -> None:
    """The route was made between the look at the store and the deletion of what looked like a left-over."""
    await house.proxy.start()
    server = await ready(house, state=State.STOPPED)
    house.proxy.routes["/user/ada/"] = Route("/user/ada/", "http://127.0.0.1:1")
    delete = house.proxy.delete_route

    async def late(routespec: str) -> None:
        await house.change(server, state=State.READY)
        house.proxy.delete_route = delete
        await delete(routespec)

    house.proxy.delete_route = late
    await routes.reconcile()
    assert house.proxy.routes["/user/ada/"].target == server.url


async def test_what_the_proxy_saw_counts_as_activity(house: House) -> None:
    await house.proxy.start()
    server = await ready(house)
    activity = Activity(house.ctx)
    routes = Routes(house.ctx, house.proxy, activity, site=Site(), hub_url=HUB)
    data = {"last_activity": house.clock.now().isoformat()}
    house.proxy.routes["/user/ada/"] = Route("/user/ada/", server.url, data)
    await routes.reconcile()
    await activity.flush()
    assert (await house.row()).last_activity == house.clock.now()


@pytest.mark.parametrize("value", [None, 7, "", "yesterday", "2026-01-01T00:00:00"])
async def test_an_activity_that_cannot_be_read_is_none(house: House, routes: Routes, value: Any) -> None:
    await house.proxy.start()
    server = await ready(house)
    house.proxy.routes["/user/ada/"] = Route("/user/ada/", server.url, {"last_activity": value})
    await routes.reconcile()
    assert (await house.row()).last_activity is None


@pytest.mark.parametrize("failure", [PerijoveError(Code.UNAVAILABLE, "away"), RuntimeError("any")])
async def test_a_proxy_that_does_not_stop_does_not_keep_the_hub(
    house: House, routes: Routes, failure: Exception
) -> None:
    async def stop() -> None:
        raise failure

    house.proxy.stop = stop
    with capture_logs() as logs:
        await routes.stop()
    assert [line["event"] for line in logs] == ["the proxy was not stopped"]


async def test_stopping_ends_the_proxy_and_its_table_can_be_seen(house: House, routes: Routes) -> None:
    await house.proxy.start()
    await routes.reconcile()
    assert set(await routes.observed()) == {"/"}
    await routes.stop()
    assert not house.proxy.running


async def test_letting_go_leaves_the_proxy_as_it_is(house: House, routes: Routes) -> None:
    await house.proxy.start()
    await routes.close()
    assert house.proxy.running

    async def close() -> None:
        raise RuntimeError("any")

    house.proxy.close = close
    with capture_logs() as logs:
        await routes.close()
    assert [line["event"] for line in logs] == ["the connection to the proxy was not closed"]


async def test_a_plug_in_may_be_written_without_async(house: House, routes: Routes) -> None:
    table: dict[str, Route] = {}
    house.proxy.get_all_routes = lambda: dict(table)
    house.proxy.add_route = lambda spec, target, data: table.update({spec: Route(spec, target, data)})
    async with asyncio.timeout(10):
        await routes.reconcile()
    assert set(table) == {"/"}


async def test_nobody_starts_a_proxy_again_that_was_stopped(house: House, routes: Routes, tasks: Tasks) -> None:
    house.proxy.check_running_interval = 0.001
    await routes.start(tasks, check_interval=0.001)
    house.proxy.running = False
    while house.proxy.starts < 2:
        await asyncio.sleep(0)
    await routes.stop()
    assert not tasks._running, "the proxy is still looked after"
    assert not house.proxy.running
