from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import Server
from perijove.hub.core.user_options import MAX_LENGTH
from perijove.hub.testing.fakes import FakeSpawner, FakeWorld
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub

FORM = "<label for=image>Image</label> <input id=image name=image>"
FROM_US = {"Origin": ORIGIN}
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
PICKED = "/hub/spawn/ada"
PENDING = "/hub/spawn-pending/ada"


@asynccontextmanager
async def with_options(limits: Limits | None = None, **options: Any) -> AsyncIterator[RunningHub]:
    """Run a hub whose spawner has these options; a form among them, if not told else."""
    world = FakeWorld()

    class Configured(FakeSpawner):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**({"options_form": FORM} | options | kwargs))

    Configured.world = world
    async with running_hub(spawner_class=Configured, slow_start=0.0, slow_stop=0.0, limits=limits) as hub:
        hub.world = world
        yield hub


async def administrator(hub: RunningHub) -> Any:
    return hub.client(await hub.token("root", admin=True))


async def press(hub: RunningHub, browser: Any, where: str = PICKED, **sent: Any) -> Any:
    """Send the form of a page, or press a button of the home page."""
    home = await browser.get("/hub/home")
    token = re.findall(r'name="_xsrf" value="([^"]+)"', home.text)[0]
    data = {"_xsrf": token, **sent.pop("data", {})}
    return await browser.post(where, data=data, headers=FROM_US, **sent)


async def chosen(hub: RunningHub, name: str = "") -> Any:
    server = await hub.server("ada", name)
    return None if server is None else server.user_options


def ready(server: Server | None) -> bool:
    return server is not None and server.ready


async def test_the_form_is_shown_before_a_server_starts() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        page = await browser.get(f"{PICKED}?next=/user/ada/lab")
        shown = BeautifulSoup(page.text, "html.parser")
        form = shown.select_one("#spawn_form")
        assert page.status_code == 200
        assert form is not None
        assert form["action"] == f"{PICKED}?next=%2Fuser%2Fada%2Flab"
        assert form["enctype"] == "multipart/form-data"
        assert form.select_one("input[name=image]") is not None
        assert shown.select("[role=alert]") == []
        assert await hub.server("ada") is None
        sent = await press(hub, browser, str(form["action"]), data={"_options": "1", "image": "lab"})
        assert (sent.status_code, sent.headers["Location"]) == (303, f"{PENDING}?next=%2Fuser%2Fada%2Flab")
        await hub.until(ready, "ada")
        assert await chosen(hub) == {"image": ["lab"]}
        assert (await browser.get(PICKED)).headers["Location"] == "/user/ada/"


async def test_buttons_lead_to_the_form_and_a_form_with_nothing_chosen_starts() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        button = await press(hub, browser)
        assert (button.status_code, button.headers["Location"]) == (303, PICKED)
        assert await hub.server("ada") is None
        sent = await press(hub, browser, data={"_options": "1"})
        assert urlsplit(sent.headers["Location"]).path == PENDING
        assert await chosen(hub) == {}


async def test_a_new_named_server_gets_its_form_too() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        button = await press(hub, browser, data={"server_name": " GPU-1 "})
        assert button.headers["Location"] == f"{PICKED}/gpu-1"
        page = await browser.get(f"{PICKED}/gpu-1?display_name=My+GPU")
        action = BeautifulSoup(page.text, "html.parser").select_one("#spawn_form")["action"]  # type: ignore[index]
        await press(hub, browser, str(action), data={"_options": "1", "server_name": "an option"})
        await hub.until(ready, "ada", "gpu-1")
        server = await hub.server("ada", "gpu-1")
        assert server is not None
        assert (server.user_options, server.display_name) == ({"server_name": ["an option"]}, "My GPU")
        assert (await browser.get(f"{PICKED}/Not%20a%20name")).status_code == 400


async def test_what_is_wrong_is_said_and_what_was_entered_stays() -> None:
    def read(form: Any) -> Any:
        if form.get("image") != ["lab"]:
            raise ValueError("There is no image <b>other</b>.")
        return {"image": form["image"][0]}

    async with with_options(options_from_form=read) as hub:
        browser = await hub.browser("ada")
        data = {"_options": "1", "image": "other", "size": ["a", "b"]}
        page = await press(hub, browser, f"{PICKED}?next=/user/ada/lab", data=data)
        shown = BeautifulSoup(page.text, "html.parser")
        assert page.status_code == 400
        (alert,) = shown.select("[role=alert]")
        assert alert.get_text(strip=True) == "There is no image <b>other</b>."
        form = shown.select_one("#spawn_form")
        assert form is not None
        assert json.loads(str(form["data-chosen"])) == {"image": ["other"], "size": ["a", "b"]}
        assert form["action"] == f"{PICKED}?next=%2Fuser%2Fada%2Flab"
        assert await hub.server("ada") is None
        await press(hub, browser, str(form["action"]), data={"_options": "1", "image": "lab"})
        await hub.until(ready, "ada")


async def test_options_that_the_spawner_does_not_take_are_wrong_too() -> None:
    async with with_options(options_from_form="simple", apply_user_options={"cpus": "cpu_limit"}) as hub:
        browser = await hub.browser("ada")
        page = await press(hub, browser, data={"_options": "1", "cpus": "many"})
        assert page.status_code == 400
        assert "The option &#39;cpus&#39; must be a float" in page.text
        token = hub.client(await hub.token("ada"))
        answer = await token.post(f"{hub.api}/users/ada/server", json={"cpus": "many"})
        assert (answer.status_code, "must be a float" in answer.json()["message"]) == (400, True)
        await press(hub, browser, data={"_options": "1", "cpus": "2"})
        await hub.until(ready, "ada")


async def test_a_form_that_breaks_has_an_id_that_is_in_the_log() -> None:
    def broken(form: Any) -> Any:
        raise RuntimeError("inner life")

    async with with_options(options_from_form=broken) as hub:
        page = await press(hub, await hub.browser("ada"), data={"_options": "1", "image": "x"})
        assert page.status_code == 500
        assert "Ask your administrator and say the number" in page.text
        assert "inner life" not in page.text
        assert """data-chosen='{"image": ["x"]}'""" in page.text


async def test_a_limit_is_told_in_the_form() -> None:
    async with with_options(Limits(active_servers=1)) as hub:
        await (await administrator(hub)).post(f"{hub.api}/users/root/server")
        page = await press(hub, await hub.browser("ada"), data={"_options": "1", "image": "x"})
        assert page.status_code == 429
        assert BeautifulSoup(page.text, "html.parser").select("[role=alert]")


async def test_files_come_with_the_form() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        files = {"keys": ("id.pub", b"ssh-\x00\xff", "text/plain")}
        await press(hub, browser, data={"_options": "1"}, files=files)
        await hub.until(ready, "ada")
        kept = await chosen(hub)
        assert list(kept) == ["keys_file"]
        assert (kept["keys_file"][0]["filename"], kept["keys_file"][0]["content_type"]) == ("id.pub", "text/plain")
        told = (await (await administrator(hub)).get(f"{hub.api}/users/ada/server")).json()["user_options"]
        assert told == kept


async def test_a_file_that_is_too_long_is_refused_in_the_form() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        page = await press(hub, browser, data={"_options": "1"}, files={"keys": ("k", b"x" * MAX_LENGTH, "text/plain")})
        assert page.status_code == 400
        assert "uploaded files included" in page.text
        assert await hub.server("ada") is None


async def test_an_address_may_say_the_options() -> None:
    async with with_options(options_from_form="simple") as hub:
        browser = await hub.browser("ada")
        answer = await browser.get(f"{PICKED}?opt-image=lab&next=/user/ada/lab&utm_source=mail")
        assert answer.headers["Location"] == f"{PENDING}?next=%2Fuser%2Fada%2Flab"
        await hub.until(ready, "ada")
        assert await chosen(hub) == {"image": "lab"}


async def test_wrong_options_in_an_address_lead_to_the_form() -> None:
    async with with_options(apply_user_options={"port": "port"}, options_from_form="simple") as hub:
        browser = await hub.browser("ada")
        for query in ("opt-port=x", "opt-=x"):
            page = await browser.get(f"{PICKED}?{query}")
            assert (page.status_code, 'id="spawn_form"' in page.text) == (400, True)
        assert await hub.server("ada") is None
    async with with_options(apply_user_options={"port": "port"}, options_from_form="simple", options_form="") as hub:
        page = await (await hub.browser("ada")).get(f"{PICKED}?opt-port=x")
        assert (page.status_code, 'id="spawn_form"' in page.text) == (400, False)


async def test_a_link_on_another_site_chooses_nothing_by_itself() -> None:
    async with with_options(options_from_form="simple") as hub:
        browser = await hub.browser("ada")
        page = await browser.get(f"{PICKED}?opt-image=lab&next=/user/ada/lab", headers=FROM_ELSEWHERE)
        (form,) = [
            form
            for form in BeautifulSoup(page.text, "html.parser").select("form[method=post]")
            if "/spawn/" in str(form["action"])
        ]
        assert form["action"] == f"{PICKED}?opt-image=lab&next=%2Fuser%2Fada%2Flab"
        assert await hub.server("ada") is None
        await press(hub, browser, str(form["action"]))
        await hub.until(ready, "ada")
        assert await chosen(hub) == {"image": "lab"}


async def test_the_form_shows_what_was_chosen_the_last_time() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        await press(hub, browser, data={"_options": "1", "image": "lab"})
        await hub.until(ready, "ada")
        await press(hub, browser, "/hub/stop/ada")
        await hub.until(lambda server: server is not None and not server.active, "ada")
        page = await browser.get(PICKED)
        assert """data-chosen='{"image": ["lab"]}'""" in page.text
        client = hub.client(await hub.token("ada"))
        await client.post(f"{hub.api}/users/ada/server")
        await hub.until(ready, "ada")
        assert await chosen(hub) == {"image": ["lab"]}


async def test_forms_without_a_form_are_options_as_well(hub: RunningHub) -> None:
    """Programs send them without looking at a page."""
    browser, prefix = await hub.browser("ada"), hub.prefix
    home = await browser.get(f"{prefix}home")
    token = re.findall(r'name="_xsrf" value="([^"]+)"', home.text)[0]
    await browser.post(f"{prefix}spawn/ada", data={"_xsrf": token, "image": "lab"}, headers=FROM_US)
    await hub.until(ready, "ada")
    assert await chosen(hub) == {"image": ["lab"]}


async def test_scripts_in_a_form_work_only_with_the_nonce_of_the_page() -> None:
    async with with_options(options_form=f"{FORM}<script>x()</script>") as hub:
        browser = await hub.browser("ada")
        nonces = set()
        for _ in range(2):
            page = await browser.get(PICKED)
            (nonce,) = re.findall(r'<script nonce="([^"]+)">x\(\)</script>', page.text)
            policy = page.headers["Content-Security-Policy"]
            assert f"script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';" in policy
            nonces.add(nonce)
        assert len(nonces) == 2
    async with with_options(options_form=lambda spawner: f"{FORM}<script>x()</script>") as hub:
        page = await (await hub.browser("ada")).get(PICKED)
        assert "<script>x()</script>" in page.text
        assert "nonce" not in page.headers["Content-Security-Policy"]


async def test_a_form_that_cannot_be_made_is_an_error() -> None:
    def broken(spawner: Any) -> str:
        raise PerijoveError(Code.UNAVAILABLE, "The list of images is away.")

    async with with_options(options_form=broken) as hub:
        page = await (await hub.browser("ada")).get(PICKED)
        assert (page.status_code, "The list of images is away." in page.text) == (503, True)
        assert await hub.server("ada") is None


async def test_nobody_gets_the_form_of_another() -> None:
    async with with_options() as hub:
        await hub.browser("ada")
        browser = await hub.browser("bob")
        assert (await browser.get(PICKED)).status_code == 404
        assert (await press(hub, browser, data={"_options": "1", "image": "x"})).status_code == 404
        assert (await browser.get(f"{PICKED}/new", headers=FROM_ELSEWHERE)).status_code == 404
        assert await hub.server("ada") is None


async def test_an_administrator_sees_for_whom_the_form_is() -> None:
    async with with_options() as hub:
        await hub.browser("ada")
        await hub.add_user("root", admin=True)
        page = await (await hub.browser("root")).get(PICKED)
        assert "You are starting a server for ada." in page.text


async def test_a_failed_start_is_tried_again_by_way_of_the_form() -> None:
    async with with_options() as hub:
        browser = await hub.browser("ada")
        hub.world.start_failure = PerijoveError(Code.FAILED, "No more memory.")
        await press(hub, browser, data={"_options": "1", "image": "lab"})
        await hub.until(lambda server: server is not None and server.state == "failed", "ada")
        page = await browser.get(PENDING)
        (retry,) = re.findall(rf'action="({PICKED}[^"]*)"', page.text)
        assert (await press(hub, browser, retry)).headers["Location"] == PICKED
