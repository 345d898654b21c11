from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import GroupCreated, GroupDeleted, GroupPropertiesChanged, MembershipChanged
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.usecases import groups as module
from perijove.hub.usecases.groups import (
    change_members,
    create_groups,
    delete_group,
    find_groups,
    get_group,
    get_summary,
    list_groups,
    set_groups_of,
    set_properties,
)

House = Any
ALL = Window(0, 100)
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


def holding(*scopes: str) -> Principal:
    return Principal("user", "ops", expand(scopes, Holder(user="ops")), user_id=8888)


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def test_groups_are_made_shown_and_deleted(house: House) -> None:
    await house.user("ada")
    made = await create_groups(house.ctx, house.admin, ["/Staff", "guests", "guests"], ["Ada"])
    assert [(view.group.name, list(view.members)) for view in made] == [("/Staff", ["ada"]), ("guests", ["ada"])]
    assert [view.group.name for view in (await list_groups(house.ctx, house.admin, ALL)).items] == ["/Staff", "guests"]
    await delete_group(house.ctx, house.admin, "guests")
    assert (await refused(get_group(house.ctx, house.admin, "guests"))).code is Code.NOT_FOUND
    assert house.telemetry.of(GroupCreated) == [
        GroupCreated("/Staff", house.admin.name),
        GroupCreated("guests", house.admin.name),
    ]
    assert house.telemetry.of(GroupDeleted) == [GroupDeleted("guests", house.admin.name)]


async def test_all_groups_are_made_or_none(house: House) -> None:
    await create_groups(house.ctx, house.admin, ["one"])
    for names, members, code in (
        (["two", "one"], [], Code.CONFLICT),
        (["two", ""], [], Code.INVALID),
        (["two"], ["nobody"], Code.INVALID),
        ([], [], Code.INVALID),
        ([f"group-{number}" for number in range(module.MAX_NEW_GROUPS + 1)], [], Code.INVALID),
        (["two"], ["x"] * (module.MAX_MEMBERS_AT_ONCE + 1), Code.INVALID),
    ):
        assert (await refused(create_groups(house.ctx, house.admin, names, members))).code is code
    assert (await list_groups(house.ctx, house.admin, ALL)).total == 1


async def test_members_come_and_go(house: House) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    await create_groups(house.ctx, house.admin, ["staff"], ["ada"])
    both = await change_members(house.ctx, house.admin, "staff", ["ada", "bob"], member=True)
    assert list(both.members) == ["ada", "bob"]
    left = await change_members(house.ctx, house.admin, "staff", ["ada"], member=False)
    assert list(left.members) == ["bob"]
    error = await refused(change_members(house.ctx, house.admin, "staff", ["bob", "carl", "dan"], member=False))
    assert error.code is Code.INVALID
    assert "'carl', 'dan'" in error.message
    assert [(fact.user, fact.member) for fact in house.telemetry.of(MembershipChanged)] == [
        ("ada", True),
        ("bob", True),
        ("ada", False),
    ]


async def test_properties_are_replaced(house: House) -> None:
    await create_groups(house.ctx, house.admin, ["staff"])
    await set_properties(house.ctx, house.admin, "staff", {"a": 1})
    assert (await set_properties(house.ctx, house.admin, "staff", {"b": [2]})).group.properties == {"b": [2]}
    assert len(house.telemetry.of(GroupPropertiesChanged)) == 2


async def test_a_filter_reaches_its_group_only(house: House) -> None:
    await create_groups(house.ctx, house.admin, ["staff", "guests"])
    some = holding("admin:groups!group=staff")
    assert [view.group.name for view in (await list_groups(house.ctx, some, ALL)).items] == ["staff"]
    assert (await list_groups(house.ctx, some, ALL)).total == 1
    assert (await set_properties(house.ctx, some, "staff", {})).fields >= {"users", "properties", "roles"}
    for work in (
        get_group(house.ctx, some, "guests"),
        set_properties(house.ctx, some, "guests", {}),
        change_members(house.ctx, some, "guests", [], member=True),
        delete_group(house.ctx, some, "guests"),
        delete_group(house.ctx, some, "none"),
        create_groups(house.ctx, some, ["others"]),
    ):
        assert (await refused(work)).code is Code.NOT_FOUND
    for other in (
        list_groups(house.ctx, holding("list:users"), ALL),
        list_groups(house.ctx, holding("list:groups!user=ada"), ALL),
        create_groups(house.ctx, holding("groups"), ["others"]),
        delete_group(house.ctx, holding("groups"), "staff"),
    ):
        assert (await refused(other)).code is Code.FORBIDDEN


async def test_nobody_gives_more_by_a_group_than_they_have(house: House) -> None:
    ada = await house.user("ada")
    await create_groups(house.ctx, house.admin, ["bosses", "staff"])
    async with house.ctx.store.transaction() as tx:
        bosses, staff = await tx.groups.get("bosses"), await tx.groups.get("staff")
        await tx.roles.assign("admin", "group", bosses.id)
        await tx.roles.assign("user", "group", staff.id)
    some = holding("groups")
    error = await refused(change_members(house.ctx, some, "bosses", ["ada"], member=True))
    assert error.code is Code.FORBIDDEN
    assert "allow more than you may do" in error.message
    assert list((await change_members(house.ctx, some, "staff", ["ada"], member=True)).members) == ["ada"]
    async with house.ctx.store.transaction() as tx:
        with pytest.raises(PerijoveError):
            await set_groups_of(house.ctx, tx, some, ada, ["bosses"])
    await change_members(house.ctx, house.admin, "bosses", ["ada"], member=True)
    assert list((await change_members(house.ctx, some, "bosses", ["ada"], member=False)).members) == []


async def test_fields_follow_scopes(house: House) -> None:
    await create_groups(house.ctx, house.admin, ["staff"])
    assert (await get_group(house.ctx, holding("read:groups:name"), "staff")).fields == {"kind", "name"}
    assert (await get_group(house.ctx, holding("read:roles:groups"), "staff")).fields == {"kind", "name", "roles"}


async def test_groups_are_found_by_a_part_of_their_name_with_how_many_members(house: House) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    await create_groups(house.ctx, house.admin, ["Zebra staff", "students", "staff"], ["ada", "bob"])
    page = await find_groups(house.ctx, house.admin, "STAFF", ALL)
    assert [(each.group.name, each.members) for each in page.items] == [("Zebra staff", 2), ("staff", 2)]
    some = holding("list:groups!group=staff")
    assert [
        (each.group.name, "users" in each.fields) for each in (await find_groups(house.ctx, some, "", ALL)).items
    ] == [("staff", False)]
    assert (await refused(find_groups(house.ctx, holding("users"), "", ALL))).code is Code.FORBIDDEN
    assert (await get_summary(house.ctx, house.admin, "students")).members == 2
    assert (await refused(get_summary(house.ctx, some, "students"))).code is Code.NOT_FOUND
    assert (await refused(get_summary(house.ctx, house.admin, "nothing"))).code is Code.NOT_FOUND
