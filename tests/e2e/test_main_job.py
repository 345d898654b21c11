"""The main job in a browser: sign in, start, work in a notebook with a real kernel, stop, sign out; and who may not."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect
from tests.e2e.steps import new_notebook, run_cell, sign_in, start_server
from tests.support.hubs import RunningHub


def test_from_sign_in_to_a_kernel_and_out_again(
    configured: RunningHub, page: Page, picture: Callable[[Page, str], None]
) -> None:
    sign_in(page, configured, "ada")
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/progress" in request.url else None)

    start_server(page, "ada")

    assert any("/hub/spawn-pending/ada" in url for url in seen), f"no progress page among {seen}"
    assert streams, "the progress page did not follow the server-sent events"
    assert any("/hub/api/oauth2/authorize" in url for url in seen) or page.context.cookies(page.url)
    new_notebook(page)
    run_cell(page, "import platform\nprint(platform.python_implementation(), 'says', 6 * 7)", "CPython says 42")
    picture(page, "jupyterlab")

    page.goto(f"{configured.url}/user/ada/tree")
    expect(page.locator(".jp-DirListing-content")).to_contain_text("Untitled.ipynb")

    page.goto(f"{configured.url}/hub/home")
    expect(page.locator("main")).to_contain_text("Running")
    page.get_by_role("button", name="Stop my server").click()
    expect(page.get_by_role("button", name="Start my server")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Stopped")

    page.get_by_role("link", name="Sign out").click()
    page.wait_for_url("**/hub/login**")
    page.goto(f"{configured.url}/hub/home")
    expect(page).to_have_url(re.compile("/hub/login"))


def test_others_are_kept_out_of_a_server(configured: RunningHub, new_visitor: Callable[[], Page]) -> None:
    owner, other, nobody = new_visitor(), new_visitor(), new_visitor()
    sign_in(owner, configured, "grace")
    start_server(owner, "grace")

    sign_in(other, configured, "mallory")
    answer = other.goto(f"{configured.url}/user/grace/lab")
    assert answer is not None
    assert answer.status == 403
    assert "grace" not in other.title().lower()

    nobody.goto(f"{configured.url}/user/grace/lab")
    expect(nobody).to_have_url(re.compile(r"/hub/login\?next="))
    expect(nobody.get_by_role("button", name="Sign in")).to_be_visible()

    # Signing out ends the session in the server too, not only at the hub.
    cookies = {cookie["name"]: cookie["value"] for cookie in owner.context.cookies(f"{configured.url}/user/grace/")}
    with httpx.Client(cookies=cookies, trust_env=False) as thief:
        assert thief.get(f"{configured.url}/user/grace/api/contents").status_code == 200
        owner.goto(f"{configured.url}/hub/logout")
        owner.goto(f"{configured.url}/user/grace/lab")
        expect(owner).to_have_url(re.compile(r"/hub/login\?next="))


def test_an_administrator_is_asked_before_entering_anothers_server(
    configured: RunningHub, new_visitor: Callable[[], Page]
) -> None:
    owner, admin = new_visitor(), new_visitor()
    sign_in(owner, configured, "linus")
    start_server(owner, "linus")
    sign_in(admin, configured, "admin")

    admin.goto(f"{configured.url}/user/linus/lab")

    expect(admin).to_have_url(re.compile("/hub/api/oauth2/authorize"))
    expect(admin.locator("main")).to_contain_text("A server that belongs to linus")
    admin.get_by_role("button", name="Authorize").click()
    admin.wait_for_selector(".jp-Launcher, .jp-NotebookPanel")


def test_a_stopped_servers_address_leads_back_to_the_very_page(configured: RunningHub, page: Page) -> None:
    sign_in(page, configured, "niklaus")

    answer = page.goto(f"{configured.url}/user/niklaus/tree?wish=1")

    assert answer is not None
    assert answer.status == 424
    page.locator("main button").first.click()
    page.wait_for_url(re.compile(r"/user/niklaus/tree\?wish=1"))
    page.wait_for_selector(".jp-DirListing-content")
