"""What people choose before their server starts, in a browser: options, JupyterLab or Notebook, one of two kernels."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.steps import LONG, run_cell, sign_in, wait_idle
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, eventually
from tests.support.kernels import run_in_kernel

CONFIG = '''
c.JupyterHub.allow_named_servers = True
c.Spawner.environment = {{"JUPYTER_PATH": "{kernels}/share/jupyter"}}
c.Spawner.options_form = """
<label for="interface">Interface</label>
<select id="interface" name="interface">
<option value="/lab">JupyterLab</option><option value="/tree">Notebook</option>
</select>
<label><input type="checkbox" name="course" checked> With the files of the course</label>
<label for="greeting">Greeting</label> <input id="greeting" name="greeting">
<label for="keys">Keys</label> <input id="keys" type="file" name="keys">
<script>document.getElementById("greeting").placeholder = "written by a script";</script>
"""
c.Spawner.options_from_form = "simple"


def apply(spawner, options):
    interface, greeting = options.get("interface", "/lab"), options.get("greeting", "")
    if interface not in ("/lab", "/tree"):
        raise ValueError("There is no such interface.")
    if len(greeting) > 12:
        raise ValueError("A greeting has at most 12 letters.")
    spawner.default_url = interface
    keys = options["keys_file"]["body"].decode() if "keys_file" in options else ""
    spawner.environment = {{
        **spawner.environment, "GREETING": greeting, "COURSE": str(options.get("course", False)), "KEYS": keys
    }}


c.Spawner.apply_user_options = apply
c.Spawner.progress_ready_hook = lambda spawner, event: {{**event, "message": f"Come in, {{spawner.user.name}}"}}
'''


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the description of a kernel that is not IPython."""
    folder = tmp_path_factory.mktemp("kernels")
    subprocess.run([sys.executable, "-m", "bash_kernel.install", "--prefix", str(folder)], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], kernels: Path) -> RunningHub:
    """The hub of this module."""
    made = make_hub(config=UPSTREAM_CONFIG + CONFIG.replace("{kernels}", str(kernels)))
    made.start()
    return made


def stop(hub: RunningHub, user: str, name: str = "") -> None:
    """Stop a server over the API."""
    with hub.client(OPS_TOKEN) as api:
        api.delete(f"/users/{user}/servers/{name}")
        eventually(lambda: not api.get(f"/users/{user}").json()["servers"].get(name, {}).get("pending"), "stopped")


def printed(hub: RunningHub, user: str) -> str:
    """Return what the options came to in a kernel of the server."""
    code = "import os; print(*(os.environ[name] for name in ('GREETING', 'COURSE', 'KEYS')), sep='|')"
    # The browser's own event loop runs in this thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run_in_kernel(hub, OPS_TOKEN, user, code))).result().strip()


def run_in_launcher(page: Page, kernel: str) -> None:
    """Open a notebook with *kernel* from JupyterLab's launcher."""
    page.locator(f'.jp-LauncherCard[data-category="Notebook"][title^="{kernel}"]').first.click()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell .cm-content", timeout=LONG)
    wait_idle(page)


def test_options_are_chosen_corrected_and_remembered(
    hub: RunningHub, page: Page, picture: Callable[[Page, str], None]
) -> None:
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    sign_in(page, hub, "ada")
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/hub/spawn/ada")
    expect(page.get_by_label("Greeting")).to_have_attribute("placeholder", "written by a script")
    page.get_by_label("Greeting").fill("far too long a greeting")
    page.get_by_label("With the files").uncheck()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_have_text("A greeting has at most 12 letters.")
    expect(page.get_by_label("Greeting")).to_have_value("far too long a greeting")
    expect(page.get_by_label("With the files")).not_to_be_checked()
    picture(page, "options")

    page.get_by_label("Greeting").fill("Salvete")
    page.get_by_label("Keys").set_input_files({"name": "id.pub", "mimeType": "text/plain", "buffer": b"ssh-ed25519"})
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/ada/lab**", timeout=LONG)
    assert printed(hub, "ada") == "Salvete|False|ssh-ed25519"

    stop(hub, "ada")
    page.goto(f"{hub.url}/hub/spawn")
    expect(page.get_by_label("Greeting")).to_have_value("Salvete")
    with hub.client(OPS_TOKEN) as api:
        assert api.post("/users/ada/server").status_code == 201
        refused = api.post("/users/ada/servers/other", json={"user_options": {"interface": "/etc"}})
        assert (refused.status_code, refused.json()["message"]) == (400, "There is no such interface.")
        with api.stream("GET", "/users/ada/server/progress") as stream:
            assert "Come in, ada" in stream.read().decode()
    assert printed(hub, "ada") == "Salvete|False|ssh-ed25519"
    assert wrong == []


def test_a_named_server_opens_in_the_classic_notebook(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "grace")
    page.goto(f"{hub.url}/hub/spawn/grace/classic")
    page.get_by_label("Interface").select_option("Notebook")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/grace/classic/tree**", timeout=LONG)
    expect(page.locator(".jp-DirListing-content")).to_be_visible(timeout=LONG)
    page.locator(".jp-DropdownMenu, .jp-FileBrowser-toolbar").get_by_text("New", exact=True).click()
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name=re.compile("Python 3")).click()
    notebook = opened.value
    notebook.wait_for_selector(".jp-NotebookPanel .jp-Cell .cm-content", timeout=LONG)
    wait_idle(notebook)
    run_cell(notebook, "import os\nprint(os.environ['JUPYTERHUB_SERVER_NAME'], 6 * 7)", "classic 42")


def test_a_kernel_of_another_kind_works_beside_ipython(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "alan")
    page.goto(f"{hub.url}/hub/spawn?opt-greeting=Hei&opt-course=on")
    page.wait_for_url("**/user/alan/lab**", timeout=LONG)
    page.wait_for_selector(".jp-Launcher", timeout=LONG)
    run_in_launcher(page, "Bash")
    run_cell(page, 'echo "$GREETING $COURSE $((6 * 7))"', "Hei True 42")
    assert printed(hub, "alan") == "Hei|True|"
