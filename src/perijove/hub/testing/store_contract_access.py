"""The part of the store's contract on tokens, OAuth, roles, services and activity."""

from __future__ import annotations

from dataclasses import replace

from perijove.hub.core.errors import Code
from perijove.hub.core.roles import Role
from perijove.hub.core.tokens import Token
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_samples import (
    HUGE,
    NOW,
    SECOND,
    add_user,
    client,
    code,
    refused,
    session,
    token,
)


class AccessContract:
    """Tokens, OAuth, roles, services, activity."""

    async def test_a_token_comes_back_as_stored(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.sessions.add(session(ada))
            server = await tx.servers.add(ada.id, "")
            new = replace(
                token(ada, client_id="c", session_id="s-k1", server_id=server.id),
                note="n",
                expires_at=NOW + SECOND,
                last_activity=NOW,
            )
            full = await tx.tokens.add(new)
            assert full == replace(new, id=full.id)
            plain = await tx.tokens.add(token(ada, "t2"))
        async with store.transaction() as tx:
            assert await tx.tokens.by_hash("t1") == await tx.tokens.get(full.id) == full
            assert await tx.tokens.by_hash("t3") is None
            assert await tx.tokens.get(HUGE) is None
            assert list(await tx.tokens.list_of("user", ada.id)) == [full, plain]
            assert list(await tx.tokens.list_of("service", ada.id)) == []
            with refused(Code.CONFLICT):
                await tx.tokens.add(token(ada))
            await tx.tokens.delete(full.id)
            await tx.tokens.delete(full.id)
            assert list(await tx.tokens.list_of("user", ada.id)) == [plain]

    async def test_a_token_of_a_service(self, store: Store) -> None:
        async with store.transaction() as tx:
            culler = await tx.services.put("culler", admin=True)
            stored = await tx.tokens.add(Token(0, "t1", "service", culler.id, "culler", ("list:users",), NOW))
            assert await tx.tokens.by_hash("t1") == stored
            assert list(await tx.tokens.list_of("service", culler.id)) == [stored]
            with refused(Code.CONFLICT):
                await tx.tokens.add(Token(0, "t2", "service", culler.id + 1, "gone", (), NOW))

    async def test_revoking_what_was_made_for_a_client_or_a_server(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            server = await tx.servers.add(ada.id, "")
            await tx.tokens.add(token(ada, "t1", client_id="c1"))
            others = [await tx.tokens.add(token(bob, "t2", client_id="c1")), await tx.tokens.add(token(bob, "t3"))]
            await tx.tokens.add(token(ada, "t4", server_id=server.id))
            await tx.tokens.delete_of_client("c1", ada.id)
            await tx.tokens.delete_of_server(server.id)
            assert list(await tx.tokens.list_of("user", ada.id)) == []
            assert list(await tx.tokens.list_of("user", bob.id)) == others

    async def test_what_is_over_is_deleted_and_counted(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.oauth.put_client(client(await tx.servers.add(ada.id, "")))
            await tx.sessions.add(session(ada, expires=NOW))
            await tx.sessions.add(session(ada, "k2"))
            await tx.oauth.add_code(code(ada, expires_at=NOW, session_id="s-k2"))
            await tx.oauth.add_code(code(ada, "o2", session_id="s-k2"))
            await tx.tokens.add(token(ada, expires_at=NOW))
            kept = [
                await tx.tokens.add(token(ada, "t2", expires_at=NOW + SECOND)),
                await tx.tokens.add(token(ada, "t3")),
            ]
            await tx.tokens.add(token(ada, "t4", session_id="s-k1"))
            assert await tx.tokens.delete_expired(NOW) == 3
            assert list(await tx.tokens.list_of("user", ada.id)) == kept
            assert [await tx.sessions.get("k1"), await tx.oauth.take_code("o1")] == [None] * 2
            assert await tx.sessions.get("k2") is not None
            assert await tx.oauth.take_code("o2") is not None
            assert await tx.tokens.delete_expired(NOW) == 0

    async def test_clients_are_replaced_by_id_or_by_server(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            server = await tx.servers.add(ada.id, "")
            await tx.oauth.put_client(client(server))
            issued = await tx.tokens.add(token(ada, client_id="c1"))
            renewed = replace(client(server), secret_hash="other")
            await tx.oauth.put_client(renewed)
            assert await tx.oauth.client("c1") == renewed
            assert await tx.tokens.get(issued.id) == issued
            await tx.oauth.put_client(client(server, "c2"))
            assert [await tx.oauth.client("c1"), await tx.tokens.get(issued.id)] == [None] * 2
            assert await tx.oauth.client("c2") == client(server, "c2")
            await tx.tokens.add(token(ada, client_id="c2"))
            await tx.oauth.delete_client_of(server.id)
            assert [await tx.oauth.client("c2"), await tx.tokens.by_hash("t1")] == [None] * 2
            await tx.servers.delete(server.id)
            with refused(Code.CONFLICT):
                await tx.oauth.put_client(client(server))

    async def test_a_code_is_taken_once(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            with refused(Code.CONFLICT):
                await tx.oauth.add_code(code(ada))
            await tx.oauth.put_client(client(await tx.servers.add(ada.id, "")))
            full = code(ada, code_challenge="x" * 43, code_challenge_method="S256")
            await tx.oauth.add_code(full)
            with refused(Code.CONFLICT):
                await tx.oauth.add_code(full)
        async with store.transaction() as tx:
            assert await tx.oauth.take_code("o1") == full
            assert await tx.oauth.take_code("o1") is None

    async def test_replacing_roles_keeps_those_who_hold_what_stays(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.roles.replace_all([Role("b", ("x", "y"), "About"), Role("a", ())])
            assert list(await tx.roles.list()) == [Role("a", ()), Role("b", ("x", "y"), "About")]
            for role in ("b", "a", "a"):
                await tx.roles.assign(role, "user", ada.id)
            assert [role.name for role in await tx.roles.of("user", ada.id)] == ["a", "b"]
            await tx.roles.replace_all([Role("b", ("z",)), Role("c", ())])
            assert list(await tx.roles.list()) == [Role("b", ("z",)), Role("c", ())]
            assert list(await tx.roles.of("user", ada.id)) == [Role("b", ("z",))]
            await tx.roles.replace_all([])
            assert list(await tx.roles.of("user", ada.id)) == []

    async def test_roles_of_users_and_of_services_are_apart(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            culler = await tx.services.put("culler", admin=False)
            await tx.roles.replace_all([Role("r", ()), Role("q", ())])
            await tx.roles.assign("r", "service", culler.id)
            assert list(await tx.roles.of("user", culler.id)) == []
            assert list(await tx.roles.of("service", culler.id)) == [Role("r", ())]
            await tx.roles.set_holders("r", "user", [ada.id])
            await tx.roles.set_holders("q", "user", {ada.id, bob.id})
            assert await tx.roles.of_users([ada.id, bob.id]) == {ada.id: ["q", "r"], bob.id: ["q"]}
            await tx.roles.set_holders("q", "user", [bob.id])
            await tx.roles.set_holders("r", "user", [])
            await tx.roles.revoke("q", "user", ada.id)
            assert await tx.roles.of_users([ada.id, bob.id]) == {ada.id: [], bob.id: ["q"]}
            await tx.roles.revoke("q", "user", bob.id)
            assert await tx.roles.of_users([bob.id]) == {bob.id: []}
            assert list(await tx.roles.of("service", culler.id)) == [Role("r", ())]
            for role, owner in (("unknown", ada.id), ("r", bob.id + 1)):
                with refused(Code.CONFLICT):
                    await tx.roles.assign(role, "user", owner)

    async def test_services(self, store: Store) -> None:
        async with store.transaction() as tx:
            culler, other = await tx.services.put("culler", admin=False), await tx.services.put("other", admin=True)
            assert await tx.services.put("culler", admin=True) == replace(culler, admin=True)
            assert await tx.services.get("culler") == await tx.services.by_id(culler.id) == replace(culler, admin=True)
            assert [await tx.services.get("x"), await tx.services.by_id(HUGE)] == [None] * 2
            await tx.tokens.add(Token(0, "t1", "service", culler.id, "culler", (), NOW))
            await tx.roles.replace_all([Role("r", ())])
            await tx.roles.assign("r", "service", culler.id)
            await tx.services.keep_only({"other", "unknown"})
            assert [await tx.services.get("culler"), await tx.tokens.by_hash("t1")] == [None] * 2
            assert list(await tx.roles.of("service", culler.id)) == []
            assert await tx.services.get("other") == other

    async def test_activity_never_goes_back(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            server, stored = await tx.servers.add(ada.id, ""), await tx.tokens.add(token(ada))
            for at in (NOW, NOW - SECOND):
                await tx.activity.record({ada.id: at, bob.id + 1: at}, {server.id: at}, {stored.id: at})
            assert await tx.users.by_id(ada.id) == replace(ada, last_activity=NOW)
            assert await tx.users.by_id(bob.id) == bob
            assert await tx.servers.by_id(server.id) == replace(server, last_activity=NOW)
            assert await tx.tokens.get(stored.id) == replace(stored, last_activity=NOW)
            await tx.activity.record({ada.id: NOW + SECOND, bob.id: NOW}, {}, {})
            assert await tx.users.by_id(ada.id) == replace(ada, last_activity=NOW + SECOND)
            assert await tx.users.by_id(bob.id) == replace(bob, last_activity=NOW)
