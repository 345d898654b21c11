from __future__ import annotations

import json
from typing import Any

from bs4 import BeautifulSoup

from perijove.hub.testing.running import RunningHub
from perijove.hub.usecases.lifecycle import PROGRESS

SCRIPT = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}


async def pending_page(hub: RunningHub, **headers: str) -> tuple[Any, BeautifulSoup]:
    hub.world.hang_start = True
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and bool(server.spawner_state), "ada", "")
    browser = await hub.browser("ada", **headers)
    page = await browser.get(f"{hub.prefix}spawn-pending/ada")
    return browser, BeautifulSoup(page.text, "html.parser")


async def test_the_script_learns_the_steps_in_the_language_of_the_page(hub: RunningHub) -> None:
    _, page = await pending_page(hub, **{"Accept-Language": "de"})
    card = page.select("#progress")[0]
    words = json.loads(str(card["data-words"]))
    assert words.keys() == {message for _, message in PROGRESS.values()}
    assert words["Server ready"] == "Server bereit"
    assert "Server angefordert" in page.select("#progress-log")[0].get_text()


async def test_the_log_is_for_the_page_and_for_people_but_not_for_other_scripts(hub: RunningHub) -> None:
    browser, page = await pending_page(hub)
    card = page.select("#progress")[0]
    ours = await browser.get(str(card["data-log-url"]), headers=SCRIPT)
    assert ours.status_code == 200
    assert ours.headers["Content-Type"].startswith("text/plain")
    theirs = await browser.get(f"{hub.prefix}spawn-log/ada", headers=SCRIPT)
    assert theirs.status_code == 403
    assert (await browser.get(f"{hub.prefix}spawn-log/ada")).status_code == 200
    bob = await hub.browser("bob")
    assert (await bob.get(f"{hub.prefix}spawn-log/ada")).status_code in {403, 404}
