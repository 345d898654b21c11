"""Where the operator's own functions lead people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import Request

from perijove.hub.ports.traits import call_plugin
from perijove.hub.ports.visits import HookHandler, HookRequest, HookUser
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web.pages.common import next_target, raw_path, raw_query
from perijove.hub.web.state import HubState

log = structlog.get_logger(__name__)
HOOK_TIMEOUT = 10.0
"""Seconds that a function of the configuration may take; after that the usual page is taken."""
SECRET = frozenset({"authorization", "cookie"})
"""Headers that a function of the configuration has no use for."""


async def operators_page(request: Request, hub: HubState, visitor: Visitor) -> str:
    """Return the page that ``default_url`` leads the visitor to; empty for the usual one."""
    page = hub.settings.landing.page
    if callable(page):
        handler = HookHandler(_user(hub, visitor), _request(request, hub), hub.settings.base_url)
        page = await _chosen("default_url", page, handler)
    target = _checked(request, hub, "default_url", page)
    # It is the hub's own front door that asks.
    return "" if f"{urlsplit(target).path.rstrip('/')}/" == hub.settings.prefix else target


async def operators_redirect(request: Request, hub: HubState, visitor: Visitor, path: str) -> str:
    """Return where ``user_redirect_hook`` leads the visitor, who asked for *path* of their server; empty for there."""
    hook = hub.settings.landing.redirect
    if hook is None:
        return ""
    given = (path, _request(request, hub), _user(hub, visitor), hub.settings.base_url)
    return _checked(request, hub, "user_redirect_hook", await _chosen("user_redirect_hook", hook, *given))


async def _chosen(option: str, function: Callable[..., Any], *given: Any) -> str:
    try:
        chosen = await call_plugin(function, *given, timeout=HOOK_TIMEOUT)
    except Exception:
        log.exception("a function of the configuration failed; the usual page is shown", option=option)
        return ""
    if chosen is None or isinstance(chosen, str):
        return chosen or ""
    log.error("a function of the configuration gave no path", option=option, kind=type(chosen).__name__)
    return ""


def _checked(request: Request, hub: HubState, option: str, page: str) -> str:
    target = next_target(request, hub, page)
    if page and not target:
        log.error("an option leads away from the hub; the usual page is shown", option=option)
    return target


def _user(hub: HubState, visitor: Visitor) -> HookUser:
    user = visitor.user
    return HookUser(user.name, user.admin, hub.settings.site.server_url(user.name, ""))


def _request(request: Request, hub: HubState) -> HookRequest:
    return HookRequest(
        method=request.method,
        path=raw_path(request),
        query=raw_query(request).removeprefix("?"),
        headers={name: value for name, value in request.headers.items() if name not in SECRET},
        protocol=request.url.scheme,
        host=request.url.netloc,
    )
