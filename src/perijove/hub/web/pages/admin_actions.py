"""What is done to servers and users from their lists: to one at once, to many as an action that can be followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.long_actions import Kind, LongAction, Stage
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.paging import Window
from perijove.hub.core.servers import AT_REST, Server, State
from perijove.hub.usecases import users
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.long_actions import MAX_TARGETS, NEEDS, Target
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages import admin, admin_servers
from perijove.hub.web.pages.admin_frame import Field, Filter, Names, Next, back, done_with, seen_with, show, told
from perijove.hub.web.pages.common import go, parameters_as
from perijove.hub.web.pages.lists import MAX_LIMIT
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

STRIDE: Final = 1000
"""How many are read at once where an action is for all that a list finds."""
MAX_NAMED: Final = 10

Doer = Annotated[Visitor, done_with(*NEEDS.values())]
Watcher = Annotated[Visitor, seen_with(*NEEDS.values())]


@dataclass(frozen=True, slots=True)
class Wish:
    """The form around a list of users or servers.

    Attributes:
        of: which list, ``users`` or ``servers``.
        start: a server, ``user/server``, whose own button was pressed; ``stop`` likewise.
        do: what to do to many.
        whom: ``chosen``, or ``all`` that the list finds.
        chosen: users, or servers as ``user/server``.
        sure: whether the visitor was asked already.
        key: names the action, so that it begins once.
        next_page: where the form was.
    """

    of: Field = ""
    start: Field = ""
    stop: Field = ""
    do: Field = ""
    whom: Field = "chosen"
    chosen: Names = ()  # type: ignore[assignment] # a form without any
    sure: Field = ""
    key: Field = ""
    name_filter: Field = ""
    state: Field = ""
    group: Field = ""
    next_page: Next = ""

    @property
    def params(self) -> dict[str, object]:
        """What the address of the page says that asks whether it is meant."""
        named = {name: getattr(self, name) for name in ("of", "do", "whom", "key", "name_filter", "state", "group")}
        return {name: value for name, value in named.items() if value} | {"chosen": list(self.chosen)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of that page says; see `Wish`."""

    of: Filter = ""
    do: Filter = ""
    whom: Filter = "chosen"
    chosen: Annotated[list[str], Query(max_length=MAX_LIMIT)] = ()  # type: ignore[assignment] # an address without any
    key: Filter = ""
    name_filter: Filter = ""
    state: Filter = ""
    group: Filter = ""


@router.get("/admin/ask")
async def ask_page(
    request: Request, hub: Hub, visitor: Watcher, asked: Annotated[Asked, parameters_as(Asked)]
) -> Response:
    """Ask whether an action is meant; nothing happens before the visitor says yes."""
    kind = _kind(asked.do)
    wish = Wish(
        of=asked.of,
        do=asked.do,
        whom=asked.whom,
        chosen=asked.chosen,
        key=asked.key,
        name_filter=asked.name_filter,
        state=asked.state,
        group=asked.group,
    )
    begun = await _begun(hub, visitor, wish)
    targets = await _targets(hub, visitor, wish, kind) if begun is None else ()
    return show(
        request,
        visitor,
        "admin/ask.html",
        "servers" if wish.of == "servers" else "users",
        wish=wish,
        kind=kind.value,
        total=len(targets) if begun is None else begun.total,
        names=[target.title for target in targets[:MAX_NAMED]],
    )


async def _begun(hub: HubState, visitor: Visitor, wish: Wish) -> LongAction | None:
    """Return the action that the page with this form has begun already, if it has."""
    try:
        return await hub.administration.actions.get(visitor.principal, wish.key)
    except PerijoveError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise invalid("Nothing was chosen") from None


@router.post("/admin/actions")
async def act(request: Request, hub: Hub, visitor: Doer, wish: Annotated[Wish, parameters_as(Wish)]) -> Response:
    """Do what was asked for."""

    async def work() -> Response:
        if wish.start or wish.stop:
            return await _one(request, hub, visitor, wish)
        return await _many(request, hub, visitor, wish)

    async def page(error: str) -> Response:
        if wish.of == "servers":
            return await admin_servers.servers_page(
                request, hub, visitor, admin_servers.Wanted(wish.name_filter, wish.state), error=error
            )
        wanted = admin.Wanted(wish.name_filter, wish.state, wish.group)
        return await admin.users_page(request, hub, visitor, wanted, error=error)

    return await told(work(), page)


async def _one(request: Request, hub: HubState, visitor: Visitor, wish: Wish) -> Response:
    """Start or stop one server; a second press changes nothing."""
    target = _target(wish.start or wish.stop)
    if wish.stop:
        server = await hub.servers.stop(visitor.principal, target.user, target.server)
        await hub.servers.settle(server, hub.settings.slow_stop)
        return back(request, hub, wish.next_page, "server-stopped")
    try:
        await hub.servers.start(visitor.principal, target.user, target.server)
    except PerijoveError as error:
        if error.code is not Code.CONFLICT:
            raise
    return back(request, hub, wish.next_page, "server-started")


def _target(text: str) -> Target:
    user, _, server = text.partition("/")
    if not server.isprintable():
        raise invalid("There is no such server")
    return Target(normalize_user_name(user), server)


async def _many(request: Request, hub: HubState, visitor: Visitor, wish: Wish) -> Response:
    """Begin an action, or ask first whether it is meant; a second press leads to the one that was begun."""
    if (begun := await _begun(hub, visitor, wish)) is not None:
        return go(f"{hub.settings.prefix}admin/actions/{begun.key}")
    kind = _kind(wish.do)
    targets = await _targets(hub, visitor, wish, kind)
    if not targets:
        raise invalid("Nothing was chosen")
    if not wish.sure and (kind is Kind.DELETE or wish.whom == "all"):
        # A page of its own address, so that the browser's "back" finds it again.
        return go(f"{hub.settings.prefix}admin/ask?{urlencode(wish.params, doseq=True)}")
    action = await hub.administration.actions.begin(visitor.principal, wish.key, kind, targets)
    return go(f"{hub.settings.prefix}admin/actions/{action.key}")


async def _targets(hub: HubState, visitor: Visitor, wish: Wish, kind: Kind) -> Sequence[Target]:
    """Return to what *kind* is done: it is left alone where it makes no sense."""
    if wish.of == "servers":
        if wish.whom == "all":
            found = await _servers(hub, visitor, admin_servers.Wanted(wish.name_filter, wish.state))
            return [Target(server.user_name, server.name) for server in found if (kind is Kind.STOP) is server.active]
        return [_target(each) for each in wish.chosen]
    names = await _users(hub, visitor, wish) if wish.whom == "all" else map(normalize_user_name, wish.chosen)
    if kind is not Kind.STOP:
        return [Target(name) for name in names]
    owners = set(names)
    active = await _servers(hub, visitor, admin_servers.Wanted(state="all"), states=frozenset(State) - AT_REST)
    return [Target(server.user_name, server.name) for server in active if server.user_name in owners]


async def _servers(
    hub: HubState, visitor: Visitor, wanted: admin_servers.Wanted, states: frozenset[State] | None = None
) -> Sequence[Server]:
    query = replace(wanted.query, states=states) if states is not None else wanted.query
    found: list[Server] = []
    window: Window | None = Window(0, STRIDE)
    while window is not None and len(found) <= MAX_TARGETS:
        page = await hub.servers.list(visitor.principal, replace(query, window=window))
        found += page.items
        window = page.next
    return found


async def _users(hub: HubState, visitor: Visitor, wish: Wish) -> Sequence[str]:
    query = admin.Wanted(wish.name_filter, wish.state, wish.group).query
    # One more than are allowed tells that there are too many; the visitor is never among them.
    names = await users.list_names(hub.ctx, visitor.principal, replace(query, window=Window(0, MAX_TARGETS + 2)))
    return [name for name in names if name != visitor.user.name]


@router.get("/admin/actions/{key}")
async def action_page(request: Request, hub: Hub, visitor: Watcher, key: str) -> Response:
    """Show how far an action has come."""
    action = await hub.administration.actions.get(visitor.principal, key)
    stage = action.stage(hub.ctx.clock.now())
    return show(
        request,
        visitor,
        "admin/action.html",
        "users" if action.kind is Kind.DELETE else "servers",
        action=action,
        kind=action.kind.value,
        stage=stage.value,
        moving=stage in {Stage.RUNNING, Stage.CANCELLING},
    )


@router.post("/admin/actions/{key}/cancel")
async def cancel_action(hub: Hub, visitor: Doer, key: str) -> Response:
    """Leave alone what an action has not begun."""
    action = await hub.administration.actions.cancel(visitor.principal, key)
    return go(f"{hub.settings.prefix}admin/actions/{action.key}")
