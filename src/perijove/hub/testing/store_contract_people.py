"""The part of the store's contract on users, accounts, invitations and sessions."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code
from perijove.hub.core.paging import Window
from perijove.hub.core.roles import Role
from perijove.hub.core.servers import Failure, State
from perijove.hub.core.users import Account, User
from perijove.hub.ports.store import Store, UserQuery, UserSort
from perijove.hub.testing.store_samples import (
    ALL,
    HUGE,
    NOW,
    SECOND,
    add_user,
    client,
    code,
    refused,
    server_in,
    session,
    step,
    token,
)


class PeopleContract:
    """Users, accounts, invitations, sessions."""

    async def test_administrators_alone_or_the_others(self, store: Store) -> None:
        async with store.transaction() as tx:
            root = await tx.users.add("root", admin=True, now=NOW)
            ada = await add_user(tx)
            assert (await tx.users.list(UserQuery(ALL, admin=True))).items == [root]
            assert (await tx.users.list(UserQuery(ALL, admin=False))).items == [ada]

    async def test_users_with_their_roles_and_servers(self, store: Store) -> None:
        async with store.transaction() as tx:
            await tx.roles.put(Role("writer", ()))
            await tx.roles.put(Role("editor", ()))
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            for role in ("writer", "editor"):
                await tx.roles.assign(role, "user", ada.id)
            servers = [await server_in(tx, ada, State.READY, name) for name in ("", "gpu")]
            page = await tx.users.overview(UserQuery(ALL))
            assert [(each.user, [*each.roles], [*each.servers]) for each in page.items] == [
                (ada, ["editor", "writer"], servers),
                (bob, [], []),
            ]
            second = await tx.users.overview(UserQuery(Window(1, 1)))
            assert ([each.user for each in second.items], second.total, second.window) == ([bob], 2, Window(1, 1))

    async def test_users_come_with_all_of_their_servers(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            full = replace(
                await tx.servers.add(ada.id, "gpu", 'My "best" ✓'),
                state=State.FAILED,
                attempt=3,
                url="http://127.0.0.1:1",
                spawner_state={"pid": 7, "deep": [{"a": None, "b": 1.5}]},
                user_options={"image": "x, y"},
                failure=Failure("It died", "Try again", "log\nline", NOW),
                requested=NOW,
                started=NOW.replace(microsecond=0),
                last_activity=NOW + SECOND,
                version=1,
                owner="hub1",
                lease_until=NOW.replace(microsecond=500_000),
            )
            await tx.servers.save(full)
            await tx.servers.add(ada.id, "")
        async with store.reading() as tx:
            (seen,) = (await tx.users.overview(UserQuery(ALL))).items
            assert [server.name for server in seen.servers] == ["", "gpu"]
            assert [*seen.servers] == [*await tx.servers.list_of([ada.id])]
            assert seen.servers[1].spawner_state == full.spawner_state
            assert seen.servers[1].failure == full.failure

    async def test_a_user_comes_back_as_stored(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await tx.users.add("ada", admin=True, now=NOW)
        async with store.transaction() as tx:
            assert ada == User(ada.id, "ada", True, NOW)
            assert await tx.users.get("ada") == await tx.users.by_id(ada.id) == ada
            assert await tx.users.get("bob") is None
            assert await tx.users.by_id(ada.id + 1) is None
            assert await tx.users.by_id(HUGE) is None

    async def test_a_time_keeps_microseconds_and_is_refused_without_zone(self, store: Store) -> None:
        async with store.transaction() as tx:
            east = NOW.astimezone(timezone(timedelta(hours=5)))
            ada = await tx.users.add("ada", admin=False, now=east)
            found = await tx.users.get("ada")
            assert found is not None
            assert found.created == ada.created == NOW
            with pytest.raises(ValueError, match="time zone"):
                await tx.users.add("bob", admin=False, now=NOW.replace(tzinfo=None))

    async def test_a_user_name_is_taken_once(self, store: Store) -> None:
        async with store.transaction() as tx:
            await add_user(tx)
            with refused(Code.CONFLICT):
                await add_user(tx)
            assert await tx.users.count() == 1

    async def test_many_users_at_once(self, store: Store) -> None:
        async with store.transaction() as tx:
            await add_user(tx, "bob")
            new = await tx.users.add_many(["cyd", "bob", "ada", "cyd"], admin=True, now=NOW)
            assert [(user.name, user.admin, user.created) for user in new] == [("cyd", True, NOW), ("ada", True, NOW)]
            assert await tx.users.named(["ada", "cyd", "zoe"]) == {user.name: user for user in new}
            assert await tx.users.add_many([], admin=False, now=NOW) == []
            assert len(await tx.users.add_many([f"u{n}" for n in range(40_000)], admin=False, now=NOW)) == 40_000
            assert await tx.users.count() == 40_003

    async def test_what_is_kept_about_a_user(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.users.set_user_info(ada.id, {"mail": "é", "deep": [1, None]})
            assert await tx.users.get("ada") == replace(ada, user_info={"mail": "é", "deep": [1, None]})
            await tx.users.set_user_info(ada.id, {})
            assert await tx.users.get("ada") == replace(ada, user_info={})
            await tx.users.set_user_info(ada.id, None)
            assert await tx.users.get("ada") == ada
            with refused(Code.INVALID):
                await tx.users.set_user_info(ada.id, {"x": object()})
            assert await tx.users.auth_state(ada.id) is None
            for secret in (b"\x00\xff", b"other"):
                await tx.users.set_auth_state(ada.id, secret)
                assert await tx.users.auth_state(ada.id) == secret
            await tx.users.set_auth_state(ada.id, None)
            assert await tx.users.auth_state(ada.id) is None
            with refused(Code.CONFLICT):
                await tx.users.set_auth_state(ada.id + 1, b"x")

    async def test_the_wish_to_remove_a_user_is_kept(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, _ = await add_user(tx), await add_user(tx, "bob")
            await tx.users.want_removal(ada.id, True)
        async with store.transaction() as tx:
            assert list(await tx.users.list_to_remove()) == [replace(ada, remove_wanted=True)]
            await tx.users.want_removal(ada.id, False)
            assert list(await tx.users.list_to_remove()) == []

    async def test_a_new_name_takes_everything_along(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            await tx.accounts.add(Account("ada", "hash", approved=True, created=NOW))
            server = await tx.servers.add(ada.id, "lab")
            await tx.oauth.put_client(client(server))
            issued = await tx.tokens.add(token(bob, "t1", client_id="c1"))
            names = ("read:users!user=ada", "access:servers!server=ada/lab", "read:users!user=adam", "self")
            own = await tx.tokens.add(replace(token(ada, "t2"), scopes=names))
            other = await tx.tokens.add(replace(token(bob, "t3"), scopes=names))
            with refused(Code.CONFLICT):
                await tx.users.rename(ada.id, "bob")
            await tx.users.rename(ada.id, "ada")
            await tx.users.rename(ada.id, "eva")
            await tx.users.rename(bob.id + 1, "zoe")
            assert await tx.users.get("ada") is None
            assert await tx.users.get("eva") == replace(ada, name="eva")
            assert await tx.accounts.get("ada") is None
            assert await tx.accounts.get("eva") == Account("eva", "hash", approved=True, created=NOW)
            assert await tx.servers.by_id(server.id) == replace(server, user_name="eva")
            assert [await tx.oauth.client("c1"), await tx.tokens.get(issued.id)] == [None] * 2
            renamed = ("read:users!user=eva", "access:servers!server=eva/lab", "read:users!user=adam", "self")
            assert await tx.tokens.get(own.id) == replace(own, owner_name="eva", scopes=renamed)
            assert await tx.tokens.get(other.id) == replace(other, scopes=renamed)

    async def test_a_name_with_an_account_is_taken(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            for name in ("ada", "eva"):
                await tx.accounts.add(Account(name, "hash", approved=False, created=NOW))
            with refused(Code.CONFLICT):
                await tx.users.rename(ada.id, "eva")

    async def test_administrators(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.users.set_admin(ada.id, True)
            assert not await tx.accounts.any_administrator(), "she has no password yet"
            await tx.accounts.add(Account("ada", "hash", approved=False, created=NOW))
            assert not await tx.accounts.any_administrator(), "she is not approved yet"
            await tx.accounts.approve("ada")
            assert await tx.accounts.any_administrator()
            assert (await tx.users.get("ada")) == replace(ada, admin=True)
            await tx.users.set_admin(ada.id, False)
            await tx.users.set_admin(ada.id + 1, True)
            assert not await tx.accounts.any_administrator()

    async def test_ids_are_never_used_again(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            server = await tx.servers.add(ada.id, "")
            stored = await tx.tokens.add(token(ada))
            await tx.users.delete(ada.id)
        async with store.transaction() as tx:
            bob = await add_user(tx, "bob")
            assert bob.id > ada.id
            assert (await tx.servers.add(bob.id, "")).id > server.id
            assert (await tx.tokens.add(token(bob))).id > stored.id

    async def test_pages_of_users(self, store: Store) -> None:
        async with store.transaction() as tx:
            for number in range(5):
                await add_user(tx, f"u{number}")
            page = await tx.users.list(UserQuery(Window(1, 2)))
            assert [user.name for user in page.items] == ["u1", "u2"]
            assert (page.total, page.window, page.next) == (5, Window(1, 2), Window(3, 2))
            assert list(await tx.users.names(UserQuery(Window(1, 2)))) == ["u1", "u2"]
            last = await tx.users.list(UserQuery(Window(4, 2)))
            assert ([user.name for user in last.items], last.next) == (["u4"], None)
            beyond = await tx.users.list(UserQuery(Window(HUGE, HUGE)))
            assert (beyond.items, beyond.total) == ([], 5)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "abe 50% a_b axb müll"),
            ("B", "abe a_b axb"),
            ("%", "50%"),
            ("_", "a_b"),
            ("MÜ", "müll"),
            ("\\", ""),
            ("'", ""),
            ("x" * 100_000, ""),
        ],
        ids=lambda text: text[:10],
    )
    async def test_a_name_filter_takes_text_literally(self, store: Store, text: str, found: str) -> None:
        async with store.transaction() as tx:
            for name in ("abe", "50%", "a_b", "axb", "müll"):
                await add_user(tx, name)
            page = await tx.users.list(UserQuery(ALL, name_filter=text))
            assert ([user.name for user in page.items], page.total) == (found.split(), len(found.split()))

    async def test_only_some_names(self, store: Store) -> None:
        async with store.transaction() as tx:
            for name in ("ada", "bob", "cyd"):
                await add_user(tx, name)
            some = await tx.users.list(UserQuery(ALL, names=frozenset({"cyd", "ada", "zoe"})))
            assert ([user.name for user in some.items], some.total) == (["ada", "cyd"], 2)
            none = await tx.users.list(UserQuery(ALL, names=frozenset()))
            assert (none.items, none.total) == ([], 0)
            many = await tx.users.list(UserQuery(ALL, names=frozenset(f"n{n}" for n in range(40_000)) | {"bob"}))
            assert [user.name for user in many.items] == ["bob"]

    async def test_users_who_were_active_lately_are_counted(self, store: Store) -> None:
        async with store.transaction() as tx:
            ids = {name: (await add_user(tx, name)).id for name in ("ada", "bob", "cyd")}
            await tx.activity.record({ids["ada"]: NOW, ids["bob"]: NOW + SECOND}, {}, {})
            times = (NOW, NOW + SECOND, NOW + 2 * SECOND)
            assert [await tx.users.count(active_since=time) for time in times] == [2, 1, 0]
            assert await tx.users.count() == 3

    @pytest.mark.parametrize(
        ("sort", "names"),
        [("id", "cyd ada bob dan"), ("name", "ada bob cyd dan"), ("last_activity", "ada dan cyd bob")],
    )
    async def test_sorting(self, store: Store, sort: UserSort, names: str) -> None:
        async with store.transaction() as tx:
            ids = {name: (await add_user(tx, name)).id for name in ("cyd", "ada", "bob", "dan")}
            await tx.activity.record({ids["bob"]: NOW + SECOND, ids["cyd"]: NOW}, {}, {})
            up = await tx.users.list(UserQuery(ALL, sort=sort))
            assert [user.name for user in up.items] == names.split()
            down = await tx.users.list(UserQuery(ALL, sort=sort, descending=True))
            assert [user.name for user in down.items] == names.split()[::-1]

    async def test_users_by_the_state_of_their_servers(self, store: Store) -> None:
        async with store.transaction() as tx:
            states = {"ada": [State.READY, State.STOPPED], "bob": [State.QUEUED], "cyd": [State.FAILED], "dan": []}
            for name, of_name in states.items():
                user = await add_user(tx, name)
                for number, state in enumerate(of_name):
                    await server_in(tx, user, state, f"s{number}")
            for wanted, names in (("active", ["ada", "bob"]), ("ready", ["ada"]), ("inactive", ["cyd", "dan"])):
                query = UserQuery(ALL, state=wanted)  # type: ignore[arg-type]
                page = await tx.users.list(query)
                assert ([user.name for user in page.items], page.total) == (names, len(names))
                assert list(await tx.users.names(query)) == names

    async def test_deleting_a_user_takes_everything_along(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            await tx.accounts.add(Account("ada", "hash", True, NOW))
            await tx.roles.replace_all([Role("user", ("self",))])
            await tx.roles.assign("user", "user", ada.id)
            await tx.sessions.add(session(ada))
            server = await tx.servers.add(ada.id, "")
            await tx.progress.append(step(server))
            await tx.oauth.put_client(client(server))
            await tx.oauth.add_code(code(bob, "of-bob", session_id="other"))
            mine = await tx.tokens.add(token(ada, server_id=server.id))
            visiting = await tx.tokens.add(token(bob, "t2", client_id="c1"))
            other = await tx.tokens.add(token(bob, "t3"))
            await tx.users.delete(ada.id)
        async with store.transaction() as tx:
            assert [await tx.users.get("ada"), await tx.accounts.get("ada"), await tx.sessions.get("k1")] == [None] * 3
            assert [await tx.servers.by_id(server.id), await tx.oauth.client("c1")] == [None] * 2
            assert [await tx.tokens.get(mine.id), await tx.tokens.get(visiting.id)] == [None] * 2
            assert await tx.oauth.take_code("of-bob") is None
            assert not await tx.progress.list(server.id, 1)
            assert not await tx.roles.of("user", ada.id)
            assert await tx.tokens.get(other.id) == other
            await tx.users.delete(ada.id)

    async def test_accounts(self, store: Store) -> None:
        zoe, ada = Account("zoe", "h1", False, NOW), Account("ada", "h2", False, NOW + SECOND)
        async with store.transaction() as tx:
            await tx.accounts.add(ada)
            await tx.accounts.add(zoe)
            await tx.accounts.add(Account("eve", "h3", True, NOW))
            with refused(Code.CONFLICT):
                await tx.accounts.add(ada)
            assert list(await tx.accounts.list_waiting()) == [zoe, ada]
            assert await tx.accounts.count_waiting() == 2
            assert await tx.accounts.approve("ada")
            assert not await tx.accounts.approve("nobody")
            await tx.accounts.set_password("ada", "new")
            assert await tx.accounts.get("ada") == replace(ada, approved=True, password_hash="new")
            await tx.accounts.delete("ada")
            await tx.accounts.delete("ada")
            assert await tx.accounts.get("ada") is None
            assert await tx.accounts.count_waiting() == 1

    async def test_only_the_latest_invitation_is_good_and_once(self, store: Store) -> None:
        async with store.transaction() as tx:
            await tx.invitations.replace("first", NOW)
            await tx.invitations.replace("second", NOW)
            assert not await tx.invitations.valid("first")
            assert not await tx.invitations.redeem("first")
            assert await tx.invitations.valid("second")
            assert await tx.invitations.redeem("second")
            assert not await tx.invitations.valid("second")
            assert not await tx.invitations.redeem("second")

    async def test_a_session_ends_with_what_was_issued_in_it(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.sessions.add(session(ada))
            await tx.sessions.add(session(ada, "k2"))
            with refused(Code.CONFLICT):
                await tx.sessions.add(session(ada))
            assert await tx.sessions.get("k1") == (session(ada), ada)
            await tx.oauth.put_client(client(await tx.servers.add(ada.id, "")))
            await tx.oauth.add_code(code(ada))
            inside = await tx.tokens.add(token(ada, session_id="s-k1"))
            outside = await tx.tokens.add(token(ada, "t2", session_id="s-k2"))
            await tx.sessions.delete("s-k1")
            assert [await tx.sessions.get("k1"), await tx.oauth.take_code("o1"), await tx.tokens.get(inside.id)] == [
                None
            ] * 3
            assert await tx.sessions.get("k2") is not None
            assert await tx.tokens.get(outside.id) == outside
            await tx.sessions.delete_all_of(ada.id)
            assert [await tx.sessions.get("k2"), await tx.tokens.get(outside.id)] == [None] * 2

    async def test_a_session_needs_its_user(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            await tx.users.delete(ada.id)
            with refused(Code.CONFLICT):
                await tx.sessions.add(session(ada))
