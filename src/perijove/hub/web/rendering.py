"""Pages from templates, with what every page has."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

import perijove
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import languages, security
from perijove.hub.web.state import HubState

THEMES: Final = ("light", "dark")
ERROR_PAGE: Final = "error.html"


def render(request: Request, template: str, *, visitor: Visitor | None = None, **context: Any) -> HTMLResponse:
    """Return the page that *template* makes of *context*.

    Args:
        request: the request; a visitor found for it earlier is used if none is given.
        template: the name of the template.
        visitor: who sees the page.
        context: what the template shows.
    """
    hub: HubState = request.app.state.hub
    visitor = visitor or getattr(request.state, "visitor", None)
    token, cookie = security.form_token(request, hub.settings, visitor)
    language = language_of(request)
    values = {
        **_frame(request, hub, visitor),
        "xsrf_token": token,
        # The address of what went wrong with a form is no page that could be asked for again.
        "again_url": f"{hub.settings.prefix}home" if template == ERROR_PAGE and request.method != "GET" else "",
        **_announced(hub, template),
        **context,
    }
    response = HTMLResponse(
        hub.templates.render(template, language, values),
        headers={"Cache-Control": "no-store", "Content-Language": language},
    )
    if cookie:
        security.set_form_cookie(request, hub.settings, response, token)
    return response


def language_of(request: Request) -> str:
    """Return the tag of the language in which *request* is answered."""
    hub: HubState = request.app.state.hub
    chosen = security.choice(request, hub.settings, security.LANGUAGE_COOKIE, languages.LANGUAGES)
    return languages.choose(chosen, request.headers.get("accept-language", ""))


def _frame(request: Request, hub: HubState, visitor: Visitor | None) -> dict[str, Any]:
    """Return what the frame of a page shows, under upstream's names where it has them."""
    prefix = hub.settings.prefix
    user = None
    if visitor is not None:
        user = {
            "name": visitor.user.name,
            "admin": visitor.principal.may("admin-ui"),
            "has_account": hub.accounts is not None,
        }
    return {
        "base_url": prefix,
        "prefix": hub.settings.base_url,
        "login_url": f"{prefix}login",
        "logout_url": f"{prefix}logout",
        "logo_url": f"{prefix}home",
        "own_logo": hub.logo is not None,
        "version": perijove.__version__,
        "user": user,
        "services": getattr(request.state, "services", ()),
        "now": hub.ctx.clock.now(),
        "languages": languages.LANGUAGES,
        "theme": security.choice(request, hub.settings, security.THEME_COOKIE, THEMES),
    }


def _announced(hub: HubState, template: str) -> dict[str, Any]:
    """Return the operator's own values and, of their announcements, the one for this page, which may be HTML."""
    values = dict(hub.template_vars)
    announcement = values.get(f"announcement_{PurePath(template).stem}", values.get("announcement", ""))
    return {"login_term_url": "", **values, "announcement": Markup(announcement)}  # noqa: S704 - the operator's own
