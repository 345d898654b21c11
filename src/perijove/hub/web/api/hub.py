"""The hub itself: version, information, health, metrics, routes."""

from __future__ import annotations

import sys
from typing import Annotated

from fastapi import Depends, Request, Response, Security
from fastapi.responses import JSONResponse, PlainTextResponse

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal
from perijove.hub.web.api.paging import page_window, pagination, wants_pagination
from perijove.hub.web.callers import ERRORS, Hub, JsonBody, TokenHeader, checked_object, find_caller, needs
from perijove.hub.web.permissions import Access, Router, Who, declare, public
from perijove.hub.web.schemas import gives, gives_pages, takes
from perijove.hub.web.state import HubState
from perijove.wire.models import InfoModel, MessageModel, RouteModel, RoutePageModel, VersionModel
from perijove.wire.versions import PROTOCOL_VERSION

router = Router(tags=["hub"])
WATCHED = public("Whatever watches the hub asks without credentials")
FIRST = public("Every single-user server asks for it before it has anything to show")
ROUTES = gives_pages(dict[str, RouteModel], RoutePageModel, "The routes by routespec")
MOVED = takes(
    "What changed of the proxy, at least one", required=True, api_url={"type": "string"}, auth_token={"type": "string"}
)
ENDING = takes(
    "What ends with the hub; by default what the configuration says",
    servers={"type": "boolean"},
    proxy={"type": "boolean"},
)
METRICS_SCOPE = "read:metrics"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS = {**ERRORS, 200: gives(str, "Metrics in Prometheus' text format", "text/plain")}


@router.get("", dependencies=[FIRST], summary="Version of the API")
@router.get("/", dependencies=[FIRST], include_in_schema=False)
async def get_version(response: Response) -> VersionModel:
    """Tell which version of the JupyterHub API this is. Nobody need sign in for it."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return {"version": PROTOCOL_VERSION}


@router.get("/info", summary="What the hub is made of", responses=ERRORS)
async def get_info(hub: Hub, principal: Annotated[Principal, needs("read:hub")]) -> InfoModel:
    """Tell versions of Python and of the plug-ins in use."""
    principal.require("read:hub")
    return {
        "version": PROTOCOL_VERSION,
        "python": sys.version,
        "sys_executable": sys.executable,
        "spawner": {"class": hub.spawner_info.name, "version": hub.spawner_info.version},
        "authenticator": {"class": hub.authenticator_info.name, "version": hub.authenticator_info.version},
    }


@router.get(
    "/health",
    dependencies=[WATCHED],
    summary="Whether the hub works",
    response_class=Response,
    responses={503: ERRORS[503]},
)
async def check_health(hub: Hub) -> Response:
    """Answer 200 if the hub and its database work, 503 otherwise. Nobody need sign in for it."""
    await hub.ready()
    return Response(status_code=200)


async def metrics_reader(request: Request, hub: Hub, header: TokenHeader) -> None:
    """Return if the caller may see metrics. Raises PerijoveError UNAUTHENTICATED or FORBIDDEN."""
    if hub.settings.metrics_need_scope:
        principal = await find_caller(request, hub)
        if principal is None:
            raise PerijoveError(Code.UNAUTHENTICATED, "Missing or invalid credentials.")
        principal.require(METRICS_SCOPE)


METRICS_READER = Security(declare(metrics_reader, Access(Who.HOLDER, (METRICS_SCOPE,))), scopes=[METRICS_SCOPE])
"""The dependency of whatever gives metrics."""


@router.get(
    "/metrics", dependencies=[METRICS_READER], summary="Metrics", response_class=PlainTextResponse, responses=METRICS
)
async def get_metrics(hub: Hub) -> Response:
    """Give metrics in Prometheus' text format; needs `read:metrics` unless the configuration says otherwise."""
    return metrics_response(hub)


def metrics_response(hub: HubState) -> Response:
    """Return the metrics."""
    return Response(hub.metrics.render(), media_type=METRICS_TYPE)


@router.get("/proxy", summary="The proxy's routes", responses=ERRORS | {200: ROUTES})
async def list_routes(
    request: Request,
    hub: Hub,
    principal: Annotated[Principal, needs("proxy")],
    window: Annotated[Window, Depends(page_window)],
) -> JSONResponse:
    """Give the proxy's table by routespec, or a part of it."""
    principal.require("proxy")
    observed = sorted((await hub.routes.observed()).items())
    page = Page(observed[window.offset : window.offset + window.limit], window, len(observed))
    items = {spec: {"routespec": spec, "target": route.target, "data": dict(route.data)} for spec, route in page.items}
    if wants_pagination(request):
        return JSONResponse({"items": items, "_pagination": pagination(request, page, hub.settings)})
    return JSONResponse(items)


@router.post("/proxy", summary="Put the proxy's routes right", response_class=Response, responses=ERRORS)
async def refresh_routes(hub: Hub, principal: Annotated[Principal, needs("proxy")]) -> Response:
    """Compare the proxy's table with what it should be, and mend it."""
    principal.require("proxy")
    await hub.routes.reconcile()
    return Response(status_code=200)


@router.patch("/proxy", summary="Tell of another proxy", openapi_extra=MOVED, responses=ERRORS, response_class=Response)
async def move_proxy(hub: Hub, principal: Annotated[Principal, needs("proxy")], body: JsonBody) -> Response:
    """Take another address or token of a proxy that is not started by the hub."""
    given = checked_object(body, {"api_url": str, "auth_token": str})
    await hub.routes.move(principal, given.get("api_url", ""), given.get("auth_token", ""))
    return Response(status_code=200)


@router.post("/shutdown", summary="Stop the hub", status_code=202, openapi_extra=ENDING, responses=ERRORS)
async def shutdown(hub: Hub, principal: Annotated[Principal, needs("shutdown")], body: JsonBody) -> MessageModel:
    """Stop the hub, and servers and proxy as the configuration or the request says."""
    given = checked_object(body, {"servers": bool, "proxy": bool})
    hub.shutdown.ask(principal, servers=given.get("servers"), proxy=given.get("proxy"))
    return {"message": "Shutting down Hub"}
