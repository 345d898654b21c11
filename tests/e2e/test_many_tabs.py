"""Many tabs of one browser sign in at once, and one of them was forgotten for a while.

What they open is the smallest page that a real server has, so that ten of them are no load.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub

TABS = 10
LONG = 90_000


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub with ada's server running."""
    made = make_hub(config=UPSTREAM_CONFIG)
    made.start()
    with made.client(OPS_TOKEN) as api:
        api.post("/users/ada")
        assert api.post("/users/ada/server").status_code in (201, 202)
    return made


def fill_in(page: Page) -> None:
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "correct horse")
    page.get_by_role("button", name="Sign in").click()


def test_ten_tabs_sign_in_and_none_ends_in_an_error(hub: RunningHub, page: Page) -> None:
    tabs = [page, *(page.context.new_page() for _ in range(TABS - 1))]
    for number, tab in enumerate(tabs):
        tab.goto(f"{hub.url}/user/ada/login?next=%2Fuser%2Fada%2Fapi%2Fstatus%3Ftab%3D{number}")
    for tab in tabs:
        tab.wait_for_url("**/hub/login?**")
    stale = tabs.pop()
    for tab in tabs:
        fill_in(tab)
    for number, tab in enumerate(tabs):
        tab.wait_for_url(f"**/user/ada/api/status?tab={number}", timeout=LONG)
        assert "kernels" in tab.inner_text("body")
    # Signed out and in again elsewhere: what the forgotten tab holds belongs to no sign-in any more.
    other = stale.context.new_page()
    other.goto(f"{hub.url}/hub/logout")
    other.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fhome")
    fill_in(other)
    other.wait_for_url("**/hub/home")
    stale.context.clear_cookies(name="_xsrf")
    fill_in(stale)
    stale.wait_for_url("**/user/ada/api/status?tab=9", timeout=LONG)
    assert "kernels" in stale.inner_text("body")


def test_a_tab_left_in_the_middle_of_the_callback_begins_again_by_itself(hub: RunningHub, page: Page) -> None:
    page.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fhome")
    fill_in(page)
    page.wait_for_url("**/hub/home")
    page.goto(f"{hub.url}/user/ada/oauth_callback?code=old&state=forgotten.1", wait_until="commit")
    page.wait_for_url("**/user/ada/lab**", timeout=LONG, wait_until="commit")
