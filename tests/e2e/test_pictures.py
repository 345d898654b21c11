"""The pictures of pages in the documentation, made by ``make screenshots``.

They are of a hub on fixed data, at a fixed hour, so that a second run changes only pictures of what has changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page
from tests.support.gallery import Gallery, Kind, gallery
from tests.support.gallery_data import INVITATION, SHARE_CODE
from tests.support.pictures import take_pictures

from perijove.hub.testing.running import PASSWORD
from perijove.proxy.core.errors import html_page

FOLDER: Final = os.environ.get("PERIJOVE_PICTURES", "")
NOBODY: Final = ""
AUTHORIZE: Final = (
    "hub/api/oauth2/authorize?client_id=service-wiki&response_type=code"
    "&redirect_uri=%2Fservices%2Fwiki%2Foauth_callback"
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.pictures,
    pytest.mark.skipif(not FOLDER, reason="PERIJOVE_PICTURES names no folder for the pictures; see make screenshots"),
]


def press(button: str, /, **fields: str) -> Callable[[Page], None]:
    """Return what fills in *fields*, by their ids, and presses *button*."""

    def act(page: Page) -> None:
        for field, value in fields.items():
            page.locator(f"#{field}").fill(value)
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_load_state()

    return act


def unfold(text: str) -> Callable[[Page], None]:
    """Return what opens the part of a page called *text*."""
    return lambda page: page.get_by_text(text, exact=True).click()


def make_token(page: Page) -> None:
    page.get_by_label("What is it for?").fill("Course material")
    page.get_by_label("Only this:").check()
    page.get_by_label("Start and stop my servers").check()
    page.get_by_role("button", name="Make token").click()
    page.get_by_label("Only this:").check()


def delete_some(page: Page) -> None:
    for name in ("chien-shiung", "edsger", "wernher-magnus.maximilian"):
        page.get_by_role("checkbox", name=f"Choose {name}").check()
    page.locator(".bulk").get_by_role("button", name="Delete").click()
    page.wait_for_load_state()


def hub_away(page: Page) -> None:
    _, body = html_page(503, "The server behind this address does not answer.", "r-7f3a")
    # A page of the hub's would allow it no style of its own.
    page.goto("about:blank")
    page.set_content(body.decode())


def go_on_after_signing_in(page: Page) -> None:
    """Send a form whose session is over, and sign in again."""
    page.context.clear_cookies()
    page.get_by_label("Name of a new server").fill("Glaciers")
    page.get_by_role("button", name="Add and start").click()
    press("Sign in", username="ada", password=PASSWORD)(page)


def stop_the_hub(page: Page) -> None:
    unfold("Stop the hub …")(page)
    page.locator("form[action$=shutdown] button").click()
    page.wait_for_load_state()


@dataclass(frozen=True, slots=True)
class Picture:
    """A page: its name, its address, who looks at it, in which language, what is done first, and at which hub."""

    name: str
    path: str
    who: str = "ada"
    locale: str = "en-GB"
    act: Callable[[Page], None] = lambda page: None
    hub: Kind = "usual"


PICTURES: Final = (
    Picture("login", "hub/login", NOBODY),
    Picture("login-refused", "hub/login", NOBODY, act=press("Sign in", username="ada", password="forgotten")),
    Picture("signup", "hub/signup", NOBODY),
    Picture(
        "waiting-for-approval",
        "hub/signup",
        NOBODY,
        act=press("Ask for an account", username="newton", password="an apple fell", password_again="an apple fell"),
    ),
    Picture("login-several", "hub/login", NOBODY, hub="several"),
    Picture("signed-out", "hub/logout", NOBODY, hub="elsewhere"),
    Picture("setup", f"hub/setup?code={INVITATION}", NOBODY, hub="new"),
    Picture("account", "hub/account"),
    Picture("home", "hub/home"),
    Picture("home-german", "hub/home", locale="de-DE"),
    Picture("home-french", "hub/home", locale="fr-FR"),
    Picture("options", "hub/spawn/grace", "grace"),
    Picture("queued", "hub/spawn-pending/claude", "claude"),
    Picture("starting", "hub/spawn-pending/bea", "bea", act=unfold("What the server writes")),
    Picture("start-failed", "hub/spawn-pending/emmy", "emmy", act=unfold("The last lines it wrote")),
    Picture("not-running", "user/grace/lab", "grace"),
    Picture("no-access", "user/emmy/lab", "carl"),
    Picture("not-found", "hub/nothing"),
    Picture("hub-away", "hub/login", NOBODY, act=hub_away),
    Picture("tokens", "hub/token", act=make_token),
    Picture("share", "hub/share/ada", act=press("Make a link")),
    Picture("accept-share", f"hub/accept-share?code={SHARE_CODE}", "cecilia"),
    Picture("consent", AUTHORIZE, "grace"),
    Picture("go-on", "hub/home", act=go_on_after_signing_in),
    Picture("api", "hub/api/docs", NOBODY),
    Picture("admin-overview", "hub/admin/overview", "root"),
    Picture("admin-users", "hub/admin", "root"),
    Picture("admin-ask", "hub/admin", "root", act=delete_some),
    Picture("admin-waiting", "hub/admin?state=waiting", "root"),
    Picture("admin-user", "hub/admin/users/ada", "root"),
    Picture("admin-servers", "hub/admin/servers?state=all", "root"),
    Picture("admin-server", "hub/admin/servers/ada", "root"),
    Picture("admin-server-failed", "hub/admin/servers/emmy", "root"),
    Picture("admin-groups", "hub/admin/groups", "root"),
    Picture("admin-group", "hub/admin/group?name=biology", "root"),
    Picture("admin-services", "hub/admin/services", "root"),
    Picture(
        "admin-service-made",
        "hub/admin/services",
        "root",
        act=press("Make service", name="grader", url="http://127.0.0.1:9002"),
    ),
    Picture("admin-roles", "hub/admin/roles", "root"),
    Picture("admin-role", "hub/admin/roles/tutor", "root"),
    Picture("admin-role-of-the-hub", "hub/admin/roles/admin", "root"),
    Picture("admin-audit", "hub/admin/audit", "root"),
    Picture("admin-routes", "hub/admin/routes", "root"),
    Picture("admin-hub", "hub/admin/hub", "root"),
    Picture("admin-configuration", "hub/admin/configuration?only=set", "root"),
    Picture("admin-ended", "hub/admin/hub", "root", act=stop_the_hub),
    Picture("admin-action", "hub/admin/actions/the-running-action", "root"),
    Picture("admin-action-failures", "hub/admin/actions/the-action-with-failures", "root"),
)


@pytest.fixture(scope="module")
def hubs() -> Iterator[Callable[[Kind], Gallery]]:
    """The hubs in the pictures."""
    with ExitStack() as stack:
        yield cache(lambda kind: stack.enter_context(gallery(kind)))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_picture(hubs: Callable[[Kind], Gallery], chromium: Browser, picture: Picture) -> None:
    hub = hubs(picture.hub)
    context = hub.context(chromium, picture.who, picture.locale)
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(f"{hub.url}/{picture.path}")
    picture.act(page)
    take_pictures(page, picture.name, Path(FOLDER))
    context.close()
