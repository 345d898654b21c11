"""The services in `examples/`, run as their documents say, against a real hub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.browsers import Visitor, hidden_fields
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually, free_ports

from perijove.client.rest import ApiError, HubClient

TOKENS = {"whoami": "the-token-of-whoami-which-is-long-enough", "idle-servers": "the-token-of-the-other-one-is-too"}
CONFIG = """
c.JupyterHub.services += [
    {{"name": "whoami", "api_token": "the-token-of-whoami-which-is-long-enough"}},
    {{"name": "idle-servers", "api_token": "the-token-of-the-other-one-is-too"}},
]
c.JupyterHub.load_roles += [
    {{"name": "guests", "users": ["ada"], "scopes": ["access:services"]}},
    {{
        "name": "idle-servers",
        "services": ["idle-servers"],
        "scopes": ["list:users", "read:servers", "delete:servers"],
    }},
]
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub that lets ada use both services, and no other user."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG)
    hub.start()
    return hub


class Example:
    """One of the services, in a process of its own."""

    def __init__(self, checkout: Path, hub: RunningHub, name: str, *arguments: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/services/{name}/"
        folder = checkout / "examples" / name.replace("-", "_")
        env = {
            "PATH": os.environ["PATH"],
            "JUPYTERHUB_API_URL": hub.api,
            "JUPYTERHUB_API_TOKEN": TOKENS[name],
            "JUPYTERHUB_SERVICE_NAME": name,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        }
        self.process = subprocess.Popen([sys.executable, folder / f"{folder.name}.py", *arguments], env=env)

    def answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return httpx.get(self.url, trust_env=False).status_code == 302
        except httpx.ConnectError:
            return False


@pytest.fixture(scope="module")
def run(checkout: Path, hub: RunningHub) -> Iterator[Callable[..., str]]:
    """Run an example and return its address."""
    running: list[Example] = []

    def start(name: str, *arguments: str) -> str:
        example = Example(checkout, hub, name, *arguments)
        running.append(example)
        eventually(example.answers, f"{name} sends strangers to the hub")
        return example.url

    yield start
    for example in running:
        example.process.kill()
        example.process.wait()


def token_of(hub: RunningHub, name: str) -> dict[str, str]:
    """Return headers with a new token of a user, who is made if need be."""
    with hub.client(OPS_TOKEN) as api:
        api.post(f"/users/{name}")
        made = api.post(f"/users/{name}/tokens").raise_for_status().json()
    return {"Authorization": f"token {made['token']}"}


def test_who_am_i(hub: RunningHub, run: Callable[..., str]) -> None:
    url = run("whoami")
    ada, mallory = token_of(hub, "ada"), token_of(hub, "mallory")
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("api/me", headers=ada).json()["name"] == "ada"
        assert client.get("api/me", headers=mallory).status_code == 403
        assert "You are ada" in client.get("", headers=ada).text
        assert "1 so far" in client.post("greetings", headers=ada).text
        assert client.post("greetings").status_code == 403
        assert client.get("health").json() == {"status": "ok"}
        location = client.get("").headers["location"]
        assert location.startswith("/hub/api/oauth2/authorize?client_id=service-whoami&")


def test_idle_servers(hub: RunningHub, run: Callable[..., str]) -> None:
    busy, idle = run("idle-servers"), run("idle-servers", "0")
    with hub.client(OPS_TOKEN) as api, httpx.Client(headers=token_of(hub, "ada"), trust_env=False) as client:
        api.post("/users/ada/server").raise_for_status()
        eventually(lambda: api.get("/users/ada/server").json()["ready"], "ada's server is ready", 60)
        assert "<li>" not in client.get(busy).text, "it was used within the last half hour"
        page = client.get(idle).text
        assert "You are ada" in page
        assert 'name="user" value="ada"' in page
        stopped = client.post(f"{idle}stop", data={"user": "ada", "server": ""})
        assert (stopped.status_code, stopped.headers["location"]) == (302, "/services/idle-servers/")
        eventually(lambda: api.get("/users/ada/server").json()["stopped"], "ada's server is stopped", 60)
        assert "<li>" not in client.get(idle).text
        assert client.post(f"{idle}stop", data={"user": "nobody", "server": ""}).status_code == 404
    assert httpx.post(f"{idle}stop", data={"user": "ada", "server": ""}, trust_env=False).status_code == 403


async def test_a_program_that_asks_the_hub(hub: RunningHub) -> None:
    names = {f"guest-{number:03}" for number in range(250)}
    async with HubClient(hub.api, OPS_TOKEN) as api:
        assert (await api.me())["name"] == "ops"
        assert await api.version() == "6.1.1"
        made = await api.create_users(names)
        assert {user["name"] for user in made} == names
        with pytest.raises(ApiError) as conflict:
            await api.create_users(["guest-000"])
        assert conflict.value.status == 409
        assert {user["name"] async for user in api.users(name_filter="guest-")} == names, "more than a page"

        server = await api.run_server("guest-000")
        assert (server["ready"], server["url"]) == (True, "/user/guest-000/")
        assert [event.get("ready") async for event in api.progress("guest-000")] == [True]
        token = await api.create_token("guest-000", note="for the test", expires_in=60)
        async with HubClient(hub.api, token["token"]) as guest:
            assert (await guest.me())["name"] == "guest-000"
        assert [held["note"] for held in await api.tokens("guest-000") if held["id"] == token["id"]] == ["for the test"]
        await api.revoke_token("guest-000", token["id"])
        await api.stop_server("guest-000")
        with pytest.raises(ApiError) as missing:
            await api.user("nobody/../at-all")
        assert missing.value.status == 404


@pytest.fixture(scope="module")
def own_server(make_hub: Callable[..., RunningHub], checkout: Path) -> RunningHub:
    """A hub that starts the first example in the place of everybody's Jupyter server."""
    config = """
c.Spawner.cmd = ["{python}", "{program}"]
c.Spawner.args = []
c.Spawner.environment = {{{{"JUPYTERHUB_SERVICE_NAME": "whoami"}}}}
"""
    program = checkout / "examples" / "whoami" / "whoami.py"
    hub = make_hub(config=UPSTREAM_CONFIG + config.format(python=sys.executable, program=program))
    hub.start()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada").raise_for_status()
        api.post("/users/ada/server").raise_for_status()
        eventually(lambda: api.get("/users/ada/server").json()["ready"], "ada's server is ready", 60)
    return hub


def test_signing_in_by_oauth(own_server: RunningHub) -> None:
    with Visitor(own_server) as ada, Visitor(own_server) as mallory:
        page = ada.sign_in("ada", on="/user/ada/?x=1")
        assert "You are ada" in page.text
        assert str(page.url) == f"{own_server.url}/user/ada/?x=1"
        (token,) = (value for name, value in hidden_fields(page) if name == "_xsrf")
        headers = {"Origin": own_server.url}
        assert ada.post("/user/ada/greetings", data={"_xsrf": "made-up"}, headers=headers).status_code == 403
        assert "1 so far" in ada.post("/user/ada/greetings", data={"_xsrf": token}, headers=headers).text
        assert ada.get("/user/ada/", headers={"Sec-Fetch-Mode": "no-cors"}).status_code == 403
        assert mallory.sign_in("mallory", on="/user/ada/").status_code == 403


def test_in_a_real_browser_another_page_of_the_origin_gets_nowhere(own_server: RunningHub, page: Page) -> None:
    greetings: list[int] = []

    def greet() -> None:
        page.get_by_role("button", name="Greet everybody").click()
        expect(page.locator("form")).to_contain_text("so far")
        greetings.append(int(re.findall(r"(\d+) so far", page.inner_text("form"))[0]))

    own = f"{own_server.url}/user/ada/"
    page.goto(own)
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("You are ada")
    assert page.url == own
    greet()

    page.goto(f"{own}health")  # a page of this origin, whoever wrote the scripts in it
    for options in ("{}", "{mode: 'no-cors'}", "{method: 'POST'}", "{headers: {Accept: 'text/html'}}"):
        assert page.evaluate(f"async () => (await fetch('/user/ada/', {options})).status") == 403, options
    posted = "async () => (await fetch('/user/ada/greetings', {method: 'POST', body: new URLSearchParams()})).status"
    assert page.evaluate(posted) == 403
    framed = """async () => {
        const frame = document.createElement('iframe');
        const loaded = new Promise(done => frame.onload = done);
        frame.src = '/user/ada/';
        document.body.append(frame);
        await loaded;
        return frame.contentDocument ? frame.contentDocument.body.innerText : 'out of reach';
    }"""
    assert "You are ada" not in page.evaluate(framed)

    page.goto(own)
    greet()
    assert greetings[1] == greetings[0] + 1, "nothing was sent meanwhile but by the button"


def test_many_tabs_sign_in_at_once(own_server: RunningHub) -> None:
    with Visitor(own_server) as ada:
        asked = [ada.get(f"/user/ada/?tab={tab}", follow_redirects=False).headers["location"] for tab in range(5)]
        ada.sign_in("ada")
        for tab, location in reversed(list(enumerate(asked))):
            page = ada.get(location)
            assert (page.status_code, str(page.url)) == (200, f"{own_server.url}/user/ada/?tab={tab}")


def test_whom_the_hub_vouched_for_goes_on_without_it_until_the_session_ends(own_server: RunningHub) -> None:
    with Visitor(own_server) as ada, Visitor(own_server) as stranger:
        ada.sign_in("ada", on="/user/ada/")
        own_server.kill()
        assert "You are ada" in ada.get("/user/ada/").text
        away = stranger.get("/user/ada/", headers={"Authorization": "token made-up"})
        assert (away.status_code, away.headers["retry-after"]) == (503, "10")
        own_server.start()
        assert "You are ada" in ada.get("/user/ada/").text
        assert 'name="password"' in ada.get("/user/ada/logout").text, "signed out of the hub as well"
        assert 'name="password"' in ada.get("/user/ada/").text
