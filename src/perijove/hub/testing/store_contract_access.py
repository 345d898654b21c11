"""The part of the store's contract on tokens, OAuth, roles, services and activity."""

from __future__ import annotations

import dataclasses
from typing import cast

from msgspec.structs import replace

from perijove.hub.core.attempts import AttemptKey, Tally
from perijove.hub.core.errors import Code
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.paging import Window
from perijove.hub.core.pending_sign_ins import PendingSignIn
from perijove.hub.core.roles import HolderKind, Role
from perijove.hub.core.services import Service
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
            culler = await tx.services.put(Service(0, "culler", admin=True))
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
            others = client(await tx.servers.add(ada.id, "lab"), "other")
            await tx.oauth.put_client(others)
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
            assert await tx.oauth.client("other") == others
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

    async def test_roles_that_administrators_made_stay_until_they_are_deleted(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            ours = Role("ours", ("x",), "About", custom=True)
            await tx.roles.put(ours)
            await tx.roles.put(Role("taken", ("x",), custom=True))
            for name in ("ours", "taken"):
                await tx.roles.assign(name, "user", ada.id)
            await tx.roles.replace_all([Role("taken", ("y",))])
            assert list(await tx.roles.of("user", ada.id)) == [ours, Role("taken", ("y",))]
            await tx.roles.delete("ours")
            await tx.roles.delete("ours")
            assert list(await tx.roles.list()) == list(await tx.roles.of("user", ada.id)) == [Role("taken", ("y",))]

    async def test_roles_of_users_and_of_services_are_apart(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            culler = await tx.services.put(Service(0, "culler", admin=False))
            await tx.roles.replace_all([Role("r", ()), Role("q", ())])
            await tx.roles.assign("r", "service", culler.id)
            assert list(await tx.roles.of("user", culler.id)) == []
            assert list(await tx.roles.of("service", culler.id)) == [Role("r", ())]
            await tx.roles.set_holders("r", "user", [ada.id])
            await tx.roles.set_holders("q", "user", {ada.id, bob.id})
            assert await tx.roles.names_of("user", [ada.id, bob.id]) == {ada.id: ["q", "r"], bob.id: ["q"]}
            await tx.roles.set_holders("q", "user", [bob.id])
            await tx.roles.set_holders("r", "user", [])
            await tx.roles.revoke("q", "user", ada.id)
            assert await tx.roles.names_of("user", [ada.id, bob.id]) == {ada.id: [], bob.id: ["q"]}
            await tx.roles.revoke("q", "user", bob.id)
            assert await tx.roles.names_of("user", [bob.id]) == {bob.id: []}
            assert list(await tx.roles.of("service", culler.id)) == [Role("r", ())]
            for role, owner in (("unknown", ada.id), ("r", bob.id + 1)):
                with refused(Code.CONFLICT):
                    await tx.roles.assign(role, "user", owner)

    async def test_who_holds_a_role_is_counted_and_named(self, store: Store) -> None:
        async with store.transaction() as tx:
            bob, ada = await add_user(tx, "bob"), await add_user(tx)
            team = await tx.groups.add("team")
            for role in ("one", "two", "none"):
                await tx.roles.put(Role(role, ()))
            await tx.roles.assign_all("one", "user", [bob.id, ada.id])
            await tx.roles.assign("one", "group", team.id)
            await tx.roles.assign("two", "user", ada.id, managed=True)
            counts = {role: dict(kinds) for role, kinds in (await tx.roles.count_holders()).items()}
            assert counts == {"one": {"user": 2, "group": 1}, "two": {"user": 1}}
            page = await tx.roles.holders("one", "user", Window(1, 1))
            assert (page.items, page.total) == (["bob"], 2)
            assert (await tx.roles.holders("one", "group", Window())).items == ["team"]
            assert (await tx.roles.holders("one", "service", Window())).total == 0

    async def test_services(self, store: Store) -> None:
        async with store.transaction() as tx:
            culler, other = (
                await tx.services.put(Service(0, "culler", admin=False)),
                await tx.services.put(Service(0, "other", admin=True)),
            )
            assert await tx.services.put(Service(0, "culler", admin=True)) == replace(culler, admin=True)
            assert await tx.services.get("culler") == await tx.services.by_id(culler.id) == replace(culler, admin=True)
            assert [await tx.services.get("x"), await tx.services.by_id(HUGE)] == [None] * 2
            await tx.tokens.add(Token(0, "t1", "service", culler.id, "culler", (), NOW))
            await tx.roles.replace_all([Role("r", ())])
            await tx.roles.assign("r", "service", culler.id)
            await tx.services.keep_only({"other", "unknown"})
            assert [await tx.services.get("culler"), await tx.tokens.by_hash("t1")] == [None] * 2
            assert list(await tx.roles.of("service", culler.id)) == []
            assert await tx.services.get("other") == other

    async def test_a_service_comes_back_as_stored(self, store: Store) -> None:
        full = Service(
            0,
            "dash",
            url="http://127.0.0.1:9000",
            command=("dash", "--port=9000"),
            info={"about": ["é", None]},
            display=False,
            oauth_client_id="service-dash",
            oauth_redirect_uri="/services/dash/oauth_callback",
            oauth_client_allowed_scopes=("read:users!user=ada",),
            oauth_no_confirm=True,
            from_config=False,
        )
        async with store.transaction() as tx:
            dash = await tx.services.add(full)
            assert dash == replace(full, id=dash.id)
            with refused(Code.CONFLICT):
                await tx.services.add(full)
            with refused(Code.INVALID):
                await tx.services.put(replace(full, info={"x": object()}))
        async with store.transaction() as tx:
            culler = await tx.services.put(Service(0, "culler"))
            assert list(await tx.services.list()) == [culler, dash]
            await tx.services.keep_only([])
            assert list(await tx.services.list()) == [dash]
            await tx.services.delete(dash.id)
            await tx.services.delete(dash.id)
            assert list(await tx.services.list()) == []

    async def test_a_client_may_stand_for_a_service(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, dash = await add_user(tx), await tx.services.put(Service(0, "dash"))
            made = OAuthClient("service-dash", "hash", "/cb", "Dash", None, "", (), dash.id, "dash")
            await tx.oauth.put_client(made)
            await tx.oauth.put_client(client(await tx.servers.add(ada.id, "")))
            assert await tx.oauth.client("service-dash") == await tx.oauth.client_of_service(dash.id) == made
            await tx.oauth.put_client(replace(made, client_id="other"))
            assert await tx.oauth.client("service-dash") is None
            assert await tx.oauth.client_of_service(dash.id) == replace(made, client_id="other")
            issued = await tx.tokens.add(token(ada, client_id="other"))
            await tx.oauth.delete_client_of_service(dash.id)
            assert [await tx.oauth.client_of_service(dash.id), await tx.tokens.get(issued.id)] == [None] * 2
            await tx.oauth.put_client(made)
            issued = await tx.tokens.add(token(ada, client_id="service-dash"))
            await tx.services.delete(dash.id)
            assert [await tx.oauth.client("service-dash"), await tx.tokens.get(issued.id)] == [None] * 2
            assert await tx.oauth.client("c1") is not None
            with refused(Code.CONFLICT):
                await tx.oauth.put_client(made)

    async def test_roles_of_a_user_include_those_through_groups(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            team, crew = await tx.groups.add("team"), await tx.groups.add("crew")
            await tx.groups.add_members(team.id, [ada.id])
            await tx.groups.add_members(crew.id, [ada.id, bob.id])
            await tx.roles.replace_all([Role(name, (name,)) for name in ("a", "b", "c", "d")])
            assert await tx.roles.get("a") == Role("a", ("a",))
            assert await tx.roles.get("x") is None
            for role, kind, holder in (("a", "user", ada.id), ("b", "group", team.id), ("a", "group", crew.id)):
                await tx.roles.assign(role, cast("HolderKind", kind), holder)
            await tx.roles.assign("c", "group", crew.id)
            assert [role.name for role in await tx.roles.effective_of_user(ada.id)] == ["a", "b", "c"]
            assert [role.name for role in await tx.roles.effective_of_user(bob.id)] == ["a", "c"]
            assert list(await tx.roles.effective_of_user(bob.id + 1)) == []
            assert await tx.roles.names_of("group", [team.id, crew.id]) == {team.id: ["b"], crew.id: ["a", "c"]}
            assert list(await tx.roles.of("group", team.id)) == [Role("b", ("b",))]
            await tx.roles.set_holders("b", "group", [crew.id])
            assert await tx.roles.names_of("group", [team.id, crew.id]) == {team.id: [], crew.id: ["a", "b", "c"]}
            await tx.groups.delete(crew.id)
            assert [role.name for role in await tx.roles.effective_of_user(ada.id)] == ["a"]
            with refused(Code.CONFLICT):
                await tx.roles.assign("a", "group", crew.id)

    async def test_one_role_for_many(self, store: Store) -> None:
        async with store.transaction() as tx:
            ids = [(await add_user(tx, f"u{number}")).id for number in range(3)]
            await tx.roles.put(Role("r", ()))
            await tx.roles.assign("r", "user", ids[0])
            await tx.roles.assign_all("r", "user", ids)
            await tx.roles.assign_all("r", "user", [])
            assert await tx.roles.names_of("user", ids) == {user_id: ["r"] for user_id in ids}
            with refused(Code.CONFLICT):
                await tx.roles.assign_all("r", "user", [ids[-1] + 1])

    async def test_what_the_authenticator_manages_is_apart(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            await tx.roles.put(Role("from-login", ("x",), managed=True))
            await tx.roles.replace_all([Role("a", ()), Role("b", ())])
            assert [role.name for role in await tx.roles.list()] == ["a", "b", "from-login"]
            await tx.roles.assign("a", "user", ada.id)
            await tx.roles.set_managed("user", ada.id, ["a", "b", "from-login"])
            assert await tx.roles.names_of("user", [ada.id]) == {ada.id: ["a", "b", "from-login"]}
            await tx.roles.set_managed("user", ada.id, ["from-login"])
            assert await tx.roles.names_of("user", [ada.id]) == {ada.id: ["a", "from-login"]}, "a was given otherwise"
            await tx.roles.assign("b", "user", ada.id, managed=True)
            await tx.roles.set_holders("b", "user", [bob.id])
            assert await tx.roles.names_of("user", [ada.id, bob.id]) == {
                ada.id: ["a", "b", "from-login"],
                bob.id: ["b"],
            }
            await tx.roles.assign("b", "user", ada.id)
            await tx.roles.set_managed("user", ada.id, [])
            assert await tx.roles.names_of("user", [ada.id]) == {ada.id: ["a", "b"]}
            await tx.roles.set_managed("user", bob.id, ["a", "from-login"])
            await tx.roles.delete_managed()
            assert [role.name for role in await tx.roles.list()] == ["a", "b"]
            assert await tx.roles.names_of("user", [ada.id, bob.id]) == {ada.id: ["a", "b"], bob.id: ["b"]}
            with refused(Code.CONFLICT):
                await tx.roles.set_managed("user", ada.id, ["unknown"])

    async def test_attempts_are_counted_in_windows(self, store: Store) -> None:
        ada, bob, far = AttemptKey("name", "a"), AttemptKey("name", "b"), AttemptKey("address", "a")
        window = SECOND * 10
        async with store.transaction() as tx:
            assert await tx.attempts.count([ada], NOW, window) == {}
            assert await tx.attempts.record([], NOW, window) == {}
            assert await tx.attempts.record([ada, far], NOW, window) == {ada: Tally(1, NOW), far: Tally(1, NOW)}
            assert await tx.attempts.record([bob, ada], NOW + SECOND, window) == {
                ada: Tally(2, NOW),
                bob: Tally(1, NOW + SECOND),
            }
        async with store.transaction() as tx:
            later = NOW + window
            assert await tx.attempts.count([ada, bob], later, window) == {bob: Tally(1, NOW + SECOND)}
            assert await tx.attempts.record([ada], later, window) == {ada: Tally(1, later)}
            await tx.attempts.forget([ada, AttemptKey("name", "unknown")])
            await tx.attempts.forget([])
            assert await tx.attempts.count([ada, far], later - SECOND, window) == {far: Tally(1, NOW)}

    async def test_counted_attempts_are_bounded(self, store: Store) -> None:
        async with store.transaction() as tx:
            keys = [AttemptKey("name", str(number)) for number in range(5)]
            for number, key in enumerate(keys):
                await tx.attempts.record([key], NOW + SECOND * number, SECOND * 10)
            assert await tx.attempts.purge(NOW + SECOND, 100) == 1
            assert await tx.attempts.purge(NOW, 2) == 2
            assert set(await tx.attempts.count(keys, NOW, SECOND * 10)) == set(keys[3:])

    async def test_a_pending_sign_in_is_used_once(self, store: Store) -> None:
        first = PendingSignIn("s1", "b1", "/hub/home", 1, NOW, {"verifier": "v"})
        async with store.transaction() as tx:
            await tx.pending_sign_ins.add(first, 9)
            assert await tx.pending_sign_ins.get("s1") == first
            assert await tx.pending_sign_ins.get("unknown") is None
            assert not await tx.pending_sign_ins.use("unknown")
        async with store.transaction() as tx:
            assert await tx.pending_sign_ins.use("s1")
            assert not await tx.pending_sign_ins.use("s1")
            assert await tx.pending_sign_ins.get("s1") == dataclasses.replace(first, used=True, data={})
        with refused(Code.CONFLICT):
            async with store.transaction() as tx:
                await tx.pending_sign_ins.add(first, 9)

    async def test_pending_sign_ins_are_bounded(self, store: Store) -> None:
        async with store.transaction() as tx:
            assert await tx.pending_sign_ins.latest_of("b1") is None
            for number in range(4):
                await tx.pending_sign_ins.add(PendingSignIn(f"s{number}", "b1", "", 1, NOW + SECOND * number), 2)
            await tx.pending_sign_ins.add(PendingSignIn("other", "b2", "", 1, NOW), 2)
            kept = [name for name in ("s0", "s1", "s2", "s3", "other") if await tx.pending_sign_ins.get(name)]
            assert kept == ["s2", "s3", "other"]
            newest = await tx.pending_sign_ins.latest_of("b1")
            assert newest is not None
            assert newest.state_hash == "s3"
            assert await tx.pending_sign_ins.purge(NOW + SECOND, 100) == 1
            assert await tx.pending_sign_ins.purge(NOW, 1) == 1
            assert await tx.pending_sign_ins.get("s2") is None
            assert await tx.pending_sign_ins.get("s3") is not None

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
