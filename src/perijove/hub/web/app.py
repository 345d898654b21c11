"""The ASGI application: routers under the hub's prefix, headers on every answer, requests measured and logged."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import perijove
from perijove.hub.core.facts import Origin
from perijove.hub.ports.telemetry import ORIGIN
from perijove.hub.web import errors, oauth, security
from perijove.hub.web.api import groups, identity, servers, services, shares, tokens, users
from perijove.hub.web.api import hub as hub_api
from perijove.hub.web.callers import ERRORS, hub_of
from perijove.hub.web.openapi import document
from perijove.hub.web.pages import (
    admin,
    admin_actions,
    admin_audit,
    admin_groups,
    admin_hub,
    admin_overview,
    admin_roles,
    admin_servers,
    admin_services,
    home,
    preferences,
    providers,
    sign_in,
    spawning,
    starting,
    various,
)
from perijove.hub.web.pages import servers as server_pages
from perijove.hub.web.pages import shares as share_pages
from perijove.hub.web.pages import tokens as token_pages
from perijove.hub.web.pages.common import EarlierForm, SignInFirst, raw_path, raw_query, to_sign_in
from perijove.hub.web.permissions import included
from perijove.hub.web.shortcuts import Shortcuts
from perijove.hub.web.state import HubState
from perijove.wire.versions import PERIJOVE_HEADER, PROTOCOL_HEADER, PROTOCOL_VERSION

ACCESS: Final = "perijove.hub.access"
log = structlog.get_logger(ACCESS)
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}")
MAX_BODY: Final = 8 * 1024 * 1024
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FOR_EVER: Final = b"public, max-age=31536000, immutable"
UNCHECKED: Final = b"no-cache"
FIXED: Final = (
    (PROTOCOL_HEADER.lower().encode(), PROTOCOL_VERSION.encode()),
    (PERIJOVE_HEADER.lower().encode(), perijove.__version__.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What stands on every answer, whatever a handler says."""

FIXED_NAMES: Final = frozenset({b"x-request-id", *(name for name, _ in FIXED)})
ALLOWED_HEADERS: Final = (b"access-control-allow-headers", b"accept, content-type, authorization")
NOT_STORED: Final = (b"cache-control", b"no-store")
SAME_ORIGIN_REFERRER: Final = (b"referrer-policy", b"same-origin")
API_POLICY: Final = security.API_POLICY.encode("latin-1")


API: Final = (hub_api.router, oauth.router)
"""What stands below the prefix of the API and tells of its errors itself."""

# A group's name may hold slashes, so what is shared with groups stands before the groups themselves.
RESOURCES: Final = (
    identity.router,
    users.router,
    servers.router,
    tokens.router,
    shares.router,
    groups.router,
    services.router,
)
"""What stands below the prefix of the API and may fail like any resource."""

PAGES: Final = (
    various.router,
    preferences.router,
    sign_in.router,
    home.router,
    token_pages.router,
    server_pages.router,
    starting.router,
    spawning.router,
    share_pages.router,
    admin.router,
    admin_actions.router,
    admin_audit.router,
    admin_groups.router,
    admin_hub.router,
    admin_overview.router,
    admin_roles.router,
    admin_servers.router,
    admin_services.router,
)
"""What stands below the prefix of the hub, for browsers."""


class HubApp(FastAPI):
    """The application, with the shortcuts past it."""

    shortcuts: Shortcuts
    enveloped: _Envelope

    def openapi(self) -> dict[str, Any]:
        """Return what the application tells of itself."""
        if self.openapi_schema is None:
            self.openapi_schema = document(self)
        return self.openapi_schema

    def take_shortcuts(self, state: HubState) -> None:
        """Let `Shortcuts` answer what they can."""
        self.shortcuts = Shortcuts(state)
        self.enveloped = _Envelope(self.shortcuts, state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        short = self.shortcuts.find(scope) if scope["type"] == "http" else None
        if short is None:
            await super().__call__(scope, receive, send)
        else:
            short["app"] = self
            await self.enveloped(short, receive, send)


def add_api(app: FastAPI, prefix: str) -> None:
    """Let *app* answer for the API of a hub under *prefix*."""
    for router in API:
        app.router.routes += included(router, f"{prefix}api")
    for router in RESOURCES:
        app.router.routes += included(router, f"{prefix}api", ERRORS)


def api_document(prefix: str) -> dict[str, Any]:
    """Return the OpenAPI document of a hub under *prefix*, whether one runs or not."""
    app = FastAPI()
    add_api(app, prefix)
    return document(app)


def create_app(state: HubState) -> FastAPI:
    """Return the application that serves *state*."""
    prefix = state.settings.prefix
    app = HubApp(
        openapi_url=f"{prefix}api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.hub = state
    errors.install(app)
    app.add_exception_handler(SignInFirst, to_sign_in)
    app.add_exception_handler(EarlierForm, sign_in.to_go_on)
    add_api(app, prefix)
    for router in PAGES:
        app.router.routes += included(router, prefix.rstrip("/"))
    for place in {"", state.settings.base_url.rstrip("/")}:
        app.router.routes += included(oauth.well_known, place)
    app.mount(f"{prefix}static", StaticFiles(directory=str(files("perijove.hub.web") / "static")), name="static")
    providers.add_handlers(app, state)
    app.router.default = _elsewhere
    app.add_middleware(_Envelope, state=state)
    app.take_shortcuts(state)
    return app


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for every address that no route knows."""
    request = Request(scope, receive, send)
    settings = hub_of(request).settings
    if not scope["path"].startswith(settings.prefix):
        response = await _outside(request)
    elif request.method == "OPTIONS" and errors.is_api(scope["path"], settings.prefix):
        response = Response(status_code=200)
    else:
        response = errors.error_response(request, 404, "There is no page at this address.")
    await response(scope, receive, send)


def _on_other_host(request: Request, hub: HubState) -> Response | None:
    """Return the answer on a host that belongs to a user or service: the hub is not there. None on the hub's own."""
    site = hub.settings.site
    if not site.has_hosts or not site.is_below(urlsplit(security.browser_origin(request)).netloc):
        return None
    path, servers = request.scope["path"], f"{hub.settings.base_url}user/"
    if path.startswith(f"{hub.settings.prefix}static/"):
        return None
    is_page = request.method in {"GET", "HEAD"} and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    if path.startswith(f"{hub.settings.base_url}services/"):
        return errors.error_response(request, 503, "The proxy does not lead to this service. Try again in a moment.")
    if path.startswith(servers) and not is_page:
        return server_pages.stopped_json(hub, raw_path(request).removeprefix(servers))
    if is_page and not errors.is_api(path, hub.settings.prefix):
        return RedirectResponse(f"{site.origin}{raw_path(request)}{raw_query(request)}", status_code=302)
    return errors.error_response(request, 404, f"This host belongs to somebody else; the hub is at {site.origin}.")


async def _outside(request: Request) -> Response:
    """Lead what is outside the hub's prefix to the hub: above all, servers that the proxy has no route for."""
    settings = hub_of(request).settings
    path, query = raw_path(request), raw_query(request)
    if f"{path}/" == settings.prefix or not path.startswith(settings.base_url):
        return RedirectResponse(f"{settings.prefix}{query}", status_code=302)
    inner = path.removeprefix(settings.base_url).lstrip("/")
    kind, _, rest = inner.partition("/")
    if kind in {"user", "services"} and rest and "/" not in rest:
        return RedirectResponse(f"{path}/{query}", status_code=301)
    if kind == "services" and (origin := await hub_of(request).services.host_of(unquote(rest.partition("/")[0]))):
        return RedirectResponse(f"{origin}{path}{query}", status_code=302)
    if kind == "user" and rest and request.method != "GET":
        # A redirect would lose the body; the answer is the same.
        return await server_pages.answer_for_server(request, rest)
    return RedirectResponse(f"{settings.prefix}{inner}{query}", status_code=302)


class _Envelope:
    """Puts the headers on every answer that belong there, bounds bodies, answers HEAD, measures and logs."""

    def __init__(self, app: ASGIApp, state: HubState) -> None:
        self._app = app
        self._state = state
        self._run = secrets.token_hex(12)
        self._numbers = itertools.count()
        self._prefix = state.settings.prefix
        self._static = f"{self._prefix}static/"
        self._page_policy = security.page_policy(state.settings.site).encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        sent = dict(scope["headers"])
        given = sent.get(b"x-request-id", b"")
        request_id = given.decode("ascii") if REQUEST_ID.fullmatch(given) else self._new_id()
        body = _Body(receive, sent.get(b"content-length", b"0"))
        answer = _Answer(send, body, lambda start: self._complete(scope, start, request_id), scope["method"])
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        came = ORIGIN.set(Origin("visitor", address=(scope.get("client") or ("",))[0], request_id=request_id))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answer(inner, body, answer)
            finally:
                ORIGIN.reset(came)
                self._record({**scope, **inner}, scope["method"], answer.status, time.monotonic() - began)

    def _new_id(self) -> str:
        """Return an id for a request that came without one: no secret, and no other request's."""
        return f"{self._run}{next(self._numbers):08x}"

    async def _answer(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        request = Request(scope)
        try:
            if not body.too_long:
                app = _on_other_host(request, self._state) or self._app
                await app(scope, body, answer)
        except ClientDisconnect:
            # Whoever asked has gone before all of it was said; nobody is left to answer.
            answer.status = 400
        except Exception as error:
            if answer.cut_short or body.too_long:
                pass
            elif answer.started:
                # What was sent cannot be taken back; the connection breaks, so that the client sees it is not whole.
                raise
            else:
                await errors.broken(request, error)(scope, body, answer)
        if body.too_long and not answer.started:
            body.too_long = False
            response = errors.error_response(request, 413, f"A request has at most {MAX_BODY} bytes.")
            response.headers["Connection"] = "close"
            await response(scope, body, answer)

    def _complete(self, scope: Scope, start: Message, request_id: str) -> None:
        """Add to the head of an answer what it lacks; where a handler said something else, that stays."""
        given: list[tuple[bytes, bytes]] = start["headers"]
        held = dict(given)
        path: str = scope["path"]
        is_page = held.get(b"content-type", b"").startswith(b"text/html")
        headers = [header for header in given if header[0] not in FIXED_NAMES]
        headers += FIXED
        headers.append((b"x-request-id", request_id.encode()))
        if scope.get("state", {}).get("planted"):
            headers.append((b"clear-site-data", b'"cookies"'))
        if errors.is_api(path, self._prefix):
            headers.append(ALLOWED_HEADERS)
        if b"etag" in held and path.startswith(self._static):
            # The address of a file changes with its content (see templating.static_url).
            has_mark = b"v" in parse_qs(scope["query_string"][:200])
            headers.append((b"cache-control", FOR_EVER if has_mark else UNCHECKED))
        elif b"cache-control" not in held:
            headers.append(NOT_STORED)
        if b"referrer-policy" not in held:
            headers.append(SAME_ORIGIN_REFERRER)
        if b"content-security-policy" not in held:
            headers.append((b"content-security-policy", self._page_policy if is_page else API_POLICY))
        start["headers"] = headers

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else "other"
        handler = getattr(scope.get("endpoint"), "__name__", "static" if "endpoint" in scope else "none")
        self._state.metrics.observe_request(method, handler, status, seconds)
        notable = status >= 400 and status != 424
        # Asked first, because a line that nobody sees costs as much as the rest of a short answer.
        if not notable and not logging.getLogger(ACCESS).isEnabledFor(logging.DEBUG):
            return
        write = log.info if notable else log.debug
        write("request", method=method, path=errors.path_of(Request(scope)), status=status, ms=round(seconds * 1000, 1))


class _Body:
    """What the client sends, with an end: what is longer is cut off as if the client had gone."""

    def __init__(self, receive: Receive, announced: bytes) -> None:
        self._receive = receive
        self._taken = 0
        self.too_long = announced.isdigit() and (len(announced) > 18 or int(announced) > MAX_BODY)

    async def __call__(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > MAX_BODY:
            self.too_long = True
            return {"type": "http.disconnect"}
        return message


class _CutShort(OSError):
    """Whoever asked wants no (more) body."""


class _Answer:
    """What the client is sent: completed with headers; without a body for HEAD; nothing if the request is refused."""

    def __init__(self, send: Send, body: _Body, complete: Any, method: str) -> None:
        self._send = send
        self._body = body
        self._complete = complete
        self._only_head = method == "HEAD"
        self.status = 500
        self.started = False
        self.cut_short = False

    async def __call__(self, message: Message) -> None:
        if self._body.too_long and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            self._complete(message)
            await self._send(message)
        elif not self._only_head:
            await self._send(message)
        elif not self.cut_short:
            self.cut_short = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                raise _CutShort
