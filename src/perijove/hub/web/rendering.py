"""Pages from templates, with what every page has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from starlette.types import Receive, Scope, Send

import perijove
from perijove.hub.core.users import User
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import languages, security
from perijove.hub.web.state import HubState

log = structlog.get_logger(__name__)
FUNCTION_SECONDS: Final = 2.0
"""How long a page waits for a function of the operator's."""

OLD_NAMES: Final = {"spawn_pending": "spawn", "not_running": "spawn"}
"""Pages that share an announcement with another of upstream's names."""

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
    functions = {name: value for name, value in hub.template_vars.items() if callable(value)}
    values = {
        **_frame(request, hub, visitor),
        "xsrf_token": token,
        # The address of what went wrong with a form is no page that could be asked for again.
        "again_url": f"{hub.settings.prefix}home" if template == ERROR_PAGE and request.method != "GET" else "",
        "login_term_url": "",
        **{name: value for name, value in hub.template_vars.items() if name not in functions},
        **context,
    }

    def made(asked: Mapping[str, Any]) -> str:
        full = {**values, **asked}
        return hub.templates.render(template, language, full | {"announcement": _announcement(template, full)})

    headers = {"Cache-Control": "no-store", "Content-Language": language}
    response = (
        LatePage(made, functions, None if visitor is None else visitor.user, headers=headers)
        if functions
        else HTMLResponse(made({}), headers=headers)
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
        "logout_url": hub.entrance.logout_url,
        "logo_url": f"{prefix}home",
        "own_logo": hub.logo is not None,
        "version": perijove.__version__,
        "user": user,
        "services": getattr(request.state, "services", ()),
        "now": hub.ctx.clock.now(),
        "languages": languages.LANGUAGES,
        "theme": security.choice(request, hub.settings, security.THEME_COOKIE, THEMES),
    }


def _announcement(template: str, values: Mapping[str, Any]) -> Markup:
    """Return what the operator announces on this page, which may be HTML."""
    stem = PurePath(template).stem
    told = values.get(f"announcement_{stem}", values.get(f"announcement_{OLD_NAMES.get(stem, stem)}"))
    return Markup(values.get("announcement", "") if told is None else told)  # noqa: S704 - the operator's own


class LatePage(HTMLResponse):
    """A page that an operator's functions have a part in: they are asked when it is sent, none for long."""

    def __init__(
        self,
        make: Callable[[Mapping[str, Any]], str],
        functions: Mapping[str, Callable[[User | None], Any]],
        user: User | None,
        *,
        headers: Mapping[str, str],
    ) -> None:
        """Make the answer.

        Args:
            make: makes the page of what the functions gave.
            functions: gives each name its value, for *user*.
            user: who sees the page; None for somebody who is not signed in.
            headers: of the answer.
        """
        super().__init__("", headers=dict(headers))
        self._make = make
        self._functions = functions
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, make the page and send it."""
        given = await asyncio.gather(*(self._ask(name, function) for name, function in self._functions.items()))
        self.body = self._make(dict(zip(self._functions, given, strict=True))).encode()
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)

    async def _ask(self, name: str, function: Callable[[User | None], Any]) -> Any:
        try:
            return await call_plugin(function, self._user, timeout=FUNCTION_SECONDS)
        except Exception as error:
            log.warning("a function of template_vars failed", name=name, error=repr(error)[:200])
            return ""
