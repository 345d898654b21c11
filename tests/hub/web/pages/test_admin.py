from __future__ import annotations

from typing import Any

import pytest
from tests.support.page_rules import HOSTILE

from perijove.hub.testing.running import RunningHub

Desk = Any


async def test_only_administrators_see_the_page_or_act_on_it(office: RunningHub, at_desk: Any) -> None:
    desk = await at_desk(office, "ada")
    for path in ("admin", "admin/users/ada", "admin?state=waiting"):
        assert (await desk.browser.get(f"{desk.hub.prefix}{path}")).status_code == 403, path
    for path in (
        "admin/users",
        "admin/users/ada",
        "admin/users/ada/delete",
        "admin/accounts/x/approve",
        "admin/accounts/x/refuse",
    ):
        assert (await desk.post(path, names="new", name="other")).status_code == 403, path
    async with office.store.transaction() as tx:
        assert await tx.users.get("new") is None
        assert await tx.users.get("ada") is not None


async def test_nothing_is_done_without_the_token(desk: Desk) -> None:
    desk.token = "x"
    assert (await desk.post("admin/users", names="new")).status_code == 403


async def test_people_who_signed_up_are_let_in_or_sent_away(desk: Desk) -> None:
    accounts = desk.hub.state.accounts
    for name in ("ann lee", "bob", *(f"other-{number}" for number in range(5))):
        await accounts.sign_up(name, "long enough")
    assert await desk.words("admin", "#waiting .count") == ["7"]
    assert len(await desk.words("admin", ".rows li")) == 5
    assert len(await desk.words("admin?state=waiting", ".rows li")) == 7
    where, leads = f"{desk.hub.prefix}admin?state=waiting", ""
    for name, verb in (("ann%20lee", "approve"), ("bob", "refuse")):
        for _ in range(2):
            leads = await desk.done(f"admin/accounts/{name}/{verb}", next=where)
            assert leads == f"admin?state=waiting&done=account-{verb}d&count=1"
    assert await desk.words(leads, ".notice.good") == ["The request was refused."]
    async with desk.hub.store.transaction() as tx:
        assert await tx.users.get("ann lee") is not None
        assert await tx.users.get("bob") is None


async def test_many_users_are_added_from_a_list(desk: Desk) -> None:
    leads = await desk.done("admin/users", names=" Carl \n\ndora; emil,carl\n")
    assert leads == "admin?done=users-added&count=3"
    assert await desk.words(leads, ".notice.good") == ["3 users were added."]
    assert await desk.words(leads, "tbody .user-name") == ["carl", "dora", "emil", "root"]
    leads = await desk.done("admin/users", names="carl\nfay", admin="on")
    assert await desk.words(leads, ".notice.good") == ["One user was added."]
    assert await desk.words("admin?state=admin", "tbody .user-name") == ["fay", "root"]


async def test_what_was_typed_stays_where_it_is_refused(desk: Desk) -> None:
    for names, status, why in (("root", 409, "already exist"), ("gina\na/b", 400, "a/b"), ("", 400, "at least one")):
        answer = await desk.post("admin/users", names=names, admin="on")
        assert (answer.status_code, why in answer.text) == (status, True), answer.text
        assert f">{names}</textarea>" in answer.text
    async with desk.hub.store.transaction() as tx:
        assert await tx.users.count() == 1


async def test_many_users_come_in_pages_sorted_and_found(desk: Desk) -> None:
    for number in range(5):
        await desk.hub.add_user(f"user-{number}")
    prefix = desk.hub.prefix
    page = await desk.get("admin?limit=2&offset=2&name_filter=USER")
    assert [tag.text for tag in page.select("tbody .user-name")] == ["user-2", "user-3"]
    assert [tag["href"] for tag in page.select(".pager a")] == [
        f"{prefix}admin?offset=0&limit=2&name_filter=USER",
        f"{prefix}admin?offset=4&limit=2&name_filter=USER",
    ]
    assert (await desk.words("admin?sort=-name", "tbody .user-name"))[0] == "user-4"
    page = await desk.get("admin?sort=-name")
    assert page.select("[aria-sort]")[0]["aria-sort"] == "descending"
    assert page.select("a.sort")[0]["href"] == f"{prefix}admin?sort=name"
    assert len(await desk.words("admin?sort=nonsense&state=nonsense", "tbody .user-name")) == 6
    assert await desk.words("admin?name_filter=nobody", ".empty") == ["Nobody was found. Show everybody"]
    for bad in ("limit=x", f"offset={'9' * 30}"):
        assert (await desk.browser.get(f"{prefix}admin?{bad}")).status_code == 400


async def test_users_are_found_by_group_and_by_servers(desk: Desk) -> None:
    hub = desk.hub
    for name in ("ada", "bob"):
        await hub.add_user(name)
    async with hub.store.transaction() as tx:
        ada = await tx.users.get("ada")
        assert ada is not None
        await tx.groups.add_members((await tx.groups.add("/team a")).id, [ada.id])
    await desk.done("admin/actions", of="users", start="ada/")
    await hub.until(lambda server: server is not None and server.ready, "ada")
    for query in ("group=/team%20a", "state=active", "state=ready"):
        assert await desk.words(f"admin?{query}", "tbody .user-name") == ["ada"], query
    assert await desk.words("admin?state=inactive", "tbody .user-name") == ["bob", "root"]


async def test_a_user_is_shown_changed_and_deleted(desk: Desk) -> None:
    hub = desk.hub
    await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        for name in ("one", "two"):
            await tx.groups.add(name)
    page = await desk.get("admin/users/ada")
    assert page.h1.text.strip() == "ada"
    leads = await desk.done("admin/users/ada", name="Ada-2", admin="on", groups="one\ntwo")
    assert leads == "admin/users/ada-2?done=user-changed&count=1"
    page = await desk.get(leads)
    assert page.select("h1 .tag")[0].text == "administrator"
    assert page.select("#groups")[0].text.split() == ["one", "two"]
    await desk.done("admin/users/ada-2", name="ada-2", groups="two", admin_before="on", groups_before="one\r\ntwo")
    async with hub.store.transaction() as tx:
        ada = await tx.users.get("ada-2")
    assert ada is not None
    assert (ada.admin, ada.groups) == (False, ("two",))
    answer = await desk.post("admin/users/ada-2", name="a/b", groups="nonsense")
    assert answer.status_code == 400
    assert ('value="a/b"' in answer.text, ">nonsense</textarea>" in answer.text) == (True, True)
    for _ in range(2):
        assert await desk.done("admin/users/ada-2/delete") == "admin?done=user-deleted&count=1"
    assert (await desk.browser.get(f"{hub.prefix}admin/users/ada-2")).status_code == 404
    answer = await desk.post("admin/users/root/delete")
    assert (answer.status_code, "yourself" in answer.text) == (400, True)


async def test_an_old_tab_takes_back_nobodys_change(desk: Desk) -> None:
    hub = desk.hub
    await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        for name in ("cn=one,ou=x", "two", "three"):
            await tx.groups.add(name)
    fields = {"name": "ada", "groups": "cn=one,ou=x", "groups_before": "", "admin_before": ""}
    await desk.done("admin/users/ada", **fields)
    # Two tabs were opened now; the other one has made ada an administrator and put her into a group.
    before = {"groups_before": "cn=one,ou=x", "admin_before": ""}
    await desk.done("admin/users/ada", name="ada", admin="on", groups="cn=one,ou=x\ntwo", **before)
    await desk.done("admin/users/ada", name="ada", groups="three", **before)
    async with hub.store.transaction() as tx:
        ada = await tx.users.get("ada")
    assert ada is not None
    assert (ada.admin, ada.groups) == (True, ("three", "two"))


async def test_whoever_sees_a_group_only_sees_and_does_no_more(office: RunningHub, at_desk: Any) -> None:
    hub = office
    for name in ("ada", "bob"):
        await hub.add_user(name)
    async with hub.store.transaction() as tx:
        ada = await tx.users.get("ada")
        assert ada is not None
        await tx.groups.add_members((await tx.groups.add("team")).id, [ada.id])
    tutor = await at_desk(hub, "tim", "admin-ui", "list:users!group=team", "servers!group=team")
    page = await tutor.get("admin")
    assert [tag.text for tag in page.select("tbody .user-name")] == ["ada"]
    assert page.select("#add-users") == []
    assert (await tutor.browser.get(f"{hub.prefix}admin/users/bob")).status_code == 404
    page = await tutor.get("admin/users/ada")
    assert page.select("#edit, #delete") == []
    assert (await tutor.post("admin/users/ada", name="x")).status_code == 403
    assert (await tutor.post("admin/actions", of="users", start="bob/")).status_code == 404
    assert await tutor.done("admin/actions", of="users", start="ada/") == "admin?done=server-started&count=1"


async def test_who_may_not_list_users_is_led_to_what_they_may_see(office: RunningHub, at_desk: Any) -> None:
    nurse = await at_desk(office, "nan", "admin-ui", "list:groups")
    answer = await nurse.browser.get(f"{office.prefix}admin")
    assert answer.headers["Location"] == f"{office.prefix}admin/servers"


async def test_hostile_names_stay_text(desk: Desk) -> None:
    name = HOSTILE.replace("/", "")
    await desk.done("admin/users", names=name)
    page = await desk.get("admin?name_filter=alert")
    assert [tag.text for tag in page.select("tbody .user-name")] == [name]
    await desk.get(page.select("tbody .user-name")[0]["href"].removeprefix(desk.hub.prefix))


async def test_without_accounts_nobody_waits(hub: RunningHub, at_desk: Any) -> None:
    await hub.add_user("root", admin=True)
    root = await at_desk(hub, "root")
    assert await root.words("admin?state=waiting", ".empty") == ["Nobody waits."]
    for verb in ("approve", "refuse"):
        assert (await root.post(f"admin/accounts/x/{verb}")).status_code == 404


@pytest.mark.parametrize("language", ["de", "fr"])
async def test_the_pages_speak_other_languages(desk: Desk, language: str) -> None:
    desk.browser.headers["Accept-Language"] = language
    await desk.done("admin/users", names="ada\nbob")
    words = {
        "de": ("Benutzer", "2 Benutzer wurden hinzugefügt."),
        "fr": ("Utilisateurs", "2 utilisateurs ont été ajoutés."),
    }
    page = await desk.get("admin?done=users-added&count=2")
    assert page.h1.text.split()[0] == words[language][0]
    assert page.select(".notice.good")[0].text == words[language][1]
