from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerShared, ShareCodeChanged, ShareRevoked
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.shares import Share
from perijove.hub.usecases import shares
from perijove.hub.usecases.identity import owner_scopes
from perijove.hub.usecases.shares import HolderName, ServerName
from perijove.wire.scopes import parse_scope

House = Any
LAB = ServerName("ada", "lab")
BOB, STAFF = HolderName("user", "bob"), HolderName("group", "staff")
ALL = Window()

pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture
async def lab(house: House) -> Any:
    """Return ada's server lab; bob is in the group staff."""
    ada, bob = await house.user("ada"), await house.user("bob")
    async with house.store.transaction() as tx:
        staff = await tx.groups.add("staff")
        await tx.groups.add_members(staff.id, [bob.id])
        return await tx.servers.add(ada.id, "lab")


async def held(house: House, name: str) -> set[str]:
    """Return what a user may do with servers of others now."""
    user = await house.user(name)
    async with house.store.transaction() as tx:
        return {
            str(scope) for scope in await owner_scopes(house.ctx, tx, "user", user.id, name) if scope.kind == "server"
        }


async def test_what_is_shared_is_held_at_once_and_told(house: House, lab: Any) -> None:
    view = await shares.give(house.ctx, house.admin, LAB, BOB, ["servers!server=ada/lab", "access:servers"])
    assert view.share.scopes == ("access:servers", "servers")
    assert view.server == lab
    assert "start:servers!server=ada/lab" in await held(house, "bob")
    await shares.give(house.ctx, house.admin, LAB, STAFF, [])
    await shares.take_back(house.ctx, house.admin, LAB, BOB, ["servers"])
    await shares.take_back(house.ctx, house.admin, LAB, BOB, [])
    assert await held(house, "bob") == {"access:servers!server=ada/lab"}
    await shares.take_all_back(house.ctx, house.admin, LAB)
    assert await held(house, "bob") == set()
    assert house.telemetry.of(ServerShared) == [
        ServerShared("ada/lab", "user bob", "access:servers servers", "root"),
        ServerShared("ada/lab", "group staff", "access:servers", "root"),
    ]
    assert house.telemetry.of(ShareRevoked) == [
        ShareRevoked("ada/lab", "user bob", "servers", "root"),
        ShareRevoked("ada/lab", "user bob", "", "root"),
        ShareRevoked("ada/lab", "", "", "root"),
    ]
    await shares.take_all_back(house.ctx, house.admin, LAB)
    assert await shares.take_back(house.ctx, house.admin, LAB, BOB, []) is None
    assert len(house.telemetry.of(ShareRevoked)) == 3


async def test_nothing_that_was_refused_is_stored_or_told(house: House, lab: Any) -> None:
    giver = Principal("service", "ops", frozenset({parse_scope("shares!server=ada/lab")}), service_id=1)
    for holder, scopes in ((BOB, []), (STAFF, []), (BOB, ["servers"])):
        with pytest.raises(PerijoveError) as refused:
            await shares.give(house.ctx, giver, LAB, holder, scopes)
        assert refused.value.code is Code.FORBIDDEN
    assert (await shares.list_of_owner(house.ctx, house.admin, "ada", None, ALL)).total == 0
    assert house.telemetry.facts == []


async def test_a_filter_by_group_reaches_the_servers_of_its_members(house: House, lab: Any) -> None:
    ada = await house.user("ada")
    async with house.store.transaction() as tx:
        staff = await tx.groups.get("staff")
        await tx.groups.add_members(staff.id, [ada.id])
    scopes = ("shares!group=staff", "access:servers!group=staff", "read:users:name")
    giver = Principal("service", "ops", frozenset(map(parse_scope, scopes)), service_id=1)
    assert (await shares.give(house.ctx, giver, LAB, BOB, [])).share.user_name == "bob"
    async with house.store.transaction() as tx:
        await tx.groups.remove_members(staff.id, [ada.id])
    with pytest.raises(PerijoveError) as refused:
        await shares.give(house.ctx, giver, LAB, BOB, [])
    assert refused.value.code is Code.NOT_FOUND


async def test_what_is_over_is_neither_found_nor_added_to(house: House, lab: Any) -> None:
    bob = await house.user("bob")
    now = house.clock.now()
    async with house.store.transaction() as tx:
        await tx.shares.put(Share(0, lab.id, "", "", ("servers",), now, bob.id, expires=now))
    with pytest.raises(PerijoveError) as refused:
        await shares.get_with(house.ctx, house.admin, BOB, LAB)
    assert refused.value.code is Code.NOT_FOUND
    with pytest.raises(PerijoveError):
        await shares.give_up(house.ctx, house.admin, BOB, LAB)
    assert await shares.take_back(house.ctx, house.admin, LAB, BOB, []) is None
    view = await shares.give(house.ctx, house.admin, LAB, BOB, [])
    assert (view.share.scopes, view.share.expires) == (("access:servers",), None)


async def test_giving_up_is_for_oneself(house: House, lab: Any) -> None:
    await shares.give(house.ctx, house.admin, LAB, BOB, [])
    bob = (await house.visitor("bob")).principal
    assert (await shares.get_with(house.ctx, bob, BOB, LAB)).server.name == "lab"
    eve = (await house.visitor("eve")).principal
    for principal in (eve, (await house.visitor("ada")).principal):
        with pytest.raises(PerijoveError) as refused:
            await shares.give_up(house.ctx, principal, BOB, LAB)
        assert refused.value.code is Code.NOT_FOUND
    await shares.give_up(house.ctx, bob, BOB, LAB)
    assert house.telemetry.of(ShareRevoked) == [ShareRevoked("ada/lab", "user bob", "", "bob")]


async def test_a_default_server_that_never_was_cannot_be_shared(house: House, lab: Any) -> None:
    with pytest.raises(PerijoveError, match="once it has been started") as refused:
        await shares.give(house.ctx, house.admin, ServerName("ada", ""), BOB, [])
    assert refused.value.code is Code.NOT_FOUND


async def test_a_code_is_made_taken_and_revoked(house: House, lab: Any) -> None:
    made = await shares.create_code(house.ctx, house.admin, LAB, [], expires_in=60)
    bob, ada = await house.user("bob"), await house.user("ada")
    assert (await shares.offered(house.ctx, made.value)).code.scopes == ("access:servers",)
    view = await shares.accept(house.ctx, bob, made.value)
    assert (view.share.user_name, view.server.full_name) == ("bob", "ada/lab")
    with pytest.raises(PerijoveError, match="your own server"):
        await shares.accept(house.ctx, ada, made.value)
    (listed,) = (await shares.list_codes(house.ctx, house.admin, "ada", "lab", ALL)).items
    assert (listed.code.exchange_count, listed.code.last_exchanged) == (1, house.clock.now())
    assert listed.value == ""
    await shares.revoke_code(house.ctx, house.admin, LAB, code_id=made.code.id)
    await shares.revoke_code(house.ctx, house.admin, LAB)
    with pytest.raises(PerijoveError, match="not valid"):
        await shares.accept(house.ctx, bob, made.value)
    assert await held(house, "bob") == {"access:servers!server=ada/lab"}
    code = made.code.api_id
    assert house.telemetry.facts == [
        ShareCodeChanged("ada/lab", code, True, "root"),
        ServerShared("ada/lab", "user bob", "access:servers", "bob", code),
        ShareCodeChanged("ada/lab", code, False, "root"),
    ]


async def test_all_codes_of_a_server_are_told_as_one(house: House, lab: Any) -> None:
    for _ in range(2):
        await shares.create_code(house.ctx, house.admin, LAB, [])
    await shares.revoke_code(house.ctx, house.admin, LAB)
    assert house.telemetry.facts[2:] == [ShareCodeChanged("ada/lab", "", False, "root")]
    assert (await shares.list_codes(house.ctx, house.admin, "ada", None, ALL)).items == []


async def test_what_is_over_is_swept(house: House, lab: Any) -> None:
    code = await shares.create_code(house.ctx, house.admin, LAB, [], expires_in=60)
    house.clock.advance(59)
    assert await shares.purge(house.ctx) == 0
    house.clock.advance(1)
    with pytest.raises(PerijoveError, match="not valid"):
        await shares.offered(house.ctx, code.value)
    assert await shares.purge(house.ctx) == 1


async def test_a_page_of_shares_of_many_owners(house: House, lab: Any) -> None:
    for name in ("carol", "dave"):
        user = await house.user(name)
        async with house.store.transaction() as tx:
            await tx.servers.add(user.id, "")
        await shares.give(house.ctx, house.admin, ServerName(name, ""), BOB, [])
    await shares.give(house.ctx, house.admin, LAB, STAFF, [])
    page = await shares.list_with(house.ctx, house.admin, BOB, Window(1, 2))
    assert [view.server.full_name for view in page.items] == ["dave/", "ada/lab"]
    assert page.total == 3
    assert [view.share.group_name for view in page.items] == ["", "staff"]
