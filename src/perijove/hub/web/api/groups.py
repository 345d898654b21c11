"""Groups."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from perijove.hub.core.errors import invalid
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.visibility import READ_GROUP
from perijove.hub.usecases import groups
from perijove.hub.web.api.paging import page_response, page_window
from perijove.hub.web.callers import Hub, JsonBody, checked_object, needs, texts
from perijove.hub.web.models import group_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import gives_pages, takes
from perijove.wire.models import GroupModel, GroupPageModel

router = Router(tags=["groups"])

Reader = Annotated[Principal, needs(*READ_GROUP)]
Lister = Annotated[Principal, needs("list:groups")]
Maker = Annotated[Principal, needs("admin:groups")]
Changer = Annotated[Principal, needs("groups")]
Deleter = Annotated[Principal, needs("delete:groups")]

NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
NEW_GROUPS = takes(
    "Which groups to create, with the same members", required=True, must=("groups",), groups=NAMES, users=NAMES
)
NEW_GROUP = takes("What the group shall be", users=NAMES)
MEMBERS = takes("Which users", required=True, must=("users",), users=NAMES)
PROPERTIES = takes("The new properties, any JSON object", required=True, closed=False)
GROUPS = gives_pages(list[GroupModel], GroupPageModel, "The groups that the caller may see")
EXISTS: dict[int | str, dict[str, Any]] = {409: {"description": "A group of that name exists; nothing was created"}}


@router.get("/groups", summary="List groups", responses={200: GROUPS})
async def list_groups(
    request: Request, hub: Hub, principal: Lister, window: Annotated[Window, Depends(page_window)]
) -> Response:
    """List groups, as far as the caller may see them."""
    page = await groups.list_groups(hub.ctx, principal, window)
    return page_response(request, page, [group_model(view) for view in page.items], hub.settings)


@router.post("/groups", summary="Create groups", status_code=201, openapi_extra=NEW_GROUPS, responses=EXISTS)
async def create_groups(hub: Hub, principal: Maker, body: JsonBody) -> list[GroupModel]:
    """Create several groups at once, all or none."""
    given = checked_object(body, {"groups": list, "users": list})
    created = await groups.create_groups(hub.ctx, principal, texts(given, "groups"), texts(given, "users"))
    return [group_model(view) for view in created]


# A group's name may hold slashes, so what is below a group stands before the group itself.


@router.post("/groups/{group_name:path}/users", summary="Add users to a group", openapi_extra=MEMBERS)
async def add_members(hub: Hub, principal: Changer, group_name: str, body: JsonBody) -> GroupModel:
    """Add users to a group."""
    return group_model(await groups.change_members(hub.ctx, principal, group_name, members(body), member=True))


@router.delete("/groups/{group_name:path}/users", summary="Remove users from a group", openapi_extra=MEMBERS)
async def remove_members(hub: Hub, principal: Changer, group_name: str, body: JsonBody) -> GroupModel:
    """Remove users from a group."""
    return group_model(await groups.change_members(hub.ctx, principal, group_name, members(body), member=False))


@router.put("/groups/{group_name:path}/properties", summary="Set a group's properties", openapi_extra=PROPERTIES)
async def set_properties(hub: Hub, principal: Changer, group_name: str, body: JsonBody) -> GroupModel:
    """Replace the properties of a group."""
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    return group_model(await groups.set_properties(hub.ctx, principal, group_name, body))


@router.get("/groups/{group_name:path}", summary="Get a group")
async def get_group(hub: Hub, principal: Reader, group_name: str) -> GroupModel:
    """Give one group with the fields that the caller may see."""
    return group_model(await groups.get_group(hub.ctx, principal, group_name))


@router.post(
    "/groups/{group_name:path}", summary="Create a group", status_code=201, openapi_extra=NEW_GROUP, responses=EXISTS
)
async def create_group(hub: Hub, principal: Maker, group_name: str, body: JsonBody) -> GroupModel:
    """Create one group."""
    given = checked_object(body, {"users": list})
    return group_model((await groups.create_groups(hub.ctx, principal, [group_name], texts(given, "users")))[0])


@router.delete("/groups/{group_name:path}", summary="Delete a group", status_code=204)
async def delete_group(hub: Hub, principal: Deleter, group_name: str) -> Response:
    """Delete a group; its members lose what it gave them."""
    await groups.delete_group(hub.ctx, principal, group_name)
    return Response(status_code=204)


def members(body: Any) -> list[str]:
    """Return the users whom a request names. Raises PerijoveError INVALID."""
    given = checked_object(body, {"users": list})
    if "users" not in given:
        raise invalid("Must specify users")
    return texts(given, "users")
