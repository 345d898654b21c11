"""Groups, their members and their properties."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import Query, Request, Response

from perijove.hub.core.errors import Code, PerijoveError, conflict, invalid
from perijove.hub.core.names import normalize_group_name
from perijove.hub.ports.store import UserQuery
from perijove.hub.usecases import groups, users
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web.callers import Hub, parse_json
from perijove.hub.web.pages.admin_frame import (
    Field,
    Filter,
    LongText,
    Names,
    back,
    done_with,
    lines,
    listed,
    seen_with,
    show,
    told,
)
from perijove.hub.web.pages.lists import Offset, address, paging, window_of
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

PAGE: Final = "admin/groups"
ONE: Final = "admin/group"

Reader = Annotated[Visitor, seen_with("list:groups", "read:groups")]
Maker = Annotated[Visitor, done_with("admin:groups")]
Editor = Annotated[Visitor, done_with("groups")]
Remover = Annotated[Visitor, done_with("delete:groups")]
GroupName = Annotated[str, Query(alias="name", max_length=255)]


@router.get("/admin/groups")
async def groups_list(
    request: Request, hub: Hub, visitor: Reader, name_filter: Filter = "", offset: Offset = 0, limit: int | None = None
) -> Response:
    """Show groups."""
    return await _groups_page(request, hub, visitor, name_filter, offset, limit)


async def _groups_page(
    request: Request,
    hub: HubState,
    visitor: Visitor,
    name_filter: str = "",
    offset: int = 0,
    limit: int | None = None,
    **context: Any,
) -> Response:
    page = await groups.find_groups(hub.ctx, visitor.principal, name_filter, window_of(offset, limit))
    return show(
        request,
        visitor,
        "admin/groups.html",
        "groups",
        groups=page.items,
        page=paging(hub, page, PAGE, {"name_filter": name_filter}),
        search=name_filter,
        **context,
    )


@router.post("/admin/groups")
async def add_groups(request: Request, hub: Hub, visitor: Maker, names: LongText = "") -> Response:
    """Create groups without members."""

    async def work() -> Response:
        created = await groups.create_groups(hub.ctx, visitor.principal, lines(names))
        return back(request, hub, "", "groups-added", len(created), default=PAGE)

    async def page(error: str) -> Response:
        return await _groups_page(request, hub, visitor, error=error, typed={"names": names})

    return await told(work(), page)


@router.get("/admin/group")
async def group_page(
    request: Request,
    hub: Hub,
    visitor: Reader,
    name: GroupName = "",
    name_filter: Filter = "",
    offset: Offset = 0,
    limit: int | None = None,
) -> Response:
    """Show one group with its members."""
    return await _group_page(request, hub, visitor, name, name_filter, offset, limit)


async def _group_page(
    request: Request,
    hub: HubState,
    visitor: Visitor,
    name: str,
    name_filter: str = "",
    offset: int = 0,
    limit: int | None = None,
    **context: Any,
) -> Response:
    principal = visitor.principal
    summary = await groups.get_summary(hub.ctx, principal, name)
    group = summary.group
    members = None
    if "users" in summary.fields and principal.may_some("list:users"):
        query = UserQuery(window_of(offset, limit), member_of=group.name, name_filter=name_filter, sort="name")
        members = await users.list_users(hub.ctx, principal, query)
    return show(
        request,
        visitor,
        "admin/group.html",
        "groups",
        summary=summary,
        group=group,
        members=None if members is None else [view.user.name for view in members.items],
        page=members and paging(hub, members, ONE, {"name": group.name, "name_filter": name_filter}),
        search=name_filter,
        properties=json.dumps(dict(group.properties), indent=2, ensure_ascii=False, sort_keys=True),
        may_edit=principal.may("groups", group=group.name),
        may_delete=principal.may("delete:groups", group=group.name),
        managed=hub.authenticator.manage_groups,
        **context,
    )


def _to_group(request: Request, hub: HubState, name: str, done: str, count: int = 1) -> Response:
    return back(request, hub, address(hub, ONE, {"name": name}), done, count)


@router.post("/admin/group/members")
async def change_members(
    request: Request,
    hub: Hub,
    visitor: Editor,
    group: Field = "",
    names: LongText = "",
    chosen: Names = (),  # type: ignore[assignment] # a form without any
) -> Response:
    """Add the users whose names were typed, and remove those who were chosen; what is so already is no error."""
    name = normalize_group_name(group)

    async def work() -> Response:
        added = listed(names)
        if not added and not chosen:
            raise invalid("Nothing was chosen")
        if added:
            await groups.change_members(hub.ctx, visitor.principal, name, added, member=True)
            return _to_group(request, hub, name, "members-added", len(added))
        await groups.change_members(hub.ctx, visitor.principal, name, chosen, member=False)
        return _to_group(request, hub, name, "members-removed", len(chosen))

    async def page(error: str) -> Response:
        return await _group_page(request, hub, visitor, name, error=error, typed={"names": names})

    return await told(work(), page)


@router.post("/admin/group/properties")
async def change_properties(
    request: Request, hub: Hub, visitor: Editor, group: Field = "", properties: LongText = "", before: LongText = ""
) -> Response:
    """Replace the properties of a group by the JSON object that was typed."""
    name = normalize_group_name(group)

    async def work() -> Response:
        value = parse_json(properties.encode("utf-8", "replace"))
        if not isinstance(value, dict):
            raise invalid("Properties are a JSON object: names and values in braces")
        current = (await groups.get_summary(hub.ctx, visitor.principal, name)).group.properties
        if before and value != current and parse_json(before.encode("utf-8", "replace")) != current:
            raise conflict("Somebody else has changed the properties meanwhile. Open the page again.")
        await groups.set_properties(hub.ctx, visitor.principal, name, value)
        return _to_group(request, hub, name, "properties-changed")

    async def page(error: str) -> Response:
        typed = {"properties": properties}
        return await _group_page(request, hub, visitor, name, error=error, typed=typed)

    return await told(work(), page)


@router.post("/admin/group/delete")
async def delete_group(request: Request, hub: Hub, visitor: Remover, group: Field = "") -> Response:
    """Delete a group; one that is gone already is no error."""
    try:
        await groups.delete_group(hub.ctx, visitor.principal, normalize_group_name(group))
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    return back(request, hub, "", "group-deleted", default=PAGE)
