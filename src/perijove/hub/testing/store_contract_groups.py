"""The part of the store's contract on groups and shares."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code
from perijove.hub.core.groups import Group
from perijove.hub.core.paging import Window
from perijove.hub.core.roles import Role
from perijove.hub.core.shares import Share
from perijove.hub.ports.store import GroupQuery, ShareQuery, Store, UserQuery
from perijove.hub.testing.store_samples import (
    ALL,
    HUGE,
    NOW,
    SECOND,
    add_user,
    refused,
    session,
    share,
    share_code,
)

EVERY = ShareQuery(ALL, NOW)


class GroupsContract:
    """Groups, memberships, shares, share codes."""

    async def test_a_group_comes_back_as_stored(self, store: Store) -> None:
        async with store.transaction() as tx:
            team = await tx.groups.add("Team é")
            await tx.groups.set_properties(team.id, {"quota": [1, None]})
            with refused(Code.CONFLICT):
                await tx.groups.add("Team é")
            with refused(Code.INVALID):
                await tx.groups.set_properties(team.id, {"x": object()})
        async with store.transaction() as tx:
            full = Group(team.id, "Team é", {"quota": [1, None]})
            assert await tx.groups.get("Team é") == await tx.groups.by_id(team.id) == full
            assert [await tx.groups.get("team é"), await tx.groups.by_id(HUGE)] == [None] * 2

    async def test_pages_of_groups(self, store: Store) -> None:
        async with store.transaction() as tx:
            groups = [await tx.groups.add(name) for name in ("c", "a", "d", "b")]
            page = await tx.groups.list(GroupQuery(Window(1, 2)))
            assert (page.items, page.total, page.next) == (groups[1:3], 4, Window(3, 2))
            some = await tx.groups.list(GroupQuery(ALL, frozenset({"a", "b", "x"})))
            assert (some.items, some.total) == ([groups[1], groups[3]], 2)
            assert (await tx.groups.list(GroupQuery(ALL, frozenset()))).total == 0
            assert await tx.groups.named(["b", "x"]) == {"b": groups[3]}
            by_name = await tx.groups.list(GroupQuery(Window(1, 2), by_name=True))
            assert (by_name.items, by_name.total) == ([groups[3], groups[0]], 4)
            team = await tx.groups.add("50% Team")
            for wanted in ("TEAM", "0%"):
                assert (await tx.groups.list(GroupQuery(ALL, name_filter=wanted))).items == [team]

    async def test_members(self, store: Store) -> None:
        async with store.transaction() as tx:
            ids = {name: (await add_user(tx, name)).id for name in ("cyd", "ada", "bob")}
            team, crew = await tx.groups.add("team"), await tx.groups.add("crew")
            await tx.groups.add_members(team.id, [ids["cyd"], ids["ada"]])
            await tx.groups.add_members(team.id, [ids["ada"], ids["bob"]])
            await tx.groups.add_members(team.id, [])
            await tx.groups.add_members(crew.id, [ids["ada"]])
            assert await tx.groups.members([team.id, crew.id]) == {team.id: ["ada", "bob", "cyd"], crew.id: ["ada"]}
            assert await tx.groups.groups_of(ids.values()) == {
                ids["cyd"]: ["team"],
                ids["ada"]: ["crew", "team"],
                ids["bob"]: ["team"],
            }
            assert await tx.groups.count_members([team.id, crew.id, HUGE]) == {team.id: 3, crew.id: 1, HUGE: 0}
            await tx.groups.remove_members(team.id, [ids["ada"], ids["ada"] + 100])
            await tx.groups.set_members(crew.id, [ids["bob"]])
            assert await tx.groups.members([team.id, crew.id]) == {team.id: ["bob", "cyd"], crew.id: ["bob"]}
            await tx.groups.set_groups(ids["bob"], [crew.id])
            await tx.groups.set_groups(ids["cyd"], [])
            assert await tx.groups.members([team.id, crew.id]) == {team.id: [], crew.id: ["bob"]}
            await tx.groups.set_members(crew.id, [])
            assert await tx.groups.members([crew.id]) == {crew.id: []}
            for group_id, user_id in ((team.id, ids["bob"] + 1), (crew.id + 1, ids["bob"])):
                with refused(Code.CONFLICT):
                    await tx.groups.add_members(group_id, [user_id])

    async def test_a_user_comes_with_their_groups(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            for name in ("team", "crew", "Zoo"):
                await tx.groups.add_members((await tx.groups.add(name)).id, [ada.id])
            await tx.sessions.add(session(ada))
            full = replace(ada, groups=("Zoo", "crew", "team"))
            assert await tx.users.get("ada") == await tx.users.by_id(ada.id) == full
            assert (await tx.users.list(UserQuery(ALL))).items == [full, bob]
            assert await tx.users.named(["ada", "bob"]) == {"ada": full, "bob": bob}
            assert await tx.sessions.get("k1") == (session(ada), full)
            await tx.users.want_removal(ada.id, True)
            assert list(await tx.users.list_to_remove()) == [replace(full, remove_wanted=True)]

    async def test_only_some_names_and_groups(self, store: Store) -> None:
        async with store.transaction() as tx:
            ids = [(await add_user(tx, name)).id for name in ("ada", "bob", "cyd", "dan")]
            for name, members in (("team", ids[:2]), ("crew", ids[1:3]), ("none", [])):
                await tx.groups.add_members((await tx.groups.add(name)).id, members)

            async def listed(names: set[str] | None, groups: set[str] | None) -> str:
                query = UserQuery(
                    ALL,
                    names=None if names is None else frozenset(names),
                    groups=None if groups is None else frozenset(groups),
                )
                page = await tx.users.list(query)
                assert page.total == len(page.items)
                return " ".join(user.name for user in page.items)

            assert await listed(None, {"team"}) == "ada bob"
            assert await listed(set(), {"team", "crew"}) == "ada bob cyd"
            assert await listed({"dan", "ada"}, {"crew"}) == "ada bob cyd dan"
            assert await listed({"dan"}, set()) == "dan"
            assert await listed(None, {"none", "unknown"}) == ""
            assert await listed(None, set()) == ""
            assert await listed(None, None) == "ada bob cyd dan"
            for group, names in (("team", ["ada", "bob"]), ("none", []), ("unknown", [])):
                assert [each.name for each in (await tx.users.list(UserQuery(ALL, member_of=group))).items] == names
            some = UserQuery(ALL, names=frozenset({"bob", "dan"}), member_of="team")
            assert [user.name for user in (await tx.users.list(some)).items] == ["bob"]

    async def test_deleting_a_group_or_a_member_takes_their_own_along(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            team, crew = await tx.groups.add("team"), await tx.groups.add("crew")
            for group in (team, crew):
                await tx.groups.add_members(group.id, [ada.id, bob.id])
            await tx.roles.put(Role("r", ()))
            await tx.roles.assign("r", "group", team.id)
            server = await tx.servers.add(ada.id, "")
            await tx.shares.put(share(server, group_id=team.id))
            kept = await tx.shares.put(share(server, group_id=crew.id))
            await tx.shares.put(share(await tx.servers.add(ada.id, "lab"), user_id=bob.id))
            await tx.groups.delete(team.id)
            await tx.groups.delete(team.id)
            await tx.users.delete(bob.id)
            assert await tx.groups.get("team") is None
            assert await tx.groups.members([team.id, crew.id]) == {team.id: [], crew.id: ["ada"]}
            assert list(await tx.roles.of("group", team.id)) == []
            assert (await tx.shares.list(EVERY)).items == [kept]
            await tx.users.delete(ada.id)
            assert (await tx.shares.list(EVERY)).items == []

    async def test_a_share_comes_back_as_stored(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            server, team = await tx.servers.add(ada.id, "lab"), await tx.groups.add("team")
            wanted = replace(share(server, user_id=bob.id), scopes=("b", "a", "b"), owner_name="", expires=NOW + SECOND)
            to_bob = await tx.shares.put(wanted)
            assert to_bob == Share(
                to_bob.id, server.id, "ada", "lab", ("a", "b"), NOW, bob.id, "bob", expires=NOW + SECOND
            )
            to_team = await tx.shares.put(share(server, group_id=team.id))
            assert (to_team.group_id, to_team.group_name, to_team.user_id) == (team.id, "team", None)
        async with store.transaction() as tx:
            assert await tx.shares.with_user(server.id, bob.id) == to_bob
            assert await tx.shares.with_group(server.id, team.id) == to_team
            assert await tx.shares.with_user(server.id, ada.id) is None
            changed = await tx.shares.put(replace(share(server, user_id=bob.id), scopes=("c",), created=NOW + SECOND))
            assert changed == replace(to_bob, scopes=("c",), expires=None)
            assert (await tx.shares.list(EVERY)).items == [changed, to_team]
            for wrong in (share(server), share(server, user_id=bob.id, group_id=team.id)):
                with pytest.raises(ValueError, match="user or for a group"):
                    await tx.shares.put(wrong)
            gone = replace(server, id=server.id + 1)
            for orphan in (share(gone, user_id=bob.id), share(server, user_id=HUGE >> 10), share(server, group_id=9)):
                with refused(Code.CONFLICT):
                    await tx.shares.put(orphan)

    async def test_lists_of_shares(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob, cyd = await add_user(tx), await add_user(tx, "bob"), await add_user(tx, "cyd")
            team = await tx.groups.add("team")
            await tx.groups.add_members(team.id, [cyd.id])
            one, two = await tx.servers.add(ada.id, ""), await tx.servers.add(bob.id, "")
            to_cyd = await tx.shares.put(share(one, user_id=cyd.id))
            to_team = await tx.shares.put(share(one, group_id=team.id))
            back = await tx.shares.put(share(two, user_id=ada.id))
            await tx.shares.put(share(two, user_id=cyd.id, expires=NOW))
            for query, found in (
                (EVERY, [to_cyd, to_team, back]),
                (replace(EVERY, server_id=one.id), [to_cyd, to_team]),
                (replace(EVERY, owner_id=bob.id), [back]),
                (replace(EVERY, user_id=cyd.id), [to_cyd, to_team]),
                (replace(EVERY, group_id=team.id), [to_team]),
                (replace(EVERY, server_id=two.id, user_id=cyd.id), []),
            ):
                page = await tx.shares.list(query)
                assert (page.items, page.total) == (found, len(found))
            page = await tx.shares.list(replace(EVERY, window=Window(1, 1)))
            assert (page.items, page.total) == ([to_team], 3)
            await tx.shares.delete(to_cyd.id)
            assert await tx.shares.delete_of_server(one.id) == 1
            assert (await tx.shares.list(EVERY)).items == [back]
            assert await tx.shares.delete_expired(NOW) == 1
            assert await tx.shares.with_user(two.id, cyd.id) is None

    async def test_what_a_user_may_do_by_shares(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            lab, other = await tx.servers.add(ada.id, "lab"), await tx.servers.add(ada.id, "")
            team = await tx.groups.add("team")
            await tx.groups.add_members(team.id, [bob.id])
            await tx.shares.put(share(lab, user_id=bob.id))
            await tx.shares.put(replace(share(lab, group_id=team.id), scopes=("access:servers", "read:servers")))
            await tx.shares.put(share(other, user_id=bob.id, expires=NOW + SECOND))
            both = {"access:servers!server=ada/lab", "read:servers!server=ada/lab"}
            assert set(await tx.shares.scopes_for_user(bob.id, NOW)) == both | {"access:servers!server=ada/"}
            assert set(await tx.shares.scopes_for_user(bob.id, NOW + SECOND)) == both
            assert not await tx.shares.scopes_for_user(ada.id, NOW)

    async def test_shares_follow_the_server_and_not_the_name(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            server = await tx.servers.add(ada.id, "lab")
            await tx.shares.put(share(server, user_id=bob.id))
            await tx.share_codes.add(share_code(server))
            await tx.users.rename(ada.id, "eva")
            newcomer = await add_user(tx, "ada")
            await tx.servers.add(newcomer.id, "lab")
            assert set(await tx.shares.scopes_for_user(bob.id, NOW)) == {"access:servers!server=eva/lab"}
            code = await tx.share_codes.by_hash("x1")
            assert code is not None
            assert code.limited_scopes == ("access:servers!server=eva/lab",)
            await tx.servers.delete(server.id)
            await tx.servers.add(ada.id, "lab")
            assert not await tx.shares.scopes_for_user(bob.id, NOW)
            assert await tx.share_codes.by_hash("x1") is None

    async def test_share_codes(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            one, two = await tx.servers.add(ada.id, ""), await tx.servers.add(bob.id, "lab")
            new = replace(share_code(one), scopes=("b", "a"), owner_name="")
            first = await tx.share_codes.add(new)
            assert first == replace(new, id=first.id, scopes=("a", "b"), owner_name="ada")
            second = await tx.share_codes.add(share_code(two, "x2"))
            over = await tx.share_codes.add(share_code(two, "x3", expires=NOW))
            with refused(Code.CONFLICT):
                await tx.share_codes.add(share_code(two))
            with refused(Code.CONFLICT):
                await tx.share_codes.add(share_code(replace(two, id=two.id + 1), "x4"))
        async with store.transaction() as tx:
            assert await tx.share_codes.by_hash("x1") == await tx.share_codes.get(first.id) == first
            assert await tx.share_codes.by_hash("x3") == over
            assert [await tx.share_codes.by_hash("x9"), await tx.share_codes.get(HUGE)] == [None] * 2
            assert (await tx.share_codes.list(EVERY)).items == [first, second]
            assert (await tx.share_codes.list(replace(EVERY, server_id=two.id))).items == [second]
            assert (await tx.share_codes.list(replace(EVERY, owner_id=ada.id))).total == 1
            await tx.share_codes.exchanged(first.id, NOW)
            await tx.share_codes.exchanged(first.id, NOW + SECOND)
            used = replace(first, exchange_count=2, last_exchanged=NOW + SECOND)
            assert await tx.share_codes.get(first.id) == used
            assert await tx.shares.delete_expired(NOW) == 1
            await tx.share_codes.delete(first.id)
            assert await tx.share_codes.delete_of_server(two.id) == 1
            assert (await tx.share_codes.list(EVERY)).items == []
