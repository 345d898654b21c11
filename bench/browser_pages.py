"""What is opened in the browser: every page of the hub, each where it has the most to show."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

NOBODY = ""
PERSON = "ada"
"""An administrator."""

AUTHORIZE = "/hub/api/oauth2/authorize?client_id=service-wiki&response_type=code&redirect_uri=/services/wiki/back"
DELETE = "/ask?of=users&do=delete&key=the-key-of-an-action"
THREE = "&chosen=u1&chosen=u2&chosen=u3"


def press(button: str, /, **fields: str) -> Callable[[Page], None]:
    """What fills in *fields*, by their ids, and presses *button*."""

    def act(page: Page) -> None:
        for field, value in fields.items():
            page.locator(f"#{field}").fill(value)
        page.get_by_role("button", name=button, exact=True).click()

    return act


def make_service(page: Page) -> None:
    press("Make service", name=f"grader-{secrets.token_hex(4)}")(page)


def send_too_late(page: Page) -> None:
    page.context.clear_cookies()
    press("Make token")(page)


def sign_out(page: Page) -> None:
    page.locator("#logout").click()


def stop_the_hub(page: Page) -> None:
    page.locator("[aria-labelledby=shutdown] summary").click()
    press("Yes, stop the hub")(page)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page, and how it is reached.

    Attributes:
        title: of it in the table.
        path: its address, or where the first of *steps* is done; what stands in braces, the set-up finds.
        template: what it is made of; empty for the page that is the proxy's own.
        who: somebody who is signed in, or nobody.
        status: what the hub answers.
        steps: what is done there; each leads to another page, the last to this one.
        hub: which of the hubs that `browser_config` describes, or one that has ended.
        ends: whether the hub ends with it.
    """

    title: str
    path: str
    template: str
    who: str = PERSON
    status: int = 200
    steps: tuple[Callable[[Any], None], ...] = ()
    hub: Literal["usual", "several", "elsewhere", "ended"] = "usual"
    ends: bool = False


def administration(title: str, path: str, template: str, *steps: Callable[[Any], None]) -> Shown:
    return Shown(f"administration: {title}", f"/hub/admin{path}", template, steps=steps)


PASSWORDS = {"password": "an apple fell", "password_again": "an apple fell"}

PAGES = (
    Shown("sign in", "/hub/login", "login.html", NOBODY),
    Shown(
        "sign in, refused",
        "/hub/login",
        "login.html",
        NOBODY,
        status=403,
        steps=(press("Sign in", username="eve", password="forgotten"),),
    ),
    Shown("sign in, one of several ways", "/hub/login", "login.html", NOBODY, hub="several"),
    Shown("sign in again, with what was typed", "/hub/token", "login.html", steps=(send_too_late,)),
    Shown(
        "a form of an earlier session",
        "/hub/token",
        "resume.html",
        steps=(send_too_late, press("Sign in", username=PERSON, password="x")),
    ),
    Shown("signed out", "/hub/home", "logout.html", NOBODY, steps=(sign_out,), hub="elsewhere"),
    Shown("sign up", "/hub/signup", "signup.html", NOBODY),
    Shown(
        "waiting for approval",
        "/hub/signup",
        "signup.html",
        NOBODY,
        steps=(press("Ask for an account", username="newton", **PASSWORDS),),
    ),
    Shown("first administrator", "{invitation}", "setup.html", NOBODY),
    Shown("password", "/hub/account", "account.html"),
    Shown("home", "/hub/home", "home.html"),
    Shown("options", "/hub/spawn/choosing", "spawn.html"),
    Shown("queued", "/hub/spawn-pending/queued", "spawn_pending.html"),
    Shown("starting", "/hub/spawn-pending/slow", "spawn_pending.html"),
    Shown("start failed", "/hub/spawn-pending/failing", "spawn_pending.html", status=500),
    Shown("not running", f"/user/{PERSON}/lab", "not_running.html", status=424),
    Shown("somebody else's server", "/user/slow/lab", "error.html", "u1", status=404),
    Shown("not found", "/hub/nothing", "error.html", status=404),
    Shown("the hub is away (the proxy's own page)", "/hub/home", "", NOBODY, status=503, hub="ended"),
    Shown("tokens and applications", "/hub/token", "token.html"),
    Shown("a new token", "/hub/token", "token.html", steps=(press("Make token"),)),
    Shown("share", "/hub/share/slow", "share.html"),
    Shown("a new link to share", "/hub/share/slow", "share.html", steps=(press("Make a link"),)),
    Shown("a shared link", "{shared}", "accept_share.html", "u1"),
    Shown("consent", AUTHORIZE, "oauth.html"),
    Shown("API", "/hub/api/docs", "api.html"),
    administration("overview", "/overview", "admin/overview.html"),
    administration("users", "", "admin.html"),
    administration("users found by name", "?name_filter=4999", "admin.html"),
    administration("who waits for approval", "?state=waiting", "admin/waiting.html"),
    administration("one user", f"/users/{PERSON}", "admin/user.html"),
    administration("question before three users are deleted", DELETE + THREE, "admin/ask.html"),
    administration("question before all users are deleted", DELETE + "&whom=all", "admin/ask.html"),
    administration("an action on many, going on", "/actions/{running}", "admin/action.html"),
    administration("an action on many, of which some failed", "/actions/{failed}", "admin/action.html"),
    administration("servers", "/servers?state=all", "admin/servers.html"),
    administration("one server", "/servers/slow", "admin/server.html"),
    administration("a server that failed", "/servers/failing", "admin/server.html"),
    administration("groups", "/groups", "admin/groups.html"),
    administration("one group", "/group?name=physics", "admin/group.html"),
    administration("services", "/services", "admin/services.html"),
    administration("a new service and its token", "/services", "admin/services.html", make_service),
    administration("roles", "/roles", "admin/roles.html"),
    administration("one role, held by all", "/roles/user", "admin/role.html"),
    administration("one role, made by administrators", "/roles/tutor", "admin/role.html"),
    administration("audit log", "/audit", "admin/audit.html"),
    administration("routes", "/routes", "admin/routes.html"),
    administration("hub and its health", "/hub", "admin/hub.html"),
    administration("configuration", "/configuration", "admin/configuration.html"),
    Shown(
        "administration: the hub is stopping",
        "/hub/admin/hub",
        "admin/ended.html",
        NOBODY,
        steps=(stop_the_hub,),
        hub="elsewhere",
        ends=True,
    ),
)
