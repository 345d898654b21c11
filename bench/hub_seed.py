"""Fills a database of ours through the store; the order comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.servers import State, Target
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.ports.store import Transaction


async def add_server(tx: Transaction, user_id: int, name: str, url: str, token: str, now: datetime) -> None:
    """A server that runs, with the OAuth client and the token that each has."""
    server = await tx.servers.add(user_id, "")
    up = replace(server, state=State.READY, target=Target.RUNNING, url=url, started=now, last_activity=now)
    await tx.servers.save(replace(up, attempt=1, requested=now, version=server.version + 1))
    client_id = f"jupyterhub-user-{name}"
    redirect = f"/user/{name}/oauth_callback"
    await tx.oauth.put_client(OAuthClient(client_id, hash_token(token), redirect, "", server.id, server.full_name))
    scopes = DEFAULT_ROLES["server"].scopes
    await tx.tokens.add(Token(0, hash_token(token), "user", user_id, name, scopes, now, server_id=server.id))


async def fill(order: dict[str, Any]) -> None:
    store = await SqlStore.open(order["url"])
    now = datetime.now(UTC)
    try:
        async with store.transaction() as tx:
            for number in range(order["users"]):
                name = f"u{number}"
                user = await tx.users.add(name, admin=False, now=now)
                await tx.roles.assign("user", "user", user.id)
                if token := order["tokens"].get(name):
                    await add_server(tx, user.id, name, order["backend"], token, now)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(fill(json.load(sys.stdin)))
