"""Our hub, with upstream's `configurable-http-proxy`, unmodified, in place of our proxy."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, alive, eventually
from tests.support.kernels import run_in_kernel

CONFIG = """
c.ConfigurableHTTPProxy.command = ["{command}"]
c.ConfigurableHTTPProxy.auth_token = "the-token-of-the-proxy"
c.ConfigurableHTTPProxy.check_running_interval = 1
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], node_proxy: Path) -> RunningHub:
    """A hub on upstream's proxy, with ada's server."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG.format(command=node_proxy))
    hub.start()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada").raise_for_status()
    return hub


def start_server(hub: RunningHub) -> str:
    """Start ada's server and return a token of hers."""
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada/server").raise_for_status()
        eventually(lambda: api.get("/users/ada/server").json().get("ready"), "the server is ready", 90)
        return str(api.post("/users/ada/tokens").raise_for_status().json()["token"])


def routes(hub: RunningHub) -> set[str]:
    """Return the routes that the proxy has."""
    headers = {"Authorization": "token the-token-of-the-proxy"}
    return set(httpx.get(f"http://127.0.0.1:{hub.api_port}/api/routes", headers=headers, trust_env=False).json())


def status(hub: RunningHub, token: str) -> int:
    """Ask ada's server for its state."""
    headers = {"Authorization": f"token {token}"}
    return httpx.get(f"{hub.url}/user/ada/api/status", headers=headers, trust_env=False, timeout=60).status_code


def test_it_is_upstreams_proxy(hub: RunningHub, node_proxy: Path) -> None:
    assert "configurable-http-proxy" in Path(f"/proc/{hub.proxy_pid}/cmdline").read_text()
    headers = {"Authorization": "token the-token-of-the-proxy"}
    ours = f"http://127.0.0.1:{hub.api_port}/api/info"
    assert httpx.get(ours, headers=headers, trust_env=False).status_code == 404


def test_a_server_is_reached_and_stopped(hub: RunningHub) -> None:
    token = start_server(hub)
    assert status(hub, token) == 200
    assert asyncio.run(run_in_kernel(hub, token, "ada", "print(6 * 7)")) == "42\n"
    assert "/user/ada" in routes(hub)
    with hub.client(OPS_TOKEN) as api:
        api.delete("/users/ada/server").raise_for_status()
    eventually(lambda: "/user/ada" not in routes(hub), "the route is gone")


def test_a_person_signs_in_and_meets_the_hubs_error_pages(hub: RunningHub) -> None:
    with Visitor(hub) as ada:
        assert ada.sign_in("ada").status_code == 200
        page = ada.get("/services/none/")
        assert page.status_code == 404
        assert "<html" in page.text


def test_routes_come_back_with_a_proxy_that_was_killed(hub: RunningHub) -> None:
    token = start_server(hub)
    killed = hub.proxy_pid
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not alive(killed), "the proxy is gone")
    eventually(lambda: hub.proxy_pid != killed and alive(hub.proxy_pid), "another proxy runs", 60)

    def served() -> bool:
        try:
            return status(hub, token) == 200
        except httpx.TransportError:
            return False

    eventually(served, "the server is reached again", 60)


def test_a_hub_that_starts_again_keeps_the_proxy(hub: RunningHub) -> None:
    token = start_server(hub) if "/user/ada" not in routes(hub) else new_token(hub)
    before = hub.proxy_pid
    hub.kill()
    assert alive(before)
    hub.start()
    eventually(lambda: status(hub, token) == 200, "the server is reached", 60)
    assert hub.proxy_pid == before


def new_token(hub: RunningHub) -> str:
    """Return a new token of ada."""
    with hub.client(OPS_TOKEN) as api:
        return str(api.post("/users/ada/tokens").raise_for_status().json()["token"])
