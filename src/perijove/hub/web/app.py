"""The ASGI application: routers under the hub's prefix, headers on every answer, requests measured and logged."""

from __future__ import annotations

import re
import time
import uuid
from importlib.resources import files
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import perijove
from perijove.hub.web import errors, oauth, security
from perijove.hub.web.api import hub as hub_api
from perijove.hub.web.api import identity, servers, tokens, users
from perijove.hub.web.pages import admin, sign_in, various
from perijove.hub.web.pages import servers as server_pages
from perijove.hub.web.pages.common import SignInFirst, to_sign_in
from perijove.hub.web.state import HubState
from perijove.wire.versions import PERIJOVE_HEADER, PROTOCOL_HEADER, PROTOCOL_VERSION

log = structlog.get_logger("perijove.hub.access")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
MAX_BODY = 8 * 1024 * 1024


def create_app(state: HubState) -> FastAPI:
    """Return the application that serves *state*."""
    prefix = state.settings.prefix
    app = FastAPI(
        title="Perijove hub",
        summary="The REST API of the hub, compatible with JupyterHub's.",
        version=PROTOCOL_VERSION,
        openapi_url=f"{prefix}api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.hub = state
    errors.install(app)
    app.add_exception_handler(SignInFirst, to_sign_in)
    for resource in (hub_api, identity, users, servers, tokens, oauth):
        app.include_router(resource.router, prefix=f"{prefix}api")
    for module in (various, sign_in, server_pages, admin):
        app.include_router(module.router, prefix=prefix.rstrip("/"))
    app.mount(f"{prefix}static", StaticFiles(directory=str(files("perijove.hub.web") / "static")), name="static")
    app.add_api_route(f"{prefix}{{path:path}}", _nothing_here, methods=_ALL_METHODS, include_in_schema=False)
    app.add_api_route("/{path:path}", _outside, methods=_ALL_METHODS, include_in_schema=False)
    app.add_middleware(_Envelope, state=state)
    return app


_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def _nothing_here(request: Request, path: str) -> Response:
    hub: HubState = request.app.state.hub
    if request.method == "OPTIONS" and path.startswith("api"):
        return Response(status_code=200)
    if request.url.path == hub.settings.prefix.rstrip("/"):
        return RedirectResponse(hub.settings.prefix, status_code=302)
    return errors.error_response(request, 404, "There is no page at this address.")


async def _outside(request: Request, path: str) -> Response:
    """Lead what is outside the hub's prefix to the hub: above all, servers that the proxy has no route for."""
    hub: HubState = request.app.state.hub
    base, prefix = hub.settings.base_url, hub.settings.prefix
    full = request.scope["raw_path"].decode("ascii", "replace") if request.scope.get("raw_path") else request.url.path
    inner = full.removeprefix(base).lstrip("/") if full.startswith(base) else ""
    query = f"?{request.url.query}" if request.url.query else ""
    if inner.startswith("user/") and request.method not in {"GET", "HEAD"}:
        # A redirect would lose the body; the answer is the same.
        return await server_pages.address_of_server(request, path.removeprefix(base.lstrip("/")).removeprefix("user/"))
    return RedirectResponse(f"{prefix}{inner}{query}", status_code=302)


class _Envelope:
    """Puts the headers on every answer that belong there, bounds bodies, measures and logs."""

    def __init__(self, app: ASGIApp, state: HubState) -> None:
        self._app = app
        self._state = state
        self._api_prefix = f"{state.settings.prefix}api"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(scope, MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, _bounded(receive), send_with_headers)
        finally:
            self._record(scope, status, time.monotonic() - began)
            structlog.contextvars.clear_contextvars()

    def _complete(self, scope: Scope, headers: MutableHeaders, request_id: str) -> None:
        is_api = scope["path"].startswith(self._api_prefix)
        is_page = headers.get("content-type", "").startswith("text/html")
        headers[PROTOCOL_HEADER] = PROTOCOL_VERSION
        headers[PERIJOVE_HEADER] = perijove.__version__
        headers["X-Request-ID"] = request_id
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Content-Security-Policy", security.PAGE_POLICY if is_page else security.API_POLICY)
        if is_api:
            headers["Access-Control-Allow-Headers"] = "accept, content-type, authorization"
            headers.setdefault("Cache-Control", "no-store")

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        handler = getattr(getattr(route, "endpoint", None), "__name__", "static" if route is None else "mount")
        self._state.metrics.observe_request(scope["method"], handler, status, seconds)
        write = log.info if status >= 400 and status != 424 else log.debug
        write("request", method=scope["method"], path=scope["path"][:200], status=status, ms=round(seconds * 1000, 1))


def _bounded(receive: Receive) -> Receive:
    """Return *receive* with an end to how much it gives: what is longer is cut off as if the client had gone."""
    taken = 0

    async def bounded() -> dict[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > MAX_BODY else dict(message)

    return bounded
