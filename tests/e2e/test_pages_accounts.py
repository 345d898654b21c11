"""The pages of a hub that keeps passwords itself, and what is shown while the hub is away; axe on each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.support.accessibility import assert_accessible
from tests.support.hubs import RunningHub

PASSWORD = "correct horse"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub that was started for the first time, without a configuration."""
    hub = make_hub()
    hub.start()
    return hub


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"[name={name}]").fill(value)
    page.locator("main button[type=submit]").click()


def test_accounts_from_the_first_one_to_a_new_password(hub: RunningHub, new_visitor: Callable[[], Page]) -> None:
    admin, person = new_visitor(), new_visitor()
    admin.goto(hub.setup_link())
    assert_accessible(admin)
    fill(admin, username="ada", password=PASSWORD, password_again=PASSWORD)
    admin.wait_for_url("**/hub/home")

    person.goto(f"{hub.url}/hub/login")
    person.get_by_role("link", name="Ask for an account").click()
    assert_accessible(person)
    fill(person, username="grace", password="short", password_again="short")
    expect(person.locator("[name=username]")).to_have_value("grace")
    fill(person, username="grace", password=PASSWORD, password_again=PASSWORD)
    expect(person.get_by_role("heading", name="Thank you")).to_be_visible()
    assert_accessible(person)
    person.goto(f"{hub.url}/hub/login")
    fill(person, username="grace", password=PASSWORD)
    expect(person.get_by_role("alert")).to_contain_text("approval")
    assert_accessible(person)

    admin.goto(f"{hub.url}/hub/admin")
    admin.get_by_role("button", name="Approve").first.click()
    expect(admin.get_by_role("button", name="Approve")).to_have_count(0)
    fill(person, username="grace", password=PASSWORD)
    person.wait_for_url("**/hub/home")
    person.get_by_role("link", name="Account of grace").click()
    assert_accessible(person)
    fill(person, old_password="wrong one", password="battery staple", password_again="battery staple")
    expect(person.get_by_role("alert")).to_contain_text("not right")
    fill(person, old_password=PASSWORD, password="battery staple", password_again="battery staple")
    expect(person.get_by_role("status")).to_contain_text("Your password is changed")
    assert_accessible(person)


def test_while_the_hub_is_away_one_can_try_again(hub: RunningHub, page: Page) -> None:
    hub.kill()
    page.goto(f"{hub.url}/hub/login")
    expect(page.get_by_role("link", name="Try again")).to_be_visible()
    assert_accessible(page)
    hub.start()
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
