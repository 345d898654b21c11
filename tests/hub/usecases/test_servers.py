from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import State
from perijove.hub.ports.store import ServerQuery
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases import servers as module

House = Any


def holding(*scopes: str, name: str = "ada") -> Principal:
    return Principal("user", name, expand(scopes, Holder(user=name)))


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def collected(hub: Any, house: House, seen: int = 0, name: str = "") -> list[ProgressEvent]:
    """Follow a start to its end, keep-alives left out."""
    async with asyncio.timeout(20):
        steps = await hub.servers.progress(house.admin, "ada", name, seen)
        return [step async for step in steps if step is not None]


async def test_only_who_may_can_start_stop_and_see(house: House) -> None:
    hub = await house.hub()
    assert (await refused(hub.servers.start(holding("read:users"), "ada", ""))).code is Code.FORBIDDEN
    assert (await refused(hub.servers.start(holding("self", name="eve"), "ada", ""))).code is Code.NOT_FOUND
    assert (await refused(hub.servers.stop(holding("self", name="eve"), "ada", ""))).code is Code.NOT_FOUND
    assert (await refused(hub.servers.get(holding("self", name="eve"), "ada", ""))).code is Code.NOT_FOUND
    assert (await hub.servers.start(holding("self"), "ada", "")).state is State.QUEUED
    assert (await refused(hub.servers.start(house.admin, "nobody", ""))).code is Code.NOT_FOUND


async def test_a_default_server_that_never_ran_is_shown_as_stopped(house: House) -> None:
    hub = await house.hub(named=True)
    assert (await hub.servers.get(house.admin, "ada", "")).state is State.STOPPED
    assert (await refused(hub.servers.get(house.admin, "ada", "lab"))).code is Code.NOT_FOUND
    assert (await hub.stop()).state is State.STOPPED


async def test_a_server_that_runs_is_not_started_again(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "answering")
    assert (await refused(hub.start())).message == "ada/ is pending spawn"
    house.let_go("answering")
    await house.until("ready")
    assert (await refused(hub.start())).message == "ada/ is already running"


async def test_options_and_display_name_stay_until_others_are_given(house: House) -> None:
    hub = await house.hub()
    await hub.start(options={"size": "big"}, display_name="Ada's")
    await house.until("ready")
    assert house.spawners[-1].user_options == {"size": "big"}
    for options, wanted in ((None, {"size": "big"}), ({}, {})):
        await hub.stop()
        await house.until("stopped")
        await hub.start(options=options)
        ready = await house.until("ready")
        assert (ready.user_options, ready.display_name) == (wanted, "Ada's")
    assert (await refused(hub.start(display_name="x" * 256))).code is Code.INVALID
    assert (await refused(hub.start("ada", "-bad-"))).code is Code.INVALID


async def test_named_servers_have_a_switch_and_a_limit(house: House) -> None:
    off, on = house.process(), house.process(named=True)
    assert (await refused(off.start(name="lab"))).message == "Named servers are not enabled."
    for name in ("one", "two"):
        await on.start(name=name)
    assert "maximum of 2" in (await refused(on.start(name="three"))).message


async def test_a_server_is_made_without_being_started(house: House) -> None:
    hub = await house.hub(named=True)
    made = await hub.servers.create(house.admin, "ada", "lab", options={"size": 1}, display_name="My lab")
    assert (made.state, made.user_options, made.display_name) == (State.STOPPED, {"size": 1}, "My lab")
    assert await hub.servers.get(house.admin, "ada", "lab") == made
    assert (await refused(hub.servers.create(house.admin, "ada", "lab"))).code is Code.CONFLICT
    assert (await refused(hub.servers.create(house.admin, "ada", ""))).code is Code.CONFLICT
    assert (await refused(hub.servers.create(house.admin, "ada", "Lab"))).code is Code.INVALID
    assert (await refused(hub.servers.create(holding("self", name="eve"), "ada", "x"))).code is Code.NOT_FOUND


async def test_what_is_at_rest_can_be_renamed_and_changed(house: House) -> None:
    hub = await house.hub(named=True)
    lab = await hub.servers.create(house.admin, "ada", "lab", options={"size": 1})
    den = await hub.servers.change(house.admin, "ada", "lab", new_name="den", display_name="Den")
    assert (den.id, den.name, den.display_name, den.user_options) == (lab.id, "den", "Den", {"size": 1})
    assert (await hub.servers.change(house.admin, "ada", "den", options={})).user_options == {}
    assert (await refused(hub.servers.change(house.admin, "ada", "lab", display_name="x"))).code is Code.NOT_FOUND
    await hub.servers.create(house.admin, "ada", "two")
    assert (await refused(hub.servers.change(house.admin, "ada", "den", new_name="two"))).code is Code.CONFLICT
    assert (await refused(hub.servers.change(house.admin, "ada", "den", new_name=""))).code is Code.CONFLICT
    assert (await refused(hub.servers.change(house.admin, "ada", "den", new_name="D E N"))).code is Code.INVALID


async def test_who_may_start_one_server_cannot_make_it_another(house: House) -> None:
    hub = await house.hub(named=True)
    await hub.servers.create(house.admin, "ada", "lab")
    limited = holding("start:servers!server=ada/lab")
    assert (await hub.servers.change(limited, "ada", "lab", display_name="Mine")).display_name == "Mine"
    assert (await refused(hub.servers.change(limited, "ada", "lab", new_name="den"))).code is Code.NOT_FOUND


async def test_a_server_that_runs_is_not_changed(house: House) -> None:
    hub = await house.hub(named=True)
    await hub.servers.start(house.admin, "ada", "lab")
    error = await refused(hub.servers.change(house.admin, "ada", "lab", new_name="den"))
    assert error.code is Code.INVALID
    assert "stop it" in error.message


async def test_a_default_server_with_a_new_name_counts_against_the_limit(house: House) -> None:
    hub = await house.hub(named=True)
    await hub.servers.start(house.admin, "ada", "")
    stopping = await hub.servers.stop(house.admin, "ada", "")
    await hub.servers.settle(stopping, 10)
    for name in ("one", "two"):
        await hub.servers.create(house.admin, "ada", name)
    assert (await refused(hub.servers.change(house.admin, "ada", "", new_name="main"))).code is Code.INVALID
    await hub.servers.settle(await hub.servers.stop(house.admin, "ada", "two", remove=True), 10)
    assert (await hub.servers.change(house.admin, "ada", "", new_name="main")).name == "main"


async def test_over_the_limit_of_active_servers_somebody_is_told_to_come_back(house: House) -> None:
    await house.user("bob")
    hub = await house.hub(limits=Limits(active_servers=1))
    await hub.start()
    assert (await refused(hub.start("bob"))).code is Code.LIMITED
    await house.until("ready")
    await hub.stop()
    await house.until("stopped")
    await hub.start("bob")


async def test_stopping_twice_is_no_error(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "stopping")
    version = (await house.row()).version
    assert (await hub.stop()).state is State.STOPPING
    assert (await house.row()).version == version


async def test_only_a_named_server_at_rest_is_deleted(house: House) -> None:
    hub = await house.hub(named=True)
    assert (await refused(hub.servers.stop(house.admin, "ada", "", remove=True))).code is Code.INVALID
    await hub.start(name="lab")
    await house.until("ready", "ada", "lab")
    house.hold("stopping")
    stopping = await hub.servers.stop(house.admin, "ada", "lab", remove=True)
    assert (stopping.state, stopping.remove_wanted) == (State.STOPPING, True)
    assert (await hub.servers.settle(stopping, 0)).active
    house.let_go("stopping")
    gone = await hub.servers.settle(stopping, 10)
    assert (gone.active, gone.remove_wanted) == (False, False)
    assert (await refused(hub.servers.get(house.admin, "ada", "lab"))).code is Code.NOT_FOUND


async def test_settling_ends_when_ready_at_rest_or_late(house: House) -> None:
    hub = await house.hub()
    server = await hub.start()
    assert (await hub.servers.settle(server, 30)).ready
    house.hold("stopping")
    assert not await hub.servers.stopped_within(server, 0)
    house.let_go("stopping")
    assert await hub.servers.stopped_within(server, 30)


async def test_settling_measures_with_the_clock_that_never_jumps(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    waiting = asyncio.create_task(hub.servers.settle(server, 5))
    house.clock.set(house.clock.now().replace(year=2040))
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not waiting.done()
    house.clock.advance(6)
    assert (await asyncio.wait_for(waiting, 10)).state is State.ANSWERING


async def test_progress_tells_every_step_to_its_end(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "answering")
    following = asyncio.create_task(collected(hub, house))
    house.let_go("answering")
    steps = await following
    assert [step.progress for step in steps] == [0, 10, 50, 90, 100]
    assert [step.outcome for step in steps] == ["", "", "", "", "ready"]
    assert [step.id for step in steps] == sorted(step.id for step in steps)


async def test_whoever_comes_back_gets_what_is_missing(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    seen = (await hub.servers.history(server))[-1].id
    following = asyncio.create_task(collected(hub, house, seen))
    await asyncio.sleep(0)
    house.let_go("answering")
    assert [step.progress for step in await following][-2:] == [90, 100]
    assert [step.outcome for step in await collected(hub, house, 10**9)] == ["ready"]


async def test_progress_ends_with_the_failure(house: House) -> None:
    house.world.hang_start = True
    hub = await house.hub()
    await house.reach(hub, "starting")
    following = asyncio.create_task(collected(hub, house))
    await asyncio.sleep(0.02)
    row = await house.row()
    house.world.hang_start = False
    house.world.end(row.id, 4)
    house.spawner_options = {"start_timeout": 0.05}
    await hub.stop()
    assert (await following)[-1].message == "Spawn cancelled"
    house.world.start_failure = PerijoveError(Code.FAILED, "No room.")
    await house.until("stopped")
    await hub.start()
    await house.until("failed")
    (last,) = await collected(hub, house)
    assert (last.outcome, last.message) == ("failed", "Spawn failed: No room.")


async def test_a_failure_that_was_seen_already_is_not_called_cancelled(house: House) -> None:
    house.world.start_failure = PerijoveError(Code.FAILED, "No room.")
    house.hold("stopping")
    house.world.lie = None
    hub = await house.hub()
    await hub.start()
    await house.until("stopping")
    (last,) = await collected(hub, house, 10**9)
    assert last.message == "Spawn failed: No room."


async def test_progress_of_a_server_that_does_not_start_is_refused(house: House) -> None:
    hub = await house.hub()
    assert "is not starting" in (await refused(hub.servers.progress(house.admin, "ada", ""))).message
    await house.reach(hub, "stopping")
    assert "is stopping" in (await refused(hub.servers.progress(house.admin, "ada", ""))).message


async def test_progress_works_from_another_hub_process(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "answering")
    other = house.process()
    following = asyncio.create_task(collected(other, house))
    house.let_go("answering")
    assert [step.progress for step in await following][-1] == 100


async def test_a_quiet_connection_is_kept_open(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    listeners = len(hub.signals._waiting[server.id])
    steps = await hub.servers.progress(house.admin, "ada", "")
    assert await anext(steps) is None
    while await anext(steps) is not None:
        pass
    waiting = asyncio.ensure_future(anext(steps))
    await asyncio.sleep(0.03)
    assert not waiting.done()
    house.clock.advance(module.KEEP_ALIVE + 1)
    assert await asyncio.wait_for(waiting, 10) is None
    await steps.aclose()
    assert len(hub.signals._waiting[server.id]) == listeners


async def test_a_new_attempt_forgets_the_steps_of_the_one_before(house: House) -> None:
    hub = await house.hub()
    first = await house.reach(hub, "ready")
    await hub.stop()
    await house.until("stopped")
    await hub.start()
    assert await hub.servers.history(first) == []


class Stale(FakeAuthenticator):
    """Says that everybody must sign in again."""

    asked = 0

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        self.asked += 1
        return False


def stale(house: House, **options: Any) -> Stale:
    house.authenticator = Stale(**options)
    return cast(Stale, house.authenticator)


async def test_whoever_must_sign_in_again_starts_no_server(house: House) -> None:
    authenticator = stale(house, refresh_pre_spawn=True)
    hub = await house.hub()
    ada = (await house.visitor("ada")).principal
    with pytest.raises(PerijoveError) as caught:
        await hub.servers.start(ada, "ada", "")
    assert caught.value.code is Code.FORBIDDEN
    assert "sign in again" in caught.value.message
    await house.user("bob")
    await hub.start("bob")
    await hub.servers.start(replace(ada, token_id=1), "ada", "")
    assert authenticator.asked == 3


async def test_where_refreshes_are_strict_nobody_else_starts_it_either(house: House) -> None:
    stale(house, refresh_pre_spawn=True, auth_refresh_strict=True)
    hub = await house.hub()
    with pytest.raises(PerijoveError, match="sign in again"):
        await hub.start("ada")


async def test_a_server_is_stopped_whatever_the_authenticator_says(house: House) -> None:
    authenticator = stale(house, refresh_pre_stop=True)
    hub = await house.hub()
    await hub.start("ada")
    await house.until("ready")
    assert authenticator.asked == 0
    ada = (await house.visitor("ada")).principal
    await hub.servers.stop(ada, "ada", "")
    await house.until("stopped")
    assert authenticator.asked == 1


async def test_lists_and_counts_hold_what_the_caller_may_read(house: House) -> None:
    for name in ("bob", "cyd", "dan"):
        await house.user(name)
    hub = await house.hub(named=True)
    async with house.store.transaction() as tx:
        cyd = await tx.users.get("cyd")
        assert cyd is not None
        await tx.groups.add_members((await tx.groups.add("team")).id, [cyd.id])
        for name in ("ada", "bob", "cyd", "dan"):
            user = await tx.users.get(name)
            assert user is not None
            await tx.servers.add(user.id, "")
            if name == "dan":
                await tx.servers.add(user.id, "lab")

    async def listed(*scopes: str) -> str:
        page = await hub.servers.list(holding(*scopes), ServerQuery(Window()))
        return " ".join(server.full_name for server in page.items)

    assert await listed("read:servers") == "ada/ bob/ cyd/ dan/ dan/lab"
    some = "read:servers!user=ada", "read:servers!group=team", "read:servers!server=dan/lab"
    assert await listed(*some) == "ada/ cyd/ dan/lab"
    assert (await refused(listed("read:users"))).code is Code.FORBIDDEN
    assert await hub.servers.count(house.admin) == {State.STOPPED: 5}
    assert (await refused(hub.servers.count(holding(*some)))).code is Code.FORBIDDEN
