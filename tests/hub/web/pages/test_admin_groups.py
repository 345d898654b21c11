from __future__ import annotations

from typing import Any

from perijove.hub.testing.running import RunningHub

Desk = Any


async def test_groups_are_added_found_and_deleted(desk: Desk) -> None:
    leads = await desk.done("admin/groups", names="/staff/night\nphysics\n biology ")
    assert leads == "admin/groups?done=groups-added&count=3"
    assert await desk.words(leads, "tbody .user-name") == ["/staff/night", "biology", "physics"]
    assert await desk.words("admin/groups?name_filter=PHYS", "tbody .user-name") == ["physics"]
    answer = await desk.post("admin/groups", names="physics\nchemistry")
    assert (answer.status_code, "chemistry</textarea>" in answer.text) == (409, True)
    for _ in range(2):
        assert "group-deleted" in await desk.done("admin/group/delete", group="/staff/night")
    assert await desk.words("admin/groups", "tbody .user-name") == ["biology", "physics"]


async def test_members_come_go_and_are_found(desk: Desk) -> None:
    for name in ("ada", "bob", "cyd"):
        await desk.hub.add_user(name)
    await desk.done("admin/groups", names="/staff/night")
    leads = await desk.done("admin/group/members", group="/staff/night", names="ada, bob\nADA")
    assert leads == "admin/group?name=%2Fstaff%2Fnight&done=members-added&count=3"
    assert await desk.words(leads, ".member-list a") == ["ada", "bob"]
    assert await desk.words("admin/group?name=/staff/night&name_filter=b", ".member-list a") == ["bob"]
    with_servers = (await desk.get("admin/group?name=/staff/night")).select('a[href*="admin?group="]')
    leads = with_servers[0]["href"].removeprefix(desk.hub.prefix)
    assert await desk.words(leads, "tbody .user-name") == ["ada", "bob"]
    answer = await desk.post("admin/group/members", group="/staff/night", names="cyd\nnobody")
    assert (answer.status_code, "nobody" in answer.text, "cyd\nnobody</textarea>" in answer.text) == (400, True, True)
    for _ in range(2):
        leads = await desk.done("admin/group/members", group="/staff/night", chosen=["ada"])
    assert await desk.words(leads, ".member-list a") == ["bob"]
    assert (await desk.post("admin/group/members", group="/staff/night")).status_code == 400
    assert (await desk.post("admin/group/members", group="none", names="ada")).status_code == 404


async def test_properties_are_json(desk: Desk) -> None:
    await desk.done("admin/groups", names="team")
    await desk.done("admin/group/properties", group="team", properties='{"quota": [1, "é"]}')
    page = await desk.get("admin/group?name=team")
    assert "é" in page.select("#properties")[0].text
    for bad in ("{broken", "[1]", ""):
        answer = await desk.post("admin/group/properties", group="team", properties=bad)
        assert answer.status_code == 400
        assert f">{bad}</textarea>" in answer.text
    answer = await desk.post("admin/group/properties", group="team", properties='{"mine": 1}', before='{"quota": 7}')
    assert (answer.status_code, "Somebody else has changed" in answer.text) == (409, True)
    await desk.done("admin/group/properties", group="team", properties='{"quota": [1, "é"]}', before='{"quota": 7}')
    async with desk.hub.store.transaction() as tx:
        team = await tx.groups.get("team")
    assert team is not None
    assert team.properties == {"quota": [1, "é"]}


async def test_whoever_may_read_one_group_only_changes_nothing(office: RunningHub, at_desk: Any) -> None:
    async with office.store.transaction() as tx:
        for name in ("team", "crew"):
            await tx.groups.add(name)
    reader = await at_desk(office, "eve", "admin-ui", "list:groups!group=team", "read:groups!group=team")
    assert await reader.words("admin/groups", "tbody .user-name") == ["team"]
    page = await reader.get("admin/group?name=team")
    assert page.select("main form[method=post]") == []
    assert (await reader.browser.get(f"{office.prefix}admin/group?name=crew")).status_code == 404
    for path in ("admin/groups", "admin/group/members", "admin/group/properties", "admin/group/delete"):
        assert (await reader.post(path, group="team", names="x", properties="{}")).status_code == 403
