"""`jupyterhub-idle-culler`, unmodified, as a service of our hub."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually

TOKEN = "the-token-of-the-culler-which-is-long-enough"
CONFIG = f"""
c.JupyterHub.allow_named_servers = True
c.JupyterHub.activity_resolution = 1
c.JupyterHub.api_page_default_limit = 2
c.JupyterHub.services.append({{{{"name": "idle-culler", "api_token": "{TOKEN}"}}}})
c.JupyterHub.load_roles.append({{{{
    "name": "idle-culler",
    "services": ["idle-culler"],
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers", "read:hub"],
}}}})
c.JupyterHub.load_roles[0]["scopes"] += ["users:activity"]
"""
PEOPLE = ("ada", "grace", "katherine")
"""More than fit on one page of the list."""
PATHS = (*(f"/users/{name}/server" for name in PEOPLE), "/users/ada/servers/second")


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], upstream: Path) -> RunningHub:
    """A hub with a server of everybody and a second one of ada."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG)
    hub.start()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users", json={"usernames": [*PEOPLE, "nobody"]}).raise_for_status()
        for path in PATHS:
            api.post(path).raise_for_status()
        eventually(lambda: all(is_(hub, path, "ready") for path in PATHS), "all servers are ready", 60)
    return hub


def is_(hub: RunningHub, path: str, what: str) -> bool:
    """Say whether a server is ready, or stopped."""
    with hub.client(OPS_TOKEN) as api:
        return bool(api.get(path).raise_for_status().json()[what])


@pytest.fixture
def cull(hub: RunningHub, upstream: Path) -> Iterator[Callable[..., Path]]:
    """Run the culler with more arguments until the test ends; returns its log."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> Path:
        path = hub.folder / f"culler-{len(processes)}.log"
        with path.open("wb") as log:
            command = [str(upstream / "python"), "-m", "jupyterhub_idle_culler", f"--url={hub.api}", *arguments]
            env = {"PATH": os.environ["PATH"], "JUPYTERHUB_API_TOKEN": TOKEN}
            processes.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
        return path

    yield run
    for process in processes:
        process.terminate()
        process.wait(10)


def test_it_stops_what_is_idle_and_leaves_what_is_in_use(hub: RunningHub, cull: Callable[..., Path]) -> None:
    # A report from the future, as far ahead as clocks may differ, keeps grace's server from being idle during the test.
    soon = (datetime.now(UTC) + timedelta(minutes=50)).isoformat()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users/grace/activity", json={"servers": {"": {"last_activity": soon}}}).raise_for_status()
        eventually(
            lambda: api.get("/users/grace/server").json()["last_activity"][:19] == soon[:19], "the report is stored"
        )

    log = cull("--timeout=1", "--cull-every=1")

    idle = [path for path in PATHS if "grace" not in path]
    eventually(lambda: all(is_(hub, path, "stopped") for path in idle), f"idle servers are stopped: {log}")
    assert is_(hub, "/users/grace/server", "ready")
    assert "Traceback" not in log.read_text()
    assert "Culling server ada/second" in log.read_text()
    assert "Fetching page 2" in log.read_text()
