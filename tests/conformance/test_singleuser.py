"""Upstream's `jupyterhub-singleuser`, unmodified, as people's server under our hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, alive, eventually
from tests.support.kernels import run_in_kernel

CONFIG = """
c.Spawner.cmd = ["{program}"]
c.Spawner.environment = {{{{
    "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
    "JUPYTERHUB_SINGLEUSER_EXTENSION": lambda spawner: "0" if spawner.name == "older" else "1",
}}}}
c.JupyterHub.activity_resolution = 1
c.JupyterHub.allow_named_servers = True
"""
"""Nothing but the servers' own reports moves last activity: the proxy is asked every five minutes."""
ZOE = "zoe.o'hara@example.org"
ESCAPED = quote(ZOE)
PATHS = ("/users/ada/server", "/users/grace/server", f"/users/{ESCAPED}/servers/older")


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], upstream: Path) -> RunningHub:
    """A hub whose servers are upstream's: those of ada and grace, and one of zoe with a name and older ways."""
    hub = make_hub(config=UPSTREAM_CONFIG + CONFIG.format(program=upstream / "jupyterhub-singleuser"))
    hub.start()
    with hub.client(OPS_TOKEN) as api:
        api.post("/users", json={"usernames": ["ada", "grace", ZOE]}).raise_for_status()
        for path in PATHS:
            api.post(path).raise_for_status()
        eventually(lambda: all(api.get(path).json()["ready"] for path in PATHS), "all servers are ready", 90)
    return hub


def server(hub: RunningHub, name: str) -> dict[str, object]:
    """Return a user's server as the API shows it."""
    with hub.client(OPS_TOKEN) as api:
        return dict(api.get(f"/users/{name}/server").raise_for_status().json())


def last_activity(hub: RunningHub, name: str) -> datetime:
    """Return when a user's server was last used."""
    return datetime.fromisoformat(str(server(hub, name)["last_activity"]))


def new_token(hub: RunningHub, name: str) -> str:
    """Return a new token of a user."""
    with hub.client(OPS_TOKEN) as api:
        return str(api.post(f"/users/{name}/tokens").raise_for_status().json()["token"])


def test_it_is_upstreams_server_that_runs(hub: RunningHub) -> None:
    answer = httpx.get(f"{hub.url}/user/ada/api", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["x-jupyterhub-version"] == "6.1.1"
    logs = [log.read_text() for log in (hub.folder / "logs").iterdir()]
    assert sum("Starting jupyterhub single-user server extension version 6.1.1" in log for log in logs) == 2
    assert sum("Starting jupyterhub-singleuser server version 6.1.1" in log for log in logs) == 1


def test_names_and_the_older_way_of_upstreams_server(hub: RunningHub) -> None:
    prefix = "/user/zoe.o%27hara@example.org/older"  # as upstream escapes names in paths
    token = new_token(hub, ESCAPED)
    with hub.client(OPS_TOKEN) as api:
        assert api.get(PATHS[-1]).json()["url"] == f"{prefix}/"
    with Visitor(hub) as zoe, Visitor(hub) as ada:
        lab = zoe.sign_in(ZOE, on=f"{prefix}/lab")
        assert (lab.status_code, lab.url.raw_path.decode()) == (200, f"{prefix}/lab")
        assert "jupyter-config-data" in lab.text
        assert ada.sign_in("ada", on=f"{prefix}/lab").status_code == 403
    allowed = httpx.get(f"{hub.url}{prefix}/api/contents", headers={"Authorization": f"token {token}"}, trust_env=False)
    assert allowed.status_code == 200


def test_the_owner_signs_in_and_nobody_else(hub: RunningHub) -> None:
    with Visitor(hub) as ada, Visitor(hub) as mallory:
        lab = ada.sign_in("ada", on="/user/ada/lab")
        assert (lab.status_code, lab.url.path) == (200, "/user/ada/lab")
        assert "jupyter-config-data" in lab.text
        assert ada.get("/user/ada/api/me").json()["identity"]["username"] == "ada"
        assert {cookie.name for cookie in ada.cookies.jar} >= {"jupyterhub-session-id", "jupyterhub-user-ada"}

        refused = mallory.sign_in("mallory", on="/user/ada/lab")
        assert refused.status_code == 403
        assert "jupyter-config-data" not in refused.text
        assert mallory.get("/user/ada/api/contents", follow_redirects=False).status_code == 403


def test_whoever_signs_out_is_out_of_the_server_at_once(hub: RunningHub) -> None:
    with Visitor(hub) as grace, Visitor(hub) as elsewhere:
        grace.sign_in("grace", on="/user/grace/lab")
        elsewhere.sign_in("grace", on="/user/grace/lab")
        stolen = dict(grace.cookies.items())
        assert grace.get("/user/grace/api/contents").status_code == 200

        left = grace.get("/user/grace/logout")

        assert left.url.path == "/hub/login"
        assert grace.get("/user/grace/api/contents").status_code == 403
        again = grace.get("/user/grace/lab")
        assert again.url.path == "/hub/login", "one is asked to sign in again"
        # The session is over, not only forgotten by the browser.
        assert without_session(hub, stolen) == 403
        assert elsewhere.get("/user/grace/api/contents").status_code == 200
        assert without_session(hub, dict(elsewhere.cookies.items())) == 200


def without_session(hub: RunningHub, cookies: dict[str, str]) -> int:
    """Ask with cookies but the one that names the session, so that the server does not answer from its cache."""
    kept = {name: value for name, value in cookies.items() if name != "jupyterhub-session-id"}
    assert "jupyterhub-user-grace" in kept
    return httpx.get(f"{hub.url}/user/grace/api/contents", cookies=kept, trust_env=False).status_code


def test_tokens_open_it_for_whom_they_may(hub: RunningHub) -> None:
    ada, grace = new_token(hub, "ada"), new_token(hub, "grace")
    contents = f"{hub.url}/user/ada/api/contents"

    def status(token: str) -> int:
        return httpx.get(contents, headers={"Authorization": f"token {token}"}, trust_env=False).status_code

    assert status(ada) == 200
    assert status(OPS_TOKEN) == 200
    assert status(grace) == 403
    assert status("made-up") == 403
    assert httpx.get(contents, trust_env=False).status_code == 403


def test_code_runs_and_the_server_reports_that_it_was_used(hub: RunningHub) -> None:
    token = new_token(hub, "ada")
    before = last_activity(hub, "ada")

    assert asyncio.run(run_in_kernel(hub, token, "ada", "print(6 * 7)")) == "42\n"

    eventually(lambda: last_activity(hub, "ada") > before, "its report is in the API")


def test_it_does_not_notice_that_the_hub_is_killed(hub: RunningHub) -> None:
    token, pid = new_token(hub, "ada"), pid_of(hub, "ada")
    mine = {"Authorization": f"token {token}"}
    contents = f"{hub.url}/user/ada/api/contents"
    with Visitor(hub) as ada:
        ada.sign_in("ada", on="/user/ada/lab")
        assert httpx.get(contents, headers=mine, trust_env=False).status_code == 200

        hub.kill()

        assert httpx.get(contents, headers=mine, trust_env=False).status_code == 200
        assert ada.get("/user/ada/lab").status_code == 200
        hub.start()
        assert ada.get("/user/ada/lab").status_code == 200
        assert ada.get("/hub/home").status_code == 200
    assert (server(hub, "ada")["ready"], pid_of(hub, "ada")) == (True, pid)
    assert asyncio.run(run_in_kernel(hub, new_token(hub, "ada"), "ada", "print('here', 'still')")) == "here still\n"
    # Past the proxy, which tells the hub of activity itself.
    used = datetime.now(UTC)
    assert httpx.get(f"{address_of(pid)}api/contents", headers=mine, trust_env=False).status_code == 200
    eventually(lambda: last_activity(hub, "ada") >= used, "it reports to the new hub")


def test_stopped_it_is_gone_and_the_hub_says_so_as_upstream_does(hub: RunningHub) -> None:
    pid = pid_of(hub, "grace")
    with hub.client(OPS_TOKEN) as api:
        assert api.delete("/users/grace/server").status_code in {202, 204}
        eventually(lambda: server(hub, "grace")["stopped"], "it is stopped")
    assert not alive(pid)
    # JupyterLab shows "Server unavailable or unreachable" on exactly this answer, which has to be JSON.
    asked = httpx.get(f"{hub.url}/user/grace/api/contents", follow_redirects=True, trust_env=False)
    assert (asked.status_code, asked.json()["status"]) == (424, 424)
    with Visitor(hub) as grace:
        page = grace.sign_in("grace", on="/user/grace/lab")
        assert page.status_code == 424
        assert "Start" in page.text


def pid_of(hub: RunningHub, name: str) -> int:
    """Return the process id of a user's server."""
    with hub.client(OPS_TOKEN) as api:
        state = api.get(f"/users/{name}").json()["servers"][""]["state"]
    return int(state["pid"])


def address_of(pid: int) -> str:
    """Return where a server listens, as the hub told it."""
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return next(value.partition("=")[2] for value in environment if value.startswith("JUPYTERHUB_SERVICE_URL="))
