"""Services."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Response

from perijove.hub.core.principals import Principal
from perijove.hub.core.visibility import READ_SERVICE
from perijove.hub.web.callers import Hub, JsonBody, checked_object, needs
from perijove.hub.web.models import service_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import takes
from perijove.wire.models import ServiceModel

router = Router(tags=["services"])

Reader = Annotated[Principal, needs(*READ_SERVICE)]
Lister = Annotated[Principal, needs("list:services")]
Maker = Annotated[Principal, needs("admin:services")]

TEXT: dict[str, Any] = {"type": "string"}
FLAG: dict[str, Any] = {"type": "boolean"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
NEW_SERVICE = takes(
    "What the service shall be",
    name={**TEXT, "description": "The name in the address, if given at all"},
    admin={**FLAG, "description": "Whether it becomes an administrator"},
    url={**TEXT, "description": "Where it listens: the proxy sends on what is for `/services/<name>/`"},
    api_token={**TEXT, "description": "Its token; without one it has none"},
    info={"type": "object", "description": "Whatever its operator says about it"},
    display={**FLAG, "description": "Whether pages list it; if not given, they do"},
    oauth_client_id={**TEXT, "description": "Begins with `service-`"},
    oauth_redirect_uri=TEXT,
    oauth_client_allowed_scopes=TEXTS,
    oauth_no_confirm={**FLAG, "description": "Whether its visitors are spared the consent page"},
    command={**TEXTS, "description": "Must be empty: only the configuration has services that the hub runs"},
    cwd={**TEXT, "description": "Must be empty"},
    environment={"type": "object", "description": "Must be empty"},
    user={**TEXT, "description": "Must be empty"},
)
TYPES: dict[str, type] = {
    "name": str,
    "admin": bool,
    "url": str,
    "api_token": str,
    "info": dict,
    "display": bool,
    "oauth_client_id": str,
    "oauth_redirect_uri": str,
    "oauth_client_allowed_scopes": list,
    "oauth_no_confirm": bool,
    "command": list,
    "cwd": str,
    "environment": dict,
    "user": str,
}
EXISTS: dict[int | str, dict[str, Any]] = {409: {"description": "There is a service of that name, or with that token"}}
CONFIGURED: dict[int | str, dict[str, Any]] = {405: {"description": "The configuration has it; remove it there"}}


@router.get("/services", summary="List services")
async def list_services(hub: Hub, principal: Lister) -> dict[str, ServiceModel]:
    """List services by name, as far as the caller may see them."""
    return {view.service.name: service_model(view, hub.settings) for view in await hub.services.list(principal)}


@router.get("/services/{service_name}", summary="Get a service")
async def get_service(hub: Hub, principal: Reader, service_name: str) -> ServiceModel:
    """Give one service with the fields that the caller may see."""
    return service_model(await hub.services.get(principal, service_name), hub.settings)


@router.post(
    "/services/{service_name}",
    summary="Create a service",
    status_code=201,
    openapi_extra=NEW_SERVICE,
    responses=EXISTS,
)
async def create_service(hub: Hub, principal: Maker, service_name: str, body: JsonBody) -> ServiceModel:
    """Create a service that somebody else runs. It is there until it is deleted; whether it answers, the log tells."""
    created = await hub.services.create(principal, service_name, checked_object(body, TYPES))
    return service_model(created, hub.settings)


@router.delete("/services/{service_name}", summary="Delete a service", response_class=Response, responses=CONFIGURED)
async def delete_service(hub: Hub, principal: Maker, service_name: str) -> Response:
    """Delete a service that was created over the API, with its tokens and its route."""
    await hub.services.delete(principal, service_name)
    return Response(status_code=200)
