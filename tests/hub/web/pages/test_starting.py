from __future__ import annotations

import asyncio
import json
from typing import Any

from bs4 import BeautifulSoup

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import State
from perijove.hub.core.texts import say
from perijove.hub.testing.running import ORIGIN, RunningHub

SCRIPT = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}


def proof(page: BeautifulSoup) -> dict[str, str]:
    return {"_xsrf": str(page.select("[name=_xsrf]")[0]["value"])}


async def pending_page(hub: RunningHub, **headers: str) -> tuple[Any, BeautifulSoup]:
    hub.world.hang_start = True
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and bool(server.spawner_state), "ada", "")
    browser = await hub.browser("ada", **headers)
    page = await browser.get(f"{hub.prefix}spawn-pending/ada")
    return browser, BeautifulSoup(page.text, "html.parser")


async def test_the_script_learns_the_steps_in_the_language_of_the_page(hub: RunningHub) -> None:
    browser, page = await pending_page(hub, **{"Accept-Language": "de"})
    assert "Server angefordert" in page.select("#progress-log")[0].get_text()
    url = str(page.select("#progress")[0]["data-events-url"])
    hub.world.end((await hub.until(bool, "ada")).id)  # type: ignore[union-attr]
    stopping = asyncio.create_task(browser.post(f"{hub.prefix}stop/ada", data=proof(page), headers={"Origin": ORIGIN}))
    answer = await browser.get(url, headers=SCRIPT)
    await stopping
    first = json.loads(answer.text.split("data: ")[1].splitlines()[0])
    assert (first["message"], first["shown"]) == ("Server requested", "Server angefordert")


async def test_a_failure_is_told_in_the_language_of_the_page_and_in_english_elsewhere(hub: RunningHub) -> None:
    hub.world.start_failure = PerijoveError(
        Code.FAILED, say("The home folder {home} cannot be used: {reason}.", home="'/home/ada'", reason="Stale handle")
    )
    token = await hub.token("ada")
    await hub.client(token).post(f"{hub.api}/users/ada/server")
    await hub.until(lambda server: server is not None and server.state is State.FAILED, "ada")
    browser = await hub.browser("ada", **{"Accept-Language": "de"})
    page = BeautifulSoup((await browser.get(f"{hub.prefix}spawn-pending/ada")).text, "html.parser")
    reason = page.select(".failure-reason")[0].get_text()
    assert reason == "Der Home-Ordner '/home/ada' kann nicht benutzt werden: Stale handle."
    assert f"Start misslungen: {reason}" in page.get_text()
    model = (await hub.client(token).get(f"{hub.api}/users/ada/server", headers={"Accept-Language": "de"})).json()
    assert model["failure"]["reason"] == "The home folder '/home/ada' cannot be used: Stale handle."


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
