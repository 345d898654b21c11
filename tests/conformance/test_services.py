"""Services on upstream's library: one that asks our hub who holds a token, and one that our hub runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually, free_ports

TOKEN = "the-token-of-whoami-which-is-long-enough"
CONFIG = f"""
c.JupyterHub.services.append({{{{"name": "whoami", "api_token": "{TOKEN}"}}}})
c.JupyterHub.load_roles.append({{{{
    "name": "guests", "users": ["ada"], "scopes": ["access:services!service=whoami", "access:services!service=managed"]
}}}})
"""
SERVICE = """
import asyncio, sys
from jupyterhub.services.auth import HubAuthenticated
from tornado import web

class WhoAmI(HubAuthenticated, web.RequestHandler):
    @web.authenticated
    def get(self):
        user = self.get_current_user()
        self.write({"name": user["name"], "kind": user["kind"], "scopes": user["scopes"]})

class Legacy(WhoAmI):
    hub_scopes = None
    hub_users = {"grace"}

async def main():
    web.Application([("/whoami", WhoAmI), ("/legacy", Legacy)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()

asyncio.run(main())
"""


MANAGED = """
import os
from urllib.parse import urlsplit
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import ioloop, web

class Hello(HubOAuthenticated, web.RequestHandler):
    @web.authenticated
    def get(self):
        self.write({"name": self.get_current_user()["name"], "hub_user": os.environ["JUPYTERHUB_USER"]})

prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
routes = [(prefix, Hello), (url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler)]
application = web.Application(routes, cookie_secret=os.urandom(32))
application.listen(urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port, "127.0.0.1")
ioloop.IOLoop.current().start()
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> RunningHub:
    """A hub that lets ada use both services, by roles, and no other user; one of them it runs itself."""
    program = tmp_path_factory.mktemp("managed") / "managed.py"
    program.write_text(MANAGED)
    (port,) = free_ports(1)
    managed = {"name": "managed", "url": f"http://127.0.0.1:{port}", "command": [f"{upstream}/python", f"{program}"]}
    more = f"c.JupyterHub.services.append(dict({managed}))\n".replace("{", "{{").replace("}", "}}")
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG + more)
    hub.start()
    return hub


@pytest.fixture(scope="module")
def service(hub: RunningHub, upstream: Path) -> Iterator[str]:
    """The address of the service."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    env = {
        "PATH": os.environ["PATH"],
        "JUPYTERHUB_API_URL": hub.api,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services", "access:services!service=whoami"]',
    }
    process = subprocess.Popen([str(upstream / "python"), "-c", SERVICE, str(port)], env=env)

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(f"{address}/whoami", trust_env=False).status_code == 403
        except httpx.ConnectError:
            return False

    try:
        eventually(answers, "the service answers, and lets nobody in without a token")
        yield address
    finally:
        process.kill()
        process.wait()


def ask(url: str, token: str) -> httpx.Response:
    """Ask the service with a token."""
    return httpx.get(url, headers={"Authorization": f"token {token}"}, trust_env=False, timeout=30)


def token_of(hub: RunningHub, name: str) -> tuple[str, str]:
    """Return a new token of a user, who is made if need be, and its id."""
    with hub.client(OPS_TOKEN) as api:
        api.post(f"/users/{name}")
        made = api.post(f"/users/{name}/tokens").raise_for_status().json()
    return made["token"], made["id"]


def test_the_hub_says_whose_token_it_is_and_what_it_opens(hub: RunningHub, service: str) -> None:
    token, _ = token_of(hub, "ada")
    answer = ask(f"{service}/whoami", token)
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["kind"]) == ("ada", "user")
    assert "access:services!service=whoami" in answer.json()["scopes"]


def test_a_token_that_is_not_for_the_service_is_refused(hub: RunningHub, service: str) -> None:
    token, _ = token_of(hub, "mallory")
    assert ask(f"{service}/whoami", token).status_code == 403


def test_an_unknown_token_is_refused_and_is_no_error_of_the_service(service: str) -> None:
    # The service answers 500 if the hub answers such a token with anything but 403.
    assert ask(f"{service}/whoami", "made-up").status_code == 403
    assert ask(f"{service}/legacy", "made-up").status_code == 403


def test_a_revoked_token_is_refused(hub: RunningHub, service: str) -> None:
    token, token_id = token_of(hub, "ada")
    with hub.client(OPS_TOKEN) as api:
        assert api.delete(f"/users/ada/tokens/{token_id}").status_code == 204
    assert ask(f"{service}/whoami", token).status_code == 403


def test_services_that_list_names_instead_of_scopes_still_work(hub: RunningHub, service: str) -> None:
    assert ask(f"{service}/legacy", token_of(hub, "grace")[0]).json()["name"] == "grace"
    assert ask(f"{service}/legacy", token_of(hub, "mallory")[0]).status_code == 403
    assert ask(f"{service}/legacy", OPS_TOKEN).status_code == 403, "a service is no user"


def test_a_service_that_the_hub_runs_signs_people_in_by_upstreams_library(hub: RunningHub) -> None:
    eventually(lambda: "the service answers" in hub.log, "it answers")
    with Visitor(hub) as ada:
        page = ada.agree(ada.sign_in("ada", on="/services/managed/"))
        assert page.json() == {"name": "ada", "hub_user": ""}
    with Visitor(hub) as mallory:
        assert mallory.sign_in("mallory", on="/services/managed/").status_code == 403
