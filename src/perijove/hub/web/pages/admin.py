"""The administrators' first page: users, found, added, changed, approved and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Request, Response

from perijove.hub.core.errors import Code, PerijoveError, not_found
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.servers import Server
from perijove.hub.core.users import Account
from perijove.hub.ports.store import UserQuery, UserSort, UserState
from perijove.hub.usecases import users
from perijove.hub.usecases.accounts import Accounts
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.users import UserChanges, UserView
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import (
    SECTIONS,
    Field,
    Filter,
    LongText,
    Next,
    back,
    done_with,
    lines,
    listed,
    seen_with,
    segment,
    show,
    told,
)
from perijove.hub.web.pages.common import go, parameters_as, server_view
from perijove.hub.web.pages.lists import Offset, address, paging, window_of
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

STATES: Final = ("active", "ready", "inactive")
SORTS: Final = ("name", "-name", "last_activity", "-last_activity", "-id")
MAX_WAITING_SHOWN: Final = 5

Reader = Annotated[Visitor, seen_with("list:users")]
Anybody = Annotated[Visitor, seen_with()]
Editor = Annotated[Visitor, done_with("admin:users")]
Remover = Annotated[Visitor, done_with("delete:users")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which users the page shows; ``state``, as upstream calls it, is active, ready, inactive, admin or waiting."""

    name_filter: Filter = ""
    state: Filter = ""
    group: Filter = ""
    sort: Filter = ""
    offset: Offset = 0
    limit: int | None = None

    @property
    def params(self) -> dict[str, object]:
        """What the address of another page of the same list says."""
        return {"name_filter": self.name_filter, "state": self.state, "group": self.group, "sort": self.sort}

    @property
    def query(self) -> UserQuery:
        """What the store is asked; a word that is none of ours means everybody."""
        sort = self.sort if self.sort in SORTS else "name"
        return UserQuery(
            window=window_of(self.offset, self.limit),
            state=cast(UserState, self.state) if self.state in STATES else None,
            admin=True if self.state == "admin" else None,
            member_of=self.group,
            name_filter=self.name_filter,
            sort=cast(UserSort, sort.removeprefix("-")),
            descending=sort.startswith("-"),
        )


WantedUsers = Annotated[Wanted, parameters_as(Wanted)]


@router.get("/admin")
async def admin_page(request: Request, hub: Hub, visitor: Anybody, wanted: WantedUsers) -> Response:
    """Show users; to whoever may not see them, the first page that they may."""
    if not visitor.principal.may_some("list:users"):
        sections = [section for section in SECTIONS if section.shown_to(visitor.principal)]
        if sections:
            return go(f"{hub.settings.prefix}{sections[0].path}")
    return await users_page(request, hub, visitor, wanted)


async def users_page(request: Request, hub: HubState, visitor: Visitor, wanted: Wanted, **context: Any) -> Response:
    """Return the page of users. Raises PerijoveError FORBIDDEN."""
    waiting = await _waiting(hub, visitor)
    if wanted.state == "waiting":
        return show(
            request, visitor, "admin/waiting.html", "users", waiting=_accounts_shown(waiting), wanted=wanted, **context
        )
    page = await users.list_users(hub.ctx, visitor.principal, wanted.query)
    rows = [_row(hub, view) for view in page.items]
    return show(
        request,
        visitor,
        "admin.html",
        "users",
        waiting=_accounts_shown(waiting[:MAX_WAITING_SHOWN]),
        waiting_count=len(waiting),
        users=rows,
        moving=_moving(rows),
        page=paging(hub, page, "admin", wanted.params),
        wanted=wanted,
        list_url=address(hub, "admin", {"offset": wanted.offset or ""} | wanted.params),
        sorted_by={
            column: address(hub, "admin", wanted.params | {"sort": _turned(column, wanted.sort)})
            for column in ("name", "last_activity")
        },
        **context,
    )


def _moving(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether a server in *rows* is on its way up or down."""
    return any(server["active"] and not server["ready"] for row in rows for server in row["servers"])


def _turned(column: str, sort: str) -> str:
    """Return the order in which a press on the head of *column* sorts: newest or A first, then the other way round."""
    first, other = ("name", "-name") if column == "name" else ("-last_activity", "last_activity")
    return other if (sort or "name") == first else first


async def _waiting(hub: HubState, visitor: Visitor) -> list[Account]:
    if hub.accounts is None or not visitor.principal.may("admin:users"):
        return []
    return list(await hub.accounts.waiting(visitor.principal))


def _accounts_shown(waiting: list[Account]) -> list[dict[str, object]]:
    return [{"name": account.name, "created": account.created} for account in waiting]


def _row(hub: HubState, view: UserView) -> dict[str, Any]:
    own = [server_view(hub, server) for server in view.servers if "servers" in view.fields]
    if "servers" in view.fields and not any(not server["name"] for server in own):
        own.insert(0, server_view(hub, Server(0, view.user.id, view.user.name, "")))
    return {
        "name": view.user.name,
        "admin": view.user.admin,
        "created": view.user.created if "created" in view.fields else None,
        "last_activity": view.user.last_activity if "last_activity" in view.fields else None,
        "groups": view.user.groups if "groups" in view.fields else (),
        "roles": view.roles if "roles" in view.fields else (),
        "servers": own,
        "removing": view.user.remove_wanted,
    }


@router.post("/admin/users")
async def add_users(request: Request, hub: Hub, visitor: Editor, names: LongText = "", admin: Field = "") -> Response:
    """Create those of a list of users that are not there yet."""

    async def work() -> Response:
        created = await users.create_users(
            hub.ctx, hub.authenticator, visitor.principal, listed(names), admin=bool(admin)
        )
        return back(request, hub, "", "users-added", len(created))

    async def page(error: str) -> Response:
        typed = {"names": names, "admin": admin}
        return await users_page(request, hub, visitor, Wanted(), error=error, typed=typed)

    return await told(work(), page)


@router.get("/admin/users/{user_name}")
async def user_page(request: Request, hub: Hub, visitor: Reader, user_name: str) -> Response:
    """Show one user with everything that can be done for them."""
    return await one_user(request, hub, visitor, normalize_user_name(user_name))


async def one_user(request: Request, hub: HubState, visitor: Visitor, name: str, **context: Any) -> Response:
    """Return the page of a user. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    view = await users.get_user(hub.ctx, visitor.principal, name)
    person = _row(hub, view)
    return show(
        request,
        visitor,
        "admin/user.html",
        "users",
        person=person,
        moving=_moving([person]),
        own=view.user.id == visitor.user.id,
        may_edit=visitor.principal.may("admin:users", user=view.user),
        may_rename=visitor.principal.may("admin:users"),
        may_delete=visitor.principal.may("delete:users", user=view.user) and view.user.id != visitor.user.id,
        by_admin=visitor.principal.admin,
        named_servers=hub.servers.rules.named_servers,
        list_url=address(hub, f"admin/users/{segment(view.user.name)}"),
        **context,
    )


@dataclass(frozen=True, slots=True)
class Edited:
    """The form in which a user is changed.

    Attributes:
        name: the new name, or the one they have.
        admin: whether they shall be an administrator.
        groups: names of groups, one a line.
        admin_before: what the form said of it when it was made; only what differs is changed.
        groups_before: likewise.
    """

    name: Field = ""
    admin: Field = ""
    groups: LongText = ""
    admin_before: Field = ""
    groups_before: LongText = ""

    @property
    def typed(self) -> dict[str, object]:
        """What was typed, for the form to show again."""
        return {"name": self.name, "admin": self.admin, "groups": self.groups}

    def changes(self, name: str, groups: Sequence[str]) -> UserChanges:
        """Return what to change of the user *name*, who is in *groups* now: an old tab takes back nobody's change."""
        typed, before = set(lines(self.groups)), set(lines(self.groups_before))
        wanted = (set(groups) | (typed - before)) - (before - typed)
        new_name = self.name.strip()
        return UserChanges(
            name=new_name if new_name not in {"", name} else None,
            admin=bool(self.admin) if bool(self.admin) != bool(self.admin_before) else None,
            groups=sorted(wanted) if wanted != set(groups) else None,
        )


@router.post("/admin/users/{user_name}")
async def edit_user(
    request: Request, hub: Hub, visitor: Editor, user_name: str, form: Annotated[Edited, parameters_as(Edited)]
) -> Response:
    """Change a user's name, rights and groups."""
    old = normalize_user_name(user_name)

    async def work() -> Response:
        now = (await users.get_user(hub.ctx, visitor.principal, old)).user.groups
        view = await users.change_user(hub.ctx, hub.authenticator, visitor.principal, old, form.changes(old, now))
        return back(request, hub, "", "user-changed", default=f"admin/users/{segment(view.user.name)}")

    async def page(error: str) -> Response:
        return await one_user(request, hub, visitor, old, error=error, typed=form.typed)

    return await told(work(), page)


@router.post("/admin/users/{user_name}/delete")
async def delete_user(request: Request, hub: Hub, visitor: Remover, user_name: str) -> Response:
    """Delete a user; one who is gone already is no error."""
    name = normalize_user_name(user_name)

    async def work() -> Response:
        try:
            await users.delete_user(
                hub.ctx,
                hub.removal,
                visitor.principal,
                name,
                stop_server=lambda server: hub.servers.stopped_within(server, hub.settings.slow_stop),
            )
        except PerijoveError as error:
            if error.code is not Code.NOT_FOUND:
                raise
        return back(request, hub, "", "user-deleted")

    async def page(error: str) -> Response:
        return await one_user(request, hub, visitor, name, error=error)

    return await told(work(), page)


def _accounts(hub: HubState) -> Accounts:
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    return hub.accounts


@router.post("/admin/accounts/{name}/approve")
async def approve(request: Request, hub: Hub, visitor: Editor, name: str, next_page: Next = "") -> Response:
    """Let somebody in who signed up; a second press changes nothing."""
    await _decided(hub, visitor, name, approved=True)
    return back(request, hub, next_page, "account-approved")


@router.post("/admin/accounts/{name}/refuse")
async def refuse(request: Request, hub: Hub, visitor: Editor, name: str, next_page: Next = "") -> Response:
    """Send somebody away who signed up; a second press changes nothing."""
    await _decided(hub, visitor, name, approved=False)
    return back(request, hub, next_page, "account-refused")


async def _decided(hub: HubState, visitor: Visitor, name: str, *, approved: bool) -> None:
    accounts = _accounts(hub)
    decide = accounts.approve if approved else accounts.refuse
    try:
        await decide(visitor.principal, normalize_user_name(name))
    except PerijoveError as error:
        # Somebody has decided already: the page tells how it is now.
        if error.code is not Code.NOT_FOUND:
            raise
