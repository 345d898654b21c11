"""Services and how they are; roles, what they allow and who holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Request, Response

from perijove.hub.core.scopes import Catalogue
from perijove.hub.usecases import roles
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.services import ServiceView
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import Offset, address, paging, seen_with, segment, show, window_of
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

ServiceReader = Annotated[Visitor, seen_with("list:services")]
RoleReader = Annotated[Visitor, seen_with(*roles.READERS.values())]


@router.get("/admin/services")
async def services_page(request: Request, hub: Hub, visitor: ServiceReader) -> Response:
    """Show services."""
    views = await hub.services.list(visitor.principal)
    return show(
        request, visitor, "admin/services.html", "services", services=[_service(hub, visitor, view) for view in views]
    )


def _service(hub: HubState, visitor: Visitor, view: ServiceView) -> dict[str, Any]:
    service = view.service
    if "pid" not in view.fields:
        state = "unknown"
    elif service.command:
        state = "running" if view.pid else "stopped"
    elif service.url:
        answers = hub.administration.health.answers(service.name)
        state = "unknown" if answers is None else "answering" if answers else "silent"
    else:
        state = "elsewhere"
    has_pages = bool(service.url) and visitor.principal.may("access:services", service=service.name)
    return {
        "name": service.name,
        "admin": service.admin,
        "state": state,
        "pid": view.pid,
        "open_url": hub.settings.site.service_url(service.name) if has_pages else "",
        "url": service.url if "url" in view.fields else "",
        "command": " ".join(service.command) if "command" in view.fields else "",
        "roles": view.roles if "roles" in view.fields else (),
        "from_config": service.from_config,
    }


@router.get("/admin/roles")
async def roles_page(request: Request, hub: Hub, visitor: RoleReader) -> Response:
    """Show all roles with how many hold them."""
    summaries = await roles.list_roles(hub.ctx, visitor.principal)
    return show(
        request,
        visitor,
        "admin/roles.html",
        "roles",
        roles=[
            {"role": each.role, "holders": each.holders, "allows": in_words(each.role.scopes, hub.ctx.catalogue)}
            for each in summaries
        ],
    )


@router.get("/admin/roles/{role_name}")
async def role_page(
    request: Request, hub: Hub, visitor: RoleReader, role_name: str, offset: Offset = 0, limit: int | None = None
) -> Response:
    """Show what a role allows, and who holds it."""
    view = await roles.get_role(hub.ctx, visitor.principal, role_name, window_of(offset, limit))
    longest = max(view.holders.values(), key=lambda page: page.total)
    return show(
        request,
        visitor,
        "admin/role.html",
        "roles",
        role=view.role,
        allows=in_words(view.role.scopes, hub.ctx.catalogue),
        holders={kind: page for kind, page in view.holders.items() if page.total},
        page=paging(hub, longest, f"admin/roles/{segment(role_name)}", {}),
        roles_url=address(hub, "admin/roles"),
    )


def in_words(scopes: Iterable[str], catalogue: Catalogue) -> list[dict[str, str]]:
    """Return each of *scopes* with what it allows, and to whom or what it is limited."""
    found = []
    for text in scopes:
        base, _, limit = text.partition("!")
        known = base in catalogue
        found.append({"scope": text, "limit": limit, "words": catalogue.definitions[base].description if known else ""})
    return found
