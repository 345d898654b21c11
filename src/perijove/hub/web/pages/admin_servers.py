"""All servers: running, starting, failed; one of them with its log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Request, Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.servers import ON_THE_WAY_UP, Server, State
from perijove.hub.ports.store import ServerQuery, ServerSort
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.server_logs import READERS as LOG_READERS
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import Filter, seen_with, segment, show
from perijove.hub.web.pages.common import parameters_as, server_views
from perijove.hub.web.pages.lists import Offset, address, paging, window_of
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

STATES: Final[dict[str, frozenset[State]]] = {
    "running": frozenset({State.READY}),
    "starting": ON_THE_WAY_UP,
    "stopping": frozenset({State.STOPPING}),
    "failed": frozenset({State.FAILED}),
    "stopped": frozenset({State.STOPPED}),
    "all": frozenset(State),
}
"""What can be chosen, and the states that it means; without a choice all that there is anything to do about."""

CURRENT: Final = frozenset(State) - {State.STOPPED}
SORTS: Final = ("name", "-name", "started", "-started", "last_activity", "-last_activity")
FIRST: Final = {"name": "name", "started": "-started", "last_activity": "-last_activity"}

Reader = Annotated[Visitor, seen_with("read:servers")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which servers the page shows."""

    name_filter: Filter = ""
    state: Filter = ""
    sort: Filter = ""
    offset: Offset = 0
    limit: int | None = None

    @property
    def params(self) -> dict[str, object]:
        """What the address of another page of the same list says."""
        return {"name_filter": self.name_filter, "state": self.state, "sort": self.sort}

    @property
    def query(self) -> ServerQuery:
        """What the store is asked; a word that is none of ours means what no word does."""
        sort = self.sort if self.sort in SORTS else "name"
        return ServerQuery(
            window=window_of(self.offset, self.limit),
            states=None if self.state == "all" else STATES.get(self.state, CURRENT),
            name_filter=self.name_filter,
            sort=cast(ServerSort, sort.removeprefix("-")),
            descending=sort.startswith("-"),
        )


WantedServers = Annotated[Wanted, parameters_as(Wanted)]


@router.get("/admin/servers")
async def servers_list(request: Request, hub: Hub, visitor: Reader, wanted: WantedServers) -> Response:
    """Show servers."""
    return await servers_page(request, hub, visitor, wanted)


async def servers_page(request: Request, hub: HubState, visitor: Visitor, wanted: Wanted, **context: Any) -> Response:
    """Return the page of servers. Raises PerijoveError FORBIDDEN."""
    page = await hub.servers.list(visitor.principal, wanted.query)
    counts = await hub.servers.count(visitor.principal) if visitor.principal.may("read:servers") else None
    return show(
        request,
        visitor,
        "admin/servers.html",
        "servers",
        servers=await server_views(hub, page.items),
        page=paging(hub, page, "admin/servers", wanted.params),
        wanted=wanted,
        counts=None if counts is None else counted(counts),
        list_url=address(hub, "admin/servers", {"offset": wanted.offset or ""} | wanted.params),
        sorted_by={
            column: address(
                hub,
                "admin/servers",
                wanted.params | {"sort": _other(first) if (wanted.sort or "name") == first else first},
            )
            for column, first in FIRST.items()
        },
        moving=any(server.pending for server in page.items),
        **context,
    )


def _other(sort: str) -> str:
    return sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"


def counted(counts: Any) -> dict[str, int]:
    """Return how many servers there are for each choice of `STATES`."""
    return {name: sum(counts.get(state, 0) for state in states) for name, states in STATES.items()}


@router.get("/admin/servers/{user_name}")
@router.get("/admin/servers/{user_name}/{server_name}")
async def server_page(request: Request, hub: Hub, visitor: Reader, user_name: str, server_name: str = "") -> Response:
    """Show one server with what it wrote."""
    principal, owner = visitor.principal, normalize_user_name(user_name)
    server = await hub.servers.get(principal, owner, server_name)
    return show(
        request,
        visitor,
        "admin/server.html",
        "servers",
        server=(await server_views(hub, [server]))[0],
        requested=server.requested,
        user_options=server.user_options,
        log=await _log(hub, visitor, server),
        may_start=_may(visitor, "start:servers", server),
        may_stop=_may(visitor, "delete:servers", server),
        may_open=_may(visitor, "access:servers", server),
        moving=server.pending is not None,
        list_url=address(hub, f"admin/servers/{segment(owner)}{f'/{segment(server_name)}' if server_name else ''}"),
    )


def _may(visitor: Visitor, scope: str, server: Server) -> bool:
    return visitor.principal.may(scope, user=server.user_name, server=server.name)


async def _log(hub: HubState, visitor: Visitor, server: Server) -> str | None:
    """Return what the server wrote; None where the visitor may not read it."""
    if not visitor.principal.may_some(*LOG_READERS):
        return None
    try:
        return await hub.administration.logs.read(visitor.principal, server.user_name, server.name)
    except PerijoveError as error:
        if error.code not in {Code.FORBIDDEN, Code.NOT_FOUND}:
            raise
        return None
