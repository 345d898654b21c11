from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup

from perijove.hub.core.culling import CullRules
from perijove.hub.core.events import ServerShared
from perijove.hub.core.servers import State
from perijove.hub.core.usage import Usage
from perijove.hub.ports.spawner import Spawner
from perijove.hub.testing.running import ORIGIN, RunningHub

FROM_US = {"Origin": ORIGIN}


def parse(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.text, "html.parser")


def proof(answer: Any) -> dict[str, str]:
    field = parse(answer).select_one("[name=_xsrf]")
    assert field is not None
    return {"_xsrf": str(field["value"])}


async def home_of(hub: RunningHub, name: str) -> tuple[Any, Any]:
    browser = await hub.browser(name)
    return browser, await browser.get(f"{hub.prefix}home")


async def server_of(hub: RunningHub, owner: str, name: str) -> Any:
    user = await hub.add_user(owner)
    async with hub.store.transaction() as tx:
        return await tx.servers.get(user.id, name)


async def test_a_server_is_added_by_the_name_that_people_give_it(hub: RunningHub) -> None:
    browser, page = await home_of(hub, "ada")
    data = proof(page) | {"server_name": " My Thèsis, 2nd part "}
    added = await browser.post(f"{hub.prefix}home", data=data, headers=FROM_US)
    assert added.headers["Location"] == f"{hub.prefix}spawn/ada/my-thesis-2nd-part"
    server = await server_of(hub, "ada", "my-thesis-2nd-part")
    assert (server.display_name, server.state) == ("My Thèsis, 2nd part", State.STOPPED)
    assert "My Thèsis, 2nd part" in (await browser.get(f"{hub.prefix}home")).text


async def test_a_second_click_adds_nothing_and_is_no_error(hub: RunningHub) -> None:
    browser, page = await home_of(hub, "ada")
    data = proof(page) | {"server_name": "lab"}
    await browser.post(f"{hub.prefix}home", data=data, headers=FROM_US)
    again = await browser.post(f"{hub.prefix}home", data=data, headers=FROM_US)
    assert again.headers["Location"] == f"{hub.prefix}spawn-pending/ada/lab"


@pytest.mark.parametrize("name", ["", "!!", "漢字", "42"])
async def test_what_cannot_be_a_name_stays_in_its_field(hub: RunningHub, name: str) -> None:
    browser, page = await home_of(hub, "ada")
    answer = await browser.post(f"{hub.prefix}home", data=proof(page) | {"server_name": name}, headers=FROM_US)
    assert answer.status_code == 400
    field = parse(answer).select_one("#server_name")
    assert field is not None
    assert field["value"] == name
    assert field["aria-invalid"] == "true"


async def test_a_server_is_renamed_and_deleted(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser, page = await home_of(hub, "ada")
    data = proof(page)
    await browser.post(f"{hub.prefix}home", data=data | {"server_name": "lab"}, headers=FROM_US)
    renamed = await browser.post(f"{hub.prefix}rename/ada/lab", data=data | {"display_name": "Cellar"}, headers=FROM_US)
    assert renamed.headers["Location"] == f"{hub.prefix}home"
    assert (await server_of(hub, "ada", "lab")).display_name == "Cellar"
    for _ in range(2):
        gone = await browser.post(f"{hub.prefix}delete/ada/lab", data=data, headers=FROM_US)
        assert gone.headers["Location"] == f"{hub.prefix}home"
    assert await server_of(hub, "ada", "lab") is None


async def test_nobody_deletes_the_server_of_another(hub: RunningHub) -> None:
    ada, page = await home_of(hub, "ada")
    await ada.post(f"{hub.prefix}home", data=proof(page) | {"server_name": "lab"}, headers=FROM_US)
    bob, page = await home_of(hub, "bob")
    for verb in ("delete", "rename"):
        await bob.post(f"{hub.prefix}{verb}/ada/lab", data=proof(page) | {"display_name": "Mine"}, headers=FROM_US)
    assert (await server_of(hub, "ada", "lab")).display_name == ""


async def test_what_others_share_is_shown_and_can_be_given_up(hub: RunningHub) -> None:
    ada = await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        await tx.servers.add(ada.id, "lab")
    await hub.add_user("bob")
    root = hub.client(await hub.token("root", admin=True))
    shared = await root.post(f"{hub.api}/shares/ada/lab", json={"user": "bob"})
    assert shared.status_code == 200, shared.text
    assert hub.telemetry.of(ServerShared)
    bob, page = await home_of(hub, "bob")
    assert "of ada" in parse(page).get_text()
    for _ in range(2):
        answer = await bob.post(f"{hub.prefix}shared/ada/lab/give-up", data=proof(page), headers=FROM_US)
        assert answer.headers["Location"] == f"{hub.prefix}home"
    assert "of ada" not in parse(await bob.get(f"{hub.prefix}home")).get_text()


async def running_home(hub: RunningHub) -> Any:
    token = await hub.token("ada")
    await hub.client(token).post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and server.ready, "ada")
    return await hub.browser("ada")


async def test_memory_and_the_end_of_a_running_server_are_shown_and_kept_up(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = CullRules(idle_timeout=3600, max_age=7200)
    monkeypatch.setattr(Spawner, "cull_rules", rules)
    hub.world.usage = Usage(300 * 1024 * 1024, 1024**3)
    browser = await running_home(hub)
    page = parse(await browser.get(f"{hub.prefix}home"))
    facts = page.select("[data-facts]")[0].get_text(" ", strip=True)
    assert "Memory 300 MB of 1.0 GB" in facts
    assert "Stops if not used in 60 minutes" in facts or "Stops if not used in 1 hour" in facts
    assert "Stops at the latest in 2 hours" in facts
    assert not page.select(".notice.warn")
    hub.clock.advance(3000)
    url = str(page.select("[data-facts-url]")[0]["data-facts-url"])
    answer = await browser.get(url, headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"})
    fresh = parse(answer)
    assert "in 10 minutes" in fresh.get_text()
    assert "nobody uses it" in fresh.select(".notice.warn")[0].get_text()
    assert fresh.select("[data-facts]")[0]["data-state"] == "ready"
    assert fresh.html is None, "only the part that changes"
    elsewhere = await browser.get(f"{hub.prefix}home/facts", headers={"Sec-Fetch-Mode": "cors"})
    assert elsewhere.status_code == 403


async def test_what_is_not_known_is_not_shown(hub: RunningHub) -> None:
    browser = await running_home(hub)
    text = parse(await browser.get(f"{hub.prefix}home")).get_text()
    assert "Memory" not in text
    assert "Stops" not in text
