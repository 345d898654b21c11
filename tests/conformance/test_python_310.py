"""Our single-user server in an image with Python 3.10, where nothing of the hub is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually
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
