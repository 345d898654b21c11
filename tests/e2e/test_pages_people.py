"""What people do on the hub's pages, in a real browser against one real hub; axe and the keyboard on every page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.accessibility import assert_accessible
from tests.support.hubs import RunningHub
from tests.support.people import PEOPLE_CONFIG, sign_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub in which people may have several servers and share them."""
    hub = make_hub(config=PEOPLE_CONFIG)
    hub.start()
    return hub


@pytest.fixture(scope="module")
def ada(hub: RunningHub, chromium: Browser) -> Page:
    """The browser of somebody whose server runs."""
    page = chromium.new_context().new_page()
    page.set_default_timeout(60_000)
    sign_in(page, hub, "ada")
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/user/ada/**")
    return page


def test_whoever_comes_signs_in(hub: RunningHub, page: Page) -> None:
    page.goto(f"{hub.url}/hub/home")
    assert_accessible(page)
    expect(page.get_by_text("terms of use")).to_be_visible()
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password", exact=True).fill("x")
    page.keyboard.press("Enter")
    # The terms were not accepted: the browser says so, nothing typed is lost.
    expect(page.get_by_label("User name")).to_have_value("grace")
    page.get_by_label("I accept").check()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hello, grace")).to_be_visible()
    assert_accessible(page)


def test_a_server_with_a_name_is_added_started_renamed_and_deleted(hub: RunningHub, ada: Page) -> None:
    ada.goto(f"{hub.url}/hub/home")
    ada.get_by_label("Name of a new server").fill("Über Thesis")
    ada.get_by_role("button", name="Add and start").click()
    ada.wait_for_url("**/user/ada/uber-thesis/**")
    ada.goto(f"{hub.url}/hub/home")
    card = ada.get_by_role("listitem").filter(has=ada.get_by_role("heading", name="Über Thesis"))
    expect(card).to_contain_text("Running")
    assert_accessible(ada)
    card.get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("Stopped")
    card.get_by_text("Rename or delete").click()
    card.get_by_label("Name that is shown").fill("Old thesis")
    card.get_by_role("button", name="Rename").click()
    card = ada.get_by_role("listitem").filter(has=ada.get_by_role("heading", name="Old thesis"))
    card.get_by_text("Rename or delete").click()
    card.locator("summary", has_text="Delete").last.click()
    assert_accessible(ada)
    card.get_by_role("button", name="Delete it").click()
    expect(ada.get_by_role("heading", name="Old thesis")).to_have_count(0)


def test_a_token_is_made_copied_used_and_revoked(hub: RunningHub, ada: Page) -> None:
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=hub.url)
    ada.goto(f"{hub.url}/hub/home")
    ada.get_by_role("link", name="Tokens").click()
    ada.get_by_label("What is it for?").fill("Nightly report")
    ada.get_by_label("Only this:").check()
    ada.get_by_label("See my servers and whether they run").check()
    assert_accessible(ada)
    ada.get_by_role("button", name="Make token").click()
    value = ada.get_by_label("Token", exact=True).input_value()
    ada.get_by_role("button", name="Copy").click()
    expect(ada.get_by_role("button", name="Copied")).to_be_visible()
    assert ada.evaluate("navigator.clipboard.readText()") == value
    assert_accessible(ada)
    with hub.client(value) as client:
        assert client.get("/users/ada").json()["servers"][""]["ready"] is True
        assert client.delete("/users/ada/server").status_code in {403, 404}
        ada.reload()
        assert ada.get_by_label("Token", exact=True).input_value() == value, "the same wish makes the same token"
        expect(ada.get_by_role("button", name="Revoke Nightly report")).to_have_count(1)
        ada.goto(f"{hub.url}/hub/token")
        expect(ada.get_by_text(value)).to_have_count(0)
        expect(ada.get_by_text("Your server", exact=True)).to_be_visible()
        ada.get_by_role("button", name="Revoke Nightly report").click()
        expect(ada.get_by_role("button", name="Revoke Nightly report")).to_have_count(0)
        assert client.get("/user").status_code == 403


def test_a_server_is_shared_by_name_and_by_link(hub: RunningHub, ada: Page, new_visitor: Callable[[], Page]) -> None:
    bob = new_visitor()
    sign_in(bob, hub, "bob")
    ada.goto(f"{hub.url}/hub/home")
    ada.get_by_role("link", name="Share").first.click()
    ada.get_by_label("Name").fill("nobody-here")
    ada.get_by_role("button", name="Share", exact=True).click()
    expect(ada.get_by_role("alert")).to_contain_text("No such user")
    expect(ada.get_by_label("Name")).to_have_value("nobody-here")
    assert_accessible(ada)
    ada.get_by_label("Name").fill("bob")
    ada.get_by_role("button", name="Share", exact=True).click()
    expect(ada.get_by_role("button", name="Take back bob")).to_be_visible()

    ada.get_by_role("button", name="Make a link").click()
    link = ada.get_by_label("Link to send").input_value()
    assert_accessible(ada)
    cleo = new_visitor()
    sign_in(cleo, hub, "cleo")
    cleo.goto(link)
    assert_accessible(cleo)
    cleo.get_by_role("button", name="Accept and open the server").click()
    cleo.wait_for_url("**/hub/api/oauth2/authorize**")
    assert_accessible(cleo)
    cleo.get_by_role("button", name="Authorize").click()
    cleo.wait_for_url("**/user/ada/**")

    bob.goto(f"{hub.url}/hub/home")
    shared = bob.get_by_role("listitem").filter(has_text="of ada")
    expect(shared).to_contain_text("Running")
    assert_accessible(bob)
    shared.locator("summary").click()
    shared.get_by_role("button", name="Remove it").click()
    expect(bob.get_by_text("of ada")).to_have_count(0)


def test_a_server_that_does_not_run_is_started_from_its_own_address(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "dora")
    page.goto(f"{hub.url}/user/dora/tree?token=&x=1")
    expect(page.get_by_role("heading", name="Your server is not running")).to_be_visible()
    expect(page.get_by_label("Announcement")).to_have_text("Welcome, dora. How we are")
    assert_accessible(page)
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url("**/user/dora/tree?token=&x=1")


def test_a_start_is_watched_with_its_log_and_over_a_restart_of_the_hub(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "slow")
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Start my server").click()
    expect(page.get_by_role("heading", name="Your server is starting")).to_be_visible()
    expect(page.locator("#progress-log")).to_contain_text("waiting for it to answer")
    assert_accessible(page)
    page.get_by_text("What the server writes").click()
    expect(page.locator("#server-log pre")).to_contain_text("so slow today")
    page.reload()
    expect(page.locator("#progress-log li").first).to_have_text("Server requested")
    hub.kill()
    expect(page.locator("#progress-connection")).to_contain_text("Connection lost")
    hub.start()
    expect(page.locator("#progress-connection")).to_be_hidden()
    page.get_by_role("button", name="Stop it").click()
    page.wait_for_url("**/hub/home")
    expect(page.locator("main")).to_contain_text("Stopped")


def test_a_start_that_fails_says_why_and_what_to_do(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "broken")
    page.goto(f"{hub.url}/user/broken/lab")
    page.get_by_role("button", name="Start my server").click()
    expect(page.get_by_role("heading", name="Your server did not start")).to_be_visible()
    expect(page.locator(".failure-reason")).to_contain_text("exit status 3")
    page.get_by_text("The last lines it wrote").click()
    expect(page.locator("pre.log")).to_contain_text("cannot find my disk")
    assert_accessible(page)
    again = page.get_by_role("button", name="Try again")
    assert "next=%2Fuser%2Fbroken%2Flab" in str(page.locator("form:has(#start)").get_attribute("action"))
    again.click()
    expect(page.get_by_role("heading", name="Your server did not start")).to_be_visible()


def test_what_is_not_there_is_said_with_one_way_on(hub: RunningHub, ada: Page) -> None:
    for path in ("/hub/nothing", "/user/somebody-else/lab", "/hub/error/503"):
        ada.goto(f"{hub.url}{path}")
        expect(ada.locator("main a.button")).to_have_count(1)
        assert_accessible(ada)
    ada.goto(f"{hub.url}/hub/api/docs")
    assert_accessible(ada, keyboard=False)


def test_an_expired_session_keeps_what_was_typed(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "emil")
    page.goto(f"{hub.url}/hub/token")
    page.get_by_label("What is it for?").fill("Typed for a long time")
    page.context.clear_cookies(name=re.compile("login"))
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_text("what you had typed is kept")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("User name").fill("emil")
    page.get_by_label("Password", exact=True).fill("x")
    page.get_by_label("I accept").check()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Go on?")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Revoke Typed for a long time")).to_be_visible()


def test_a_double_click_and_the_way_back_do_nothing_twice(hub: RunningHub, page: Page) -> None:
    sign_in(page, hub, "fritz")
    page.goto(f"{hub.url}/hub/token")
    page.get_by_label("What is it for?").fill("Once")
    page.get_by_role("button", name="Make token").dblclick()
    expect(page.get_by_role("button", name="Revoke Once")).to_have_count(1)
    page.go_back()
    expect(page.get_by_label("What is it for?")).to_have_value("Once")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke Once")).to_have_count(1)


def test_everything_works_without_scripts(hub: RunningHub, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(60_000)
    sign_in(page, hub, "nora")
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Start my server").dblclick()
    # Each page that refreshes itself breaks off the navigation before, which waiting for one takes for a failure.
    expect(page).to_have_url(re.compile("/user/nora/"), timeout=60_000)
    page.goto(f"{hub.url}/hub/token")
    page.get_by_label("Only this:").check()
    page.get_by_label("Start and stop my servers").check()
    page.get_by_role("button", name="Make token").dblclick()
    assert page.get_by_label("Token", exact=True).input_value()
    expect(page.get_by_role("button", name="Revoke Made on the token page")).to_have_count(1)
    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Deutsch").click()
    page.get_by_role("button", name="Dunkel").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Meinen Server stoppen").click()
    expect(page.locator("main")).to_contain_text("Gestoppt")
    context.close()
