"""The way to a server that does not run: options in a form or in an address, then its start."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile

from perijove.hub.core import user_options
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Server
from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import (
    FormVisitor,
    PageVisitor,
    go,
    next_target,
    raw_query,
    server_path,
    server_view,
    with_next,
)
from perijove.hub.web.pages.servers import not_running
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState
from perijove.wire.prefixes import escape_name

router = Router(include_in_schema=False)

CHOSEN: Final = "_options"
"""The field that tells a form for options, sent with nothing chosen, from a button."""

NAME: Final = "server_name"
"""The field in which the home page asks for the name of a new server."""

NOT_ABOUT_OPTIONS: Final = frozenset({Code.FORBIDDEN, Code.UNAUTHENTICATED, Code.NOT_FOUND, Code.CONFLICT})


@router.get("/spawn")
async def spawn_own(request: Request, hub: Hub, visitor: PageVisitor) -> Response:
    """Start the visitor's default server."""
    own = f"{hub.settings.prefix}spawn/{escape_name(visitor.user.name)}"
    return RedirectResponse(f"{own}{raw_query(request)}", status_code=302)


@router.get("/spawn/{user_name}")
@router.get("/spawn/{user_name}/{server_name}")
async def spawn_page(
    request: Request, hub: Hub, visitor: PageVisitor, user_name: str, server_name: str = ""
) -> Response:
    """Start a server that is not running, after asking for its options if there are any; lead to one that is."""
    server = await _server(hub, visitor.principal, normalize_user_name(user_name), server_name)
    start = _Start(request, hub, visitor.principal, server)
    if server.active:
        return start.on_the_way(server)
    # A link on another site must not start anything by itself: there, a person presses the button.
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return not_running(request, hub, visitor.principal, server, start.target, start_action=start.action)
    try:
        options = await start.from_query()
        if options is not None:
            return await start.begin(options)
    except PerijoveError as error:
        return await start.ask(error)
    return await start.ask()


@router.post("/spawn/{user_name}")
@router.post("/spawn/{user_name}/{server_name}")
async def spawn(request: Request, hub: Hub, visitor: FormVisitor, user_name: str, server_name: str = "") -> Response:
    """Start a server with what was chosen; a second press of the button changes nothing."""
    form = await request.form()
    fields = await _fields(form)
    chosen = CHOSEN in form
    if not server_name and not chosen:
        server_name = str(fields.pop(NAME, [""])[0]).strip().lower()
    server = await _server(hub, visitor.principal, normalize_user_name(user_name), server_name)
    start = _Start(request, hub, visitor.principal, server)
    if server.active:
        return start.on_the_way(server)
    try:
        if chosen or fields:
            return await start.begin(await start.from_form(fields))
        options = await start.from_query()
        if options is not None:
            return await start.begin(options)
    except PerijoveError as error:
        return await start.ask(error, fields)
    return await start.ask(elsewhere=True)


async def _server(hub: HubState, principal: Principal, user_name: str, name: str) -> Server:
    """Return a server; as it would be, for those who may start it, if there is none of that name yet."""
    try:
        return await hub.servers.get(principal, user_name, name, scope="read:servers")
    except PerijoveError as error:
        if error.code not in {Code.NOT_FOUND, Code.FORBIDDEN}:
            raise
    return await hub.servers.spawners.server(principal, user_name, name)


async def _fields(form: FormData) -> dict[str, list[Any]]:
    """Return the fields of *form* that may be options; files under ``<field>_file``, with name, type and content."""
    fields: dict[str, list[Any]] = {}
    for key, value in form.multi_items():
        if key in {security.FORM_FIELD, CHOSEN}:
            continue
        if isinstance(value, str):
            fields.setdefault(key, []).append(value)
        elif value.filename:
            fields.setdefault(f"{key}_file", []).append(await _file(value))
    return fields


async def _file(upload: UploadFile) -> dict[str, Any]:
    kind = upload.content_type or "application/octet-stream"
    return {"filename": upload.filename, "content_type": kind, "body": await upload.read()}


class _Start:
    """One request to start a server."""

    def __init__(self, request: Request, hub: HubState, principal: Principal, server: Server) -> None:
        self._request = request
        self._hub = hub
        self._principal = principal
        self._server = server
        self._owner = (principal, server.user_name, server.name)
        self.target = next_target(request, hub, request.query_params.get("next"))

    @property
    def _query(self) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self._request.query_params.multi_items() if key != security.FORM_FIELD]

    @property
    def action(self) -> str:
        """Where a form that starts this server leads, with all that this request said in its address."""
        return self._action([pair for pair in self._query if pair[0] != "next"])

    def _action(self, query: list[tuple[str, str]]) -> str:
        query = [*query, ("next", self.target)] if self.target else query
        path = f"{self._hub.settings.prefix}spawn/{server_path(self._server)}"
        return f"{path}?{urlencode(query)}" if query else path

    async def from_query(self) -> dict[str, Any] | None:
        """Return the options in the address; None if there are none there. Raises PerijoveError INVALID."""
        query = user_options.from_query(self._query)
        return await self._hub.servers.spawners.from_query(*self._owner, query) if query else None

    async def from_form(self, fields: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Return the options in the form. Raises PerijoveError INVALID."""
        return await self._hub.servers.spawners.from_form(*self._owner, fields)

    async def begin(self, options: Mapping[str, Any] | None = None) -> Response:
        """Start the server and lead to the page that shows how it goes. Raises PerijoveError."""
        display_name = self._request.query_params.get("display_name")
        try:
            server = await self._hub.servers.start(*self._owner, options=options, display_name=display_name)
        except PerijoveError as error:
            if error.code is not Code.CONFLICT:
                raise
            server = await self._hub.servers.get(*self._owner)
        return self.on_the_way(server)

    async def ask(
        self,
        error: PerijoveError | None = None,
        fields: Mapping[str, list[Any]] | None = None,
        *,
        elsewhere: bool = False,
    ) -> Response:
        """Show the form for options, with *error* and what was entered; start the server if there is no form.

        Raises:
            PerijoveError: *error*, if it is not about options or there is no form to show it in.
        """
        if error is not None and error.code in NOT_ABOUT_OPTIONS:
            raise error
        nonce = secrets.token_urlsafe(16)
        form, server = await self._hub.servers.spawners.form(*self._owner, nonce=nonce)
        if not form:
            if error is not None:
                raise error
            return await self.begin()
        if elsewhere:
            return go(self.action)
        shown = server.user_options if fields is None else fields
        response = render(
            self._request,
            "spawn.html",
            for_user={"name": server.user_name},
            server=server_view(self._hub, server),
            spawner_options_form=Markup(form),  # noqa: S704 - the operator's own
            error_message=None if error is None else error.message,
            html_error_message="",
            chosen=user_options.as_fields(shown),
            chosen_is_all=fields is not None,
            url=self._action([pair for pair in self._query if pair[0] == "display_name"]),
        )
        response.status_code = 200 if error is None else STATUS[error.code]
        if nonce in form:
            response.headers["Content-Security-Policy"] = security.page_policy(self._hub.settings.site, nonce=nonce)
        return response

    def on_the_way(self, server: Server) -> Response:
        """Lead to the server, or to how its start goes."""
        if server.ready:
            return go(self.target or self._hub.servers.url(server))
        return go(with_next(f"{self._hub.settings.prefix}spawn-pending/{server_path(server)}", self.target))
