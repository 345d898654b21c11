from __future__ import annotations

from typing import Any

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.testing.running import RunningHub

Desk = Any


async def test_versions_and_health_are_shown(desk: Desk) -> None:
    assert await desk.words("admin/hub", ".rows .badge") == ["Works", "Works"]
    desk.hub.proxy.failure = PerijoveError(Code.UNAVAILABLE, "nobody there")
    page = await desk.get("admin/hub")
    assert [badge.text for badge in page.select(".rows .badge")] == ["Works", "Does not work"]
    assert page.select(".row-failure")[0].text == "nobody there"


async def test_the_configuration_is_for_administrators(desk: Desk, at_desk: Any) -> None:
    page = await desk.get("admin/configuration?name_filter=ALLOW_ALL")
    assert [tag.text.split()[0] for tag in page.select("dt")] == ["allow_all"]
    assert (await desk.get("admin/configuration?only=set")).select("dt") == []
    reader = await at_desk(desk.hub, "eve", "admin-ui", "read:hub")
    assert (await reader.get("admin/hub")).select("a[href$=configuration]") == []
    assert (await reader.browser.get(f"{desk.hub.prefix}admin/configuration")).status_code == 403


async def test_routes_are_shown_and_put_right(desk: Desk) -> None:
    assert len(await desk.words("admin/routes", "tbody th")) == 1
    desk.hub.proxy.routes.clear()
    assert await desk.words("admin/routes", ".empty") == ["No route was found."]
    leads = await desk.done("admin/routes")
    assert leads == "admin/routes?done=routes-checked&count=1"
    assert await desk.words(leads, ".notice.good") == ["The routes were compared; one was put right."]
    assert await desk.words("admin/routes?done=routes-checked&count=0", ".notice.good") == [
        "The routes were compared; all were right."
    ]
    assert await desk.words("admin/routes?name_filter=none", ".empty") == ["No route was found."]


async def test_the_hub_is_stopped_by_whoever_may(desk: Desk, at_desk: Any, office: RunningHub) -> None:
    other = await at_desk(office, "eve", "admin-ui", "read:hub")
    assert (await other.get("admin/hub")).select("#shutdown") == []
    assert (await other.post("admin/shutdown")).status_code == 403
    assert not office.state.shutdown.wanted.is_set()
    answer = await desk.post("admin/shutdown", servers="on")
    assert (answer.status_code, "All servers are stopped with it" in answer.text) == (200, True)
    assert office.state.shutdown.wanted.is_set()
    assert office.state.shutdown.servers
