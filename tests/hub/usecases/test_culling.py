from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.core.culling import Ending, Why
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerStopRequested
from perijove.hub.core.routes import server_route
from perijove.hub.core.servers import Server, State
from perijove.hub.core.site import Site
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.culling import Culler
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.tasks import Tasks

House = Any
STEP = 60.0


class Watched:
    """A hub process whose culler is made to look by the test."""

    def __init__(self, house: House, process: Any, owner: str) -> None:
        self.house = house
        self.process = process
        self.activity = Activity(house.ctx)
        routes = Routes(house.ctx, house.proxy, self.activity, site=Site(), hub_url="http://127.0.0.1:8081")
        self.culler = Culler(
            house.ctx, process.servers, self.activity, routes, new_spawner=house.new_spawner, owner=owner
        )

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look each minute."""
        for _ in range(int(seconds / STEP)):
            self.house.clock.advance(STEP)
            await self.culler.look()


async def watched(house: House, owner: str = "hub1", **options: Any) -> Watched:
    house.spawner_options = options
    await house.user("ada")
    found = Watched(house, await house.hub(owner=owner), owner)
    await found.culler.look()
    return found


async def ready(hub: Watched, name: str = "") -> Server:
    await hub.process.start(name=name)
    server: Server = await hub.house.until("ready", name=name)
    return server


async def states(house: House) -> list[str]:
    async with house.store.inner.transaction() as tx:
        return [server.state.value for server in await tx.servers.list_active()]


async def test_what_nobody_uses_is_stopped_and_it_is_told_who_did_it(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    await ready(hub)
    house.telemetry.facts.clear()
    await hub.pass_time(540)
    assert (await house.row()).ready
    await hub.pass_time(60)
    await house.until("stopped")
    assert house.telemetry.of(ServerStopRequested) == [ServerStopRequested("ada/", Why.IDLE)]


async def test_what_was_reported_counts_though_it_is_not_stored_yet(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    server = await ready(hub)
    await hub.pass_time(540)
    hub.activity.server_used(server.id, server.user_id, house.clock.now())
    await hub.pass_time(540)
    assert (await house.row()).ready
    await hub.pass_time(60)
    await house.until("stopped")


async def test_the_proxy_has_a_last_word(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    server = await ready(hub)
    route = server_route(Site(), await house.row())
    await hub.pass_time(540)
    used = (house.clock.now()).isoformat()
    house.proxy.routes[route.routespec] = replace(route, data={**route.data, "last_activity": used})
    await hub.pass_time(540)
    assert (await house.row()).ready
    assert (await house.row()).last_activity == house.clock.now() - timedelta(seconds=540)
    assert server.id


async def test_while_the_proxy_is_away_nothing_is_stopped(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    await ready(hub)
    house.proxy.failure = PerijoveError(Code.UNAVAILABLE, "The proxy is away.")
    with capture_logs() as logs:
        await hub.pass_time(1200)
    assert (await house.row()).ready
    assert any("the proxy saw" in line["event"] for line in logs)
    house.proxy.failure = None
    await hub.pass_time(60)
    await house.until("stopped")


async def test_while_the_store_is_away_and_for_a_while_after_it_nothing_is_stopped(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    await ready(hub)
    house.store.away = True
    await hub.pass_time(1200)
    house.store.away = False
    await hub.pass_time(300)
    assert (await house.row()).ready
    await hub.pass_time(60)
    await house.until("stopped")


async def test_a_hub_that_has_just_come_up_waits_for_reports(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600, cull_max_age=600)
    await ready(hub)
    await hub.process.die()
    house.clock.advance(7200)
    second = Watched(house, await house.hub(owner="hub2"), "hub2")
    async with asyncio.timeout(20):
        while (await house.row()).owner != "hub2":
            await asyncio.sleep(0.005)
    await second.culler.look()
    await second.pass_time(240)
    assert (await house.row()).ready
    await second.pass_time(60)
    await house.until("stopped")


async def test_a_clock_that_jumps_stops_nobody(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    server = await ready(hub)
    await hub.pass_time(300)
    house.clock.set(house.clock.now() + timedelta(hours=3))
    await hub.pass_time(60)
    assert (await house.row()).ready
    hub.activity.server_used(server.id, server.user_id, house.clock.now())
    await hub.pass_time(540)
    assert (await house.row()).ready


async def test_what_is_old_is_stopped_though_it_is_used(house: House) -> None:
    hub = await watched(house, cull_max_age=1200)
    server = await ready(hub)
    house.telemetry.facts.clear()
    for _ in range(20):
        hub.activity.server_used(server.id, server.user_id, house.clock.now())
        await hub.pass_time(60)
    await house.until("stopped")
    assert house.telemetry.of(ServerStopRequested) == [ServerStopRequested("ada/", Why.AGE)]


async def test_a_server_of_another_hub_process_is_its_business(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    await ready(hub)
    other = Watched(house, house.process(owner="hub2"), "hub2")
    await other.culler.look()
    await other.pass_time(1200)
    assert (await house.row()).ready


async def test_named_servers_go_by_options_of_their_own_and_may_be_deleted(house: House) -> None:
    house.spawner_options = {}
    hub = await watched(house, cull_idle_timeout=600, cull_default_servers=False, remove_named_servers=True)
    hub.process.servers.rules = replace(hub.process.servers.rules, named_servers=True)
    await ready(hub)
    await ready(hub, "lab")
    await hub.pass_time(600)
    async with asyncio.timeout(20):
        while len(await servers_of(house)) > 1:
            await asyncio.sleep(0.005)
    assert await states(house) == ["ready"]
    assert (await house.row()).name == ""


async def servers_of(house: House) -> Any:
    async with house.store.inner.transaction() as tx:
        return await tx.servers.list_of([(await tx.users.get("ada")).id])


async def test_groups_may_have_other_options(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    async with house.store.inner.transaction() as tx:
        group = await tx.groups.add("patient")
        await tx.groups.set_groups((await tx.users.get("ada")).id, [group.id])
    house.spawner_options["group_overrides"] = {
        "slow": {"groups": ["patient"], "spawner_override": {"cull_idle_timeout": 1200}}
    }
    server = await ready(hub)
    due = (await hub.culler.endings([server]))[server.id]
    assert server.last_activity is not None
    end = server.last_activity + timedelta(seconds=1200)
    assert due == Ending(end, None, end - timedelta(seconds=400))
    await hub.pass_time(1140)
    assert (await house.row()).ready


async def test_options_that_cannot_be_found_out_stop_nobody(house: House) -> None:
    def broken(spawner: Any) -> Any:
        raise RuntimeError("no")

    hub = await watched(house, cull_idle_timeout=600)
    server = await ready(hub)
    house.spawner_options["group_overrides"] = broken
    with capture_logs() as logs:
        assert await hub.culler.endings([server]) == {}
        await hub.pass_time(1200)
    assert (await house.row()).ready
    assert any("not known" in line["event"] for line in logs)


async def test_servers_that_never_end_and_those_at_rest_have_no_ending(house: House) -> None:
    hub = await watched(house)
    server = await ready(hub)
    assert await hub.culler.endings([server, replace(server, id=2, state=State.STOPPED)]) == {}


async def test_few_are_stopping_at_once(house: House) -> None:
    hub = await watched(house, cull_idle_timeout=600)
    tasks = Tasks()
    hub.culler.begin(tasks, every=3600, at_once=1)
    await house.user("bob")
    await ready(hub)
    await hub.process.start("bob")
    await house.until("ready", "bob")
    house.hold("stopping")
    house.clock.advance(STEP)
    await hub.culler.look()
    for _ in range(8):
        house.clock.advance(STEP)
        await hub.culler.look()
    house.clock.advance(STEP)
    looking = asyncio.create_task(hub.culler.look())
    await house.when(lambda: len(house.telemetry.of(ServerStopRequested)) == 1)
    assert sorted(await states(house)) == ["ready", "stopping"]
    house.hold("stopping", False)
    async with asyncio.timeout(20):
        while await states(house):
            await asyncio.sleep(0.005)
    looking.cancel()
    await tasks.close()


@pytest.mark.parametrize(("options", "begun"), [({}, 0), ({"cull_max_age": 60}, 1)])
async def test_it_looks_only_where_it_may_find_something(house: House, options: Any, begun: int) -> None:
    hub = await watched(house, **options)
    tasks = Tasks()
    before = len(asyncio.all_tasks())
    hub.culler.begin(tasks, every=3600, at_once=2)
    assert len(asyncio.all_tasks()) - before == begun
    await tasks.close()
