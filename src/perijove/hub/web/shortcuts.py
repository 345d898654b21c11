"""What servers, and programs that watch them, ask all day: answered past FastAPI.

Its routing and dependencies cost more than most of these answers. Each shortcut is the handler of an operation that
FastAPI knows too, and calls the same functions. What it does not recognise at once goes the usual way: other methods,
paths and queries.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from perijove.hub.core.errors import PerijoveError
from perijove.hub.web import errors
from perijove.hub.web.api import identity, users
from perijove.hub.web.api.paging import page_window
from perijove.hub.web.callers import hub_of, identified, json_body
from perijove.hub.web.state import HubState

Shortcut = Callable[[Request], Awaitable[Response]]
REPORTS: Final = "/activity"
LIST_QUERY: Final = re.compile(rb"(?:&?(?:(?:limit|offset)=[0-9]{1,9}|(?:state|sort)=[a-z_-]{1,20})(?=&|$))*")
"""The queries of lists for which there is a shortcut."""


async def _who(request: Request) -> Response:
    hub = hub_of(request)
    return await identity.self_response(hub, await identified(request, hub))


async def _report(request: Request) -> Response:
    hub = hub_of(request)
    principal = await identified(request, hub, *users.REPORT_SCOPES)
    return await users.take_report(hub, principal, request.scope["path_params"]["user_name"], await json_body(request))


async def _list(request: Request) -> Response:
    hub = hub_of(request)
    principal = await identified(request, hub, *users.LIST_SCOPES)
    given: dict[str, str] = dict(request.query_params)
    limit = given.pop("limit", None)
    window = await page_window(request, hub, int(given.pop("offset", 0)), None if limit is None else int(limit))
    return await users.page_of_users(request, hub, principal, await users.user_query(window, **given))


class Shortcuts:
    """Finds the shortcut for a request, and carries it out as an ASGI application."""

    def __init__(self, state: HubState) -> None:
        api = f"{state.settings.prefix}api"
        self._who, self._list, self._users = f"{api}/user", f"{api}/users", f"{api}/users/"

    def find(self, scope: Scope) -> Scope | None:
        """Return *scope* with the shortcut that answers it; None if there is none."""
        path: str = scope["path"]
        if scope["method"] == "GET":
            if path == self._who and not scope["query_string"]:
                return {**scope, "shortcut": _who, "endpoint": identity.self_model}
            if path == self._list and LIST_QUERY.fullmatch(scope["query_string"]):
                return {**scope, "shortcut": _list, "endpoint": users.list_users}
        elif scope["method"] == "POST" and path.startswith(self._users) and path.endswith(REPORTS):
            name = path[len(self._users) : -len(REPORTS)]
            if name and "/" not in name and not scope["query_string"]:
                parameters = {"user_name": name}
                return {**scope, "shortcut": _report, "endpoint": users.report_activity, "path_params": parameters}
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what `find` found. Raises what no handler expected."""
        request = Request(scope, receive, send)
        try:
            response = await scope["shortcut"](request)
        except PerijoveError as error:
            response = errors.expected(request, error)
        await response(scope, receive, send)
