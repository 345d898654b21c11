"""The hub itself: version, information, health, metrics, routes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.web.callers import ERRORS, Hub, find_caller, needs
from perijove.hub.web.state import HubState
from perijove.wire.versions import PROTOCOL_VERSION

router = APIRouter(tags=["hub"])
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("", summary="Version of the API")
@router.get("/", include_in_schema=False)
async def version(response: Response) -> dict[str, str]:
    """Tell which version of the JupyterHub API this is. Nobody need sign in for it."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return {"version": PROTOCOL_VERSION}


@router.get("/info", summary="What the hub is made of", responses=ERRORS)
async def info(hub: Hub, principal: Annotated[Principal, needs("read:hub")]) -> dict[str, Any]:
    """Tell versions of Python and of the plug-ins in use."""
    principal.require("read:hub")
    return {
        "version": PROTOCOL_VERSION,
        "python": sys.version,
        "sys_executable": sys.executable,
        "spawner": {"class": hub.spawner_info.name, "version": hub.spawner_info.version},
        "authenticator": {"class": hub.authenticator_info.name, "version": hub.authenticator_info.version},
    }


@router.get("/health", summary="Whether the hub works", responses={503: ERRORS[503]})
async def health(hub: Hub) -> Response:
    """Answer 200 if the hub and its database work, 503 otherwise. Nobody need sign in for it."""
    await hub.ready()
    return Response(status_code=200)


@router.get("/metrics", summary="Metrics", responses=ERRORS)
async def metrics(request: Request, hub: Hub) -> Response:
    """Give metrics in Prometheus' text format; needs `read:metrics` unless the configuration says otherwise."""
    return await metrics_response(request, hub)


async def metrics_response(request: Request, hub: HubState) -> Response:
    """Return the metrics if the caller may see them. Raises PerijoveError UNAUTHENTICATED or FORBIDDEN."""
    if hub.settings.metrics_need_scope:
        principal = await find_caller(request, hub)
        if principal is None:
            raise PerijoveError(Code.UNAUTHENTICATED, "Missing or invalid credentials.")
        principal.require("read:metrics")
    return Response(hub.metrics.render(), media_type=METRICS_TYPE)


@router.get("/proxy", summary="The proxy's routes", responses=ERRORS)
async def routes(hub: Hub, principal: Annotated[Principal, needs("proxy")]) -> dict[str, Any]:
    """Give the proxy's table by routespec."""
    principal.require("proxy")
    observed = await hub.routes.observed()
    return {
        spec: {"routespec": spec, "target": route.target, "data": dict(route.data)}
        for spec, route in sorted(observed.items())
    }


@router.post("/proxy", summary="Put the proxy's routes right", responses=ERRORS)
async def refresh_routes(hub: Hub, principal: Annotated[Principal, needs("proxy")]) -> Response:
    """Compare the proxy's table with what it should be, and mend it."""
    principal.require("proxy")
    await hub.routes.reconcile()
    return Response(status_code=200)
