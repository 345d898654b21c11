from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import TokenCreated, TokenRevoked
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import DEFAULT_ROLES, Role
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.tokens import MAX_NOTE_LENGTH, Token, hash_token
from perijove.hub.usecases import tokens
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.tokens import TokenRequest, TokenView

House = Any
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def create(house: House, by: Principal, name: str = "ada", maximum: int = 0, **values: Any) -> TokenView:
    return await tokens.create(house.ctx, by, name, TokenRequest(**values), maximum=maximum)


async def used(house: House, value: str) -> Principal | None:
    return await Identities(house.ctx, Activity(house.ctx)).by_token(value)


async def ada(house: House) -> Principal:
    principal: Principal = (await house.visitor()).principal
    return principal


@BOTH
async def test_a_token_is_told_once_and_stored_as_a_hash(house: House) -> None:
    me = await ada(house)
    view = await create(house, me, note="script")
    assert len(view.value) >= 43
    assert view.token.token_hash == hash_token(view.value)
    assert view.token.scopes == ("inherit",)
    assert "servers!user=ada" in view.scopes
    again = await tokens.get(house.ctx, me, "ada", view.token.id)
    assert (again.value, again.token.note) == ("", "script")
    assert view.value not in repr(again)
    assert house.telemetry.of(TokenCreated) == [TokenCreated("ada", "ada", view.token.api_id)]
    principal = await used(house, view.value)
    assert principal is not None
    assert principal.scopes == me.scopes


async def test_not_saying_and_saying_none_are_two_things(house: House) -> None:
    me = await ada(house)
    assert (await create(house, me)).token.note == "Requested via api by user ada"
    nothings: list[dict[str, Any]] = [{"scopes": ()}, {"roles": ()}]
    for nothing in nothings:
        view = await create(house, me, **nothing)
        assert view.token.scopes == ()
        assert view.scopes == ("read:users:groups!user=ada", "read:users:name!user=ada")


@pytest.mark.parametrize(
    "request_",
    [
        {"scopes": ("nonsense",)},
        {"scopes": ("read:users!",)},
        {"scopes": ("admin:users",)},
        {"scopes": ("read:users!user=eve",)},
        {"scopes": ("self",), "roles": ("user",)},
        {"roles": ("nobody",)},
        {"roles": ("admin",)},
        {"scopes": ("self",) * 201},
        {"note": "x" * (MAX_NOTE_LENGTH + 1)},
        {"note": "two\nlines"},
        {"expires_in": -1},
    ],
    ids=str,
)
async def test_what_a_token_may_not_be(house: House, request_: dict[str, Any]) -> None:
    assert (await refused(create(house, await ada(house), **request_))).code is Code.INVALID


async def test_roles_are_resolved_now(house: House) -> None:
    view = await create(house, await ada(house), roles=("user",))
    assert view.token.scopes == ("self",)


async def test_a_token_cannot_mint_a_stronger_one(house: House) -> None:
    weak = await create(house, await ada(house), scopes=("tokens!user", "read:users!user"))
    principal = await used(house, weak.value)
    assert principal is not None
    assert (await create(house, principal, scopes=("read:users:name!user",))).value
    for stronger in (None, ("inherit",), ("self",), ("servers!user",)):
        assert (await refused(create(house, principal, scopes=stronger))).code is Code.FORBIDDEN


async def test_who_makes_tokens_acts_for_users_but_does_not_become_administrator(house: House) -> None:
    """CVE-2024-41942 is of this kind: a part of an administrator's rights was a way to all of them."""
    await house.user("root", admin=True)
    async with house.store.transaction() as tx:
        await tx.roles.replace_all([*DEFAULT_ROLES.values(), Role("boss", ("admin:users",))])
    await house.user("deputy", roles=("boss",))
    makers = [
        Principal("service", "ops", expand(["tokens"], Holder(service="ops")), service_id=1),
        Principal("user", "ops", expand(["tokens", "read:users"], Holder(user="ops")), user_id=8888),
    ]
    for maker in makers:
        assert "access:servers!user=ada" in (await create(house, maker)).scopes
        for powerful in ("root", "deputy"):
            assert (await refused(create(house, maker, powerful))).code is Code.FORBIDDEN
            assert (await create(house, maker, powerful, scopes=("self",))).scopes
    scopes = expand(["tokens", "admin:users"], Holder(service="ops"))
    half = Principal("service", "ops", scopes, service_id=1)
    assert (await refused(create(house, half, "root"))).code is Code.FORBIDDEN
    assert "delete:users" in (await create(house, half, "root", scopes=("admin:users",))).scopes
    assert (await create(house, house.admin)).value


async def test_only_who_may_handles_tokens(house: House) -> None:
    view = await create(house, await ada(house))
    eve = (await house.visitor("eve")).principal
    number = view.token.id
    for work in (
        create(house, eve),
        tokens.list_of(house.ctx, eve, "ada"),
        tokens.get(house.ctx, eve, "ada", number),
        tokens.revoke(house.ctx, eve, "ada", number),
        tokens.get(house.ctx, eve, "eve", number),
        tokens.revoke(house.ctx, eve, "eve", number),
    ):
        assert (await refused(work)).code is Code.NOT_FOUND
    assert await used(house, view.value) is not None
    assert (await refused(create(house, house.admin, "nobody"))).code is Code.NOT_FOUND
    assert (await refused(tokens.list_of(house.ctx, house.admin, "nobody"))).code is Code.NOT_FOUND


async def test_a_token_ends_when_it_should(house: House) -> None:
    me = await ada(house)
    view = await create(house, me, expires_in=10)
    assert view.token.expires_at == house.clock.now() + timedelta(seconds=10)
    house.clock.advance(10)
    assert await used(house, view.value) is None
    assert await tokens.list_of(house.ctx, me, "ada") == []
    assert (await refused(tokens.get(house.ctx, me, "ada", view.token.id))).code is Code.NOT_FOUND
    assert await tokens.purge(house.ctx) == 1


async def test_the_longest_life_of_a_token_is_kept(house: House) -> None:
    me = await ada(house)
    assert (await refused(create(house, me, maximum=60, expires_in=61))).code is Code.INVALID
    assert (await create(house, me)).token.expires_at is None
    for wanted in (None, 0):
        view = await create(house, me, maximum=60, expires_in=wanted)
        assert view.token.expires_at == house.clock.now() + timedelta(seconds=60)


async def test_the_list_begins_with_what_was_used_least_recently(house: House) -> None:
    me = await ada(house)
    first = await create(house, me)
    house.clock.advance(1)
    second = await create(house, me)
    house.clock.advance(1)
    activity = Activity(house.ctx)
    await Identities(house.ctx, activity).by_token(first.value)
    await activity.flush()
    listed = await tokens.list_of(house.ctx, me, "ada")
    assert [view.token.id for view in listed] == [second.token.id, first.token.id]


@BOTH
async def test_revoking_a_clients_token_revokes_all_it_has_for_that_user(house: House) -> None:
    me = await ada(house)
    api = await create(house, me)
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        other = await tx.users.add("eve", admin=False, now=house.clock.now())

        async def issued(owner: Any, secret: str) -> Token:
            token = Token(
                0, secret, "user", owner.id, owner.name, ("self",), house.clock.now(), client_id="jupyterhub-user-ada"
            )
            added: Token = await tx.tokens.add(token)
            return added

        one, two, foreign = await issued(user, "1"), await issued(user, "2"), await issued(other, "3")
    await tokens.revoke(house.ctx, me, "ada", one.id)
    async with house.store.transaction() as tx:
        assert await tx.tokens.get(two.id) is None
        assert await tx.tokens.get(foreign.id) is not None
        assert await tx.tokens.get(api.token.id) is not None
    await tokens.revoke(house.ctx, me, "ada", api.token.id)
    assert await used(house, api.value) is None
    assert house.telemetry.of(TokenRevoked) == [
        TokenRevoked("ada", "ada", one.api_id, "jupyterhub-user-ada"),
        TokenRevoked("ada", "ada", api.token.api_id),
    ]
