from __future__ import annotations

from typing import Any

from perijove.hub.core.events import ServerFailed, ServerReady
from perijove.hub.core.servers import State
from perijove.hub.testing.running import RunningHub

Desk = Any


async def test_numbers_and_charts_are_shown(desk: Desk) -> None:
    history = desk.hub.history
    page = await desk.get("admin/overview")
    assert page.select("figure svg") == []
    for _ in range(3):
        history.emit(ServerReady("ada/", 2.0))
        history.look({State.READY: 5, State.QUEUED: 2})
        desk.hub.clock.advance(60)
    history.emit(ServerFailed("ada/", "no", 1.0))
    history.look({State.READY: 4})
    page = await desk.get("admin/overview")
    assert len(page.select("figure svg")) == 6
    legends = [" ".join(each.get_text(" ", strip=True).split()) for each in page.select(".legend li")]
    assert legends[:5] == ["4 at most 5", "Starting 0", "Waiting 0 at most 2", "Starts 3", "Failures 1"]
    assert [strong.text for strong in page.select(".numbers strong")] == ["0", "0", "0", "1"]
    assert (await desk.get("admin/overview?span=day")).select(".chips [aria-current]")[0].text == "Last 24 hours"
    assert (await desk.get("admin/overview?span=x")).select(".chips [aria-current]")[0].text == "Last hour"


async def test_the_latest_actions_are_listed(desk: Desk) -> None:
    await desk.hub.add_user("ada")
    await desk.done("admin/actions", of="users", do="start", key="a-key-of-sixteen", chosen=["ada"])
    assert "Start servers" in (await desk.words("admin/overview", ".rows li"))[0]


async def test_whoever_sees_the_hub_only_sees_no_numbers_of_users(office: RunningHub, at_desk: Any) -> None:
    reader = await at_desk(office, "eve", "admin-ui", "read:hub")
    assert (await reader.get("admin/overview")).select(".numbers strong") == []
