"""The part of the store's contract on servers and progress."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perijove.hub.core.errors import Code
from perijove.hub.core.paging import Window
from perijove.hub.core.servers import Event, Failure, Server, State, Target, after
from perijove.hub.core.texts import parts_of, say
from perijove.hub.ports.store import ServerQuery, Store
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
    step,
    token,
)


class ServersContract:
    """Servers and the progress of their starts."""

    async def test_a_server_comes_back_as_saved(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            server = await tx.servers.add(ada.id, "lab", "My lab")
            assert server == Server(server.id, ada.id, "ada", "lab", "My lab")
            saved = replace(
                after(server, Event.START_REQUESTED, NOW),
                display_name="Other",
                url="http://127.0.0.1:1",
                spawner_state={"pid": 1, "deep": {"x": [1.5, None]}},
                user_options={"profile": "é"},
                failure=Failure("It died", "Try again", "log\nline", NOW),
                started=NOW,
                last_activity=NOW,
            )
            await tx.servers.save(saved)
        async with store.transaction() as tx:
            assert await tx.servers.get(ada.id, "lab") == await tx.servers.by_id(server.id) == saved
            await tx.servers.save(replace(saved, failure=Failure("Only this"), version=2))
            assert await tx.servers.by_id(server.id) == replace(saved, failure=Failure("Only this"), version=2)
            await tx.servers.save(replace(saved, failure=None, target=Target.STOPPED, version=3))
            assert await tx.servers.by_id(server.id) == replace(saved, failure=None, target=Target.STOPPED, version=3)
            assert await tx.servers.get(ada.id, "") is None
            assert await tx.servers.by_id(HUGE) is None

    async def test_server_names_are_taken_once_a_user(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            await tx.servers.add(ada.id, "")
            await tx.servers.add(bob.id, "")
            with refused(Code.CONFLICT):
                await tx.servers.add(ada.id, "")
            with refused(Code.CONFLICT):
                await tx.servers.add(bob.id + 1, "")

    async def test_a_server_takes_another_free_name(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            lab, den = await tx.servers.add(ada.id, "lab"), await tx.servers.add(ada.id, "den")
            with refused(Code.CONFLICT):
                await tx.servers.save(replace(lab, name="den", version=1))
        async with store.transaction() as tx:
            await tx.servers.save(replace(lab, name="study", version=1))
        async with store.transaction() as tx:
            assert await tx.servers.get(ada.id, "lab") is None
            assert await tx.servers.get(ada.id, "study") == replace(lab, name="study", version=1)
            assert await tx.servers.get(ada.id, "den") == den

    async def test_lists_of_servers(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob, cyd = await add_user(tx), await add_user(tx, "bob"), await add_user(tx, "cyd")
            lab = await server_in(tx, bob, State.STOPPING, "lab")
            default = await server_in(tx, ada, State.READY)
            stopped = await server_in(tx, bob, State.STOPPED)
            await server_in(tx, cyd, State.FAILED)
            assert list(await tx.servers.list_of([bob.id, ada.id])) == [default, stopped, lab]
            assert list(await tx.servers.list_of([])) == []
            assert len(await tx.servers.list_of(range(40_000))) == 4
            assert {server.id for server in await tx.servers.list_active()} == {lab.id, default.id}

    async def test_servers_are_found_and_counted(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            await tx.groups.add_members((await tx.groups.add("team")).id, [bob.id])
            for user, name, state, title, minutes in (
                (bob, "lab", State.READY, "", 2),
                (bob, "", State.FAILED, "", 0),
                (ada, "", State.READY, "The 100% Lab", 1),
            ):
                stored = replace(await server_in(tx, user, state, name), display_name=title, version=2)
                at = NOW + SECOND * 60 * minutes if minutes else None
                await tx.servers.save(replace(stored, started=at, last_activity=at))

            async def listed(**wanted: Any) -> str:
                page = await tx.servers.list(ServerQuery(wanted.pop("window", ALL), **wanted))
                return " ".join([*(server.full_name for server in page.items), str(page.total)])

            assert await listed() == "ada/ bob/ bob/lab 3"
            assert await listed(window=Window(1, 1), descending=True) == "bob/ 3"
            assert await listed(sort="started") == await listed(sort="last_activity") == "bob/ ada/ bob/lab 3"
            assert await listed(sort="started", descending=True) == "bob/lab ada/ bob/ 3"
            assert await listed(states=frozenset({State.FAILED, State.QUEUED})) == "bob/ 1"
            assert await listed(states=frozenset()) == "0"
            assert await listed(name_filter="LAB") == "ada/ bob/lab 2"
            assert await listed(name_filter="0%") == await listed(name_filter="Ada") == "ada/ 1"
            assert await listed(owners=frozenset({"ada"}), named=frozenset({"bob/lab", "x/"})) == "ada/ bob/lab 2"
            assert await listed(groups=frozenset({"team"})) == "bob/ bob/lab 2"
            assert await listed(named=frozenset()) == "0"
            assert dict(await tx.servers.count_by_state()) == {State.READY: 2, State.FAILED: 1}

    async def test_the_wish_to_remove_a_server_is_kept(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await server_in(tx, await add_user(tx), State.STOPPING)
            assert list(await tx.servers.list_to_remove()) == []
            wanted = replace(server, remove_wanted=True, version=2)
            await tx.servers.save(wanted)
        async with store.transaction() as tx:
            assert list(await tx.servers.list_to_remove()) == [wanted]
            await tx.servers.save(replace(wanted, remove_wanted=False, version=3))
            assert list(await tx.servers.list_to_remove()) == []

    async def test_a_writer_that_read_an_older_version_is_refused(self, store: Store) -> None:
        async with store.transaction() as tx:
            read = await tx.servers.add((await add_user(tx)).id, "")
            await tx.servers.save(replace(read, url="first", version=1))
        async with store.transaction() as tx:
            for version in (0, 1, 3):
                with refused(Code.CONFLICT):
                    await tx.servers.save(replace(read, url="second", version=version))
            assert await tx.servers.by_id(read.id) == replace(read, url="first", version=1)
            await tx.servers.delete(read.id)
            with refused(Code.CONFLICT):
                await tx.servers.save(replace(read, version=2))

    async def test_saving_leaves_the_lease_and_never_moves_activity_back(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await tx.servers.add((await add_user(tx)).id, "")
            await tx.servers.claim(server.id, "hub1", NOW + SECOND, NOW)
            await tx.activity.record({}, {server.id: NOW}, {})
            await tx.servers.save(
                replace(server, owner="other", lease_until=None, last_activity=NOW - SECOND, version=1)
            )
            kept = replace(server, owner="hub1", lease_until=NOW + SECOND, last_activity=NOW, version=1)
            assert await tx.servers.by_id(server.id) == kept
            await tx.servers.save(replace(kept, last_activity=NOW + SECOND, version=2))
            assert await tx.servers.by_id(server.id) == replace(kept, last_activity=NOW + SECOND, version=2)

    async def test_a_checkpoint_is_for_the_running_attempt_only(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await server_in(tx, await add_user(tx), State.STARTING)
            assert await tx.servers.checkpoint(server.id, 1, {"pid": 7})
            assert not await tx.servers.checkpoint(server.id, 2, {"pid": 8})
            assert not await tx.servers.checkpoint(server.id + 1, 1, {"pid": 8})
            assert await tx.servers.by_id(server.id) == replace(server, spawner_state={"pid": 7})
            await tx.servers.save(replace(server, state=State.STOPPED, version=2))
            assert not await tx.servers.checkpoint(server.id, 1, {"pid": 9})

    async def test_what_json_cannot_hold_is_refused(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await server_in(tx, await add_user(tx), State.STARTING)
            for value in (object(), {1, 2}, float("nan"), b"bytes"):
                with refused(Code.INVALID):
                    await tx.servers.checkpoint(server.id, 1, {"key": value})
                with refused(Code.INVALID):
                    await tx.servers.save(replace(server, user_options={"key": value}, version=2))
            assert await tx.servers.by_id(server.id) == server
            assert await tx.servers.checkpoint(server.id, 1, {"pair": (1, 2)})
            found = await tx.servers.by_id(server.id)
            assert found is not None
            assert found.spawner_state == {"pair": [1, 2]}

    async def test_what_texts_were_made_of_is_kept(self, store: Store) -> None:
        reason = say("The server {ended}.", ended=say("ended with exit status {status}", status=3))
        async with store.transaction() as tx:
            server = await tx.servers.add((await add_user(tx)).id, "")
            await tx.servers.save(replace(server, failure=Failure(reason, "Try again"), version=1))
            await tx.progress.append(replace(step(server), message=say("Process {pid} started", pid=7)))
            await tx.progress.append(replace(step(server), message="plain"))
            stored = await tx.servers.by_id(server.id)
            assert stored is not None
            assert stored.failure is not None
            assert stored.failure.reason == "The server ended with exit status 3."
            assert parts_of(stored.failure.reason) == parts_of(reason)
            assert parts_of(stored.failure.advice) is None
            told, plain = await tx.progress.list(server.id, step(server).attempt)
            assert (told.message, plain.message) == ("Process 7 started", "plain")
            assert parts_of(told.message) == {"template": "Process {pid} started", "values": {"pid": "7"}}

    async def test_a_lease_is_held_until_it_runs_out_or_is_given_up(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            server, other = await tx.servers.add(ada.id, ""), await tx.servers.add(ada.id, "lab")
            until = NOW + SECOND
            assert await tx.servers.claim(server.id, "hub1", until, NOW)
            assert await tx.servers.claim(server.id, "hub1", until, NOW)
            assert not await tx.servers.claim(server.id, "hub2", until, NOW)
            await tx.servers.renew("hub1", until + SECOND)
            assert not await tx.servers.claim(server.id, "hub2", until + SECOND, until)
            assert await tx.servers.claim(server.id, "hub2", until + SECOND * 3, until + SECOND)
            await tx.servers.release(server.id, "hub1")
            held = replace(server, owner="hub2", lease_until=until + SECOND * 3)
            assert await tx.servers.by_id(server.id) == held
            await tx.servers.release(server.id, "hub2")
            assert await tx.servers.by_id(server.id) == server
            assert await tx.servers.claim(server.id, "hub1", until, NOW)
            assert await tx.servers.claim(other.id, "hub2", until, NOW)
            await tx.servers.release_all()
            assert list(await tx.servers.list_of([ada.id])) == [server, other]
            assert not await tx.servers.claim(other.id + 1, "hub1", until, NOW)

    async def test_leases_are_taken_and_given_up_together(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada = await add_user(tx)
            first, second, third = [await tx.servers.add(ada.id, name) for name in ("", "lab", "x")]
            until = NOW + SECOND
            assert await tx.servers.claim(second.id, "hub2", until, NOW)
            asked = [third.id, second.id, first.id, HUGE]
            taken = [replace(each, owner="hub1", lease_until=until) for each in (first, third)]
            assert list(await tx.servers.claim_each(asked, "hub1", until, NOW)) == taken
            assert list(await tx.servers.claim_each([first.id, second.id], "hub1", until, NOW)) == taken[:1]
            assert list(await tx.servers.claim_each([], "hub1", until, NOW)) == []
            await tx.servers.release_of("hub1")
            assert list(await tx.servers.list_of([ada.id])) == [
                first,
                replace(second, owner="hub2", lease_until=until),
                third,
            ]
            found = await tx.servers.claim_each([second.id], "hub1", until + SECOND, until)
            assert [each.owner for each in found] == ["hub1"]

    async def test_deleting_a_server_takes_its_own_along(self, store: Store) -> None:
        async with store.transaction() as tx:
            ada, bob = await add_user(tx), await add_user(tx, "bob")
            server = await tx.servers.add(ada.id, "")
            await tx.progress.append(step(server))
            await tx.oauth.put_client(client(server))
            await tx.oauth.add_code(code(ada))
            own = await tx.tokens.add(token(ada, server_id=server.id))
            visiting = await tx.tokens.add(token(bob, "t2", client_id="c1"))
            other = await tx.tokens.add(token(ada, "t3"))
            await tx.servers.delete(server.id)
            assert [await tx.oauth.client("c1"), await tx.oauth.take_code("o1")] == [None] * 2
            assert [await tx.tokens.get(each.id) for each in (own, visiting, other)] == [None, None, other]
            assert not await tx.progress.list(server.id, 1)
            await tx.servers.delete(server.id)

    async def test_progress(self, store: Store) -> None:
        async with store.transaction() as tx:
            server = await tx.servers.add((await add_user(tx)).id, "")
            first = await tx.progress.append(step(server))
            second = await tx.progress.append(replace(step(server, message="Failed"), outcome="failed"))
            later = await tx.progress.append(step(server, attempt=2))
            assert first == replace(step(server), id=first.id)
            assert list(await tx.progress.list(server.id, 1)) == [first, second]
            assert list(await tx.progress.list(server.id, 1, first.id)) == [second]
            assert list(await tx.progress.list(server.id, 1, HUGE)) == []
            await tx.progress.forget_before(server.id, 2)
            assert list(await tx.progress.list(server.id, 1)) == []
            assert list(await tx.progress.list(server.id, 2)) == [later]
            await tx.servers.delete(server.id)
            with refused(Code.CONFLICT):
                await tx.progress.append(step(server))
