from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import AdminChanged, UserCreated, UserDeleted
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import State
from perijove.hub.ports.store import UserQuery
from perijove.hub.usecases import users
from perijove.hub.usecases.users import create_users, delete_user, get_user, list_names, list_users, view_of

House = Any
ALL = UserQuery(Window(0, 100))
BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


def holding(*scopes: str, name: str = "ops") -> Principal:
    return Principal("user", name, expand(scopes, Holder(user=name)), user_id=8888)


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def gone(server: Any) -> bool:
    return True


async def create(house: House, names: list[str], *, by: Principal | None = None, admin: bool = False) -> list[str]:
    views = await create_users(house.ctx, house.authenticator, by or house.admin, names, admin=admin)
    return [view.user.name for view in views]


async def delete(house: House, name: str, *, by: Principal | None = None, stop: Any = gone) -> None:
    await delete_user(house.ctx, house.process().removal, by or house.admin, name, stop_server=stop)


@BOTH
async def test_users_are_created_once_and_normalised(house: House) -> None:
    assert await create(house, ["Bob", "bob", "ada", "Eve"]) == ["bob", "eve"]
    assert house.telemetry.of(UserCreated) == [UserCreated("bob", "root"), UserCreated("eve", "root")]
    assert (await refused(create(house, ["bob"]))).code is Code.CONFLICT
    assert (await refused(create(house, ["bob", "eve"]))).message == "All these users already exist"
    view = await get_user(house.ctx, house.admin, "bob")
    assert list(view.roles) == ["user"]


async def test_one_bad_name_creates_nobody_and_all_bad_ones_are_told(house: House) -> None:
    house.authenticator.username_pattern = "[a-z]+"
    error = await refused(create(house, ["bob", "a/b", "", "x9"]))
    assert error.code is Code.INVALID
    assert error.message == "Invalid usernames: 'a/b', '', 'x9'"
    async with house.store.transaction() as tx:
        assert await tx.users.get("bob") is None


async def test_how_many_at_once_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MAX_NEW_USERS", 1)
    assert (await refused(create(house, []))).code is Code.INVALID
    assert (await refused(create(house, ["bob", "eve"]))).code is Code.INVALID


async def test_only_administrators_make_administrators_cve_2024_41942(house: House) -> None:
    ops = holding("admin:users")
    assert await create(house, ["bob"], by=ops) == ["bob"]
    assert (await refused(create(house, ["eve"], by=ops, admin=True))).code is Code.FORBIDDEN
    assert (await refused(create(house, ["eve"], by=holding("read:users")))).code is Code.FORBIDDEN
    async with house.store.transaction() as tx:
        assert await tx.users.get("eve") is None
    await create(house, ["eve"], admin=True)
    assert house.telemetry.of(AdminChanged) == [AdminChanged("eve", True, "root")]
    assert (await get_user(house.ctx, house.admin, "eve")).user.admin


async def test_naming_an_existing_user_does_not_promote_them(house: House) -> None:
    assert await create(house, ["ada", "bob"], admin=True) == ["bob"]
    assert not (await get_user(house.ctx, house.admin, "ada")).user.admin


async def test_who_may_delete_users_may_not_delete_administrators_cve_2024_41942(house: House) -> None:
    await house.user("root", admin=True)
    ops = holding("admin:users")
    assert (await refused(delete(house, "root", by=ops))).code is Code.FORBIDDEN
    await delete(house, "ada", by=ops)
    await delete(house, "root")
    assert (await refused(delete(house, "root"))).code is Code.NOT_FOUND


async def test_somebody_who_became_administrator_meanwhile_is_not_deleted(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")

    async def stop(server: Any) -> bool:
        stopped: bool = await hub.servers.stopped_within(server, 30)
        await house.user("ada", admin=True)
        return stopped

    assert (await refused(delete(house, "ada", by=holding("admin:users"), stop=stop))).code is Code.FORBIDDEN


async def test_nobody_deletes_oneself(house: House) -> None:
    visitor = await house.visitor("boss", admin=True)
    assert (await refused(delete(house, "boss", by=visitor.principal))).message == "Cannot delete yourself!"


async def test_servers_are_stopped_before_their_owner_is_deleted(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    house.hold("stopping")

    async def stop(server: Any) -> bool:
        return bool(await hub.servers.stopped_within(server, 0))

    assert (await refused(delete(house, "ada", stop=stop))).code is Code.CONFLICT
    assert (await house.row()).state is State.STOPPING
    house.let_go("stopping")
    await house.until("stopped")
    await delete(house, "ada", stop=stop)
    assert house.telemetry.of(UserDeleted) == [UserDeleted("ada", "root")]
    assert house.world.running() == []


async def test_a_server_started_meanwhile_keeps_its_owner(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    assert "started meanwhile" in (await refused(delete(house, "ada", stop=gone))).message
    assert (await house.row()).ready


async def test_an_authenticator_that_cannot_clean_up_does_not_undo_it(house: House) -> None:
    def broken(user: Any) -> None:
        raise RuntimeError("away")

    house.authenticator.delete_user = broken
    await delete(house, "ada")
    async with house.store.transaction() as tx:
        assert await tx.users.get("ada") is None


@BOTH
async def test_a_list_holds_only_whom_the_caller_may_list_ghsa_69wv_m5fw_2fhp(house: House) -> None:
    for name in ("bob", "eve"):
        await house.user(name)
    page = await list_users(house.ctx, holding("list:users!user=bob", "read:users"), ALL)
    assert [view.user.name for view in page.items] == ["bob"]
    assert page.total == 1
    everybody = await list_users(house.ctx, holding("list:users"), ALL)
    assert everybody.total == 3
    assert all(view.fields == {"kind", "name", "admin", "user_info"} for view in everybody.items)
    assert (await list_users(house.ctx, holding("list:users!group=g"), ALL)).total == 0
    async with house.store.transaction() as tx:
        group = await tx.groups.add("g")
        eve = await tx.users.get("eve")
        await tx.groups.add_members(group.id, [eve.id])
    members = await list_users(house.ctx, holding("list:users!group=g"), ALL)
    assert [view.user.name for view in members.items] == ["eve"]
    both = await list_users(house.ctx, holding("list:users!group=g", "list:users!user=bob"), ALL)
    assert {view.user.name for view in both.items} == {"bob", "eve"}
    assert await list_names(house.ctx, holding("list:users!group=g", "list:users!user=bob"), ALL) == ["bob", "eve"]
    for scopes in (("read:users",), ("list:users!server=bob/",), ()):
        for listing in (list_users, list_names):
            assert (await refused(listing(house.ctx, holding(*scopes), ALL))).code is Code.FORBIDDEN


async def test_one_user_is_shown_to_whoever_may_see_anything_of_them(house: House) -> None:
    assert "servers" in (await get_user(house.ctx, holding("read:servers!user=ada"), "ada")).fields
    assert (await refused(get_user(house.ctx, holding("read:users!user=bob"), "ada"))).code is Code.NOT_FOUND
    assert (await refused(get_user(house.ctx, holding("tokens"), "ada"))).code is Code.FORBIDDEN
    assert (await refused(get_user(house.ctx, house.admin, "nobody"))).code is Code.NOT_FOUND


async def test_a_view_by_id_shows_what_the_caller_may_see(house: House) -> None:
    user = await house.user()
    view = await view_of(house.ctx, holding("read:users:name!user=ada"), user.id)
    assert view.fields == {"kind", "name", "admin", "user_info"}
    assert (await refused(view_of(house.ctx, house.admin, 424242))).code is Code.NOT_FOUND


async def test_members_of_a_group_are_listed_to_whoever_may_read_it(house: House) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    async with house.store.transaction() as tx:
        bob = await tx.users.get("bob")
        assert bob is not None
        await tx.groups.add_members((await tx.groups.add("team")).id, [bob.id])
    query = UserQuery(Window(0, 100), member_of="team")
    assert [view.user.name for view in (await list_users(house.ctx, house.admin, query)).items] == ["bob"]
    some = holding("list:users", "read:groups!group=other")
    assert (await refused(list_users(house.ctx, some, query))).code is Code.NOT_FOUND
    assert (await refused(list_users(house.ctx, holding("list:users"), query))).code is Code.FORBIDDEN
