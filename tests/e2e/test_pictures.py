"""The pictures of pages in the documentation: made of a real hub by ``make screenshots``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.hubs import RunningHub
from tests.support.people import PEOPLE_CONFIG, sign_in
from tests.support.pictures import take_pictures

FOLDER = os.environ.get("PERIJOVE_PICTURES", "")
AUTHORIZE = (
    "/hub/api/oauth2/authorize?client_id=service-wiki&response_type=code"
    "&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback"
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.pictures,
    pytest.mark.skipif(not FOLDER, reason="PERIJOVE_PICTURES names no folder for the pictures; see make screenshots"),
]


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub in which people may have several servers and share them."""
    hub = make_hub(config=PEOPLE_CONFIG)
    hub.start()
    return hub


@pytest.fixture
def person(hub: RunningHub, chromium: Browser) -> Callable[[str], Page]:
    """Return the browser of somebody who is signed in."""

    def enter(name: str) -> Page:
        page = chromium.new_context().new_page()
        sign_in(page, hub, name)
        return page

    return enter


def take(page: Page, name: str) -> None:
    take_pictures(page, name, Path(FOLDER))


def test_pages_before_one_is_signed_in(hub: RunningHub, page: Page) -> None:
    page.goto(f"{hub.url}/hub/login")
    take(page, "login")


def test_servers_tokens_and_shares(hub: RunningHub, person: Callable[[str], Page]) -> None:
    ada, bob, cleo = person("ada"), person("bob"), person("cleo")
    ada.goto(f"{hub.url}/hub/home")
    ada.get_by_role("button", name="Start my server").click()
    ada.wait_for_url("**/user/ada/**")
    for name in ("Thesis", "Climate models"):
        ada.goto(f"{hub.url}/hub/home")
        ada.get_by_label("Name of a new server").fill(name)
        ada.get_by_role("button", name="Add and start").click()
        ada.wait_for_url(f"**/user/ada/{name.lower().replace(' ', '-')}/**")
    ada.goto(f"{hub.url}/hub/home")
    thesis = ada.get_by_role("listitem").filter(has=ada.get_by_role("heading", name="Thesis"))
    thesis.get_by_role("button", name="Stop").click()
    expect(thesis).to_contain_text("Stopped")
    take(ada, "home")

    ada.goto(f"{hub.url}/hub/token")
    ada.get_by_label("What is it for?").fill("Nightly report")
    ada.get_by_label("Only this:").check()
    ada.get_by_label("See my servers and whether they run").check()
    ada.get_by_role("button", name="Make token").click()
    ada.get_by_label("Only this:").check()
    take(ada, "tokens")

    ada.goto(f"{hub.url}/hub/share/ada")
    ada.get_by_label("Name").fill("bob")
    ada.get_by_role("button", name="Share", exact=True).click()
    ada.get_by_role("button", name="Make a link").click()
    link = ada.get_by_label("Link to send").input_value()
    take(ada, "share")
    bob.goto(f"{hub.url}/hub/home")
    take(bob, "home-shared")
    cleo.goto(link)
    take(cleo, "accept-share")
    cleo.goto(f"{hub.url}{AUTHORIZE}")
    take(cleo, "consent")
    cleo.goto(f"{hub.url}/user/cleo/lab")
    take(cleo, "not-running")
    cleo.goto(f"{hub.url}/hub/nothing")
    take(cleo, "not-found")
    cleo.goto(f"{hub.url}/hub/home")
    cleo.get_by_role("button", name="Deutsch").click()
    expect(cleo.get_by_role("heading", name="Hallo, cleo")).to_be_visible()
    take(cleo, "home-german")


def test_starts(hub: RunningHub, person: Callable[[str], Page]) -> None:
    slow, broken = person("slow"), person("broken")
    slow.goto(f"{hub.url}/hub/spawn")
    slow.get_by_text("What the server writes").click()
    expect(slow.locator("#server-log pre")).to_contain_text("so slow today")
    take(slow, "starting")
    slow.get_by_role("button", name="Stop it").click()
    slow.wait_for_url("**/hub/home")
    broken.goto(f"{hub.url}/hub/spawn")
    expect(broken.get_by_role("heading", name="Your server did not start")).to_be_visible()
    broken.get_by_text("The last lines it wrote").click()
    take(broken, "start-failed")
