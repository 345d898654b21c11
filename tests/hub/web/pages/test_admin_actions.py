from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perijove.hub.testing.running import RunningHub
from perijove.hub.usecases import long_actions

Desk = Any
KEY = "a-key-of-sixteen"


@pytest.fixture(autouse=True)
def promptly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell often how far it is."""
    monkeypatch.setattr(long_actions, "TELL_INTERVAL", 0.01)


@pytest.fixture
async def people(desk: Desk) -> list[str]:
    """Three users."""
    names = ["ada", "bob", "cyd"]
    for name in names:
        await desk.hub.add_user(name)
    return names


async def finished(desk: Desk, leads: str) -> str:
    """Return the state of an action once it does not run any more."""
    async with asyncio.timeout(20):
        while True:
            badge = str((await desk.words(leads, "h1 .badge"))[0])
            if badge not in {"Running", "Being cancelled"}:
                return badge
            await asyncio.sleep(0.01)


async def active(hub: RunningHub) -> list[str]:
    async with hub.store.transaction() as tx:
        return sorted(server.full_name for server in await tx.servers.list_active())


async def test_one_is_started_and_stopped_however_often_it_is_asked(desk: Desk, people: list[str]) -> None:
    where = f"{desk.hub.prefix}admin?name_filter=ada"
    for _ in range(2):
        leads = await desk.done("admin/actions", of="users", start="ada/", next=where)
        assert leads == "admin?name_filter=ada&done=server-started&count=1"
    for _ in range(2):
        assert "server-stopped" in await desk.done("admin/actions", of="users", stop="ada/", next=where)
    assert await active(desk.hub) == []
    answer = await desk.post("admin/actions", of="servers", start="nobody/")
    assert (answer.status_code, "No such user" in answer.text) == (404, True)


async def test_chosen_ones_are_started_then_all_that_are_found_are_stopped(desk: Desk, people: list[str]) -> None:
    leads = await desk.done("admin/actions", of="users", do="start", key=KEY, chosen=["ada", "bob"])
    assert leads == f"admin/actions/{KEY}"
    assert await finished(desk, leads) == "Finished"
    assert await active(desk.hub) == ["ada/", "bob/"]
    leads = await desk.done("admin/actions", of="servers", do="stop", whom="all", key=KEY + "2", state="running")
    page = await desk.get(leads)
    assert page.h1.text.strip() == "Stop 2 servers?"
    assert await active(desk.hub) == ["ada/", "bob/"]
    fields = {field["name"]: field["value"] for field in page.select("main form input")}
    leads = await desk.done("admin/actions", **fields)
    assert await finished(desk, leads) == "Finished"
    assert await active(desk.hub) == []
    # Back, and once more: it leads to what was done already.
    assert (await desk.get(f"admin/ask?of=servers&do=stop&whom=all&key={KEY}2")).h1.text.strip() == "Stop 2 servers?"
    assert await desk.done("admin/actions", **fields) == leads


async def test_users_are_deleted_after_a_question_and_never_oneself_with_all(desk: Desk, people: list[str]) -> None:
    leads = await desk.done("admin/actions", of="users", do="delete", key=KEY, chosen=["ada"])
    assert leads == f"admin/ask?of=users&do=delete&whom=chosen&key={KEY}&chosen=ada"
    page = await desk.get(leads)
    assert page.h1.text.strip() == "Delete one user?"
    leads = await desk.done("admin/actions", of="users", do="delete", key=KEY, whom="all", sure="yes")
    assert await finished(desk, leads) == "Finished"
    assert await desk.words("admin", "tbody .user-name") == ["root"]


async def test_the_servers_of_chosen_users_are_stopped(desk: Desk, people: list[str]) -> None:
    await desk.done("admin/actions", of="users", do="start", key=KEY, chosen=people)
    await finished(desk, f"admin/actions/{KEY}")
    await desk.done("admin/actions", of="users", do="stop", key=KEY + "2", chosen=["bob"])
    assert await finished(desk, f"admin/actions/{KEY}2") == "Finished"
    assert await active(desk.hub) == ["ada/", "cyd/"]


async def test_what_failed_is_told_and_the_rest_can_be_cancelled(desk: Desk, people: list[str]) -> None:
    desk.hub.world.start_failure = RuntimeError("no room")
    leads = await desk.done("admin/actions", of="users", do="start", key=KEY, chosen=["ada", "nobody"])
    assert await finished(desk, leads) == "Finished"
    assert [word.split()[0] for word in await desk.words(leads, ".defs dt")] in (["ada", "nobody"], ["nobody", "ada"])
    assert "2 failed" in (await desk.words(leads, ".meter p"))[0]
    desk.hub.world.start_failure, desk.hub.world.hang_start = None, True
    leads = await desk.done("admin/actions", of="users", do="start", key=KEY + "2", chosen=["bob", "cyd"])
    async with asyncio.timeout(20):
        while await active(desk.hub) != ["bob/", "cyd/"]:
            await asyncio.sleep(0.01)
    assert [each["id"] for each in (await desk.get(leads)).select("#cancel")] == ["cancel"]
    assert await desk.done(f"{leads}/cancel") == leads
    assert (await desk.words(leads, "h1 .badge"))[0] == "Being cancelled"
    for name in ("bob", "cyd"):
        await desk.done("admin/actions", of="users", stop=f"{name}/")
    assert await finished(desk, leads) in {"Finished", "Cancelled"}


async def test_nothing_chosen_is_told_on_the_list(desk: Desk, people: list[str]) -> None:
    for of, do in (("users", "start"), ("servers", "stop"), ("users", "nonsense")):
        answer = await desk.post("admin/actions", of=of, do=do, key=KEY)
        assert (answer.status_code, "Nothing was chosen" in answer.text) == (400, True)
    answer = await desk.post("admin/actions", of="users", do="start", key="short", chosen=["ada"])
    assert answer.status_code == 400


async def test_actions_of_others_are_not_shown(desk: Desk, people: list[str], at_desk: Any) -> None:
    leads = await desk.done("admin/actions", of="users", do="start", key=KEY, chosen=["ada"])
    other = await at_desk(desk.hub, "eve", "admin-ui", "servers", "list:users")
    assert (await other.browser.get(f"{desk.hub.prefix}{leads}")).status_code == 404
    assert (await other.post(f"{leads}/cancel")).status_code == 404
    for path in ("admin/actions", f"{leads}/cancel"):
        nobody = await at_desk(desk.hub, "ned", "admin-ui")
        assert (await nobody.post(path, of="users", start="ada/")).status_code in {403, 404}
    await finished(desk, leads)
