"""Servers, progress, activity and counted attempts of the store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from perijove.hub.core.attempts import AttemptKey, Tally
from perijove.hub.core.errors import conflict
from perijove.hub.core.paging import Page
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server, State
from perijove.hub.ports.store import ServerQuery
from perijove.hub.testing.memory_state import Repository, aware, drop, existing, forward, free, page_of, through_json


class MemoryServers(Repository):
    """Servers of users."""

    async def get(self, user_id: int, name: str) -> Server | None:
        owned = (server for server in self.all.servers.values() if server.user_id == user_id)
        return next((server for server in owned if server.name == name), None)

    async def by_id(self, server_id: int) -> Server | None:
        return self.all.servers.get(server_id)

    async def list_of(self, user_ids: Collection[int]) -> Sequence[Server]:
        found = (server for server in self.all.servers.values() if server.user_id in set(user_ids))
        return sorted(found, key=lambda server: (server.user_id, server.name))

    async def list(self, query: ServerQuery) -> Page[Server]:
        found = [
            server
            for server in self.all.servers.values()
            if (not query.limited or self._visible(server, query))
            and (query.states is None or server.state in query.states)
            and any(
                query.name_filter.lower() in text
                for text in (server.user_name, server.name, server.display_name.lower())
            )
        ]
        return page_of(sorted(found, key=lambda each: _sort_key(each, query), reverse=query.descending), query.window)

    def _visible(self, server: Server, query: ServerQuery) -> bool:
        owner = self.all.with_groups(self.all.users[server.user_id])
        return (
            owner.name in (query.owners or ())
            or not (query.groups or frozenset()).isdisjoint(owner.groups)
            or server.full_name in (query.named or ())
        )

    async def count_by_state(self) -> Mapping[State, int]:
        return Counter(server.state for server in self.all.servers.values())

    async def list_to_remove(self) -> Sequence[Server]:
        return [server for server in self.all.servers.values() if server.remove_wanted]

    async def list_active(self) -> Sequence[Server]:
        return [server for server in self.all.servers.values() if server.active]

    async def add(self, user_id: int, name: str, display_name: str = "") -> Server:
        owner = existing(self.all.users, user_id)
        free(await self.get(user_id, name) is not None, "The user has a server of that name already")
        server = Server(self.all.next_id("servers"), user_id, owner.name, name, display_name)
        self.all.servers[server.id] = server
        return server

    async def save(self, server: Server) -> None:
        stored = self.all.servers.get(server.id)
        aware(server.requested, server.started, server.last_activity)
        state, options = through_json(server.spawner_state), through_json(server.user_options)
        if stored is None or stored.version != server.version - 1:
            raise conflict("The server was changed by somebody else meanwhile")
        unchanged = {
            name: getattr(stored, name) for name in ("user_id", "user_name", "last_activity", "owner", "lease_until")
        }
        others = [each for each in self.all.servers.values() if each.user_id == stored.user_id and each is not stored]
        free(server.name in {each.name for each in others}, "The user has a server of that name already")
        self.all.servers[server.id] = replace(server, spawner_state=state, user_options=options, **unchanged)
        if server.last_activity is not None:
            forward(self.all.servers, {server.id: server.last_activity})

    async def checkpoint(self, server_id: int, attempt: int, spawner_state: Mapping[str, object]) -> bool:
        state = through_json(spawner_state)
        server = self.all.servers.get(server_id)
        if server is None or server.attempt != attempt or not server.active:
            return False
        self.all.servers[server_id] = replace(server, spawner_state=state)
        return True

    async def claim(self, server_id: int, owner: str, until: datetime, now: datetime) -> bool:
        aware(until, now)
        server = self.all.servers.get(server_id)
        if server is None:
            return False
        if server.owner not in {"", owner} and server.lease_until is not None and server.lease_until > now:
            return False
        self.all.servers[server_id] = replace(server, owner=owner, lease_until=until)
        return True

    async def claim_each(
        self, server_ids: Collection[int], owner: str, until: datetime, now: datetime
    ) -> Sequence[Server]:
        taken = [number for number in sorted(server_ids) if await self.claim(number, owner, until, now)]
        return [self.all.servers[number] for number in taken]

    async def renew(self, owner: str, until: datetime) -> None:
        aware(until)
        for server in list(self.all.servers.values()):
            if server.owner == owner:
                self.all.servers[server.id] = replace(server, lease_until=until)

    async def release(self, server_id: int, owner: str) -> None:
        server = self.all.servers.get(server_id)
        if server is not None and server.owner == owner:
            self.all.servers[server_id] = replace(server, owner="", lease_until=None)

    async def release_of(self, owner: str) -> None:
        for server in list(self.all.servers.values()):
            await self.release(server.id, owner)

    async def release_all(self) -> None:
        for server in list(self.all.servers.values()):
            self.all.servers[server.id] = replace(server, owner="", lease_until=None)

    async def delete(self, server_id: int) -> None:
        self.all.delete_server(server_id)


def _sort_key(server: Server, query: ServerQuery) -> tuple[Any, ...]:
    by_name = (server.user_name, server.name)
    if query.sort == "name":
        return by_name
    time = server.started if query.sort == "started" else server.last_activity
    return (time is not None, time and time.timestamp(), *by_name)


class MemoryProgress(Repository):
    """The stored steps of starts."""

    async def append(self, event: ProgressEvent) -> ProgressEvent:
        aware(event.at)
        existing(self.all.servers, event.server_id)
        stored = replace(event, id=self.all.next_id("progress"))
        self.all.progress[stored.id] = stored
        return stored

    async def list(self, server_id: int, attempt: int, after: int = 0) -> Sequence[ProgressEvent]:
        events = (event for event in self.all.progress.values() if event.id > after)
        return [event for event in events if (event.server_id, event.attempt) == (server_id, attempt)]

    async def forget_before(self, server_id: int, attempt: int) -> None:
        drop(self.all.progress, lambda event: event.server_id == server_id and event.attempt < attempt)


class MemoryActivity(Repository):
    """When things were last used."""

    async def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        forward(self.all.users, users)
        forward(self.all.servers, servers)
        forward(self.all.tokens, tokens)


class MemoryAttempts(Repository):
    """Counted attempts."""

    async def record(
        self, keys: Collection[AttemptKey], now: datetime, window: timedelta
    ) -> Mapping[AttemptKey, Tally]:
        aware(now)
        before = await self.count(keys, now, window)
        after = {
            key: Tally(before[key].count + 1, before[key].since) if key in before else Tally(1, now) for key in keys
        }
        self.all.attempts.update(after)
        return after

    async def count(self, keys: Collection[AttemptKey], now: datetime, window: timedelta) -> Mapping[AttemptKey, Tally]:
        known = {key: self.all.attempts[key] for key in keys if key in self.all.attempts}
        return {key: tally for key, tally in known.items() if tally.since > now - window}

    async def forget(self, keys: Collection[AttemptKey]) -> None:
        for key in keys:
            self.all.attempts.pop(key, None)

    async def purge(self, before: datetime, keep: int) -> int:
        newest = sorted(self.all.attempts.items(), key=lambda item: item[1].since, reverse=True)
        kept = dict([item for item in newest if item[1].since >= before][:keep])
        gone = len(self.all.attempts) - len(kept)
        self.all.attempts = kept
        return gone
