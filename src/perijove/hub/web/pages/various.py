"""Error pages for the proxy, the logo, metrics and health beside the API, and the page that documents the API."""

from __future__ import annotations

import contextlib
from importlib.resources import files
from typing import Any

from fastapi import Request, Response

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.texts import mark
from perijove.hub.web import security
from perijove.hub.web.api.hub import METRICS_READER, WATCHED, check_health, metrics_response
from perijove.hub.web.callers import Hub, find_visitor
from perijove.hub.web.errors import TITLES
from perijove.hub.web.permissions import Router, public
from perijove.hub.web.rendering import render

router = Router(include_in_schema=False)
router.add_api_route("/health", check_health, dependencies=[WATCHED])

KEPT = {"Cache-Control": "max-age=3600"}
PROXY_MESSAGES = {
    404: mark("There is no page at this address."),
    502: mark("The server did not answer as it should."),
    503: mark("Your server does not answer. It may have just stopped; the home page says how it is."),
    504: mark("The server took too long to answer."),
}


@router.get("/metrics", dependencies=[METRICS_READER])
async def metrics(hub: Hub) -> Response:
    """Give metrics in Prometheus' text format."""
    return metrics_response(hub)


@router.get("/error/{status}", dependencies=[public("The proxy asks for it on behalf of anybody")])
async def error_page(request: Request, hub: Hub, status: int) -> Response:
    """Give the page that the proxy shows for an error of its own; answered with 200, the proxy sets the status."""
    status = status if status in TITLES else 500
    # Who is there only decorates the page; it is shown where the database is away, too.
    with contextlib.suppress(PerijoveError):
        await find_visitor(request, hub)
    return render(
        request,
        "error.html",
        status=status,
        title_text=TITLES[status],
        message=PROXY_MESSAGES.get(status, mark("The proxy could not carry out this request.")),
        error_id="",
        action={"url": f"{hub.settings.prefix}home", "text": mark("Go to the home page")},
    )


@router.get("/logo", dependencies=[public("Pages of servers show it, too")])
async def logo(hub: Hub) -> Response:
    """Give the logo, which single-user servers show too."""
    if hub.logo is not None:
        return Response(hub.logo.content, media_type=hub.logo.media_type, headers=KEPT)
    content = (files("perijove.hub.web") / "static" / "logo.svg").read_bytes()
    return Response(content, media_type="image/svg+xml", headers=KEPT)


@router.get("/api/docs", dependencies=[public("It tells what the API is, and nothing of this hub")])
async def api_page(request: Request, hub: Hub) -> Response:
    """Show the documentation of the REST API."""
    security.check_page_request(request)
    await find_visitor(request, hub)
    return render(request, "api.html", api=documented(request.app.openapi()))


def documented(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of an OpenAPI document: operations by group."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_operation(method, path, operation))
    return {
        "title": schema["info"]["title"],
        "version": schema["info"]["version"],
        "description": schema["info"].get("description", ""),
        "groups": [{"name": name, "operations": operations} for name, operations in groups.items()],
    }


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "scopes": [scope for scheme in operation.get("security", []) for scopes in scheme.values() for scope in scopes],
        "parameters": [
            {
                "name": parameter["name"],
                "where": parameter["in"],
                "required": parameter.get("required", False),
                "description": parameter.get("description", ""),
            }
            for parameter in operation.get("parameters", [])
        ],
        "request": "JSON" if "requestBody" in operation else "",
        "responses": [
            {"status": status, "description": response.get("description", "")}
            for status, response in operation.get("responses", {}).items()
        ],
    }
