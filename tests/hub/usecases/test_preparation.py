from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.core.roles import Role
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases import preparation

House = Any


async def test_a_hook_that_hangs_before_the_start_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "HOOK_TIMEOUT", 0.02)

    async def hang(spawner: Any) -> None:
        await asyncio.Event().wait()

    house.spawner_options = {"pre_spawn_hook": hang}
    hub = await house.hub()
    await hub.start()
    assert "what it needs" in (await house.until("failed")).failure.reason


async def test_credentials_are_new_for_every_start_and_end_with_it(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    first = house.spawners[-1]
    async with house.store.transaction() as tx:
        (token,) = await tx.tokens.list_of("user", server.user_id)
        client = await tx.oauth.client(first.oauth_client_id)
    assert (token.server_id, token.note) == (server.id, "Server at /user/ada/")
    assert client.redirect_uri == "/user/ada/oauth_callback"
    assert client.secret_hash == token.token_hash
    await hub.stop()
    await house.until("stopped")
    async with house.store.transaction() as tx:
        assert await tx.tokens.list_of("user", server.user_id) == []
        assert await tx.oauth.client(first.oauth_client_id) is None
    await hub.start()
    await house.until("ready")
    assert house.spawners[-1].api_token not in {"", first.api_token}


async def test_the_spawner_is_told_who_is_an_administrator(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    assert not house.spawners[-1].user.admin
    await house.user("root", admin=True)
    await hub.start("root")
    await house.until("ready", "root")
    assert house.spawners[-1].user.admin


async def token_scopes(house: House, **options: Any) -> tuple[str, ...]:
    house.spawner_options = options
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    async with house.store.transaction() as tx:
        (token,) = await tx.tokens.list_of("user", server.user_id)
    scopes: tuple[str, ...] = token.scopes
    return scopes


async def test_a_servers_token_has_what_the_role_server_says_now(house: House) -> None:
    await house.user()
    async with house.store.transaction() as tx:
        await tx.roles.put(Role("server", ("users:activity!user",)))
    assert await token_scopes(house) == ("users:activity!user",)


@pytest.mark.parametrize(
    "wanted", [["read:servers!user"], lambda spawner: ["read:servers!user"] if spawner.user.name == "ada" else []]
)
async def test_the_configuration_may_say_what_a_servers_token_has(house: House, wanted: Any) -> None:
    assert await token_scopes(house, server_token_scopes=wanted) == ("read:servers!user",)


async def test_an_unknown_scope_for_a_servers_token_fails_the_start_in_words(house: House) -> None:
    house.spawner_options = {"server_token_scopes": ["read:srvers"]}
    hub = await house.hub()
    await house.user()
    await hub.start()
    failure = (await house.until("failed")).failure
    assert "There is no scope 'read:srvers'" in failure.reason


async def test_hooks_get_what_the_authenticator_keeps(house: House) -> None:
    house.ctx = replace(house.ctx, encryption=FernetEncryption([bytes(32)]))
    told: list[Any] = []

    class Keeping(FakeAuthenticator):
        async def pre_spawn_start(self, user: Any, spawner: Any) -> None:
            told.append(await user.get_auth_state())
            await user.save_auth_state({"token": "newer"})

        async def post_spawn_stop(self, user: Any, spawner: Any) -> None:
            told.append(await user.get_auth_state())

    house.authenticator = Keeping()
    house.spawner_options = {"auth_state_hook": lambda spawner, state: told.append((spawner.user.name, state))}
    async with house.store.transaction() as tx:
        ada = await tx.users.get("ada")
        await tx.users.set_auth_state(ada.id, house.ctx.encryption.encrypt(b'{"token": "old"}'))
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.stop()
    await house.until("stopped")
    assert told == [{"token": "old"}, ("ada", {"token": "newer"}), {"token": "newer"}]


@pytest.mark.parametrize(
    "wanted", [["read:users!user"], lambda spawner: [f"read:users!user={spawner.user.name}"], None]
)
async def test_what_a_server_may_ask_its_visitors_for(house: House, wanted: Any) -> None:
    house.spawner_options = {} if wanted is None else {"oauth_client_allowed_scopes": wanted}
    hub = await house.hub()
    await house.reach(hub, "ready")
    spawner = house.spawners[-1]
    async with house.store.transaction() as tx:
        client = await tx.oauth.client(spawner.oauth_client_id)
    told = json.loads(spawner.get_env()["JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES"])
    assert told == list(client.allowed_scopes)
    assert told == ([] if wanted is None else ["read:users!user=ada" if callable(wanted) else "read:users!user"])


async def test_an_unknown_scope_to_ask_visitors_for_fails_the_start_in_words(house: House) -> None:
    house.spawner_options = {"oauth_client_allowed_scopes": lambda spawner: ["everything"]}
    hub = await house.hub()
    await house.user()
    await hub.start()
    assert "There is no scope 'everything'" in (await house.until("failed")).failure.reason
