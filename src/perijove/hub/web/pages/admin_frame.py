"""What all pages for administrators have: who may see which, the frame, pages of lists, what was just done."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Form, Query, Request, Response
from msgspec import Struct

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.texts import mark
from perijove.hub.usecases.audit import NEEDS as AUDIT_SCOPES
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.roles import READERS as ROLE_READERS
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import FormToken, form_visitor, go, next_target, page_visitor
from perijove.hub.web.permissions import Access, Who, declare
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

UI: Final = "admin-ui"
"""The scope that every page here needs beside those of its own."""

MAX_FILTER: Final = 255
Filter = Annotated[str, Query(max_length=MAX_FILTER)]
Field = Annotated[str, Form(max_length=MAX_FILTER)]
LongText = Annotated[str, Form(max_length=4 * 1024 * 1024)]
Names = Annotated[list[str], Form(max_length=10_000)]
Next = Annotated[str, Form(alias="next", max_length=4096)]
"""The page on which a form was, to go back to."""


class Section(Struct, frozen=True):
    """A place in the navigation of the administration.

    Attributes:
        key: what its pages call it.
        path: below the hub's prefix.
        title: its name.
        scopes: one of these is needed to see it; all of them if *all_of*.
        all_of: see *scopes*.
    """

    key: str
    path: str
    title: str
    scopes: tuple[str, ...]
    all_of: bool = False

    def shown_to(self, principal: Principal) -> bool:
        """Say whether *principal* may see it."""
        if self.all_of:
            return all(principal.may(scope) for scope in self.scopes)
        return principal.may_some(*self.scopes)


SECTIONS: Final = (
    Section("overview", "admin/overview", mark("Overview"), ("read:hub",)),
    Section("users", "admin", mark("Users"), ("list:users",)),
    Section("servers", "admin/servers", mark("Servers"), ("read:servers",)),
    Section("groups", "admin/groups", mark("Groups"), ("list:groups",)),
    Section("services", "admin/services", mark("Services"), ("list:services",)),
    Section("roles", "admin/roles", mark("Roles"), tuple(ROLE_READERS.values())),
    Section("audit", "admin/audit", mark("Audit log"), AUDIT_SCOPES, all_of=True),
    Section("routes", "admin/routes", mark("Routes"), ("proxy",)),
    Section("hub", "admin/hub", mark("Hub"), ("read:hub",)),
)


def seen_with(*scopes: str) -> Any:
    """Return the dependency, a `Visitor`, of a page for whoever holds `admin-ui` and any of *scopes*."""

    async def visitor(request: Request) -> Visitor:
        return _checked(await page_visitor(request), scopes)

    return Depends(declare(visitor, Access(Who.HOLDER, (UI, *scopes))))


def done_with(*scopes: str) -> Any:
    """Return the dependency, a `Visitor`, of a form that was sent by whoever holds `admin-ui` and any of *scopes*."""

    async def visitor(request: Request, xsrf: FormToken = "") -> Visitor:
        return _checked(await form_visitor(request, xsrf), scopes)

    return Depends(declare(visitor, Access(Who.HOLDER, (UI, *scopes))))


def _checked(visitor: Visitor, scopes: Sequence[str]) -> Visitor:
    """Return *visitor*, who holds what is needed. Raises PerijoveError FORBIDDEN."""
    visitor.principal.require(UI)
    if scopes:
        visitor.principal.require_some(*scopes)
    return visitor


def show(request: Request, visitor: Visitor, template: str, section: str, **context: Any) -> Response:
    """Return a page of *section*, with the navigation and with what was just done, if the address says so."""
    params = request.query_params
    shown_after = params.get("done", "") if request.method == "GET" else ""
    counted = params.get("count", "")
    return render(
        request,
        template,
        visitor=visitor,
        sections=[each for each in SECTIONS if each.shown_to(visitor.principal)],
        section=section,
        done=shown_after,
        done_count=int(counted) if counted.isascii() and counted.isdigit() and len(counted) < 9 else 1,
        may=visitor.principal.may_some,
        new_key=secrets.token_urlsafe(18),
        **({"error": "", "typed": {}} | context),
    )


def back(request: Request, hub: HubState, target: str, done: str, count: int = 1, default: str = "admin") -> Response:
    """Lead to *target*, the page where a button was, or to *default*, which then says what was done."""
    page = next_target(request, hub, target, f"{hub.settings.prefix}{default}")
    if not page.startswith(f"{hub.settings.prefix}admin"):
        page = f"{hub.settings.prefix}{default}"
    place, _, query = page.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in {"done", "count"}]
    return go(f"{place}?{'&'.join([*kept, urlencode({'done': done, 'count': count})])}")


async def told(work: Awaitable[Response], page: Callable[[str], Awaitable[Response]]) -> Response:
    """Return what *work* gives; where it is refused, the page with the form, what was wrong and what was typed.

    Args:
        work: carries the form out.
        page: shows the page with that form, given what was wrong.

    Raises:
        PerijoveError: what is nobody's mistake, or whoever asked may not see either.
    """
    try:
        return await work
    except PerijoveError as error:
        status = STATUS[error.code]
        if status >= 500 or error.code is Code.UNAUTHENTICATED:
            raise
        response = await page(error.message)
        response.status_code = status
        return response


def segment(name: str) -> str:
    """Return *name* as one part of the path of an address."""
    return quote(name, safe="")


def lines(text: str) -> list[str]:
    """Return the names in *text*, one a line; blanks around them do not count. Names of groups may hold commas."""
    return list(dict.fromkeys(name for line in text.splitlines() if (name := line.strip())))


def listed(text: str) -> list[str]:
    """Return the names in *text*: one a line, or parted by commas or semicolons."""
    return lines(text.replace(",", "\n").replace(";", "\n"))
