from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH, Token, hash_token
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import by_session, by_token, owner_scopes

House = Any
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


async def token(house: House, secret: str = "secret", owner: str = "ada", **values: Any) -> Token:
    user = await house.user(owner)
    given = {"scopes": ("inherit",), "created": house.clock.now()} | values
    async with house.store.transaction() as tx:
        added: Token = await tx.tokens.add(Token(0, hash_token(secret), "user", user.id, user.name, **given))
    return added


@BOTH
async def test_a_token_stands_for_its_owner(house: House) -> None:
    stored = await token(house)
    principal = await by_token(house.ctx, Activity(house.ctx), "secret")
    assert principal is not None
    assert (principal.kind, principal.name, principal.token_id, principal.admin) == ("user", "ada", stored.id, False)
    assert principal.may("start:servers", user="ada", server="")
    assert not principal.may("start:servers", user="eve", server="")


async def test_a_token_never_allows_more_than_its_owner_may_do_now(house: House) -> None:
    await token(house, scopes=("admin:users", "read:users!user"))
    principal = await by_token(house.ctx, Activity(house.ctx), "secret")
    assert principal is not None
    assert not principal.may("admin:users")
    assert principal.may("read:users", user="ada")
    await house.user("root", admin=True)
    await token(house, "roots", "root")
    async with house.store.transaction() as tx:
        user = await tx.users.get("root")
        assert await owner_scopes(tx, "user", user.id, "root")
        await tx.roles.revoke("admin", "user", user.id)
        await tx.users.set_admin(user.id, False)
    principal = await by_token(house.ctx, Activity(house.ctx), "roots")
    assert principal is not None
    assert not principal.may("admin:users")
    assert not principal.admin


@pytest.mark.parametrize("value", ["", "unknown", "x" * (MAX_TOKEN_LENGTH + 1), "\udc00", "null\0"])
async def test_nobody_has_an_unknown_token_or_session(house: House, value: str) -> None:
    assert await by_token(house.ctx, Activity(house.ctx), value) is None
    assert await by_session(house.ctx, value) is None


async def test_a_token_ends_on_time(house: House) -> None:
    await token(house, expires_at=house.clock.now() + timedelta(seconds=10))
    house.clock.advance(9)
    assert await by_token(house.ctx, Activity(house.ctx), "secret") is not None
    house.clock.advance(1)
    assert await by_token(house.ctx, Activity(house.ctx), "secret") is None


async def test_a_servers_own_token_may_do_what_the_server_needs_and_is_not_its_owners_doing(house: House) -> None:
    user = await house.user()
    async with house.store.transaction() as tx:
        server = await tx.servers.add(user.id, "")
        other = await tx.servers.add(user.id, "lab")
    await token(house, scopes=DEFAULT_ROLES["server"].scopes, server_id=server.id)
    activity = Activity(house.ctx)
    principal = await by_token(house.ctx, activity, "secret")
    assert principal is not None
    assert principal.may("users:activity", user="ada")
    assert principal.may("access:servers", user="ada", server="")
    assert not principal.may("access:servers", user="ada", server=other.name)
    assert not principal.may("start:servers", user="ada", server="")
    assert not principal.activity
    await activity.flush()
    async with house.store.transaction() as tx:
        assert (await tx.users.by_id(user.id)).last_activity is None


async def test_a_service_is_known_by_its_token(house: House) -> None:
    await house.user()
    async with house.store.transaction() as tx:
        service = await tx.services.put(Service(0, "ops", admin=True))
        await tx.roles.assign("admin", "service", service.id)
        await tx.tokens.add(
            Token(0, hash_token("s"), "service", service.id, "ops", scopes=("inherit",), created=house.clock.now())
        )
    principal = await by_token(house.ctx, Activity(house.ctx), "s")
    assert principal is not None
    assert (principal.kind, principal.service_id, principal.user_id, principal.admin) == (
        "service",
        service.id,
        None,
        True,
    )
    assert principal.may("admin:users")


async def test_use_counts_as_activity_of_token_and_owner(house: House) -> None:
    stored = await token(house)
    activity = Activity(house.ctx)
    await by_token(house.ctx, activity, "secret")
    await activity.flush()
    async with house.store.transaction() as tx:
        assert (await tx.tokens.get(stored.id)).last_activity == house.clock.now()
        assert (await tx.users.get("ada")).last_activity == house.clock.now()


async def test_a_session_shows_rights_of_this_moment(house: House) -> None:
    visitor = await house.visitor()
    assert not visitor.principal.may("admin:users")
    await house.user("ada", roles=("admin",))
    async with house.store.transaction() as tx:
        found = await tx.sessions.get(visitor.session.key_hash)
    assert found is not None
