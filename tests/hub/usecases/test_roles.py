from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import AdminChanged
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.role_events import RoleChanged, RoleDeleted, RoleHolderChanged
from perijove.hub.core.roles import ADMIN_SCOPES, HolderKind, Role
from perijove.hub.core.scopes import CATALOGUE, Catalogue, Definition
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.usecases.roles import MAX_HOLDERS_AT_ONCE, Roles
from perijove.hub.usecases.startup import merged_roles
from perijove.wire.scopes import Scope

House = Any

TUTOR = ("admin-ui", "list:users!group=physics", "servers!group=physics")
LIMITED = Principal("user", "eve", frozenset({Scope("admin:users"), Scope("read:roles:users")}))


def holder(*scopes: Scope) -> Principal:
    return Principal("user", "eve", frozenset(scopes))


@contextmanager
def refused(code: Code, words: str | None = None) -> Iterator[None]:
    with pytest.raises(PerijoveError, match=words) as caught:
        yield
    assert caught.value.code is code


@pytest.fixture
def roles(house: House) -> Roles:
    return Roles(house.ctx)


async def stored(house: House, *roles: Role) -> None:
    async with house.store.transaction() as tx:
        for role in roles:
            await tx.roles.put(role)


async def test_whoever_may_read_roles_sees_how_many_hold_them_and_who(house: House, roles: Roles) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    await house.user("root", admin=True)
    summaries = {each.role.name: each.holders for each in await roles.list(house.admin)}
    assert list(summaries) == ["admin", "server", "token", "user"]
    assert summaries["user"] == {"user": 3, "group": 0, "service": 0}
    role = await roles.get(house.admin, "user", Window(1, 1))
    assert (role.holders["user"].items, role.holders["user"].total) == (["bob"], 3)
    with refused(Code.NOT_FOUND):
        await roles.get(house.admin, "nothing", Window())


async def test_only_holders_of_kinds_that_the_caller_may_see_are_told(house: House, roles: Roles) -> None:
    await house.user("ada")
    some = holder(Scope("read:roles:groups"), Scope("read:roles:users", "user", "ada"))
    assert {each.role.name: dict(each.holders) for each in await roles.list(some)}["user"] == {"group": 0}
    assert set((await roles.get(some, "user", Window())).holders) == {"group"}
    for nobody in (holder(), holder(Scope("read:roles:users", "user", "ada"))):
        with refused(Code.FORBIDDEN):
            await roles.list(nobody)


async def test_an_administrator_makes_changes_gives_and_deletes_a_role(house: House, roles: Roles) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    async with house.store.transaction() as tx:
        await tx.groups.add("physics")
    await roles.create(house.admin, "tutor", "Helps", TUTOR)
    await roles.change_holders(house.admin, "tutor", "user", ["Ada", "ada", "bob"], held=True)
    await roles.change_holders(house.admin, "tutor", "user", ["ada"], held=True)
    await roles.change_holders(house.admin, "tutor", "group", ["physics"], held=True)
    await roles.change_holders(house.admin, "tutor", "user", ["bob"], held=False)
    await roles.change(house.admin, "tutor", "Helps more", (*TUTOR, "read:hub"))
    await roles.change(house.admin, "tutor", "Helps more", (*TUTOR, "read:hub"))
    view = await roles.get(house.admin, "tutor", Window())
    assert view.role == Role("tutor", (*TUTOR, "read:hub"), "Helps more", custom=True)
    assert {kind: page.items for kind, page in view.holders.items()} == {
        "user": ["ada"],
        "group": ["physics"],
        "service": [],
    }
    assert (view.fixed, set(view.holders_fixed.values())) == ("", {""})
    await roles.delete(house.admin, "tutor")
    by = house.admin.name
    assert house.telemetry.facts[-6:] == [
        RoleHolderChanged("tutor", "user", "ada", True, by),
        RoleHolderChanged("tutor", "user", "bob", True, by),
        RoleHolderChanged("tutor", "group", "physics", True, by),
        RoleHolderChanged("tutor", "user", "bob", False, by),
        RoleChanged("tutor", " ".join((*TUTOR, "read:hub")), by),
        RoleDeleted("tutor", by),
    ]
    with refused(Code.NOT_FOUND):
        await roles.delete(house.admin, "tutor")


@pytest.mark.parametrize(
    ("name", "description", "scopes", "code", "words"),
    [
        ("T", "", (), Code.INVALID, "Invalid role name"),
        ("tutor", "", ("read:nothing",), Code.INVALID, "read:nothing"),
        ("tutor", "x" * 2000, (), Code.INVALID, "longer than"),
        ("tutor", "", tuple(f"read:users!user=u{number}" for number in range(201)), Code.INVALID, "at most 200"),
        ("tutor", "", (f"read:users!user={'u' * 2000}",), Code.INVALID, "at most 200"),
        ("user", "", (), Code.CONFLICT, "already exists"),
    ],
)
async def test_what_is_no_role_is_refused(
    house: House, roles: Roles, name: str, description: str, scopes: tuple[str, ...], code: Code, words: str
) -> None:
    with refused(code, words):
        await roles.create(house.admin, name, description, scopes)


async def test_nobody_gives_away_more_than_they_hold(house: House, roles: Roles) -> None:
    await house.user("ada")
    lesser = Principal("user", "root", frozenset(s for s in house.admin.scopes if s.base != "shutdown"), admin=True)
    for principal in (LIMITED, lesser):
        for attempt in (
            roles.create(principal, "tutor", "", ()),
            roles.change(principal, "user", "", ()),
            roles.delete(principal, "user"),
            roles.change_holders(principal, "user", "user", ["ada"], held=True),
        ):
            with refused(Code.FORBIDDEN, "Only administrators"):
                await attempt
        assert not await roles.may_change(principal)
    assert await roles.may_change(house.admin)
    with refused(Code.FORBIDDEN):
        await roles.create(holder(), "tutor", "", ())


async def test_a_scope_that_administrators_do_not_hold_is_no_gift_of_theirs(house: House) -> None:
    catalogue = Catalogue({**CATALOGUE, "custom:secrets:read": Definition("Read secrets.")})
    roles = Roles(replace(house.ctx, catalogue=catalogue))
    await house.user("ada")
    with refused(Code.FORBIDDEN, "custom:secrets:read"):
        await roles.create(house.admin, "reader", "", ["custom:secrets:read"])
    await stored(house, Role("reader", ("custom:secrets:read",), custom=True))
    with refused(Code.FORBIDDEN, "custom:secrets:read"):
        await roles.change_holders(house.admin, "reader", "user", ["ada"], held=True)
    # What it allows already is not given by this.
    changed = await roles.change(house.admin, "reader", "Reads", ["custom:secrets:read", "read:hub"])
    assert changed.scopes == ("custom:secrets:read", "read:hub")


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (Role("user", ("self",)), "part of|brings this role"),
        (Role("ops", ("read:hub",)), "configuration"),
        (Role("staff", ("read:hub",), managed=True), "sign-in service"),
    ],
)
async def test_roles_of_others_are_theirs_to_change(house: House, roles: Roles, role: Role, words: str) -> None:
    await stored(house, role)
    with refused(Code.NOT_ALLOWED, words):
        await roles.change(house.admin, role.name, "", ())
    with refused(Code.NOT_ALLOWED, words):
        await roles.delete(house.admin, role.name)


async def test_holders_whom_the_configuration_lists_are_its_own(house: House) -> None:
    await house.user("ada")
    async with house.store.transaction() as tx:
        await tx.groups.add("physics")
    specs = [RoleSpec("ops", scopes=("read:hub",), users=("ada",))]
    await stored(house, *merged_roles(specs))
    roles = Roles(house.ctx, specs)
    with refused(Code.NOT_ALLOWED, "configuration"):
        await roles.change_holders(house.admin, "ops", "user", ["ada"], held=True)
    await roles.change_holders(house.admin, "ops", "group", ["physics"], held=True)
    assert (await roles.get(house.admin, "ops", Window())).holders_fixed["group"] == ""
    nobodys: list[tuple[str, HolderKind]] = [("token", "user"), ("server", "group"), ("admin", "service")]
    for name, kind in nobodys:
        with refused(Code.NOT_ALLOWED):
            await roles.change_holders(house.admin, name, kind, ["ada"], held=True)


async def test_administrators_are_made_and_unmade_with_their_flag(house: House, roles: Roles) -> None:
    ada = await house.user("ada")
    root = await house.user("root", admin=True)
    me = Principal("user", "root", house.admin.scopes, user_id=root.id, admin=True)
    await roles.change_holders(me, "admin", "user", ["ada"], held=True)
    assert house.telemetry.facts[-1] == AdminChanged("ada", True, "root")
    async with house.store.transaction() as tx:
        assert (await tx.users.by_id(ada.id)).admin
        assert "admin" in (await tx.roles.names_of("user", [ada.id]))[ada.id]
    with refused(Code.INVALID, "yourself"):
        await roles.change_holders(me, "admin", "user", ["root", "ada"], held=False)
    await roles.change_holders(me, "admin", "user", ["ada"], held=False)
    async with house.store.transaction() as tx:
        assert not (await tx.users.by_id(ada.id)).admin


@pytest.mark.parametrize(("kind", "name"), [("user", "nobody"), ("group", "nothing"), ("service", "nowhere")])
async def test_whoever_is_not_there_is_named(house: House, roles: Roles, kind: Any, name: str) -> None:
    await roles.create(house.admin, "tutor", "", ["read:hub"])
    with refused(Code.INVALID, name):
        await roles.change_holders(house.admin, "tutor", kind, [name], held=True)
    with refused(Code.INVALID, "At most"):
        await roles.change_holders(house.admin, "tutor", kind, [name] * (MAX_HOLDERS_AT_ONCE + 1), held=True)


def test_the_role_of_administrators_allows_what_making_roles_needs() -> None:
    assert "admin:users" in ADMIN_SCOPES
