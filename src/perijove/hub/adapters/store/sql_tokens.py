"""Tokens, OAuth clients and codes in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Column, ColumnElement, Row, bindparam, delete, func, insert, select, update

from perijove.hub.adapters.store.dialects import MAX_ID
from perijove.hub.adapters.store.endings import delete_clients, end_sessions
from perijove.hub.adapters.store.tables import (
    oauth_clients,
    oauth_codes,
    servers,
    services,
    sessions,
    tokens,
    users,
)
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.oauth import OAuthClient, OAuthCode
from perijove.hub.core.tokens import Token
from perijove.hub.ports.store import OwnerKind

_TOKEN: Final = (
    select(tokens, func.coalesce(users.c.name, services.c.name).label("owner_name"))
    .outerjoin(users, users.c.id == tokens.c.user_id)
    .outerjoin(services, services.c.id == tokens.c.service_id)
)
_BY_HASH: Final = _TOKEN.where(tokens.c.token_hash == bindparam("token_hash"))
_BY_ID: Final = _TOKEN.where(tokens.c.id == bindparam("id"))
_OWNER: Final[dict[OwnerKind, Column[Any]]] = {"user": tokens.c.user_id, "service": tokens.c.service_id}
# Names are read with the client rather than stored with it: they may change.
_CLIENT: Final = (
    select(
        oauth_clients,
        func.coalesce(users.c.name + "/" + servers.c.name, "").label("server_name"),
        func.coalesce(services.c.name, "").label("service_name"),
    )
    .outerjoin(servers, servers.c.id == oauth_clients.c.server_id)
    .outerjoin(users, users.c.id == servers.c.user_id)
    .outerjoin(services, services.c.id == oauth_clients.c.service_id)
)


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        token_hash=row.token_hash,
        owner_kind="service" if row.user_id is None else "user",
        owner_id=row.service_id if row.user_id is None else row.user_id,
        owner_name=row.owner_name,
        scopes=tuple(row.scopes),
        created=row.created,
        note=row.note,
        client_id=row.client_id,
        session_id=row.session_id,
        server_id=row.server_id,
        expires_at=row.expires_at,
        last_activity=row.last_activity,
    )


class SqlTokens(Repository):
    """API tokens."""

    @in_worker
    def by_hash(self, token_hash: str) -> Token | None:
        row = self.connection.execute(_BY_HASH, {"token_hash": token_hash}).one_or_none()
        return None if row is None else _token(row)

    @in_worker
    def get(self, token_id: int) -> Token | None:
        row = self.connection.execute(_BY_ID, {"id": token_id}).one_or_none() if token_id <= MAX_ID else None
        return None if row is None else _token(row)

    @in_worker
    def list_of(self, owner_kind: OwnerKind, owner_id: int) -> Sequence[Token]:
        found = _TOKEN.where(_OWNER[owner_kind] == owner_id).order_by(tokens.c.id)
        return [_token(row) for row in self.connection.execute(found)]

    @in_worker
    def add(self, token: Token) -> Token:
        values = {
            "token_hash": token.token_hash,
            "user_id": token.owner_id if token.owner_kind == "user" else None,
            "service_id": token.owner_id if token.owner_kind == "service" else None,
            "scopes": list(token.scopes),
            "note": token.note,
            "client_id": token.client_id,
            "session_id": token.session_id,
            "server_id": token.server_id,
            "created": token.created,
            "expires_at": token.expires_at,
            "last_activity": token.last_activity,
        }
        return replace(token, id=self.insert(tokens, values))

    @in_worker
    def delete(self, token_id: int) -> None:
        self.connection.execute(delete(tokens).where(tokens.c.id == token_id))

    @in_worker
    def delete_of_client(self, client_id: str, owner_id: int) -> None:
        self.connection.execute(delete(tokens).where(tokens.c.client_id == client_id, tokens.c.user_id == owner_id))

    @in_worker
    def delete_of_server(self, server_id: int) -> None:
        self.connection.execute(delete(tokens).where(tokens.c.server_id == server_id))

    @in_worker
    def delete_expired(self, now: datetime) -> int:
        over = self.connection.execute(delete(tokens).where(tokens.c.expires_at <= now)).rowcount
        over += self.connection.execute(delete(oauth_codes).where(oauth_codes.c.expires_at <= now)).rowcount
        return over + end_sessions(self.connection, sessions.c.expires <= now)


class SqlOAuth(Repository):
    """OAuth clients and the codes on their way."""

    @in_worker
    def client(self, client_id: str) -> OAuthClient | None:
        return self._client(oauth_clients.c.client_id == client_id)

    @in_worker
    def client_of_service(self, service_id: int) -> OAuthClient | None:
        return self._client(oauth_clients.c.service_id == service_id)

    def _client(self, which: ColumnElement[bool]) -> OAuthClient | None:
        row = self.connection.execute(_CLIENT.where(which)).one_or_none()
        return (
            None if row is None else OAuthClient(**dict(row._mapping) | {"allowed_scopes": tuple(row.allowed_scopes)})
        )

    @in_worker
    def put_client(self, client: OAuthClient) -> None:
        owner = (
            oauth_clients.c.server_id == client.server_id
            if client.service_id is None
            else oauth_clients.c.service_id == client.service_id
        )
        delete_clients(self.connection, owner & (oauth_clients.c.client_id != client.client_id))
        values = {
            "secret_hash": client.secret_hash,
            "redirect_uri": client.redirect_uri,
            "description": client.description,
            "server_id": client.server_id,
            "service_id": client.service_id,
            "allowed_scopes": list(client.allowed_scopes),
        }
        # The row stays where there is one: what browsers were issued for this client goes on being good.
        same = update(oauth_clients).where(oauth_clients.c.client_id == client.client_id)
        if not self.connection.execute(same.values(values)).rowcount:
            self.connection.execute(insert(oauth_clients), {"client_id": client.client_id, **values})

    @in_worker
    def delete_client_of(self, server_id: int) -> None:
        delete_clients(self.connection, oauth_clients.c.server_id == server_id)

    @in_worker
    def delete_client_of_service(self, service_id: int) -> None:
        delete_clients(self.connection, oauth_clients.c.service_id == service_id)

    @in_worker
    def add_code(self, code: OAuthCode) -> None:
        values = {
            "code_hash": code.code_hash,
            "client_id": code.client_id,
            "user_id": code.user_id,
            "session_id": code.session_id,
            "scopes": list(code.scopes),
            "redirect_uri": code.redirect_uri,
            "expires_at": code.expires_at,
            "code_challenge": code.code_challenge,
            "code_challenge_method": code.code_challenge_method,
        }
        self.connection.execute(insert(oauth_codes), values)

    @in_worker
    def take_code(self, code_hash: str) -> OAuthCode | None:
        taken = delete(oauth_codes).where(oauth_codes.c.code_hash == code_hash).returning(*oauth_codes.c)
        row = self.connection.execute(taken).one_or_none()
        return None if row is None else OAuthCode(**dict(row._mapping) | {"scopes": tuple(row.scopes)})
