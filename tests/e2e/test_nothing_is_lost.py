"""Every part may be killed at any moment: people go on working, and what was running is found again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from threading import Thread

import httpx
from playwright.sync_api import Page, expect
from tests.e2e.steps import LONG, new_notebook, run_cell, sign_in, start_server, type_and_send
from tests.support.hubs import OPS_TOKEN, RunningHub, alive, eventually


def server_pid(hub: RunningHub, name: str) -> int:
    """Return the process id of a user's server, as an administrator sees it in the API."""
    with hub.client(OPS_TOKEN) as api:
        state = api.get(f"/users/{name}").json()["servers"][""]["state"]
    return int(state["pid"])


def model(hub: RunningHub, name: str) -> dict[str, object]:
    """Return a user's default server as the API shows it, running or not."""
    with hub.client(OPS_TOKEN) as api:
        answer = api.get(f"/users/{name}/server")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def test_a_killed_hub_is_not_noticed_in_the_notebook_and_finds_all_again(configured: RunningHub, page: Page) -> None:
    sign_in(page, configured, "ada")
    start_server(page, "ada")
    new_notebook(page)
    pid = server_pid(configured, "ada")
    output = type_and_send(
        page, "import time\nfor tick in range(200):\n  print('tick', tick, flush=True); time.sleep(0.1)"
    )
    expect(output).to_contain_text("tick 3", timeout=LONG)

    configured.kill()

    expect(output).to_contain_text("tick 199", timeout=LONG)
    run_cell(page, "print('the hub is', 'away')", "the hub is away")
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell .cm-content", timeout=LONG)

    started = configured.start()

    assert "proxy serving at" not in started, "the proxy was started anew; connections were lost"
    assert model(configured, "ada")["ready"] is True
    assert server_pid(configured, "ada") == pid
    page.goto(f"{configured.url}/hub/home")
    expect(page.locator("main")).to_contain_text("Running")
    page.get_by_role("button", name="Stop my server").click()
    expect(page.get_by_role("button", name="Start my server")).to_be_visible()
    eventually(lambda: not alive(pid), "the server's process is gone")


def test_a_hub_that_is_killed_is_back_by_itself(configured: RunningHub, page: Page) -> None:
    sign_in(page, configured, "mary")
    start_server(page, "mary")
    new_notebook(page)
    server, killed = server_pid(configured, "mary"), configured.hub_pid
    output = type_and_send(
        page, "import time\nfor tick in range(100):\n  print('tick', tick, flush=True); time.sleep(0.1)"
    )
    expect(output).to_contain_text("tick 3", timeout=LONG)

    os.kill(killed, signal.SIGKILL)

    said = f"the hub was killed by signal SIGKILL; another one is started pid={killed}"
    eventually(lambda: said in configured.log, "the log says what happened")
    eventually(lambda: configured.log.partition(said)[2].count(configured.ready_line), "there is another hub")
    assert configured.hub_pid != killed
    assert model(configured, "mary")["ready"] is True
    assert server_pid(configured, "mary") == server
    assert "proxy serving at" not in configured.log.partition(said)[2]
    expect(output).to_contain_text("tick 99", timeout=LONG)
    run_cell(page, "print('the hub', 'is back')", "the hub is back")


def test_a_configuration_read_anew_stops_nothing(configured: RunningHub) -> None:
    with configured.client(OPS_TOKEN) as api:
        api.post("/users/rosalind")
        api.post("/users/rosalind/server")
    eventually(lambda: model(configured, "rosalind")["ready"], "the server is ready", 60)
    server, proxy, before = server_pid(configured, "rosalind"), configured.proxy_pid, configured.hub_pid
    length = len(configured.log)
    with (configured.folder / "jupyterhub_config.py").open("a") as file:
        file.write("\n# read anew\nc.JupyterHub.cleanup_servers = True\n")
    assert configured.process is not None
    configured.process.send_signal(signal.SIGHUP)

    eventually(lambda: configured.ready_line in configured.log[length:], "the new hub runs")
    assert configured.hub_pid != before
    assert configured.proxy_pid == proxy
    assert server_pid(configured, "rosalind") == server

    with (configured.folder / "jupyterhub_config.py").open("w") as file:
        file.write(configured.config)
    configured.process.send_signal(signal.SIGHUP)
    eventually(lambda: configured.log[length:].count(configured.ready_line) == 2, "the first configuration is back")
    assert server_pid(configured, "rosalind") == server


def test_a_killed_proxy_is_back_with_all_routes_in_two_seconds(configured: RunningHub, page: Page) -> None:
    sign_in(page, configured, "grace")
    start_server(page, "grace")
    new_notebook(page)
    run_cell(page, "answer = 6 * 7; print('before', answer)", "before 42")
    old = configured.proxy_pid

    os.kill(old, signal.SIGKILL)
    killed = time.monotonic()

    def serves() -> bool:
        try:
            return httpx.get(f"{configured.url}/user/grace/api", trust_env=False, timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(serves, "the proxy serves the server's route again")
    # The requirement itself; what it took is measured and shown.
    assert time.monotonic() - killed < 2.0
    assert configured.proxy_pid != old
    assert httpx.get(f"{configured.url}/hub/health", trust_env=False).status_code == 200
    # JupyterLab connects to its kernel again by itself; it may say first that it could not look at its file.
    dialog = page.locator("dialog.jp-Dialog")
    page.add_locator_handler(dialog, dialog.locator("button").first.click, no_wait_after=True)
    run_cell(page, "print('after', answer)", "after 42")


def test_a_killed_server_is_noticed_and_said_and_started_again(configured: RunningHub, page: Page) -> None:
    sign_in(page, configured, "linus")
    start_server(page, "linus")
    pid = server_pid(configured, "linus")

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: model(configured, "linus")["stopped"], "the hub notices", 10)
    assert "SIGKILL" in str(model(configured, "linus")["failure"])
    page.goto(f"{configured.url}/hub/home")
    expect(page.locator("main")).to_contain_text("killed by signal SIGKILL")
    page.goto(f"{configured.url}/user/linus/lab")
    expect(page.locator("main")).to_contain_text("killed by signal SIGKILL")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".jp-Launcher, .jp-NotebookPanel", timeout=LONG)
    assert server_pid(configured, "linus") != pid


def test_a_hub_killed_while_a_server_starts_brings_it_up_exactly_once(configured: RunningHub) -> None:
    with configured.client(OPS_TOKEN) as api:
        api.post("/users/niklaus")
        with Background(configured, "/users/niklaus/server"):
            eventually(lambda: model(configured, "niklaus")["pending"], "it starts")
            configured.kill()
    configured.start()

    eventually(lambda: model(configured, "niklaus")["ready"], "the start goes on", 60)

    home = f"{configured.data}/homes/niklaus"
    assert [pid for pid in configured.pids_with(home) if _parent_is_not_among(pid, configured.pids_with(home))] == [
        server_pid(configured, "niklaus")
    ]


class Background:
    """Sends a POST whose answer does not matter, in a thread."""

    def __init__(self, hub: RunningHub, path: str) -> None:
        self._hub = hub
        self._path = path
        self._thread = Thread(target=self._send)

    def _send(self) -> None:
        with self._hub.client(OPS_TOKEN) as api, contextlib.suppress(httpx.HTTPError):
            api.post(self._path)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._thread.join(30)


def _parent_is_not_among(pid: int, pids: list[int]) -> bool:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) not in pids
