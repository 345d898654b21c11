"""Roles: what they allow and who holds them; administrators make, change, give and delete those of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Form, Request, Response

from perijove.hub.core.errors import Code, PerijoveError, conflict, invalid
from perijove.hub.core.paging import Window
from perijove.hub.core.roles import HolderKind, Role
from perijove.hub.core.scopes import Catalogue
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.roles import MAKERS, READERS
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import (
    Field,
    LongText,
    Names,
    back,
    done_with,
    lines,
    listed,
    seen_with,
    segment,
    show,
    told,
)
from perijove.hub.web.pages.common import parameters_as
from perijove.hub.web.pages.lists import Offset, address, paging, window_of
from perijove.hub.web.pages.scope_words import ROLE_WORDS, parted
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

PAGE: Final = "admin/roles"

Reader = Annotated[Visitor, seen_with(*READERS.values())]
Maker = Annotated[Visitor, done_with(MAKERS)]
Text = Annotated[str, Form(max_length=64 * 1024)]
Texts = Annotated[tuple[str, ...], Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class RoleForm:
    """The form in which somebody says what a role shall be.

    Attributes:
        name: of a new role.
        description: what it is for.
        scopes: those that were ticked.
        more_scopes: others, with blanks between them.
        before: what `state_of` said of the role when the form was made; empty for a new one.
    """

    name: Field = ""
    description: Text = ""
    scopes: Texts = ()
    more_scopes: Text = ""
    before: Text = ""

    @property
    def wanted(self) -> tuple[str, ...]:
        """All scopes that it shall have."""
        return (*self.scopes, *self.more_scopes.split())


def state_of(role: Role) -> str:
    """Return what a form remembers of *role*, to tell whether somebody else has changed it meanwhile."""
    return json.dumps([role.description, sorted(role.scopes)])


@router.get("/admin/roles")
async def roles_page(request: Request, hub: Hub, visitor: Reader) -> Response:
    """Show all roles with how many hold them."""
    return await _roles_page(request, hub, visitor)


async def _roles_page(
    request: Request, hub: HubState, visitor: Visitor, *, error: str = "", typed: dict[str, Any] | None = None
) -> Response:
    summaries = await hub.administration.roles.list(visitor.principal)
    return show(
        request,
        visitor,
        "admin/roles.html",
        "roles",
        roles=[{"role": each.role, "source": each.role.source.value, "holders": each.holders} for each in summaries],
        may_make=await hub.administration.roles.may_change(visitor.principal),
        choices=ROLE_WORDS,
        error=error,
        typed={"name": "", "description": "", "scopes": (), "more_scopes": ""} | (typed or {}),
    )


@router.post("/admin/roles")
async def add_role(
    request: Request, hub: Hub, visitor: Maker, form: Annotated[RoleForm, parameters_as(RoleForm)]
) -> Response:
    """Make a role; one that is exactly so already is what was wanted."""
    name, roles = form.name.strip(), hub.administration.roles

    async def work() -> Response:
        try:
            await roles.create(visitor.principal, name, form.description.strip(), form.wanted)
        except PerijoveError as error:
            if error.code is not Code.CONFLICT:
                raise
            there = (await roles.get(visitor.principal, name, Window(0, 1))).role
            if state_of(there) != state_of(Role(name, form.wanted, form.description.strip())) or not there.custom:
                raise
        return back(request, hub, "", "role-added", default=f"{PAGE}/{segment(name)}")

    async def page(error: str) -> Response:
        return await _roles_page(request, hub, visitor, error=error, typed=asdict(form))

    return await told(work(), page)


@router.get("/admin/roles/{role_name}")
async def role_page(
    request: Request, hub: Hub, visitor: Reader, role_name: str, offset: Offset = 0, limit: int | None = None
) -> Response:
    """Show what a role allows, and who holds it."""
    return await _role_page(request, hub, visitor, role_name, window_of(offset, limit))


async def _role_page(
    request: Request, hub: HubState, visitor: Visitor, name: str, window: Window, **context: Any
) -> Response:
    view = await hub.administration.roles.get(visitor.principal, name, window)
    longest = max(view.holders.values(), key=lambda page: page.total)
    ticked, others = parted(view.role.scopes)
    described = {"description": view.role.description, "scopes": ticked, "more_scopes": " ".join(others)}
    typed = described | {"names": "", "kind": ""} | context.pop("typed", {})
    return show(
        request,
        visitor,
        "admin/role.html",
        "roles",
        role=view.role,
        source=view.role.source.value,
        before=state_of(view.role),
        allows=in_words(view.role.scopes, hub.ctx.catalogue),
        holders=view.holders,
        fixed=view.fixed,
        holders_fixed=view.holders_fixed,
        may_change=await hub.administration.roles.may_change(visitor.principal),
        choices=ROLE_WORDS,
        page=paging(hub, longest, f"{PAGE}/{segment(name)}", {}),
        roles_url=address(hub, PAGE),
        role_url=address(hub, f"{PAGE}/{segment(name)}"),
        typed=typed,
        **context,
    )


@router.post("/admin/roles/{role_name}")
async def change_role(
    request: Request, hub: Hub, visitor: Maker, role_name: str, form: Annotated[RoleForm, parameters_as(RoleForm)]
) -> Response:
    """Give a role another description and other scopes."""
    roles = hub.administration.roles

    async def work() -> Response:
        now = (await roles.get(visitor.principal, role_name, Window(0, 1))).role
        wanted = state_of(Role(role_name, form.wanted, form.description.strip()))
        if form.before and state_of(now) not in {form.before, wanted}:
            raise conflict("Somebody else has changed the role meanwhile. Open the page again.")
        await roles.change(visitor.principal, role_name, form.description.strip(), form.wanted)
        return back(request, hub, "", "role-changed", default=f"{PAGE}/{segment(role_name)}")

    async def page(error: str) -> Response:
        return await _role_page(request, hub, visitor, role_name, window_of(0, None), error=error, typed=asdict(form))

    return await told(work(), page)


@router.post("/admin/roles/{role_name}/holders")
async def change_holders(
    request: Request,
    hub: Hub,
    visitor: Maker,
    role_name: str,
    kind: Field = "",
    names: LongText = "",
    chosen: Names = (),  # type: ignore[assignment] # a form without any
) -> Response:
    """Give a role to those whose names were typed, or take it from those who were chosen; what is so is no error."""

    async def work() -> Response:
        if kind not in READERS:
            raise invalid("A role is held by users, groups or services.")
        # Names of groups may hold commas.
        added = lines(names) if kind == "group" else listed(names)
        if not added and not chosen:
            raise invalid("Nothing was chosen")
        await hub.administration.roles.change_holders(
            visitor.principal, role_name, cast("HolderKind", kind), added or chosen, held=bool(added)
        )
        done = "role-given" if added else "role-taken"
        return back(request, hub, "", done, len(added or chosen), default=f"{PAGE}/{segment(role_name)}")

    async def page(error: str) -> Response:
        typed = {"names": names, "kind": kind}
        return await _role_page(request, hub, visitor, role_name, window_of(0, None), error=error, typed=typed)

    return await told(work(), page)


@router.post("/admin/roles/{role_name}/delete")
async def delete_role(request: Request, hub: Hub, visitor: Maker, role_name: str) -> Response:
    """Delete a role; one that is gone already is no error."""
    try:
        await hub.administration.roles.delete(visitor.principal, role_name)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    return back(request, hub, "", "role-deleted", default=PAGE)


def in_words(scopes: Iterable[str], catalogue: Catalogue) -> list[dict[str, str]]:
    """Return each of *scopes* with what it allows, and to whom or what it is limited."""
    found = []
    for text in scopes:
        base, _, limit = text.partition("!")
        known = base in catalogue
        found.append({"scope": text, "limit": limit, "words": catalogue.definitions[base].description if known else ""})
    return found
