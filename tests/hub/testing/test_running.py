from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerReady
from perijove.hub.testing.fakes import FakeAuthenticator, FakeWorld
from perijove.hub.testing.running import ORIGIN, PASSWORD, InterruptibleStore, running_hub


async def test_a_server_is_started_as_in_a_real_hub() -> None:
    async with running_hub() as hub:
        token = await hub.token("ada")
        answer = await hub.client(token).post("/hub/api/users/ada/server")
        assert answer.status_code == 201
        server = await hub.server("ada")
        assert server is not None
        assert server.ready
        assert "/user/ada/" in hub.proxy.routes
        assert len(hub.world.running()) == 1
        assert [fact.server for fact in hub.telemetry.of(ServerReady)] == ["ada/"]


async def test_it_lives_under_any_prefix_with_any_setting() -> None:
    async with running_hub(base_url="jh", page_default=7, keeps_accounts=True) as hub:
        assert (hub.prefix, hub.api) == ("/jh/hub/", "/jh/hub/api")
        assert hub.state.settings.page_default == 7
        assert hub.state.accounts is not None
        assert (await hub.client().get("/jh/hub/api")).json()["version"]
        assert str(hub.client().base_url) == ORIGIN


async def test_plug_ins_of_ones_own_are_used() -> None:
    world, authenticator = FakeWorld(), FakeAuthenticator({"eve": "x"}, allow_all=True)
    async with running_hub(authenticator=authenticator, spawner_class=world.spawner_class()) as hub:
        assert hub.state.authenticator is authenticator
        await hub.client(await hub.token("ada")).post("/hub/api/users/ada/server")
        assert len(world.running()) == 1


async def test_people_tokens_and_sessions_are_quickly_made() -> None:
    async with running_hub() as hub:
        ada = await hub.add_user("ada")
        assert await hub.add_user("ada") == ada
        assert isinstance(hub.state.authenticator, FakeAuthenticator)
        assert hub.state.authenticator.passwords == {"ada": PASSWORD}
        root = (await hub.client(await hub.token("root", admin=True)).get("/hub/api/user")).json()
        assert root["admin"] is True
        limited = (await hub.client(await hub.token("ada", "read:users:name!user")).get("/hub/api/user")).json()
        assert limited["scopes"] == ["read:users:groups!user=ada", "read:users:name!user=ada"]
        for scope in ("proxy", "shutdown"):
            service = (await hub.client(await hub.token(scope, scope, service=True)).get("/hub/api/user")).json()
            assert (service["kind"], service["scopes"]) == ("service", [scope])
        browser = await hub.browser("ada")
        assert (await browser.get("/hub/home")).status_code == 200


async def test_a_server_that_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        return None

    async with running_hub() as hub:
        assert await hub.server("nobody") is None
        monkeypatch.setattr("perijove.hub.testing.running.asyncio.sleep", at_once)
        with pytest.raises(TimeoutError, match="nobody/"):
            await hub.until(lambda server: server is not None, "nobody")


async def test_a_store_can_be_away() -> None:
    store = InterruptibleStore()
    await store.ping()
    async with store.transaction() as tx:
        assert await tx.users.count() == 0
    store.away = True
    with pytest.raises(PerijoveError) as refused:
        await store.ping()
    assert refused.value.code is Code.UNAVAILABLE
    with pytest.raises(PerijoveError):
        async with store.transaction():
            pass


async def test_what_is_left_running_ends_with_the_hub() -> None:
    import asyncio

    before = asyncio.all_tasks()
    async with running_hub(slow_start=0.0) as hub:
        hub.world.hang_start = True
        assert (await hub.client(await hub.token("ada")).post("/hub/api/users/ada/server")).status_code == 202
    assert asyncio.all_tasks() == before
