"""Servers, and the progress of their starts, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from perijove.hub.adapters.store.dialects import MAX_ID, position, within, within_given
from perijove.hub.adapters.store.endings import delete_clients
from perijove.hub.adapters.store.nested import nested, reader
from perijove.hub.adapters.store.tables import groups, memberships, oauth_clients, progress_events, servers, used, users
from perijove.hub.adapters.store.worker import Repository, in_worker, in_worker_unseen
from perijove.hub.core.errors import conflict
from perijove.hub.core.paging import Page
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import AT_REST, Failure, Server, State, Target
from perijove.hub.core.texts import parts_of, put_together
from perijove.hub.ports.store import ServerQuery

_COLUMNS: Final = (
    servers.c.id,
    servers.c.user_id,
    users.c.name.label("user_name"),
    servers.c.name,
    servers.c.display_name,
    servers.c.state,
    servers.c.target,
    servers.c.attempt,
    servers.c.url,
    servers.c.spawner_state,
    servers.c.user_options,
    servers.c.failure,
    servers.c.requested,
    servers.c.started,
    servers.c.last_activity,
    servers.c.version,
    servers.c.owner,
    servers.c.lease_until,
    servers.c.remove_wanted,
)
"""What `_server` takes: the fields of a `Server`, in their order."""

_SERVER: Final = select(*_COLUMNS).join(users, users.c.id == servers.c.user_id)
OF_USER: Final = select(nested(_COLUMNS)).where(servers.c.user_id == users.c.id).correlate(users).scalar_subquery()
"""For a query of users: all servers of each; `servers_in` reads it."""

_BY_OWNER: Final = _SERVER.where(within_given(servers.c.user_id, "owners")).order_by(servers.c.user_id, servers.c.name)
_BY_NAME: Final = _SERVER.where(servers.c.user_id == bindparam("user_id"), servers.c.name == bindparam("name"))
_BY_ID: Final = _SERVER.where(servers.c.id == bindparam("id"))
_ACTIVE: Final = servers.c.state.not_in(sorted(AT_REST))
_USED: Final = used(servers)
_rows: Final = reader(_COLUMNS)
_name: Final = attrgetter("name")


def _server(row: Sequence[Any]) -> Server:
    server_id, user_id, owner, name, title, state, target, attempt, url, kept, options, failure, *others = row
    why = failure and _failure(failure)
    return Server(
        server_id, user_id, owner, name, title, State(state), Target(target), attempt, url, kept, options, why, *others
    )


def servers_in(stored: str | None) -> Sequence[Server]:
    """Return the servers that `OF_USER` found, by name."""
    return tuple(sorted(map(_server, _rows(stored)), key=_name))


def _failure(stored: Mapping[str, Any]) -> Failure:
    at, said = stored["at"], stored.get("said") or {}
    reason, advice = (put_together(stored[name], said.get(name)) for name in ("reason", "advice"))
    return Failure(reason, advice, stored["log"], at and datetime.fromisoformat(at))


def _stored_failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    at = None if failure.at is None else failure.at.isoformat()
    # English, for whoever reads the table; and what the sentences were made of, for pages in other languages.
    said = {"reason": parts_of(failure.reason), "advice": parts_of(failure.advice)}
    return {"reason": failure.reason, "advice": failure.advice, "log": failure.log, "at": at, "said": said}


def _event(message: str, said: Any, **others: Any) -> ProgressEvent:
    return ProgressEvent(message=put_together(message, said), **others)


def _conditions(query: ServerQuery) -> Sequence[ColumnElement[bool]]:
    """Return what a server must be to be among those asked for."""
    conditions: list[ColumnElement[bool]] = []
    if query.limited:
        full_name = users.c.name + "/" + servers.c.name
        members = (
            select(memberships.c.user_id)
            .join(groups, groups.c.id == memberships.c.group_id)
            .where(within(groups.c.name, query.groups or ()))
        )
        conditions.append(
            or_(
                within(users.c.name, query.owners or ()),
                users.c.id.in_(members),
                within(full_name, query.named or ()),
            )
        )
    if query.states is not None:
        conditions.append(servers.c.state.in_(sorted(query.states)))
    if query.name_filter:
        wanted = query.name_filter.lower()
        texts = users.c.name, servers.c.name, func.lower(servers.c.display_name)
        conditions.append(or_(*(position(each, wanted) > 0 for each in texts)))
    return conditions


def _order(query: ServerQuery) -> Sequence[ColumnElement[Any]]:
    """Return what to sort by; owner and name decide between equals, in the same direction."""
    by_name = [users.c.name, servers.c.name]
    columns = by_name if query.sort == "name" else [servers.c[query.sort], *by_name]
    if query.descending:
        return [column.desc().nulls_last() if column.nullable else column.desc() for column in columns]
    return [column.asc().nulls_first() if column.nullable else column.asc() for column in columns]


def _free(owner: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that *owner* may take a server's lease."""
    return or_(servers.c.owner.in_(["", owner]), servers.c.lease_until.is_(None), servers.c.lease_until <= now)


class SqlServers(Repository):
    """Servers of users."""

    @in_worker
    def get(self, user_id: int, name: str) -> Server | None:
        row = self.connection.execute(_BY_NAME, {"user_id": user_id, "name": name}).one_or_none()
        return None if row is None else _server(row)

    @in_worker
    def by_id(self, server_id: int) -> Server | None:
        row = self.connection.execute(_BY_ID, {"id": server_id}).one_or_none() if server_id <= MAX_ID else None
        return None if row is None else _server(row)

    @in_worker
    def list_of(self, user_ids: Collection[int]) -> Sequence[Server]:
        owners = [user_id for user_id in user_ids if user_id <= MAX_ID]
        return [_server(row) for row in self.connection.execute(_BY_OWNER, {"owners": owners}).all()]

    @in_worker
    def list(self, query: ServerQuery) -> Page[Server]:
        conditions = _conditions(query)
        counted = select(func.count()).select_from(servers).join(users, users.c.id == servers.c.user_id)
        total = self.connection.scalar(counted.where(*conditions)) or 0
        page = (
            _SERVER.where(*conditions)
            .order_by(*_order(query))
            .limit(min(query.window.limit, MAX_ID))
            .offset(min(query.window.offset, MAX_ID))
        )
        return Page([_server(row) for row in self.connection.execute(page)], query.window, total)

    @in_worker
    def count_by_state(self) -> Mapping[State, int]:
        counted = select(servers.c.state, func.count()).group_by(servers.c.state)
        return {State(state): count for state, count in self.connection.execute(counted)}

    @in_worker
    def list_to_remove(self) -> Sequence[Server]:
        found = _SERVER.where(servers.c.remove_wanted).order_by(servers.c.id)
        return [_server(row) for row in self.connection.execute(found)]

    @in_worker
    def list_active(self) -> Sequence[Server]:
        return [_server(row) for row in self.connection.execute(_SERVER.where(_ACTIVE).order_by(servers.c.id))]

    @in_worker
    def add(self, user_id: int, name: str, display_name: str = "") -> Server:
        values = {
            "user_id": user_id,
            "name": name,
            "display_name": display_name,
            "state": State.STOPPED.value,
            "target": Target.STOPPED.value,
            "attempt": 0,
            "url": "",
            "spawner_state": {},
            "user_options": {},
            "version": 0,
            "owner": "",
        }
        return _server(self.connection.execute(_BY_ID, {"id": self.insert(servers, values)}).one())

    @in_worker
    def save(self, server: Server) -> None:
        saved = self.connection.execute(
            update(servers)
            .where(servers.c.id == server.id, servers.c.version == server.version - 1)
            .values(
                name=server.name,
                display_name=server.display_name,
                state=server.state.value,
                target=server.target.value,
                attempt=server.attempt,
                url=server.url,
                spawner_state=dict(server.spawner_state),
                user_options=dict(server.user_options),
                failure=_stored_failure(server.failure),
                requested=server.requested,
                started=server.started,
                version=server.version,
                remove_wanted=server.remove_wanted,
            )
        )
        if not saved.rowcount:
            raise conflict("The server was changed by somebody else meanwhile")
        if server.last_activity is not None:
            self.connection.execute(_USED, {"row": server.id, "at": server.last_activity})

    @in_worker
    def checkpoint(self, server_id: int, attempt: int, spawner_state: Mapping[str, object]) -> bool:
        current = update(servers).where(servers.c.id == server_id, servers.c.attempt == attempt, _ACTIVE)
        return bool(self.connection.execute(current.values(spawner_state=dict(spawner_state))).rowcount)

    @in_worker_unseen
    def claim(self, server_id: int, owner: str, until: datetime, now: datetime) -> bool:
        taken = update(servers).where(servers.c.id == server_id, _free(owner, now))
        return bool(self.connection.execute(taken.values(owner=owner, lease_until=until)).rowcount)

    @in_worker_unseen
    def claim_each(self, server_ids: Collection[int], owner: str, until: datetime, now: datetime) -> Sequence[Server]:
        asked = within(servers.c.id, server_ids)
        taken = update(servers).where(asked, _free(owner, now))
        self.connection.execute(taken.values(owner=owner, lease_until=until))
        held = _SERVER.where(asked, servers.c.owner == owner).order_by(servers.c.id)
        return [_server(row) for row in self.connection.execute(held)]

    @in_worker_unseen
    def renew(self, owner: str, until: datetime) -> None:
        self.connection.execute(update(servers).where(servers.c.owner == owner).values(lease_until=until))

    @in_worker_unseen
    def release(self, server_id: int, owner: str) -> None:
        held = update(servers).where(servers.c.id == server_id, servers.c.owner == owner)
        self.connection.execute(held.values(owner="", lease_until=None))

    @in_worker_unseen
    def release_of(self, owner: str) -> None:
        held = update(servers).where(servers.c.owner == owner)
        self.connection.execute(held.values(owner="", lease_until=None))

    @in_worker_unseen
    def release_all(self) -> None:
        self.connection.execute(update(servers).where(servers.c.owner != "").values(owner="", lease_until=None))

    @in_worker
    def delete(self, server_id: int) -> None:
        delete_clients(self.connection, oauth_clients.c.server_id == server_id)
        self.connection.execute(delete(servers).where(servers.c.id == server_id))


class SqlProgress(Repository):
    """The stored steps of starts."""

    @in_worker_unseen
    def append(self, event: ProgressEvent) -> ProgressEvent:
        values = {
            "server_id": event.server_id,
            "attempt": event.attempt,
            "at": event.at,
            "progress": event.progress,
            "message": event.message,
            "said": parts_of(event.message),
            "outcome": event.outcome,
        }
        return replace(event, id=self.insert(progress_events, values))

    @in_worker
    def list(self, server_id: int, attempt: int, after: int = 0) -> Sequence[ProgressEvent]:
        found = (
            select(progress_events)
            .where(progress_events.c.server_id == server_id, progress_events.c.attempt == attempt)
            .where(progress_events.c.id > min(after, MAX_ID))
            .order_by(progress_events.c.id)
        )
        return [_event(**row._mapping) for row in self.connection.execute(found)]

    @in_worker_unseen
    def forget_before(self, server_id: int, attempt: int) -> None:
        self.connection.execute(
            delete(progress_events).where(progress_events.c.server_id == server_id, progress_events.c.attempt < attempt)
        )
