"""Groups, shares and share codes of the store in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from perijove.hub.core.groups import Group
from perijove.hub.core.paging import Page
from perijove.hub.core.shares import Share, ShareCode
from perijove.hub.ports.store import GroupQuery, ShareQuery
from perijove.hub.testing.memory_state import Repository, aware, drop, existing, free, page_of, through_json


class MemoryGroups(Repository):
    """Groups."""

    async def get(self, name: str) -> Group | None:
        return next((group for group in self.all.groups.values() if group.name == name), None)

    async def by_id(self, group_id: int) -> Group | None:
        return self.all.groups.get(group_id)

    async def named(self, names: Collection[str]) -> Mapping[str, Group]:
        return {group.name: group for group in self.all.groups.values() if group.name in names}

    async def list(self, query: GroupQuery) -> Page[Group]:
        found = [
            group
            for group in self.all.groups.values()
            if (query.names is None or group.name in query.names) and query.name_filter.lower() in group.name.lower()
        ]
        return page_of(sorted(found, key=lambda group: group.name) if query.by_name else found, query.window)

    async def add(self, name: str) -> Group:
        free(await self.get(name) is not None, "A group of that name exists already")
        group = Group(self.all.next_id("groups"), name)
        self.all.groups[group.id] = group
        return group

    async def delete(self, group_id: int) -> None:
        self.all.groups.pop(group_id, None)
        self.all.memberships = {held: None for held in self.all.memberships if held[1] != group_id}
        self.all.drop_holders(lambda held: held[1:] == ("group", group_id))
        drop(self.all.shares, lambda share: share.group_id == group_id)

    async def set_properties(self, group_id: int, properties: Mapping[str, object]) -> None:
        kept = through_json(properties)
        if group := self.all.groups.get(group_id):
            self.all.groups[group_id] = replace(group, properties=kept)

    async def add_members(self, group_id: int, user_ids: Collection[int]) -> None:
        for user_id in user_ids:
            existing(self.all.users, user_id)
            existing(self.all.groups, group_id)
            self.all.memberships[user_id, group_id] = None

    async def remove_members(self, group_id: int, user_ids: Collection[int]) -> None:
        for user_id in user_ids:
            self.all.memberships.pop((user_id, group_id), None)

    async def set_members(self, group_id: int, user_ids: Collection[int]) -> None:
        self.all.memberships = {held: None for held in self.all.memberships if held[1] != group_id}
        await self.add_members(group_id, user_ids)

    async def set_groups(self, user_id: int, group_ids: Collection[int]) -> None:
        self.all.memberships = {held: None for held in self.all.memberships if held[0] != user_id}
        for group_id in group_ids:
            await self.add_members(group_id, [user_id])

    async def members(self, group_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        held = [(group, self.all.users[user].name) for user, group in self.all.memberships]
        return {each: sorted(name for group, name in held if group == each) for each in group_ids}

    async def count_members(self, group_ids: Collection[int]) -> Mapping[int, int]:
        return {each: len(names) for each, names in (await self.members(group_ids)).items()}

    async def groups_of(self, user_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        held = [(user, self.all.groups[group].name) for user, group in self.all.memberships]
        return {each: sorted(name for user, name in held if user == each) for each in user_ids}


class MemoryShares(Repository):
    """Shares."""

    async def list(self, query: ShareQuery) -> Page[Share]:
        groups = {group for user, group in self.all.memberships if user == query.user_id}
        return page_of(
            [
                self._named(share)
                for share in self.all.shares.values()
                if (share.expires is None or share.expires > query.now)
                and self.all.is_about(share.server_id, query)
                and (query.user_id is None or share.user_id == query.user_id or share.group_id in groups)
                and (query.group_id is None or share.group_id == query.group_id)
            ],
            query.window,
        )

    def _named(self, share: Share) -> Share:
        server = self.all.servers[share.server_id]
        return replace(
            share,
            owner_name=server.user_name,
            server_name=server.name,
            user_name="" if share.user_id is None else self.all.users[share.user_id].name,
            group_name="" if share.group_id is None else self.all.groups[share.group_id].name,
        )

    async def with_user(self, server_id: int, user_id: int) -> Share | None:
        return self._one(server_id, user_id, None)

    async def with_group(self, server_id: int, group_id: int) -> Share | None:
        return self._one(server_id, None, group_id)

    def _one(self, *key: int | None) -> Share | None:
        shares = self.all.shares.values()
        return next(
            (self._named(each) for each in shares if [each.server_id, each.user_id, each.group_id] == [*key]), None
        )

    async def put(self, share: Share) -> Share:
        if (share.user_id is None) is (share.group_id is None):
            raise ValueError("a share is for a user or for a group")
        aware(share.created, share.expires)
        existing(self.all.servers, share.server_id)
        if share.user_id is not None:
            existing(self.all.users, share.user_id)
        if share.group_id is not None:
            existing(self.all.groups, share.group_id)
        known = self._one(share.server_id, share.user_id, share.group_id)
        stored = replace(
            share,
            id=known.id if known else self.all.next_id("shares"),
            created=known.created if known else share.created,
            scopes=tuple(sorted(set(share.scopes))),
        )
        self.all.shares[stored.id] = stored
        return self._named(stored)

    async def delete(self, share_id: int) -> None:
        self.all.shares.pop(share_id, None)

    async def delete_of_server(self, server_id: int) -> int:
        return drop(self.all.shares, lambda share: share.server_id == server_id)

    async def scopes_for_user(self, user_id: int, now: datetime) -> Collection[str]:
        aware(now)
        groups = {group for user, group in self.all.memberships if user == user_id}
        held = [
            self._named(share)
            for share in self.all.shares.values()
            if (share.user_id == user_id or share.group_id in groups) and (share.expires is None or share.expires > now)
        ]
        return {scope for share in held for scope in share.limited_scopes}

    async def delete_expired(self, now: datetime) -> int:
        aware(now)
        over = drop(self.all.shares, lambda share: share.expires is not None and share.expires <= now)
        return over + drop(self.all.share_codes, lambda code: code.expires <= now)


class MemoryShareCodes(Repository):
    """Share codes."""

    async def list(self, query: ShareQuery) -> Page[ShareCode]:
        codes = [code for code in self.all.share_codes.values() if code.expires > query.now]
        return page_of([self._named(code) for code in codes if self.all.is_about(code.server_id, query)], query.window)

    def _named(self, code: ShareCode) -> ShareCode:
        server = self.all.servers[code.server_id]
        return replace(code, owner_name=server.user_name, server_name=server.name)

    async def by_hash(self, code_hash: str) -> ShareCode | None:
        codes = self.all.share_codes.values()
        return next((self._named(code) for code in codes if code.code_hash == code_hash), None)

    async def get(self, code_id: int) -> ShareCode | None:
        code = self.all.share_codes.get(code_id)
        return None if code is None else self._named(code)

    async def add(self, code: ShareCode) -> ShareCode:
        aware(code.created, code.expires, code.last_exchanged)
        existing(self.all.servers, code.server_id)
        free(await self.by_hash(code.code_hash) is not None, "That code exists already")
        stored = replace(code, id=self.all.next_id("share_codes"), scopes=tuple(sorted(set(code.scopes))))
        self.all.share_codes[stored.id] = stored
        return self._named(stored)

    async def exchanged(self, code_id: int, now: datetime) -> None:
        aware(now)
        if code := self.all.share_codes.get(code_id):
            self.all.share_codes[code_id] = replace(code, exchange_count=code.exchange_count + 1, last_exchanged=now)

    async def delete(self, code_id: int) -> None:
        self.all.share_codes.pop(code_id, None)

    async def delete_of_server(self, server_id: int) -> int:
        return drop(self.all.share_codes, lambda code: code.server_id == server_id)
