"""People sign in at an identity provider: with a button, in ten tabs at once, and without a press of a button."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.accessibility import assert_accessible
from tests.support.hubs import UPSTREAM_CONFIG, RunningHub
from tests.support.providers import provider_running

from perijove.hub.testing.identity_provider import FakeProvider

pytestmark = pytest.mark.e2e

TABS = 10
CLASS = "perijove.hub.testing.identity_provider.ProviderAuthenticator"
SEVERAL = """
c.JupyterHub.authenticator_class = "multi"
c.Authenticator.allow_all = False
c.Authenticator.admin_users = {{"local-admin"}}
c.MultiAuthenticator.authenticators = [
    {{"authenticator_class": "dummy", "url_prefix": "/local", "username_prefix": ""}},
    {{
        "authenticator_class": "CLASS",
        "url_prefix": "/campus",
        "config": {{"provider_url": "PROVIDER", "login_service": "the University", "allow_all": True}},
    }},
    {{
        "authenticator_class": "CLASS",
        "url_prefix": "/lab",
        "config": {{"provider_url": "PROVIDER", "login_service": "the Laboratory", "allowed_users": {{"bob"}}}},
    }},
]
"""
AT_ONCE = """
c.JupyterHub.authenticator_class = "CLASS"
c.ProviderAuthenticator.provider_url = "PROVIDER"
c.ProviderAuthenticator.login_service = "the University"
c.Authenticator.auto_login = True
"""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[FakeProvider, str]]:
    """A provider, and its address."""
    with provider_running() as made:
        yield made


@pytest.fixture
def provider(running: tuple[FakeProvider, str]) -> Iterator[FakeProvider]:
    """The provider; nobody is signed in there."""
    yield running[0]
    running[0].remembers = ""


@pytest.fixture(scope="module")
def several(make_hub: Callable[..., RunningHub], running: tuple[FakeProvider, str]) -> RunningHub:
    """A hub with a form and two providers."""
    hub = make_hub(config=UPSTREAM_CONFIG + SEVERAL.replace("CLASS", CLASS).replace("PROVIDER", running[1]))
    hub.start()
    return hub


@pytest.fixture(scope="module")
def at_once(make_hub: Callable[..., RunningHub], running: tuple[FakeProvider, str]) -> RunningHub:
    """A hub that leads to the provider without a press of a button."""
    hub = make_hub(config=UPSTREAM_CONFIG + AT_ONCE.replace("CLASS", CLASS).replace("PROVIDER", running[1]))
    hub.start()
    return hub


def login(hub: RunningHub, target: str) -> str:
    return f"{hub.url}/hub/login?next={quote(target, safe='')}"


def press(page: Page, service: str = "the University") -> None:
    """Press a provider's button and wait for its page."""
    page.get_by_role("link", name=f"Sign in with {service}").click()
    page.wait_for_url("**/authorize?**")


def test_each_way_leads_in_and_on_without_scripts_too(several: RunningHub, chromium: Browser) -> None:
    for service, person, expected in (("the University", "ada", "campus:ada"), ("the Laboratory", "bob", "lab:bob")):
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(login(several, "/hub/token?from=page"))
        press(page, service)
        page.locator(f"#{person}").click()
        page.wait_for_url("**/hub/token?from=page")
        assert expected in page.locator(".who").inner_text()
        context.close()
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(login(several, "/hub/token"))
    page.locator("[name=username]").fill("carl")
    page.locator("[name=password]").fill("x")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/token")
    assert "carl" in page.locator(".who").inner_text()
    page.context.close()


def test_ten_tabs_sign_in_at_once(several: RunningHub, page: Page) -> None:
    tabs = [page, *(page.context.new_page() for _ in range(TABS - 1))]
    for number, tab in enumerate(tabs):
        tab.goto(login(several, f"/hub/home?tab={number}"))
    assert_accessible(page)
    for tab in tabs:
        press(tab)
    for number, tab in enumerate(tabs):
        tab.locator("#ada").click()
        tab.wait_for_url(f"**/hub/home?tab={number}")


def test_what_fits_to_no_sign_in_begins_again_without_a_word(several: RunningHub, page: Page) -> None:
    page.goto(login(several, "/hub/token"))
    press(page)
    for query in ("", "?state=wrong&code=x"):
        page.goto(f"{several.url}/hub/campus/provider_callback{query}")
        page.wait_for_url("**/authorize?**")
    page.locator("#ada").click()
    page.wait_for_url("**/hub/token")


def test_an_address_that_was_used_already_is_no_error(several: RunningHub, page: Page) -> None:
    page.goto(login(several, "/hub/token"))
    press(page)
    callback = page.locator("#ada").get_attribute("href")
    assert callback is not None
    page.goto(callback)
    page.wait_for_url("**/hub/token")
    page.goto(callback)
    page.wait_for_url("**/hub/token")
    page.context.clear_cookies(name=re.compile("login"))
    page.goto(callback)
    page.wait_for_url("**/authorize?**")


def test_nobody_is_signed_in_with_what_somebody_else_began(
    several: RunningHub, new_visitor: Callable[[], Page]
) -> None:
    mallory, victim = new_visitor(), new_visitor()
    mallory.goto(login(several, "/hub/home"))
    press(mallory)
    callback = mallory.locator("#ada").get_attribute("href")
    assert callback is not None
    victim.goto(callback)
    victim.wait_for_url("**/authorize?**")
    victim.goto(f"{several.url}/hub/home")
    victim.wait_for_url("**/hub/login?**")


def test_whoever_is_refused_there_or_here_reads_so_and_tries_again(several: RunningHub, page: Page) -> None:
    page.goto(login(several, "/hub/token"))
    press(page, "the Laboratory")
    page.locator("#deny").click()
    expect(page.get_by_role("alert")).to_contain_text("You were not signed in.")
    expect(page.locator(".told")).to_contain_text("The person said no.")
    assert_accessible(page)
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    page.get_by_role("button", name="English").click()
    press(page, "the Laboratory")
    page.locator("#ada").click()
    expect(page.get_by_role("alert")).to_contain_text("or you may not sign in here")
    press(page, "the Laboratory")
    page.locator("#bob").click()
    page.wait_for_url("**/hub/token")


def test_without_a_press_of_a_button_and_without_going_round(
    at_once: RunningHub, provider: FakeProvider, page: Page
) -> None:
    provider.remembers = "ada"
    page.goto(f"{at_once.url}/hub/token")
    page.wait_for_url("**/hub/token")
    assert "ada" in page.locator(".who").inner_text()
    page.get_by_role("link", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert_accessible(page)
    page.reload()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    provider.remembers = ""
    page.get_by_role("link", name="Sign in again").click()
    page.wait_for_url("**/authorize?**")
    page.locator("#deny").click()
    expect(page.get_by_role("alert")).to_contain_text("You were not signed in.")
    press(page)
