"""Upstream's JupyterHub, unmodified, with `perijove proxy` in place of its own proxy."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, PERIJOVE, UPSTREAM_CONFIG, RunningHub, alive, eventually
from tests.support.kernels import run_in_kernel

TOKEN = "the-token-of-the-proxy"
CONFIG = """
import os
c.ConfigurableHTTPProxy.command = ["{perijove}", "proxy"]
c.ConfigurableHTTPProxy.auth_token = "the-token-of-the-proxy"
c.ConfigurableHTTPProxy.check_running_interval = 1
c.Spawner.cmd = ["{programs}/jupyterhub-singleuser"]
c.SimpleLocalProcessSpawner.home_dir_template = os.path.abspath("homes/{{{{username}}}}")
c.JupyterHub.cleanup_servers = True
"""

INTERNAL_TLS = """
c.JupyterHub.internal_ssl = True
c.JupyterHub.internal_certs_location = os.path.abspath("internal-ssl")
"""
API_OVER_TLS = """c.ConfigurableHTTPProxy.api_url = "https://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.auth_token"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], upstream: Path) -> RunningHub:
    """Upstream's hub, with ada."""
    config = CONFIG.format(perijove=PERIJOVE, programs=upstream)
    hub = make_hub(config=UPSTREAM_CONFIG + config, command=[str(upstream / "jupyterhub")])
    hub.ready_line = "JupyterHub is now running at"
    hub.start()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada").raise_for_status()
    return hub


def admin(hub: RunningHub, path: str, **parameters: str) -> httpx.Response:
    """Ask the proxy's admin API."""
    address = f"http://127.0.0.1:{hub.api_port}{path}"
    return httpx.get(address, headers={"Authorization": f"token {TOKEN}"}, params=parameters, trust_env=False)


def start_server(hub: RunningHub) -> str:
    """Start ada's server and return a token of hers."""
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada/server").raise_for_status()

        def ready() -> bool:
            return bool(api.get("/users/ada").json()["servers"].get("", {}).get("ready"))

        eventually(ready, "the server is ready", 90)
        return str(api.post("/users/ada/tokens").raise_for_status().json()["token"])


def test_it_is_our_proxy(hub: RunningHub) -> None:
    assert admin(hub, "/api/info").json()["name"] == "perijove"
    assert httpx.get(f"{hub.url}/_chp_healthz", trust_env=False).json() == {"status": "OK"}
    with hub.client(OPS_TOKEN) as api:
        assert api.get("/").json()["version"] == "6.1.1"
    assert admin(hub, "/api/routes").json()["/"].keys() >= {"hub", "target", "jupyterhub", "last_activity"}


def test_a_server_is_reached_and_stopped(hub: RunningHub) -> None:
    token = start_server(hub)
    headers = {"Authorization": f"token {token}"}
    assert httpx.get(f"{hub.url}/user/ada/api/status", headers=headers, trust_env=False).status_code == 200
    assert asyncio.run(run_in_kernel(hub, token, "ada", "print(6 * 7)")) == "42\n"
    route = admin(hub, "/api/routes/user/ada").json()
    assert (route["user"], route["server_name"]) == ("ada", "")
    assert "/user/ada" in admin(hub, "/api/routes", inactive_since="2999-01-01T00:00:00Z").json()
    with hub.client(OPS_TOKEN) as api:
        eventually(lambda: api.delete("/users/ada/server").status_code == 204, "the server is stopped")
    eventually(lambda: "/user/ada" not in admin(hub, "/api/routes").json(), "the route is gone")


def test_a_person_signs_in_and_meets_the_hubs_error_pages(hub: RunningHub) -> None:
    with Visitor(hub) as ada:
        assert ada.sign_in("ada").status_code == 200
        page = ada.get("/user/ada/", headers={"Accept": "text/html"})
        assert "ada" in page.text
        assert "JupyterHub" in page.text


def test_routes_come_back_with_a_proxy_that_was_killed(hub: RunningHub) -> None:
    token = start_server(hub)
    killed = admin(hub, "/api/info").json()["pid"]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not alive(killed), "the proxy is gone")

    def served() -> bool:
        headers = {"Authorization": f"token {token}"}
        try:
            return httpx.get(f"{hub.url}/user/ada/api/status", headers=headers, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    eventually(served, "the server is reached again", 60)
    assert admin(hub, "/api/info").json()["pid"] != killed


def test_the_proxy_ends_with_the_hub(hub: RunningHub) -> None:
    pid = admin(hub, "/api/info").json()["pid"]
    hub.stop()
    eventually(lambda: not alive(pid), "the proxy is gone")


@pytest.fixture(scope="module")
def internal_tls(make_hub: Callable[..., RunningHub], upstream: Path) -> RunningHub:
    """Upstream's hub with certificates for everything between hub, proxy and servers."""
    config = CONFIG.format(perijove=PERIJOVE, programs=upstream) + INTERNAL_TLS
    hub = make_hub(
        config=UPSTREAM_CONFIG + config.replace("c.ConfigurableHTTPProxy.auth_token", API_OVER_TLS),
        command=[str(upstream / "jupyterhub")],
    )
    hub.ready_line = "JupyterHub is now running at"
    hub.start()
    return hub


def test_certificates_between_hub_proxy_and_servers(internal_tls: RunningHub) -> None:
    hub = internal_tls
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada").raise_for_status()
    token = start_server(hub)
    headers = {"Authorization": f"token {token}"}
    assert httpx.get(f"{hub.url}/user/ada/api/status", headers=headers, trust_env=False).status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{hub.api_port}/api/routes", verify=False, trust_env=False)
