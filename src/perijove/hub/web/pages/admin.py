"""The administrator's page: who waits, who is here, whose servers run."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from perijove.hub.core.errors import not_found
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.paging import MAX_OFFSET, Page, Window, clamp
from perijove.hub.ports.store import UserQuery
from perijove.hub.usecases import users
from perijove.hub.usecases.users import UserView
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.common import FormVisitor, PageVisitor, go, server_view
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)


@router.get("/admin")
async def admin_page(
    request: Request,
    hub: Hub,
    visitor: PageVisitor,
    name_filter: str = "",
    offset: Annotated[int, Query(le=MAX_OFFSET)] = 0,
    limit: int | None = None,
) -> Response:
    """Show users with their servers, and those who wait for approval."""
    visitor.principal.require("admin-ui")
    window = clamp(offset, limit, default=hub.settings.page_default, maximum=hub.settings.page_maximum)
    query = UserQuery(window=window, name_filter=name_filter[:255], sort="name")
    page = await users.list_users(hub.ctx, visitor.principal, query)
    waiting = await hub.accounts.waiting(visitor.principal) if hub.accounts is not None else []
    return render(
        request,
        "admin.html",
        waiting=[{"name": account.name, "created": account.created} for account in waiting],
        users=[_row(hub, view) for view in page.items],
        page=_paging(hub, page, name_filter),
        search=name_filter,
    )


def _row(hub: HubState, view: UserView) -> dict[str, object]:
    return {
        "name": view.user.name,
        "admin": view.user.admin,
        "last_activity": view.user.last_activity,
        "servers": [server_view(hub, server) for server in view.servers],
    }


def _paging(hub: HubState, page: Page[UserView], name_filter: str) -> dict[str, object]:
    def url(window: Window | None) -> str:
        if window is None:
            return ""
        query = {"offset": window.offset, "limit": window.limit} | ({"name_filter": name_filter} if name_filter else {})
        return f"{hub.settings.prefix}admin?{urlencode(query)}"

    offset, limit = page.window.offset, page.window.limit
    previous = Window(max(0, offset - limit), limit) if offset else None
    return {
        "offset": offset,
        "limit": limit,
        "total": page.total,
        "next_url": url(page.next),
        "previous_url": url(previous),
    }


@router.post("/admin/users")
async def add_user(hub: Hub, visitor: FormVisitor, name: Annotated[str, Form(max_length=255)] = "") -> Response:
    """Create one user."""
    await users.create_users(hub.ctx, hub.authenticator, visitor.principal, [name.strip()], admin=False)
    return go(f"{hub.settings.prefix}admin")


@router.post("/admin/accounts/{name}/approve")
async def approve(hub: Hub, visitor: FormVisitor, name: str) -> Response:
    """Let somebody in who signed up."""
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    await hub.accounts.approve(visitor.principal, normalize_user_name(name))
    return go(f"{hub.settings.prefix}admin")


@router.post("/admin/accounts/{name}/refuse")
async def refuse(hub: Hub, visitor: FormVisitor, name: str) -> Response:
    """Send somebody away who signed up."""
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    await hub.accounts.refuse(visitor.principal, normalize_user_name(name))
    return go(f"{hub.settings.prefix}admin")
