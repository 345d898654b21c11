"""A service on upstream's `HubAuth`, which runs on its own and asks our hub who holds a token."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually, free_ports

TOKEN = "the-token-of-whoami-which-is-long-enough"
CONFIG = f"""
c.JupyterHub.services.append({{{{"name": "whoami", "api_token": "{TOKEN}"}}}})
c.JupyterHub.load_roles.append({{{{
    "name": "guests-of-whoami", "users": ["ada"], "scopes": ["access:services!service=whoami"]
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


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], upstream: Path) -> RunningHub:
    """A hub that lets ada use the service, by a role, and no other user."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG)
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
