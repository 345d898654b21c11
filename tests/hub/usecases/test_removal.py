from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import Server
from perijove.hub.usecases import removal as module
from perijove.hub.usecases.users import delete_user

House = Any
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


async def gone(house: House, server: Server) -> None:
    async with asyncio.timeout(20):
        while True:
            async with house.store.inner.transaction() as tx:
                if await tx.servers.by_id(server.id) is None:
                    return
            await asyncio.sleep(0.003)


async def ready(hub: Any, house: House, name: str = "lab") -> Any:
    await hub.start(name=name)
    return await house.until("ready", "ada", name)


async def remove(hub: Any, house: House, name: str = "lab") -> Any:
    return await hub.servers.stop(house.admin, "ada", name, remove=True)


async def test_a_server_is_stopped_and_deleted_with_what_its_spawner_keeps(house: House) -> None:
    hub = await house.hub(named=True)
    server = await ready(hub, house)
    await remove(hub, house)
    await gone(house, server)
    assert house.world.running() == []
    assert house.world.deleted == [server.id]
    assert house.proxy.routes == {}
    await house.when(lambda: not hub.lifecycle._drivers)
    assert hub.steps._spawners == {}


async def test_the_wish_outlives_the_hub_that_took_it(house: House) -> None:
    before = await house.hub(named=True)
    server = await ready(before, house)
    house.hold("stopping")
    await remove(before, house)
    await before.die()
    house.let_go("stopping")
    await house.hub(named=True)
    await gone(house, server)
    assert (house.world.running(), house.world.deleted) == ([], [server.id])


async def test_a_hub_that_died_between_stopping_and_deleting_leaves_nothing(house: House) -> None:
    before = await house.hub(named=True)
    server = await ready(before, house)
    await before.stop(name="lab")
    stopped = await house.until("stopped", "ada", "lab")
    await before.die()
    await house.change(stopped, remove_wanted=True)
    await house.hub(named=True)
    await gone(house, server)
    assert house.world.deleted == [server.id]


async def test_what_is_being_deleted_is_neither_started_nor_changed(house: House) -> None:
    hub = await house.hub(named=True)
    await ready(hub, house)
    house.hold("stopping")
    await remove(hub, house)
    with pytest.raises(PerijoveError) as caught:
        await hub.start(name="lab")
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(PerijoveError, match="being deleted"):
        await hub.servers.change(house.admin, "ada", "lab", new_name="den")
    # Asking again is no error and changes nothing.
    version = (await house.row("ada", "lab")).version
    assert (await remove(hub, house)).version == version


@pytest.mark.parametrize(("failure", "times"), [(RuntimeError("no"), module.TRIES), (TimeoutError(), 1)])
async def test_a_spawner_that_cannot_delete_does_not_keep_the_server(
    house: House, failure: Exception, times: int
) -> None:
    hub = await house.hub(named=True)
    server = await ready(hub, house)
    house.world.delete_failure = failure
    await remove(hub, house)
    await gone(house, server)
    assert house.world.deleted == [server.id] * times


async def test_a_user_goes_with_everything_that_is_kept_for_their_servers(house: House) -> None:
    hub = await house.hub(named=True)
    servers = [await ready(hub, house, name) for name in ("", "lab")]
    told: list[str] = []
    house.authenticator.delete_user = lambda user: told.append(user.name)

    async def stop(server: Server) -> bool:
        return bool(await hub.servers.stopped_within(server, 10))

    await delete_user(house.ctx, hub.removal, house.admin, "ada", stop_server=stop)
    assert sorted(set(house.world.deleted)) == [server.id for server in servers]
    assert told == ["ada"]
    async with house.store.transaction() as tx:
        assert await tx.users.get("ada") is None


async def test_the_next_hub_finishes_the_deletion_of_a_user(house: House) -> None:
    hub = await house.hub(named=True)
    server = await ready(hub, house, "")
    await hub.stop()
    stopped = await house.until("stopped")
    await hub.die()
    async with house.store.transaction() as tx:
        await tx.users.want_removal(server.user_id, True)
    with pytest.raises(PerijoveError, match="ada is being deleted"):
        await hub.start()
    await house.change(stopped, remove_wanted=True)
    await house.user("bob")
    await house.hub(named=True)
    await gone(house, server)

    async def names() -> set[str]:
        async with house.store.transaction() as tx:
            return {name for name in ("ada", "bob") if await tx.users.get(name) is not None}

    async with asyncio.timeout(20):
        while await names() != {"bob"}:
            await asyncio.sleep(0.003)


async def test_a_user_without_servers_is_found_by_the_sweep(house: House) -> None:
    user = await house.user("eve")
    async with house.store.transaction() as tx:
        await tx.users.want_removal(user.id, True)
    await house.hub()
    async with house.store.transaction() as tx:
        assert await tx.users.get("eve") is None
        assert await tx.users.get("ada") is not None
