from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import AdminChanged, GroupCreated, MembershipChanged, UserCreated
from perijove.hub.core.role_events import RoleChanged, RolesChanged
from perijove.hub.core.users import User
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases.auth_states import auth_state_of
from perijove.hub.usecases.people import BY_AUTHENTICATOR, for_plugins, take_in, understood

House = Any
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture
def house(house: House) -> House:
    """The house with a key."""
    house.ctx = replace(house.ctx, encryption=FernetEncryption([b"k" * 32]))
    return house


async def tell(house: House, name: str = "ada", *, refreshed: bool = False, **said: Any) -> User:
    """Take in what an authenticator with every ability says."""
    authenticator = FakeAuthenticator(manage_groups=True, manage_roles=True, enable_auth_state=True)
    model = {"name": name, **({} if refreshed else {"groups": None}), **said}
    told = await understood(house.ctx, authenticator, model, refreshed=refreshed)
    async with house.store.transaction() as tx:
        user, facts = await take_in(house.ctx, tx, told)
    for fact in facts:
        house.telemetry.emit(fact)
    return user


async def roles(house: House, name: str = "ada") -> list[str]:
    async with house.store.transaction() as tx:
        return [role.name for role in await tx.roles.of("user", (await tx.users.get(name)).id)]


async def kept(house: House, name: str = "ada") -> dict[str, Any] | None:
    async with house.store.transaction() as tx:
        return await auth_state_of(house.ctx, tx, (await tx.users.get(name)).id)


@BOTH
async def test_groups_are_set_exactly_and_made_as_needed(house: House) -> None:
    assert (await tell(house, groups=["b", "a"])).groups == ("a", "b")
    assert house.telemetry.of(GroupCreated) == [GroupCreated(name, BY_AUTHENTICATOR) for name in "ab"]
    house.telemetry.facts.clear()
    assert (await tell(house, groups=["c", "b"])).groups == ("b", "c")
    assert house.telemetry.of(MembershipChanged) == [
        MembershipChanged("a", "ada", False, BY_AUTHENTICATOR),
        MembershipChanged("c", "ada", True, BY_AUTHENTICATOR),
    ]
    house.telemetry.facts.clear()
    await tell(house, groups=["b", "c"])
    await tell(house, groups=None)
    await tell(house, refreshed=True)
    assert house.telemetry.facts == []
    assert (await tell(house, groups=[])).groups == ()


@BOTH
async def test_roles_are_set_beside_those_given_otherwise(house: House) -> None:
    async with house.store.transaction() as tx:
        await tx.roles.assign("server", "user", (await tx.users.get("ada")).id)
    await tell(house, roles=[{"name": "ops", "scopes": ["list:users"]}, "dev-team"])
    assert await roles(house) == ["dev-team", "ops", "server", "user"]
    assert house.telemetry.of(RoleChanged) == [
        RoleChanged("ops", "list:users", BY_AUTHENTICATOR),
        RoleChanged("dev-team", "", BY_AUTHENTICATOR),
    ]
    house.telemetry.facts.clear()
    await tell(house, roles=[{"name": "ops"}])
    assert await roles(house) == ["ops", "server", "user"]
    assert house.telemetry.facts == [RolesChanged("ada", "ops, server, user", BY_AUTHENTICATOR)]
    await tell(house, refreshed=True)
    assert await roles(house) == ["ops", "server", "user"]
    async with house.store.transaction() as tx:
        assert (await tx.roles.get("ops")).scopes == ("list:users",)
        assert (await tx.roles.get("ops")).managed


@BOTH
async def test_the_role_admin_and_the_flag_go_together(house: House) -> None:
    assert (await tell(house, roles=["admin"])).admin
    assert house.telemetry.of(AdminChanged) == [AdminChanged("ada", True, BY_AUTHENTICATOR)]
    assert not (await tell(house, roles=[])).admin
    assert (await tell(house, admin=True)).admin
    assert (await tell(house, roles=[])).admin
    assert not (await tell(house, admin=False)).admin


async def test_a_role_of_the_configuration_is_given_but_not_changed(house: House) -> None:
    with capture_logs() as logs:
        await tell(house, roles=[{"name": "server", "scopes": ["admin:users"]}])
    assert any("not its own" in entry["event"] for entry in logs)
    assert await roles(house) == ["server", "user"]
    async with house.store.transaction() as tx:
        assert "admin:users" not in (await tx.roles.get("server")).scopes


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([{"name": "ops", "scopes": ["nonsense"]}], "nonsense"),
        ([{"name": "OPS!"}], "Invalid role name"),
        ([7], "a role is a dictionary"),
        ([{"name": "admin", "scopes": ["self"]}], "cannot be changed"),
        ([{"name": "ops", "users": ["eve"]}], "only load_managed_roles"),
    ],
)
async def test_wrong_roles_are_refused_before_anything_is_stored(house: House, said: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        await tell(house, groups=["new"], roles=said)
    async with house.store.transaction() as tx:
        assert await tx.groups.get("new") is None


@BOTH
async def test_state_is_replaced_forgotten_or_left(house: House) -> None:
    await tell(house, auth_state={"token": "secret"})
    await tell(house)
    await tell(house, refreshed=True)
    assert await kept(house) == {"token": "secret"}
    await tell(house, auth_state=None)
    assert await kept(house) is None


async def test_state_is_forgotten_where_it_is_not_enabled_any_more(house: House) -> None:
    await tell(house, auth_state={"token": "secret"})
    told = await understood(replace(house.ctx, encryption=None), FakeAuthenticator(), {"name": "ada"})
    async with house.store.transaction() as tx:
        await take_in(house.ctx, tx, told)
        assert await tx.users.auth_state((await tx.users.get("ada")).id) is None


async def test_a_hook_reconciles_old_and_new_state(house: House) -> None:
    def reconcile(authenticator: Any, model: Any, existing: Any) -> Any:
        return {"seen": [*(existing or {}).get("seen", []), model["auth_state"]["n"]]}

    authenticator = FakeAuthenticator(reconcile_auth_state_hook=reconcile)
    for number in (1, 2):
        told = await understood(house.ctx, authenticator, {"name": "ada", "auth_state": {"n": number}})
        async with house.store.transaction() as tx:
            await take_in(house.ctx, tx, told)
    assert await kept(house) == {"seen": [1, 2]}


@BOTH
async def test_information_is_saved_and_kept_until_it_is_told_anew(house: House) -> None:
    told = {"display_name": "Ada L.", "color": "#fff"}
    assert (await tell(house, user_info={**told, "email": "a@b"})).user_info == told
    assert (await tell(house)).user_info == told
    assert (await tell(house, user_info={})).user_info == {}


async def test_somebody_new_becomes_a_user(house: House) -> None:
    user = await tell(house, "new", admin=True, groups=["a"])
    assert (user.name, user.admin, user.groups) == ("new", True, ("a",))
    assert house.telemetry.of(UserCreated) == [UserCreated("new", "new")]
    assert await roles(house, "new") == ["admin", "user"]


async def test_a_store_that_fails_keeps_nothing_of_it(house: House) -> None:
    told = await understood(house.ctx, FakeAuthenticator(manage_groups=True), {"name": "ada", "groups": ["a"]})
    with pytest.raises(PerijoveError) as caught:
        async with house.store.transaction() as tx:
            await take_in(house.ctx, tx, told)
            house.store.away = True
    assert caught.value.code is Code.UNAVAILABLE
    house.store.away = False
    async with house.store.transaction() as tx:
        assert await tx.groups.get("a") is None


async def test_plugins_see_groups_with_properties_and_the_state(house: House) -> None:
    await tell(house, groups=["b", "a"], auth_state={"token": "x"}, user_info={"name": "Ada"})
    async with house.store.transaction() as tx:
        await tx.groups.set_properties((await tx.groups.get("a")).id, {"floor": 2})
        seen = await for_plugins(house.ctx, tx, await tx.users.get("ada"))
    assert [(group.name, group.properties) for group in seen.groups] == [("a", {"floor": 2}), ("b", {})]
    assert seen.user_info == {"name": "Ada"}
    assert await seen.get_auth_state() == {"token": "x"}
    assert "token" not in repr(seen)
    await seen.save_auth_state({"token": "y"})
    assert await kept(house) == {"token": "y"}
