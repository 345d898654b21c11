from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.servers import Server
from perijove.hub.settings.landing import Landing
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub

FROM_US = {"Origin": ORIGIN}


def form_token(page: Any) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def ready(server: Server | None) -> bool:
    return server is not None and server.ready


async def started(hub: RunningHub, user: str = "ada", name: str = "") -> None:
    await hub.client(await hub.token(user)).post(f"{hub.api}/users/{user}/servers/{name}")
    await hub.until(ready, user, name)


async def pending(hub: RunningHub, user: str = "ada", name: str = "") -> None:
    hub.world.hang_start = True
    await hub.client(await hub.token(user)).post(f"{hub.api}/users/{user}/servers/{name}")
    await hub.until(lambda server: server is not None and bool(server.spawner_state), user, name)


async def failed(hub: RunningHub, user: str = "ada") -> None:
    hub.world.start_failure = PerijoveError(Code.FAILED, "No more <b>memory</b>.")
    await hub.client(await hub.token(user)).post(f"{hub.api}/users/{user}/server")
    await hub.until(lambda server: server is not None and server.state == "failed", user)


async def test_the_hub_leads_home_or_to_the_running_server(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    assert (await browser.get(hub.prefix)).headers["Location"] == f"{hub.prefix}home"
    await started(hub)
    assert (await browser.get(hub.prefix)).headers["Location"] == f"{hub.state.settings.base_url}user/ada/"


async def test_the_hub_leads_home_always_if_configured_so() -> None:
    async with running_hub(landing=Landing(to_server=False)) as hub:
        await started(hub)
        assert (await (await hub.browser("ada")).get("/hub/")).headers["Location"] == "/hub/home"


async def test_the_main_job_by_forms(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    home = await browser.get(f"{hub.prefix}home")
    assert f'action="{hub.prefix}spawn/ada"' in home.text
    data = {"_xsrf": form_token(home)}
    answer = await browser.post(f"{hub.prefix}spawn/ada", data=data, headers=FROM_US)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{hub.prefix}spawn-pending/ada")
    await hub.until(ready, "ada")
    done = await browser.get(f"{hub.prefix}spawn-pending/ada")
    assert (done.status_code, done.headers["Location"]) == (303, f"{base}user/ada/")
    again = await browser.post(f"{hub.prefix}spawn/ada", data=data, headers=FROM_US)
    assert (again.status_code, again.headers["Location"]) == (303, f"{base}user/ada/")
    stopped = await browser.post(f"{hub.prefix}stop/ada", data=data, headers=FROM_US)
    assert (stopped.status_code, stopped.headers["Location"]) == (303, f"{hub.prefix}home")
    assert not hub.world.running()
    rest = await browser.get(f"{hub.prefix}spawn-pending/ada")
    assert (rest.status_code, "is not running" in rest.text) == (200, True)


async def test_a_named_server_is_started_from_the_home_page(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser = await hub.browser("ada")
    data = {"_xsrf": form_token(await browser.get(f"{hub.prefix}home")), "server_name": " GPU-1 "}
    answer = await browser.post(f"{hub.prefix}spawn/ada", data=data, headers=FROM_US)
    assert answer.headers["Location"] == f"{hub.prefix}spawn-pending/ada/gpu-1"
    await hub.until(ready, "ada", "gpu-1")
    wrong = await browser.post(f"{hub.prefix}spawn/ada", data=data | {"server_name": "a b"}, headers=FROM_US)
    assert wrong.status_code == 400


async def test_spawn_starts_and_shows_how_it_goes(hub: RunningHub) -> None:
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    assert (await browser.get(f"{hub.prefix}spawn?x=1")).headers["Location"] == f"{hub.prefix}spawn/ada?x=1"
    hub.world.hang_start = True
    answer = await browser.get(f"{hub.prefix}spawn/ada?next={base}user/ada/lab")
    assert answer.status_code == 303
    location = urlsplit(answer.headers["Location"])
    assert location.path == f"{hub.prefix}spawn-pending/ada"
    assert parse_qs(location.query) == {"next": [f"{base}user/ada/lab"]}
    page = await browser.get(answer.headers["Location"])
    assert page.status_code == 200
    assert f'data-next-url="{base}user/ada/lab"' in page.text
    (events_url,) = re.findall(r'data-events-url="([^"]+)"', page.text)
    assert events_url.startswith(f"{hub.prefix}api/users/ada/server/progress?_xsrf=")
    assert events_url.endswith(form_token(page))
    assert "Server requested" in page.text
    again = await browser.get(f"{hub.prefix}spawn/ada")
    assert again.headers["Location"] == f"{hub.prefix}spawn-pending/ada"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_on_another_site_starts_nothing(hub: RunningHub, site: str) -> None:
    browser = await hub.browser("ada")
    page = await browser.get(f"{hub.prefix}spawn/ada", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"})
    assert (page.status_code, "Start my server" in page.text) == (200, True)
    assert await hub.server("ada") is None


async def test_pages_never_lead_elsewhere(hub: RunningHub) -> None:
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    await started(hub)
    for page in ("spawn/ada", "spawn-pending/ada"):
        answer = await browser.get(f"{hub.prefix}{page}?next=//evil.example/")
        assert answer.headers["Location"] == f"{base}user/ada/"
        answer = await browser.get(f"{hub.prefix}{page}?next={base}user/ada/lab")
        assert answer.headers["Location"] == f"{base}user/ada/lab"


async def test_a_start_that_failed_says_why(hub: RunningHub) -> None:
    await failed(hub)
    page = await (await hub.browser("ada")).get(f"{hub.prefix}spawn-pending/ada")
    assert page.status_code == 500
    assert "No more &lt;b&gt;memory&lt;/b&gt;." in page.text
    assert "Try again" in page.text
    steps = page.text.partition("What happened before")[2].partition("</ol>")[0]
    assert re.findall(r"<li>.+ <span class=.*>\d+ s</span></li>", steps)


async def test_a_limit_is_told_on_the_page() -> None:
    from perijove.hub.core.admission import Limits

    async with running_hub(limits=Limits(active_servers=1)) as hub:
        await started(hub, "bob")
        answer = await (await hub.browser("ada")).get("/hub/spawn/ada")
        assert answer.status_code == 429
        assert "Active user limit exceeded" in answer.text


async def test_others_servers_are_out_of_reach_but_for_administrators(hub: RunningHub) -> None:
    await started(hub, "bob")
    browser = await hub.browser("ada")
    data = {"_xsrf": form_token(await browser.get(f"{hub.prefix}home"))}
    assert (await browser.get(f"{hub.prefix}spawn/bob")).status_code == 404
    assert (await browser.get(f"{hub.prefix}spawn-pending/bob")).status_code == 404
    for verb in ("spawn", "stop"):
        assert (await browser.post(f"{hub.prefix}{verb}/bob", data=data, headers=FROM_US)).status_code == 404
    await hub.add_user("root", admin=True)
    root = await hub.browser("root")
    data = {"_xsrf": form_token(await root.get(f"{hub.prefix}home"))}
    answer = await root.post(f"{hub.prefix}stop/bob", data=data, headers=FROM_US)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{hub.prefix}admin")


async def test_what_is_said_of_the_server_of_nobody(hub: RunningHub) -> None:
    path = f"{hub.prefix}user/ada/lab?x=%2F"
    page = await hub.client().get(path)
    assert page.status_code == 302
    assert parse_qs(urlsplit(page.headers["Location"]).query) == {"next": [path]}
    for method, where, headers in (
        ("GET", "user/ada/api/kernels", {}),
        ("GET", "user/ada/lab", {"Accept": "application/json"}),
        ("GET", "user/ada/files/x", {"Sec-Fetch-Mode": "cors"}),
        ("POST", "user/ada/lab", {}),
        ("PUT", "user/ada/api/contents/x", {}),
        ("DELETE", "user/ada/api/kernels/1", {}),
        ("OPTIONS", "user/ada/api", {}),
    ):
        answer = await hub.client().request(method, f"{hub.prefix}{where}", headers=headers)
        assert answer.status_code == 424, (method, where)
        assert answer.json()["status"] == 424


async def test_t13_a_server_that_is_stopped_is_424(hub: RunningHub) -> None:
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    page = await browser.get(f"{hub.prefix}user/ada/lab/tree/x%20y?z=%26")
    assert page.status_code == 424
    assert "Start my server" in page.text
    (action,) = re.findall(rf'action="({hub.prefix}spawn/ada[^"]*)"', page.text)
    assert parse_qs(urlsplit(action).query)["next"] == [f"{base}user/ada/lab/tree/x%20y?z=%26"]
    for client in (browser, hub.client(await hub.token("ada")), hub.client()):
        answer = await client.get(f"{hub.prefix}user/ada/api/kernels")
        assert (answer.status_code, answer.headers["Content-Type"]) == (424, "application/json")
        assert answer.json()["message"] == (
            f"JupyterHub server no longer running at {base}user/ada/. Restart the server at {hub.prefix}spawn/ada"
        )


async def test_a_server_on_its_way_or_failed_leads_to_its_progress(hub: RunningHub) -> None:
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    await pending(hub)
    for _ in range(2):
        answer = await browser.get(f"{hub.prefix}user/ada/lab?x=%2F")
        assert answer.status_code == 303
        location = urlsplit(answer.headers["Location"])
        assert location.path == f"{hub.prefix}spawn-pending/ada"
        assert parse_qs(location.query) == {"next": [f"{base}user/ada/lab?x=%2F"]}
        assert (await browser.get(f"{hub.prefix}user/ada/api/kernels")).status_code == 424
        if (server := await hub.server("ada")) is not None and server.state != "failed":
            await hub.client(await hub.token("ada")).delete(f"{hub.api}/users/ada/server")
            await hub.until(lambda server: server is not None and not server.active, "ada")
            hub.world.hang_start = False
            await failed(hub)


async def test_a_server_without_route_is_tried_again_and_not_for_ever(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(seconds: float) -> None:
        slept.append(seconds)

    slept: list[float] = []
    await started(hub)
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    query = "?x=%2F&y"
    monkeypatch.setattr("perijove.hub.web.pages.servers.asyncio.sleep", at_once)
    for count in range(4):
        if count:
            hub.proxy.routes.clear()
        answer = await browser.get(f"{hub.prefix}user/ada/lab{query}")
        assert answer.status_code == 302
        assert answer.headers["Location"] == f"{base}user/ada/lab?x=%2F&y&redirects={count + 1}"
        assert f"{base}user/ada/" in hub.proxy.routes
        query = answer.headers["Location"].removeprefix(f"{base}user/ada/lab")
    assert len(slept) == 3
    assert max(slept) <= 2
    given_up = await browser.get(f"{hub.prefix}user/ada/lab{query}")
    assert (given_up.status_code, given_up.headers["Retry-After"]) == (503, "5")
    for nonsense in ("x", "-1", "9" * 500, "%D9%A1"):
        answer = await browser.get(f"{hub.prefix}user/ada/lab?redirects={nonsense}")
        assert answer.status_code == 503


async def test_whoever_has_no_access_to_a_server_gets_404(hub: RunningHub) -> None:
    await started(hub, "bob")
    for client in (
        await hub.browser("ada"),
        hub.client(await hub.token("ada")),
        hub.client(await hub.token("bob", "read:users!user")),
    ):
        for path in ("user/bob/lab", "user/bob/api"):
            assert (await client.get(f"{hub.prefix}{path}")).status_code == 404
    assert (await (await hub.browser("ada")).get(f"{hub.prefix}user/nobody/lab")).status_code == 404
    for strange in ("%00", "x" * 300, "..%5Cx", "%20"):
        assert (await (await hub.browser("ada")).get(f"{hub.prefix}user/{strange}/lab")).status_code == 404


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a b", "a%20b"),
        ("j\u00fcrgen", "j%C3%BCrgen"),
        ("a%2fb", "a%252fb"),
        ("x@y~z", "x@y~z"),
        ("a+b", "a%2Bb"),
        ("q?#", "q%3F%23"),
    ],
)
async def test_93gc_names_with_strange_characters_survive_everywhere(hub: RunningHub, name: str, escaped: str) -> None:
    browser, base = await hub.browser(name), hub.state.settings.base_url
    outside = await browser.get(f"{ORIGIN}{base}user/{escaped}/lab/x%20y?z=%2F")
    inside = outside.headers["Location"]
    assert inside == f"{hub.prefix}user/{escaped}/lab/x%20y?z=%2F"
    anonymous = await hub.client().get(inside)
    assert parse_qs(urlsplit(anonymous.headers["Location"]).query)["next"] == [inside]
    stopped = await browser.get(inside)
    assert stopped.status_code == 424
    (action,) = re.findall(rf'action="({re.escape(hub.prefix)}spawn/[^"]*)"', stopped.text)
    answer = await browser.post(action, data={"_xsrf": form_token(stopped)}, headers=FROM_US)
    assert urlsplit(answer.headers["Location"]).path == f"{hub.prefix}spawn-pending/{escaped}"
    await hub.until(ready, name)
    there = await browser.get(answer.headers["Location"])
    assert there.headers["Location"] == f"{base}user/{escaped}/lab/x%20y?z=%2F"
    back = await browser.get(inside)
    assert back.headers["Location"] == f"{base}user/{escaped}/lab/x%20y?z=%2F&redirects=1"


async def test_a_named_server_has_its_own_address(hub: RunningHub) -> None:
    browser, base = await hub.browser("ada"), hub.state.settings.base_url
    await started(hub, "ada", "gpu")
    answer = await browser.get(f"{hub.prefix}user/ada/gpu/lab")
    assert answer.headers["Location"] == f"{base}user/ada/gpu/lab?redirects=1"
    assert (await browser.get(f"{hub.prefix}user/ada/lab")).status_code == 424


async def test_a_script_with_the_visitors_cookie_learns_only_that_it_does_not_run(hub: RunningHub) -> None:
    await started(hub)
    browser = await hub.browser("ada")
    headers = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    for path in ("user/ada/api/kernels", "user/ada/lab", "user/bob/lab"):
        assert (await browser.get(f"{hub.prefix}{path}", headers=headers)).status_code == 424


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", ""),
        ("/", ""),
        ("/lab/tree/my%20file%2Fx.ipynb?a=%26&b", "lab/tree/my%20file%2Fx.ipynb?a=%26&b"),
        ("//evil.example/", "evil.example/"),
    ],
)
async def test_user_redirect_leads_to_the_visitors_own_server(hub: RunningHub, path: str, target: str) -> None:
    browser, base = await hub.browser("a b"), hub.state.settings.base_url
    answer = await browser.get(f"{hub.prefix}user-redirect{path}")
    assert answer.status_code == 302
    location = urlsplit(answer.headers["Location"])
    assert location.path == f"{hub.prefix}spawn/a%20b"
    assert parse_qs(location.query) == {"next": [f"{base}user/a%20b/{target}"]}


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/x", "a%5Cb/..%2F..", "%2e%2e%2fx"])
async def test_user_redirect_stays_on_the_visitors_server(hub: RunningHub, exchange: Any, path: str) -> None:
    key = (await hub.session("ada")).key
    answer = await exchange(
        hub, f"{hub.prefix}user-redirect/{path}", headers={"Cookie": f"jupyterhub-hub-login={key}"}
    )()
    assert answer.status == 400


async def test_a_press_in_many_tabs_starts_one_server(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    browser = await hub.browser("ada")
    data = {"_xsrf": form_token(await browser.get(f"{hub.prefix}home"))}
    answers = await asyncio.gather(
        *(browser.post(f"{hub.prefix}spawn/ada", data=data, headers=FROM_US) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {303}
    await hub.until(ready, "ada")
    assert len(hub.world.runs) == 1


async def test_people_find_the_services_that_they_may_use(hub: RunningHub) -> None:
    admin = hub.client(await hub.token("root", admin=True))
    for name, shown in (("wiki", True), ("backstage", False)):
        body = {"url": "http://127.0.0.1:1", "display": shown}
        assert (await admin.post(f"{hub.api}/services/{name}", json=body)).status_code == 201
    address = f"{hub.state.settings.base_url}services/wiki/"
    page = (await (await hub.browser("root")).get(f"{hub.prefix}home")).text
    assert f'<a href="{address}">wiki</a>' in page
    assert "backstage" not in page
    assert "wiki" not in (await (await hub.browser("ada")).get(f"{hub.prefix}home")).text


async def test_the_page_of_a_stopped_server_starts_it_if_configured_so() -> None:
    refresh = '<meta http-equiv="refresh" content="3;url=/hub/spawn/ada?next=%2Fuser%2Fada%2Flab">'
    async with running_hub(landing=Landing(start_after=2.5)) as hub:
        await hub.add_user("ada")
        await hub.add_user("root", admin=True)
        assert refresh in (await (await hub.browser("ada")).get("/hub/user/ada/lab")).text
        assert "http-equiv" not in (await (await hub.browser("root")).get("/hub/user/ada/lab")).text
        await failed(hub)
        page = await (await hub.browser("ada")).get("/hub/spawn-pending/ada", follow_redirects=True)
        assert "No more" in page.text
        assert 'content="3;' not in page.text


async def test_the_page_of_a_stopped_server_starts_nothing_otherwise(hub: RunningHub) -> None:
    page = await (await hub.browser("ada")).get(f"{hub.prefix}user/ada/lab")
    assert page.status_code == 424
    assert "http-equiv" not in page.text


async def test_very_old_clients_get_the_status_that_they_know() -> None:
    async with running_hub(landing=Landing(stopped_status=503)) as hub:
        browser = await hub.browser("ada")
        assert (await browser.get("/hub/user/ada/lab")).status_code == 503
        answer = await browser.get("/hub/user/ada/api/status")
        assert (answer.status_code, answer.json()["status"]) == (503, 503)
