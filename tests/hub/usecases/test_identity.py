from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.scopes import BUILT_IN, Catalogue, Definition
from perijove.hub.core.services import Service
from perijove.hub.core.shares import Share
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH, Token, hash_token
from perijove.hub.ports.store import Unsure
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities, owner_scopes
from perijove.hub.usecases.sign_in import begin_session

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
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token("secret")
    assert principal is not None
    assert (principal.kind, principal.name, principal.token_id, principal.admin) == ("user", "ada", stored.id, False)
    assert principal.may("start:servers", user="ada", server="")
    assert not principal.may("start:servers", user="eve", server="")


async def test_a_token_never_allows_more_than_its_owner_may_do_now(house: House) -> None:
    await token(house, scopes=("admin:users", "read:users!user"))
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token("secret")
    assert principal is not None
    assert not principal.may("admin:users")
    assert principal.may("read:users", user="ada")
    await house.user("root", admin=True)
    await token(house, "roots", "root")
    async with house.store.transaction() as tx:
        user = await tx.users.get("root")
        assert await owner_scopes(house.ctx, tx, "user", user.id, "root")
        await tx.roles.revoke("admin", "user", user.id)
        await tx.users.set_admin(user.id, False)
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token("roots")
    assert principal is not None
    assert not principal.may("admin:users")
    assert not principal.admin


@pytest.mark.parametrize("value", ["", "unknown", "x" * (MAX_TOKEN_LENGTH + 1), "\udc00", "null\0"])
async def test_nobody_has_an_unknown_token_or_session(house: House, value: str) -> None:
    assert await Identities(house.ctx, Activity(house.ctx)).by_token(value) is None
    assert await Identities(house.ctx, Activity(house.ctx)).by_session(value) is None


async def test_a_token_ends_on_time(house: House) -> None:
    await token(house, expires_at=house.clock.now() + timedelta(seconds=10))
    house.clock.advance(9)
    assert await Identities(house.ctx, Activity(house.ctx)).by_token("secret") is not None
    house.clock.advance(1)
    assert await Identities(house.ctx, Activity(house.ctx)).by_token("secret") is None


async def test_a_servers_own_token_may_do_what_the_server_needs_and_is_not_its_owners_doing(house: House) -> None:
    user = await house.user()
    async with house.store.transaction() as tx:
        server = await tx.servers.add(user.id, "")
        other = await tx.servers.add(user.id, "lab")
    await token(house, scopes=DEFAULT_ROLES["server"].scopes, server_id=server.id)
    activity = Activity(house.ctx)
    principal = await Identities(house.ctx, activity).by_token("secret")
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
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token("s")
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
    await Identities(house.ctx, activity).by_token("secret")
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


# -- effective rights


async def allowed(house: House, secret: str = "secret") -> set[str]:
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token(secret)
    assert principal is not None
    return set(map(str, principal.scopes))


async def in_group(house: House, group: str, *names: str) -> int:
    async with house.store.transaction() as tx:
        found = await tx.groups.get(group) or await tx.groups.add(group)
        users = [await tx.users.get(name) for name in names]
        await tx.groups.add_members(found.id, [user.id for user in users])
    group_id: int = found.id
    return group_id


async def give(house: House, kind: str, holder: int, *scopes: str) -> None:
    async with house.store.transaction() as tx:
        role = Role(f"role-{kind}-{holder}", scopes)
        await tx.roles.put(role)
        await tx.roles.assign(role.name, kind, holder)


@BOTH
async def test_roles_of_groups_reach_their_members_sessions_and_tokens(house: House) -> None:
    await token(house)
    await give(house, "group", await in_group(house, "staff", "ada"), "list:services")
    assert {"list:services", "read:services:name"} <= await allowed(house)
    visitor = await house.visitor()
    assert visitor.principal.may("list:services")


@BOTH
@pytest.mark.parametrize("scopes", [("inherit",), ("access:servers!server=bob/lab",)])
async def test_what_is_shared_with_a_group_reaches_tokens_too(house: House, scopes: tuple[str, ...]) -> None:
    """JupyterHub leaves shares with groups out for tokens: members then cannot use the server they were given."""
    await token(house, scopes=scopes)
    bob = await house.user("bob")
    group_id = await in_group(house, "staff", "ada")
    async with house.store.transaction() as tx:
        server = await tx.servers.add(bob.id, "lab")
        now = house.clock.now()
        await tx.shares.put(Share(0, server.id, "bob", "lab", ("access:servers",), now, group_id=group_id))
    assert "access:servers!server=bob/lab" in await allowed(house)
    visitor = await house.visitor()
    assert visitor.principal.may("access:servers", user="bob", server="lab")


@BOTH
async def test_a_token_for_a_member_is_within_its_owners_rights_over_the_group(house: House) -> None:
    ada = await house.user("ada")
    await house.user("bob")
    await house.user("eve")
    await in_group(house, "staff", "bob")
    await give(house, "user", ada.id, "read:users:name!group=staff")
    await token(house, scopes=("read:users:name!user=bob", "read:users:name!user=eve", "read:users:name!group=staff"))
    held = await allowed(house)
    assert {"read:users:name!user=bob", "read:users:name!group=staff"} <= held
    assert "read:users:name!user=eve" not in held


async def test_a_token_of_an_application_may_use_what_it_was_issued_for(house: House) -> None:
    ada = await house.user("ada")
    async with house.store.transaction() as tx:
        server = await tx.servers.add(ada.id, "lab")
        await tx.oauth.put_client(OAuthClient("client", "hash", "/", "Lab", server.id, server.full_name))
    await token(house, scopes=("tokens!server",), client_id="client")
    held = await allowed(house)
    assert {"access:servers!server=ada/lab", "read:users:name!user=ada", "tokens!server=ada/lab"} <= held


async def test_scopes_that_the_configuration_no_longer_knows_give_nothing_and_break_nothing(house: House) -> None:
    ada = await house.user("ada")
    await give(house, "user", ada.id, "custom:files", "list:services")
    await token(house, scopes=("custom:files", "list:services"))
    assert "list:services" in await allowed(house)
    assert "custom:files" not in await allowed(house)
    catalogue = Catalogue({**BUILT_IN.definitions, "custom:files": Definition("Files.")})
    knowing = replace(house.ctx, catalogue=catalogue)
    principal = await Identities(knowing, Activity(knowing)).by_token("secret")
    assert principal is not None
    assert principal.may("custom:files")


# -- remembered answers


class Counting:
    """The store, counting transactions."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.transactions = 0

    @property
    def generation(self) -> Any:
        return self.inner.generation

    def transaction(self) -> Any:
        self.transactions += 1
        return self.inner.transaction()

    def reading(self) -> Any:
        self.transactions += 1
        return self.inner.reading()


def counting(house: House) -> tuple[Counting, Identities]:
    store = Counting(house.store)
    ctx = replace(house.ctx, store=store)
    return store, Identities(ctx, Activity(ctx))


@BOTH
async def test_who_is_known_is_not_looked_up_again(house: House) -> None:
    await token(house)
    visitor_key = (await enter(house)).key
    store, identities = counting(house)
    for _ in range(3):
        assert await identities.by_token("secret") == await identities.by_token("secret")
        assert await identities.by_session(visitor_key) is not None
    assert store.transactions == 2


async def test_who_is_unknown_is_not_remembered(house: House) -> None:
    _, identities = counting(house)
    assert await identities.by_token("secret") is None
    await token(house)
    assert await identities.by_token("secret") is not None


async def enter(house: House) -> Any:
    user = await house.user("ada")
    async with house.store.transaction() as tx:
        return await begin_session(house.ctx, tx, user, timedelta(days=1))


async def revoke_token(house: House, tx: Any) -> None:
    await tx.tokens.delete((await tx.tokens.list_of("user", (await tx.users.get("ada")).id))[0].id)


async def delete_user(house: House, tx: Any) -> None:
    await tx.users.delete((await tx.users.get("ada")).id)


@BOTH
@pytest.mark.parametrize("change", [revoke_token, delete_user])
async def test_who_is_known_is_forgotten_with_what_made_them_known(house: House, change: Any) -> None:
    await token(house)
    _, identities = counting(house)
    assert await identities.by_token("secret") is not None
    async with house.store.transaction() as tx:
        await change(house, tx)
    assert await identities.by_token("secret") is None


@BOTH
async def test_a_session_that_ends_is_nobodys_at_once(house: House) -> None:
    _, identities = counting(house)
    session = await enter(house)
    assert await identities.by_session(session.key) is not None
    async with house.store.transaction() as tx:
        await tx.sessions.delete(session.session.session_id)
    assert await identities.by_session(session.key) is None


async def become_admin(tx: Any, user_id: int) -> None:
    await tx.users.set_admin(user_id, True)


async def get_role(tx: Any, user_id: int) -> None:
    await tx.roles.assign("admin", "user", user_id)


async def change_role(tx: Any, user_id: int) -> None:
    await tx.roles.put(Role("user", ("self", "read:hub")))


async def join_group(tx: Any, user_id: int) -> None:
    await tx.groups.add_members((await tx.groups.add("new")).id, [user_id])
    await tx.roles.assign("admin", "group", (await tx.groups.get("new")).id)


async def get_share(tx: Any, user_id: int) -> None:
    server = await tx.servers.add((await tx.users.get("bob")).id, "lab")
    now = (await tx.users.get("bob")).created
    await tx.shares.put(Share(0, server.id, "bob", "lab", ("access:servers",), now, user_id=user_id))


async def new_name(tx: Any, user_id: int) -> None:
    await tx.users.rename(user_id, "ada-lovelace")


@BOTH
@pytest.mark.parametrize("change", [become_admin, get_role, change_role, join_group, get_share, new_name])
async def test_what_changes_somebodys_rights_holds_with_the_next_request(house: House, change: Any) -> None:
    await token(house)
    await house.user("bob")
    _, identities = counting(house)
    key = (await enter(house)).key
    before, visitor = await identities.by_token("secret"), await identities.by_session(key)
    assert before is not None
    async with house.store.transaction() as tx:
        await change(tx, before.user_id)
    after, visitor_after = await identities.by_token("secret"), await identities.by_session(key)
    assert after is not None
    assert after != before
    assert visitor_after != visitor


async def test_a_remembered_token_ends_on_time(house: House) -> None:
    await token(house, expires_at=house.clock.now() + timedelta(seconds=10))
    store, identities = counting(house)
    assert await identities.by_token("secret") is not None
    house.clock.advance(9)
    assert await identities.by_token("secret") is not None
    assert store.transactions == 1
    house.clock.advance(1)
    assert await identities.by_token("secret") is None


async def test_a_remembered_session_ends_on_time(house: House) -> None:
    _, identities = counting(house)
    key = (await enter(house)).key
    assert await identities.by_session(key) is not None
    house.clock.advance(24 * 3600)
    assert await identities.by_session(key) is None


async def test_a_share_that_ends_is_gone_for_those_who_are_remembered_too(house: House) -> None:
    await token(house)
    ada, bob = await house.user("ada"), await house.user("bob")
    now = house.clock.now()
    async with house.store.transaction() as tx:
        server = await tx.servers.add(bob.id, "lab")
        end = now + timedelta(seconds=30)
        await tx.shares.put(Share(0, server.id, "bob", "lab", ("access:servers",), now, user_id=ada.id, expires=end))
    _, identities = counting(house)
    for seconds, may in ((0, True), (29, True), (1, False)):
        house.clock.advance(seconds)
        principal = await identities.by_token("secret")
        assert principal is not None
        assert principal.may("access:servers", user="bob", server="lab") is may


async def test_who_is_known_stays_known_while_the_database_is_away(house: House) -> None:
    await token(house)
    await token(house, "other", "bob")
    identities = Identities(house.ctx, Activity(house.ctx))
    known = await identities.by_token("secret")
    house.store.away = True
    assert await identities.by_token("secret") == known
    with pytest.raises(PerijoveError, match="away") as caught:
        await identities.by_token("other")
    assert caught.value.code is Code.UNAVAILABLE
    house.store.away = False
    assert await identities.by_token("other") is not None


async def test_a_change_during_the_look_up_is_not_overlooked(house: House) -> None:
    stored = await token(house)
    inner = house.store

    class Meanwhile(Counting):
        def reading(self) -> Any:
            return revoking(super().reading())

    @asynccontextmanager
    async def revoking(transaction: Any) -> AsyncIterator[Any]:
        async with transaction as tx:
            yield tx
        async with inner.transaction() as tx:
            await tx.tokens.delete(stored.id)

    ctx = replace(house.ctx, store=Meanwhile(inner))
    identities = Identities(ctx, Activity(ctx))
    assert await identities.by_token("secret") is not None
    assert await identities.by_token("secret") is None


class Deaf(Counting):
    """A store that other hubs write to; while `deaf`, nobody can tell what they do."""

    deaf = False

    @property
    def generation(self) -> Any:
        return Unsure(self.inner.generation) if self.deaf else self.inner.generation


async def test_who_is_known_stays_known_for_a_while_where_other_hubs_cannot_be_heard(house: House) -> None:
    stored = await token(house)
    await token(house, "other", "bob")
    store = Deaf(house.store)
    ctx = replace(house.ctx, store=store)
    identities = Identities(ctx, Activity(ctx))
    known, bob = await identities.by_token("secret"), await identities.by_token("other")
    store.deaf = house.store.away = True
    assert await identities.by_token("secret") == known
    house.clock.advance(300)
    assert await identities.by_token("secret") == known
    house.clock.advance(1)
    with pytest.raises(PerijoveError, match="away"):
        await identities.by_token("secret")
    house.store.away = False
    assert await identities.by_token("secret") == known
    # What this hub itself has changed is never overlooked.
    async with house.store.transaction() as tx:
        await tx.tokens.delete(stored.id)
    house.store.away = True
    for secret in ("secret", "other"):
        with pytest.raises(PerijoveError, match="away"):
            await identities.by_token(secret)
    house.store.away = store.deaf = False
    assert await identities.by_token("secret") is None
    assert await identities.by_token("other") == bob


async def test_while_others_cannot_be_heard_everybody_is_looked_up(house: House) -> None:
    await token(house)
    store = Deaf(house.store)
    ctx = replace(house.ctx, store=store)
    identities = Identities(ctx, Activity(ctx))
    store.deaf = True
    for count in (1, 2, 3):
        assert await identities.by_token("secret") is not None
        assert store.transactions == count
