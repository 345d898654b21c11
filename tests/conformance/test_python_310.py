"""Our single-user server, and a service on our client, with Python 3.10, where nothing of the hub is installed."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually, free_ports
from tests.support.kernels import run_in_kernel

CONFIG = """
c.Spawner.cmd = ["{python}", "-W", "error::SyntaxWarning", "-m", "perijove.singleuser"]
c.Spawner.environment = {{{{"PYTHONPATH": "{source}"}}}}
"""


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], python_310: Path, checkout: Path) -> RunningHub:
    """A hub whose servers run on Python 3.10."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG.format(python=python_310 / "python", source=checkout / "src"))
    hub.start()
    return hub


def test_it_starts_lets_its_owner_in_and_runs_code(hub: RunningHub) -> None:
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/ada").raise_for_status()
        api.post("/users/ada/server").raise_for_status()
        eventually(lambda: api.get("/users/ada/server").json()["ready"], "the server is ready", 60)
        token = api.post("/users/ada/tokens").raise_for_status().json()["token"]

    with Visitor(hub) as ada:
        assert "jupyter-config-data" in ada.sign_in("ada", on="/user/ada/lab").text
    assert httpx.get(f"{hub.url}/user/ada/api/contents", trust_env=False).status_code == 403
    version = asyncio.run(run_in_kernel(hub, token, "ada", "import sys; print(sys.version_info[:2])"))
    assert version == "(3, 10)\n"


def test_every_module_of_the_client_is_there(python_310: Path, checkout: Path) -> None:
    modules = [f"perijove.client.{path.stem}" for path in (checkout / "src/perijove/client").glob("[a-z]*.py")]
    code = f"import importlib; [importlib.import_module(name) for name in {modules!r}]"
    env = {"PYTHONPATH": str(checkout / "src"), "PATH": os.environ["PATH"]}
    subprocess.run([python_310 / "python", "-W", "error::SyntaxWarning", "-c", code], env=env, check=True)


def test_a_service_knows_its_visitors(hub: RunningHub, python_310: Path, checkout: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/services/ops/"
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(checkout / "src"),
        "JUPYTERHUB_API_URL": hub.api,
        "JUPYTERHUB_API_TOKEN": OPS_TOKEN,
        "JUPYTERHUB_SERVICE_NAME": "ops",
        "JUPYTERHUB_SERVICE_URL": url,
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["list:users"]',
    }
    example = checkout / "examples" / "idle_servers" / "idle_servers.py"
    process = subprocess.Popen([python_310 / "python", example], env=env)

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(url, trust_env=False).status_code == 302
        except httpx.ConnectError:
            return False

    try:
        eventually(answers, "the service sends strangers to the hub")
        page = httpx.get(url, headers={"Authorization": f"Bearer {OPS_TOKEN}"}, trust_env=False)
        assert "You are ops" in page.text
    finally:
        process.kill()
        process.wait()
