from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.role_events import RoleChanged, RoleDeleted, RoleHolderChanged
from perijove.hub.core.roles import Role
from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.pages.admin_roles import in_words
from perijove.hub.web.pages.scope_words import ROLE_WORDS

Desk = Any


async def stored(desk: Desk, name: str) -> Role | None:
    async with desk.hub.store.transaction() as tx:
        role: Role | None = await tx.roles.get(name)
    return role


async def test_roles_are_told_in_words_with_who_holds_them(desk: Desk) -> None:
    await desk.hub.add_user("ada")
    cards = await desk.words("admin/roles", ".role-cards .card")
    assert [card.split()[0] for card in cards] == ["admin", "server", "token", "user"]
    assert all("part of the hub" in card for card in cards)
    assert await desk.words("admin/roles/user", ".member-list li") == ["ada", "root"]
    assert "Stop the hub." in await desk.words("admin/roles/admin", ".defs dd")
    assert (await desk.browser.get(f"{desk.hub.prefix}admin/roles/none")).status_code == 404


async def test_a_role_is_made_of_readable_scopes_changed_and_deleted(desk: Desk) -> None:
    await desk.get("admin/roles")
    form = {"name": "tutor", "description": "Helps", "scopes": ["admin-ui", "self"], "more_scopes": "servers!group=x"}
    place = await desk.done("admin/roles", **form)
    assert place == "admin/roles/tutor?done=role-added&count=1"
    # A second press is the same wish.
    assert await desk.done("admin/roles", **form) == place
    assert await stored(desk, "tutor") == Role("tutor", ("admin-ui", "self", "servers!group=x"), "Helps", custom=True)
    page = await desk.get(place)
    assert [box["value"] for box in page.select("[name=scopes][checked]")] == ["self", "admin-ui"]
    assert page.select("#more_scopes")[0]["value"] == "servers!group=x"
    assert "made here" in page.select("h1")[0].text
    before = page.select("[name=before]")[0]["value"]
    await desk.done("admin/roles/tutor", description="Helps more", scopes=["admin-ui"], before=before)
    assert await stored(desk, "tutor") == Role("tutor", ("admin-ui",), "Helps more", custom=True)
    late = await desk.post("admin/roles/tutor", description="From an old tab", before=before)
    assert late.status_code == 409
    assert "Somebody else has changed the role meanwhile" in late.text
    assert "From an old tab" in late.text
    for _ in range(2):
        assert await desk.done("admin/roles/tutor/delete") == "admin/roles?done=role-deleted&count=1"
    facts = [fact for fact in desk.hub.telemetry.facts if isinstance(fact, RoleChanged | RoleDeleted)]
    assert [type(fact) for fact in facts] == [RoleChanged, RoleChanged, RoleDeleted]


async def test_what_is_wrong_is_said_beside_what_was_typed(desk: Desk) -> None:
    await desk.get("admin/roles")
    answer = await desk.post("admin/roles", name="T!", description="Help", scopes=["self"], more_scopes="x:y")
    assert answer.status_code == 400
    for kept in ("Invalid role name", 'value="T!"', 'value="Help"', 'value="x:y"', 'value="self" checked'):
        assert kept in answer.text
    answer = await desk.post("admin/roles", name="user", scopes=["read:hub"])
    assert answer.status_code == 409
    assert "Role user already exists" in answer.text
    answer = await desk.post("admin/roles/user/holders", kind="planet", names="ada")
    assert (answer.status_code, "A role is held by" in answer.text) == (400, True)


async def test_holders_of_each_kind_come_and_go(desk: Desk) -> None:
    for name in ("ada", "bob"):
        await desk.hub.add_user(name)
    async with desk.hub.store.transaction() as tx:
        await tx.groups.add("a,b")
        await tx.roles.put(Role("tutor", ("read:hub",), custom=True))
    await desk.get("admin/roles/tutor")
    path = "admin/roles/tutor/holders"
    assert await desk.done(path, kind="user", names="ada, bob") == "admin/roles/tutor?done=role-given&count=2"
    assert await desk.done(path, kind="group", names="a,b") == "admin/roles/tutor?done=role-given&count=1"
    assert await desk.words("admin/roles/tutor", ".member-list li") == ["ada", "bob", "a,b"]
    assert await desk.done(path, kind="user", chosen=["bob"]) == "admin/roles/tutor?done=role-taken&count=1"
    assert await desk.words("admin/roles/tutor", ".member-list li") == ["ada", "a,b"]
    assert RoleHolderChanged("tutor", "user", "bob", False, "root") in desk.hub.telemetry.facts
    answer = await desk.post(path, kind="user", names="ada\nnobody")
    assert answer.status_code == 400
    assert "nobody" in answer.text
    assert (await desk.post(path, kind="user")).status_code == 400


async def test_what_the_configuration_says_is_shown_as_such() -> None:
    async with running_hub(roles=[RoleSpec("ops", scopes=("read:hub",), users=())]) as hub:
        await hub.add_user("root", admin=True)
        browser = await hub.browser("root")
        page = (await browser.get(f"{hub.prefix}admin/roles/ops")).text
        assert "This role stands in the configuration of the hub; change or remove it there." in page
        assert "The configuration of the hub lists those who hold it; change that there." in page
        assert "names-user" not in page
        assert "names-group" in page
        assert "Delete this role" not in page


async def test_whoever_is_no_administrator_sees_roles_and_changes_none(office: RunningHub, at_desk: Any) -> None:
    await office.add_user("root")
    desk = await at_desk(office, "eve", "admin-ui", "read:roles", "admin:users")
    assert (await desk.get("admin/roles")).select("form[action$='admin/roles']") == []
    assert (await desk.get("admin/roles/user")).select("textarea") == []
    for path, form in (
        ("admin/roles", {"name": "tutor"}),
        ("admin/roles/user/holders", {"kind": "user", "names": "root"}),
    ):
        answer = await desk.post(path, **form)
        assert answer.status_code == 403
        assert "Only administrators can" in answer.text
    assert (await desk.post("admin/roles/role-of-eve/delete")).status_code == 403
    assert await stored(desk, "tutor") is None


def test_scopes_are_told_in_words() -> None:
    told = in_words(["servers!group=x", "custom:gone"], BUILT_IN)
    assert told == [
        {"scope": "servers!group=x", "limit": "group=x", "words": "Start and stop servers."},
        {"scope": "custom:gone", "limit": "", "words": ""},
    ]


@pytest.mark.parametrize("scope", ROLE_WORDS)
async def test_every_scope_that_is_offered_can_be_given(desk: Desk, scope: str) -> None:
    await desk.get("admin/roles")
    await desk.done("admin/roles", name="any-role", scopes=[scope])
    assert (await stored(desk, "any-role")) == Role("any-role", (scope,), custom=True)
