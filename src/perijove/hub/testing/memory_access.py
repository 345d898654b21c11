"""Tokens, OAuth, roles and services of the store in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.roles import HolderKind, Role
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import Token
from perijove.hub.ports.store import OwnerKind
from perijove.hub.testing.memory_state import Repository, aware, drop, existing, free, page_of, through_json


class MemoryTokens(Repository):
    """API tokens."""

    async def by_hash(self, token_hash: str) -> Token | None:
        return next((token for token in self.all.tokens.values() if token.token_hash == token_hash), None)

    async def get(self, token_id: int) -> Token | None:
        return self.all.tokens.get(token_id)

    async def list_of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Token]:
        tokens = self.all.tokens.values()
        return [token for token in tokens if (token.owner_kind, token.owner_id) == (owner_kind, owner_id)]

    async def add(self, token: Token) -> Token:
        aware(token.created, token.expires_at, token.last_activity)
        owner = self.all.owner(token.owner_kind, token.owner_id)
        if token.server_id is not None:
            existing(self.all.servers, token.server_id)
        free(await self.by_hash(token.token_hash) is not None, "That token exists already")
        stored = replace(token, id=self.all.next_id("tokens"), owner_name=owner.name)
        self.all.tokens[stored.id] = stored
        return stored

    async def delete(self, token_id: int) -> None:
        self.all.tokens.pop(token_id, None)

    async def delete_of_client(self, client_id: str, owner_id: int) -> None:
        gone = (client_id, "user", owner_id)
        drop(self.all.tokens, lambda token: (token.client_id, token.owner_kind, token.owner_id) == gone)

    async def delete_of_server(self, server_id: int) -> None:
        drop(self.all.tokens, lambda token: token.server_id == server_id)

    async def delete_expired(self, now: datetime) -> int:
        aware(now)
        over = drop(self.all.tokens, lambda token: token.expires_at is not None and token.expires_at <= now)
        over += drop(self.all.codes, lambda code: code.expires_at <= now)
        return over + self.all.end_sessions(lambda session: session.expires <= now)


class MemoryOAuth(Repository):
    """OAuth clients and the codes on their way."""

    async def client(self, client_id: str) -> OAuthClient | None:
        client = self.all.clients.get(client_id)
        return None if client is None else self._named(client)

    async def client_of_service(self, service_id: int) -> OAuthClient | None:
        clients = self.all.clients.values()
        return next((self._named(client) for client in clients if client.service_id == service_id), None)

    def _named(self, client: OAuthClient) -> OAuthClient:
        server = None if client.server_id is None else self.all.servers[client.server_id]
        service = None if client.service_id is None else self.all.services[client.service_id]
        return replace(
            client, server_name=server.full_name if server else "", service_name=service.name if service else ""
        )

    async def put_client(self, client: OAuthClient) -> None:
        if (client.server_id is None) is (client.service_id is None):
            raise ValueError("a client stands for a server or for a service")
        if client.server_id is not None:
            existing(self.all.servers, client.server_id)
        if client.service_id is not None:
            existing(self.all.services, client.service_id)
        owner = (client.server_id, client.service_id)
        self.all.delete_clients(
            lambda other: (other.server_id, other.service_id) == owner and other.client_id != client.client_id
        )
        self.all.clients[client.client_id] = client

    async def delete_client_of(self, server_id: int) -> None:
        self.all.delete_clients_of(server_id)

    async def delete_client_of_service(self, service_id: int) -> None:
        self.all.delete_clients(lambda client: client.service_id == service_id)

    async def add_code(self, code: OAuthCode) -> None:
        aware(code.expires_at)
        existing(self.all.clients, code.client_id)
        existing(self.all.users, code.user_id)
        free(code.code_hash in self.all.codes, "That code exists already")
        self.all.codes[code.code_hash] = code

    async def take_code(self, code_hash: str) -> OAuthCode | None:
        return self.all.codes.pop(code_hash, None)


class MemoryRoles(Repository):
    """Roles and who has them."""

    async def get(self, name: str) -> Role | None:
        return self.all.roles.get(name)

    async def list(self) -> Sequence[Role]:
        return sorted(self.all.roles.values(), key=lambda role: role.name)

    async def put(self, role: Role) -> None:
        self.all.roles[role.name] = role

    async def replace_all(self, roles: Sequence[Role]) -> None:
        kept = {role.name: role for role in self.all.roles.values() if role.managed or role.custom}
        self.all.roles = kept | {role.name: role for role in roles}
        self.all.drop_holders(lambda held: held[0] not in self.all.roles)

    async def delete(self, name: str) -> None:
        self.all.roles.pop(name, None)
        self.all.drop_holders(lambda held: held[0] == name)

    async def of(self, kind: HolderKind, holder_id: int) -> Sequence[Role]:
        return [self.all.roles[name] for name in (await self.names_of(kind, [holder_id]))[holder_id]]

    async def effective_of_user(self, user_id: int) -> Sequence[Role]:
        groups = [group for user, group in self.all.memberships if user == user_id]
        names = {name for names in (await self.names_of("group", groups)).values() for name in names}
        names.update((await self.names_of("user", [user_id]))[user_id])
        return [self.all.roles[name] for name in sorted(names)]

    async def names_of(self, kind: HolderKind, holder_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        held = sorted(self.all.holders)
        return {each: [name for name, *holder in held if holder == [kind, each]] for each in holder_ids}

    async def count_holders(self) -> Mapping[str, Mapping[HolderKind, int]]:
        found: dict[str, dict[HolderKind, int]] = {}
        for role, kind, _ in self.all.holders:
            counts = found.setdefault(role, {})
            counts[kind] = counts.get(kind, 0) + 1
        return found

    async def holders(self, role: str, kind: HolderKind, window: Window) -> Page[str]:
        ids = [each for name, what, each in self.all.holders if (name, what) == (role, kind)]
        return page_of(sorted(self.all.holder(kind, each).name for each in ids), window)

    async def assign(self, role: str, kind: HolderKind, holder_id: int, *, managed: bool = False) -> None:
        existing(self.all.roles, role)
        self.all.holder(kind, holder_id)
        held = (role, kind, holder_id)
        self.all.holders[held] = managed and self.all.holders.get(held, True)

    async def assign_all(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        for holder_id in holder_ids:
            await self.assign(role, kind, holder_id)

    async def revoke(self, role: str, kind: HolderKind, holder_id: int) -> None:
        self.all.holders.pop((role, kind, holder_id), None)

    async def set_holders(self, role: str, kind: HolderKind, holder_ids: Collection[int]) -> None:
        self.all.drop_holders(lambda held: held[:2] == (role, kind) and not self.all.holders[held])
        await self.assign_all(role, kind, holder_ids)

    async def set_managed(self, kind: HolderKind, holder_id: int, roles: Collection[str]) -> None:
        self.all.drop_holders(lambda held: held[1:] == (kind, holder_id) and self.all.holders[held])
        for role in roles:
            await self.assign(role, kind, holder_id, managed=True)

    async def delete_managed(self) -> None:
        drop(self.all.roles, lambda role: role.managed)
        self.all.drop_holders(lambda held: held[0] not in self.all.roles or self.all.holders[held])


class MemoryServices(Repository):
    """Services."""

    async def list(self) -> Sequence[Service]:
        return sorted(self.all.services.values(), key=lambda service: service.name)

    async def get(self, name: str) -> Service | None:
        return next((service for service in self.all.services.values() if service.name == name), None)

    async def by_id(self, service_id: int) -> Service | None:
        return self.all.services.get(service_id)

    async def add(self, service: Service) -> Service:
        free(await self.get(service.name) is not None, "A service of that name exists already")
        return await self.put(service)

    async def put(self, service: Service) -> Service:
        known = await self.get(service.name)
        stored_id = known.id if known else self.all.next_id("services")
        stored = replace(service, id=stored_id, info=through_json(service.info))
        self.all.services[stored.id] = stored
        return stored

    async def delete(self, service_id: int) -> None:
        if self.all.services.pop(service_id, None) is not None:
            self.all.delete_clients(lambda client: client.service_id == service_id)
            self.all.delete_owner("service", service_id)

    async def keep_only(self, names: Collection[str]) -> None:
        for service in list(self.all.services.values()):
            if service.from_config and service.name not in names:
                await self.delete(service.id)
