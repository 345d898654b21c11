from __future__ import annotations

from perijove.hub.adapters.store import tables
from perijove.hub.adapters.store.endings import delete_clients, end_sessions
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.testing.store_samples import add_user, client, session, token


async def test_what_hangs_on_sessions_and_clients(sql_store: SqlStore) -> None:
    async with sql_store.transaction() as tx:
        ada = await add_user(tx)
        server = await tx.servers.add(ada.id, "")
        await tx.oauth.put_client(client(server))
        await tx.sessions.add(session(ada))
        await tx.tokens.add(token(ada, "in session", session_id="s-k1"))
        await tx.tokens.add(token(ada, "of client", client_id="c1"))
        connection, run = tx.users.connection, tx.users.unit.worker.run
        assert await run(lambda: end_sessions(connection, tables.sessions.c.user_id == ada.id)) == 1
        assert [each.token_hash for each in await tx.tokens.list_of("user", ada.id)] == ["of client"]
        await run(lambda: delete_clients(connection, tables.oauth_clients.c.server_id == server.id))
        assert not await tx.tokens.list_of("user", ada.id)
        assert await tx.oauth.client("c1") is None
