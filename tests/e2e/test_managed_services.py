"""Services that the hub runs: reached in a browser, brought back when killed, and never twice, whatever is killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.steps import sign_in
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually, free_ports

CONFIG = """
c.JupyterHub.services += [
    {{{{
        "name": "whoami",
        "url": "http://127.0.0.1:{port}",
        "command": ["{python}", "whoami.py"],
        "cwd": "{folder}",
        "environment": {{{{"PYTHONUNBUFFERED": "1"}}}},
    }}}},
    {{{{
        "name": "stubborn",
        "command": ["sh", "-c", "trap '' TERM; echo token=$JUPYTERHUB_API_TOKEN; exec sleep 600"],
    }}}},
]
c.JupyterHub.load_roles += [
    {{{{"name": "user", "scopes": ["self", "access:services!service=whoami"]}}}},
    {{{{"name": "more", "services": ["ops"], "scopes": ["admin:services", "read:services", "proxy"]}}}},
]
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], checkout: Path) -> RunningHub:
    """A hub that runs two services, one of which does not listen to SIGTERM."""
    hub = make_hub(config=config(checkout))
    hub.start()
    return hub


def config(checkout: Path) -> str:
    (port,) = free_ports(1)
    folder = checkout / "examples" / "whoami"
    return UPSTREAM_CONFIG + CONFIG.format(port=port, python=sys.executable, folder=folder)


def model(hub: RunningHub, name: str) -> dict[str, Any]:
    with hub.client(OPS_TOKEN) as api:
        return dict(api.get(f"/services/{name}").raise_for_status().json())


def answers(hub: RunningHub) -> bool:
    return httpx.get(f"{hub.url}/services/whoami/", trust_env=False).status_code == 302


def one_process(hub: RunningHub, name: str, *others: int) -> int:
    """Return the only process of a service, once the hub tells of it and it is none of *others*."""

    def alone() -> int:
        found = hub.processes_of_service(name)
        return found[0] if len(found) == 1 and found[0] == model(hub, name)["pid"] and found[0] not in others else 0

    return eventually(alone, f"there is one process of {name}")


def test_people_find_a_service_in_the_navigation_and_sign_in_there_by_the_hub(hub: RunningHub, page: Page) -> None:
    eventually(lambda: answers(hub), "the service is reached through the proxy")
    sign_in(page, hub, "ada")
    navigation = page.get_by_role("navigation", name="Main")
    navigation.get_by_text("Services", exact=True).click()
    navigation.get_by_role("link", name="whoami").click()
    page.get_by_role("button").first.click()
    expect(page.locator("body")).to_contain_text("You are ada")
    assert page.url == f"{hub.url}/services/whoami/"


def test_a_service_that_is_killed_comes_back(hub: RunningHub) -> None:
    before = one_process(hub, "whoami")
    os.kill(before, signal.SIGKILL)
    after = one_process(hub, "whoami", before)
    assert after != before
    eventually(lambda: answers(hub), "it is reached again")


def test_its_output_is_in_the_log_under_its_name_and_without_its_token(hub: RunningHub) -> None:
    one_process(hub, "stubborn")
    eventually(lambda: "token=[removed] service=stubborn" in hub.log.replace("'", ""), "what it said is told")
    assert "Uvicorn running on" in hub.log


def test_after_the_hub_is_killed_there_is_one_process_of_each(hub: RunningHub) -> None:
    before = {name: one_process(hub, name) for name in ("whoami", "stubborn")}
    with hub.client(OPS_TOKEN) as api:
        api.post("/services/made", json={"url": "http://127.0.0.1:1"}).raise_for_status()
    hub.kill()
    hub.start()
    for name, pid in before.items():
        assert one_process(hub, name, pid) != pid
    assert "services that an earlier hub process had left were ended" in hub.log
    assert model(hub, "made")["url"] == "http://127.0.0.1:1"
    with hub.client(OPS_TOKEN) as api:
        assert "/services/made/" in api.get("/proxy").json()
        assert api.delete("/services/made").status_code == 200
        assert api.delete("/services/whoami").status_code == 405
    eventually(lambda: answers(hub), "it is reached again")


def test_they_end_with_the_hub(hub: RunningHub) -> None:
    running = [one_process(hub, name) for name in ("whoami", "stubborn")]
    assert hub.stop() == 0
    assert hub.processes_of_service("") == []
    assert len(running) == 2


def test_a_service_on_a_host_of_its_own(make_hub: Callable[..., RunningHub], checkout: Path, page: Page) -> None:
    hub = make_hub(config=f'{config(checkout)}\nc.JupyterHub.subdomain_host = "http://hub.localhost:{{port}}"\n')
    hub.start()
    eventually(lambda: "the service answers" in hub.log, "the service answers")
    page.goto(f"http://hub.localhost:{hub.port}/services/whoami/?x=1")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/oauth2/authorize**")
    page.locator("main button").first.click()
    expect(page.locator("body")).to_contain_text("You are ada")
    assert page.url == f"http://whoami--service.hub.localhost:{hub.port}/services/whoami/?x=1"
