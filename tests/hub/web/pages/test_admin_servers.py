from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perijove.hub.core.servers import Failure, State
from perijove.hub.testing.running import RunningHub

Desk = Any


async def put(hub: RunningHub, owner: str, name: str, state: State, reason: str = "") -> None:
    """Store a server in *state*."""
    user = await hub.add_user(owner)
    async with hub.store.transaction() as tx:
        server = await tx.servers.add(user.id, name)
        failure = Failure(reason, "Try again", "its last words") if reason else None
        await tx.servers.save(replace(server, state=state, failure=failure, version=1, started=hub.clock.now()))


async def test_servers_are_listed_by_state_and_found(desk: Desk) -> None:
    hub = desk.hub
    await put(hub, "ada", "", State.STOPPED)
    await put(hub, "bob", "lab", State.FAILED, "It ran out of memory")
    await put(hub, "cyd", "", State.READY)
    names = "tbody .user-name"
    assert await desk.words("admin/servers", names) == ["bob/lab", "cyd"]
    assert await desk.words("admin/servers?state=all", names) == ["ada", "bob/lab", "cyd"]
    for state, found in (("running", ["cyd"]), ("failed", ["bob/lab"]), ("stopped", ["ada"]), ("starting", [])):
        assert await desk.words(f"admin/servers?state={state}", names) == found
    assert await desk.words("admin/servers?name_filter=LAB&state=all", names) == ["bob/lab"]
    assert await desk.words("admin/servers?name_filter=none", ".empty") == ["No server was found. Show current servers"]
    assert await desk.words("admin/servers", ".row-failure") == ["It ran out of memory"]
    chips = await desk.words("admin/servers", ".chips a")
    assert chips == ["Current", "Running 1", "Starting 0", "Stopping 0", "Failed 1", "Stopped 1", "All 3"]
    page = await desk.get("admin/servers?state=all&sort=-started&limit=1")
    assert page.select(".pager a")[0]["href"] == f"{hub.prefix}admin/servers?offset=1&limit=1&state=all&sort=-started"
    assert page.select("[aria-sort]")[0].text.split()[0] == "Started"


async def test_a_server_is_shown_with_its_log(desk: Desk) -> None:
    hub = desk.hub
    await hub.add_user("ada")
    hub.world.log = "first line\nlast line"
    await desk.done("admin/actions", of="servers", start="ada/")
    await hub.until(lambda server: server is not None and server.ready, "ada")
    page = await desk.get("admin/servers/ada")
    assert page.select("pre.log")[0].text == "first line\nlast line"
    assert [link.text for link in page.select("a.primary")] == ["Open the server of ada"]
    assert [each["value"] for each in page.select("button[name=stop]")] == ["ada/"]
    await put(hub, "bob", "lab", State.FAILED, "It broke")
    page = await desk.get("admin/servers/bob/lab")
    assert page.select(".failure-reason")[0].text == "It broke"
    assert page.select("pre.log")[0].text == "its last words"
    assert [each["value"] for each in page.select("button[name=start]")] == ["bob/lab"]
    assert (await desk.browser.get(f"{hub.prefix}admin/servers/ada/none")).status_code == 404


async def test_whoever_may_only_read_sees_no_button_and_no_log(office: RunningHub, at_desk: Any) -> None:
    hub = office
    await put(hub, "ada", "", State.READY)
    await put(hub, "bob", "", State.READY)
    reader = await at_desk(hub, "eve", "admin-ui", "read:servers!user=ada")
    page = await reader.get("admin/servers")
    assert [link.text for link in page.select("tbody .user-name")] == ["ada"]
    page = await reader.get("admin/servers/ada")
    assert page.select("#log, button[name=stop], a.primary") == []
    assert (await reader.browser.get(f"{hub.prefix}admin/servers/bob")).status_code == 404
