"""What all ways to sign in share: the page that offers them, and going on after one of them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.texts import mark
from perijove.hub.ports.sign_in import WayKind
from perijove.hub.usecases.entrance import FORMS, ways_of
from perijove.hub.usecases.sign_in import NewSession
from perijove.hub.web import security
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import ASK, next_target, with_next
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

ATTEMPT: Final = "attempt"
"""In addresses of a sign-in: how often it was begun by itself."""
NO_COOKIES: Final = mark("Signing in did not work. Does your browser accept cookies from this site?")
DENIED: Final = mark("You were not signed in.")


def after_sign_in(request: Request, hub: HubState, target: str | None) -> str:
    """Return where to go on: to *target* if that is one of our own pages."""
    return next_target(request, hub, target, default=hub.settings.prefix)


def asked_target(request: Request, hub: HubState) -> str:
    """Return where the person wants to go after signing in; empty if nowhere in particular."""
    return next_target(request, hub, request.query_params.get("next"))


async def login_form(request: Request, hub: HubState, target: str) -> dict[str, Any]:
    """Return what the sign-in page is made of, whatever was typed into it and went wrong.

    Args:
        request: the request.
        hub: the hub.
        target: where to go on afterwards; empty if nowhere in particular.

    Raises:
        PerijoveError: UNAVAILABLE, if the authenticator does not say what it needs.
    """
    ways = await ways_of(hub.authenticator, hub.settings.site)
    action, html = with_next(f"{hub.settings.prefix}login", target), WayKind.HTML
    elsewhere = next((way for way in ways if way.kind not in FORMS), None)
    return {
        "action": action,
        "next": target,
        "signup": hub.accounts is not None,
        "ways": [
            {
                "kind": way.kind.value,
                "url": with_next(way.url, target),
                "service": way.service,
                "part": way.part,
                "html": way.html,
            }
            for way in ways
        ],
        "needs_form": any(way.kind in FORMS for way in ways),
        # Names that templates made for upstream's page know.
        "login_service": hub.authenticator.login_service,
        "authenticator_login_url": action if elsewhere is None else with_next(elsewhere.url, target),
        "custom_html": next((way.html for way in ways if way.kind is html), ""),
    }


async def show_login(
    request: Request, hub: HubState, target: str, error: PerijoveError | None = None, *, told: str = "", **typed: str
) -> Response:
    """Return the sign-in page.

    Args:
        request: the request.
        hub: the hub.
        target: where to go on afterwards; empty if nowhere in particular.
        error: what went wrong; an error that is not the visitor's doing is raised, for it has a page of its own.
        told: what an identity provider said of it.
        typed: ``username`` and ``part``, the authenticator that it was for; ``held``, a form that waits to be sent.
    """
    if error is not None and STATUS[error.code] >= 500:
        raise error
    typed = {"username": "", "part": "", "held": ""} | typed
    told_of = {"error": "" if error is None else error.message, "told": told}
    form = await login_form(request, hub, target)
    if request.method == "GET" and request.scope["path"] != f"{hub.settings.prefix}login":
        # The address at which a browser came back is good once.
        form["again_url"] = with_next(f"{hub.settings.prefix}login", target, **{ASK: "1"})
    response = render(request, "login.html", **{**form, **told_of, **typed})
    if error is not None:
        response.status_code = STATUS[error.code]
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
    return response


def let_in(
    request: Request, hub: HubState, session: NewSession, response: Response | None = None, *, target: str | None = None
) -> Response:
    """Return *response*, or one that leads to *target*, with the cookies of a session that has just begun."""
    hub.refreshes.signed_in(session.user.id)
    if response is None:
        response = RedirectResponse(after_sign_in(request, hub, target), status_code=302)
    security.begin(request, hub.settings, response, session)
    return response


def attempt_of(request: Request, most: int) -> int:
    """Return which attempt at a sign-in *request* says it is: 1 to *most*, 1 if it says nothing."""
    number = request.query_params.get(ATTEMPT, "")
    return min(int(number), most) if len(number) == 1 and number in "123456789" else 1
