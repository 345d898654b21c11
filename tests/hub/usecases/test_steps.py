from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.core.admission import Limits
from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerAdopted
from perijove.hub.core.servers import State
from perijove.hub.testing.fakes import FakeSpawner
from perijove.hub.usecases import queue
from perijove.hub.usecases import steps as module
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.auth_states import StoredAuthState
from perijove.hub.usecases.steps import _as_url

House = Any


async def test_a_start_that_hangs_times_out_in_words(house: House) -> None:
    house.spawner_options = {"start_timeout": 0.05}
    house.world.hang_start = True
    house.world.log = "waiting for the node"
    hub = await house.hub()
    await hub.start()
    failed = await house.until("failed")
    assert failed.failure.reason == "The server did not start within 0.05 seconds."
    assert failed.failure.log == "waiting for the node"
    assert house.world.running() == []
    assert (await house.messages(failed))[-1] == f"Spawn failed: {failed.failure.reason}"


async def test_a_start_that_raises_shows_an_id_that_is_in_the_log(house: House) -> None:
    house.world.start_failure = RuntimeError("the secret inner life")
    hub = await house.hub()
    with capture_logs() as logs:
        await hub.start()
        failed = await house.until("failed")
    (line,) = [line for line in logs if "error_id" in line]
    assert line["error_id"] in failed.failure.advice
    assert line["exc_info"] is house.world.start_failure
    assert "secret" not in failed.failure.reason + failed.failure.advice


async def test_a_spawner_may_say_itself_what_is_wrong(house: House) -> None:
    house.world.start_failure = PerijoveError(Code.FAILED, "The quota of your group is used up.")
    hub = await house.hub()
    await hub.start()
    assert (await house.until("failed")).failure.reason == "The quota of your group is used up."


async def test_a_limit_inside_the_spawner_is_not_taken_for_ours(house: House) -> None:
    house.world.start_failure = TimeoutError("of the plug-in")
    hub = await house.hub()
    await hub.start()
    assert "Something went wrong" in (await house.until("failed")).failure.reason


async def test_the_next_start_works(house: House) -> None:
    house.world.start_failure = RuntimeError()
    hub = await house.hub()
    await hub.start()
    await house.until("failed")
    house.world.start_failure = None
    await hub.start()
    ready = await house.until("ready")
    assert (ready.failure, ready.attempt) == (None, 2)


@pytest.mark.parametrize(
    "lie",
    [
        "here",
        "http://",
        "http://:80",
        "http://host:port",
        "ftp://host:80",
        "http://a b:80",
        "http://host:0",
        "http://host:70000",
        "a1",
        17,
        ("host",),
        ("host", 0),
        ("host", 65536),
        ("host", "x"),
        ("ho/st", 80),
        ("a@b", 80),
        ("host", 80, 1),
    ],
)
async def test_a_lie_about_the_address_is_a_clear_failure(lie: Any) -> None:
    with pytest.raises(PerijoveError) as caught:
        _as_url(lie)
    assert (caught.value.code, caught.value.message) == (
        Code.FAILED,
        "The spawner did not say where the server listens.",
    )


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://host:1234/user/ada/", "http://host:1234"),
        ("https://host", "https://host:443"),
        ("http://[::1]:80", "http://[::1]:80"),
        (("127.0.0.1", 8888), "http://127.0.0.1:8888"),
        (("::1", "8888"), "http://[::1]:8888"),
        (["", 8888], "http://127.0.0.1:8888"),
    ],
)
def test_addresses_that_are_understood(address: Any, url: str) -> None:
    assert _as_url(address) == url


async def test_what_a_liar_started_is_ended(house: House) -> None:
    house.world.lie = "somewhere"
    hub = await house.hub()
    await hub.start()
    failed = await house.until("failed")
    assert failed.failure.reason == "The spawner did not say where the server listens."
    assert len(house.world.runs) == 1
    assert house.world.running() == []


@pytest.mark.parametrize("hanging", [False, True])
async def test_a_server_that_dies_while_answering_is_noticed_at_once(house: House, hanging: bool) -> None:
    house.spawner_options = {"http_timeout": 3600.0}
    house.probe.hanging = hanging
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    house.world.log = "one\nModuleNotFoundError: No module named 'jupyterlab'"
    house.world.end(server.id, 1)
    failed = await house.until("failed")
    assert failed.failure.reason == (
        "The server ended with exit status 1 before it was ready: "
        "a Python package is missing or broken: No module named 'jupyterlab'."
    )
    assert failed.failure.log.endswith("No module named 'jupyterlab'")
    assert failed.failure.advice.startswith("Install it in the server's environment")


@pytest.mark.parametrize(("answer", "known"), [(True, True), (False, False), (OSError("gone"), False)])
async def test_a_spawner_that_watches_memory_is_asked_why_a_server_was_killed(
    house: House, answer: bool | OSError, known: bool
) -> None:
    class Watching(house.spawner_class):  # type: ignore[misc]
        def ran_out_of_memory(self) -> bool:
            if isinstance(answer, OSError):
                raise answer
            return answer

    house.spawner_class = Watching
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.end(server.id, -9)
    failed = await house.until("failed")
    assert ("it used all the memory that it may use" in failed.failure.reason) is known


async def reach_ports(house: House, hub: Any, ports: int, **options: Any) -> None:
    """Start a server and let it end for its port as often as said; the spawner's choice of ports is *options*."""

    class Choosing(house.spawner_class):  # type: ignore[misc]
        chosen_port = options.get("chosen_port", 4711)

    house.spawner_class = Choosing
    house.world.log = "OSError: [Errno 98] Address already in use"
    server = await house.reach(hub, "answering")
    for number in range(1, ports + 1):
        await house.when(lambda number=number: len(house.world.runs) == number and house.world.running())
        house.world.end(server.id, 1)


async def test_a_start_goes_on_with_another_port_if_the_first_was_taken(house: House) -> None:
    hub = await house.hub()
    await reach_ports(house, hub, 1)
    house.hold("answering", held=False)
    ready = await house.until("ready")
    assert (ready.attempt, ready.failure, len(house.world.runs)) == (1, None, 2)
    messages = await house.messages(ready)
    assert "Port 4711 was taken; trying another" in messages
    assert messages[-1] == "Server ready"


@pytest.mark.parametrize(("chosen_port", "ports"), [(4711, 1 + module.MORE_PORTS), (None, 1)])
async def test_a_start_does_not_try_ports_for_ever_nor_where_there_is_no_choice(
    house: House, chosen_port: int | None, ports: int
) -> None:
    hub = await house.hub()
    await reach_ports(house, hub, ports, chosen_port=chosen_port)
    failed = await house.until("failed")
    assert failed.failure.reason.endswith("another program has taken its port.")
    assert len(house.world.runs) == ports


async def test_each_start_tries_ports_anew(house: House) -> None:
    hub = await house.hub()
    await reach_ports(house, hub, 1 + module.MORE_PORTS)
    await house.until("failed")
    await hub.start()
    house.world.end((await house.until("answering")).id, 1)
    await house.when(lambda: len(house.world.runs) == 3 + module.MORE_PORTS)


async def test_a_server_that_never_answers_times_out(house: House) -> None:
    house.spawner_options = {"http_timeout": 0.05}
    house.probe.silent = True
    hub = await house.hub()
    await hub.start()
    assert (await house.until("failed")).failure.reason == "The server did not answer within 0.05 seconds."
    assert house.world.running() == []


async def test_a_server_that_dies_when_ready_fails_with_a_reason(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.end(server.id, -9)
    failed = await house.until("failed")
    assert failed.failure.reason == "The server was killed by signal SIGKILL."
    assert failed.failure.at == house.clock.now()
    assert house.proxy.routes == {}
    await hub.start()
    await house.until("ready")


class Mute(FakeSpawner):
    """Does not signal its exit; its poll can be made to raise, to hang or to say nonsense."""

    wait_exit = None  # type: ignore[assignment]
    polls = 0
    trouble = ""

    async def poll(self) -> Any:
        type(self).polls += 1
        match type(self).trouble:
            case "raises":
                raise OSError("no route to host")
            case "hangs":
                await asyncio.Event().wait()
            case "nonsense":
                return "exited"
        return await super().poll()


@pytest.mark.parametrize("trouble", ["raises", "hangs", "nonsense"])
async def test_not_knowing_never_means_stopped(house: House, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    monkeypatch.setattr(module, "POLL_TIMEOUT", 0.01)
    mute: Any = type("MuteHere", (Mute,), {"world": house.world, "polls": 0, "trouble": ""})
    house.spawner_class, house.spawner_options = mute, {"poll_interval": 0.01}
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    mute.trouble = trouble
    seen = mute.polls
    await house.when(lambda: mute.polls > seen + 4)
    assert (await house.row()).state is State.READY
    mute.trouble = ""
    house.world.end(server.id, 2)
    assert "exit status 2" in (await house.until("failed")).failure.reason


async def test_a_spawner_that_does_not_signal_is_asked_as_often_as_configured(house: House) -> None:
    mute: Any = type("MuteHere", (Mute,), {"world": house.world, "polls": 0, "trouble": ""})
    house.spawner_class, house.spawner_options = mute, {"poll_interval": 3600.0}
    hub = await house.hub()
    await house.reach(hub, "ready")
    await house.when(lambda: mute.polls == 2)  # one while answering, one now
    assert house.spawners[-1].poll_interval == 3600


@pytest.mark.parametrize("answer", [OSError("broken"), TimeoutError(), None])
async def test_a_signal_that_breaks_leaves_the_last_word_to_poll(house: House, answer: Exception | None) -> None:
    waits = 0

    async def wait_exit(self: Any) -> int | None:
        nonlocal waits
        waits += 1
        if answer is not None:
            raise answer
        return None

    house.spawner_class = type("Broken", (FakeSpawner,), {"world": house.world, "wait_exit": wait_exit})
    house.spawner_options = {"poll_interval": 0.02}
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    seen = waits
    await house.when(lambda: waits > seen + 2)
    assert (await house.row()).state is State.READY
    house.world.end(server.id, 5)
    assert "exit status 5" in (await house.until("failed")).failure.reason


async def test_a_proxy_that_is_away_while_routing_is_tried_again(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "routing")
    house.proxy.failure = ValueError("a plug-in may raise anything")
    with capture_logs() as logs:
        await house.when(lambda: any("ValueError" in str(line.get("error")) for line in logs))
    house.let_go("routing")
    await house.until("ready")


async def test_a_proxy_that_stays_away_fails_the_start(house: House) -> None:
    house.spawner_options = {"http_timeout": 0.05}
    house.hold("routing")
    hub = await house.hub()
    await hub.start()
    assert (await house.until("failed")).failure.reason == "The proxy did not take the server's route."


@pytest.mark.parametrize("failure", [RuntimeError("x"), PerijoveError(Code.UNAVAILABLE, "away")])
async def test_a_broken_proxy_keeps_no_server_from_stopping(house: House, failure: Exception) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    house.proxy.failure = failure
    await hub.stop()
    await house.until("stopped")


async def test_a_server_that_does_not_stop_stays_stopping(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "stopping")
    await house.when(lambda: len(house.world.stopped_now) > 3)
    assert (await house.row()).state is State.STOPPING
    assert len(house.world.running()) == 1
    house.let_go("stopping")
    await house.until("stopped")


async def test_a_stop_that_hangs_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSpawner, "stop_timeout", 0.01)
    house.world.hang_stop = True
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.stop()
    await house.when(lambda: len(house.world.stopped_now) > 2)
    house.world.hang_stop = False
    await house.until("stopped")


async def test_a_stop_that_fails_although_the_server_is_gone_is_done(house: House) -> None:
    hub = await house.hub()
    server = await house.reach(hub, "stopping")
    house.world.end(server.id)
    await house.until("stopped")


async def test_a_start_that_is_broken_off_leaves_what_stop_needs(house: House) -> None:
    """Even where the spawner itself stores nothing."""

    async def start(self: Any) -> Any:
        self._number = "unstored"
        house.world.runs["unstored"] = module_run(self.server_id)
        await asyncio.Event().wait()

    def module_run(server_id: int) -> Any:
        from perijove.hub.testing.fakes import FakeRun

        return FakeRun(server_id, 20000)

    house.spawner_class = type("Forgetful", (FakeSpawner,), {"world": house.world, "start": start})
    before = await house.hub()
    await before.start()
    await house.when(house.world.running)
    await before.die()
    assert (await house.row()).spawner_state == {"run": "unstored"}
    house.spawner_class = house.world.spawner_class()
    await house.hub()
    await house.until("ready")
    assert house.world.runs["unstored"].ended.is_set()
    assert len(house.world.running()) == 1


async def test_what_another_process_ended_meanwhile_is_not_left_behind(house: House) -> None:
    """This one's lease ran out while the spawner worked: what it started is known to nobody else."""
    going_on = asyncio.Event()
    plain = house.world.spawner_class()

    async def start(self: Any) -> Any:
        await going_on.wait()
        return await FakeSpawner.start(self)

    house.spawner_class = type("Slow", (plain,), {"start": start})
    hub = await house.hub()
    await hub.start()
    server = await house.until("starting")
    await house.change(server, state=State.STOPPED)
    going_on.set()
    await house.when(lambda: len(house.world.runs) == 1)
    await house.when(lambda: not house.world.running())


async def test_a_checkpoint_waits_for_the_store(house: House) -> None:
    plain = house.world.spawner_class()
    began = asyncio.Event()

    async def start(self: Any) -> Any:
        house.store.away = True
        began.set()
        return await FakeSpawner.start(self)

    house.spawner_class = type("Outage", (plain,), {"start": start})
    hub = await house.hub()
    await hub.start()
    await began.wait()
    await house.when(lambda: house.store.refused > 2)
    house.store.away = False
    await house.until("ready")
    assert len(house.world.runs) == 1


async def test_a_spawner_state_that_cannot_be_stored_fails_the_start(house: House) -> None:
    house.spawner_class = type("Odd", (house.world.spawner_class(),), {"get_state": lambda self: {"x": object()}})
    hub = await house.hub()
    await hub.start()
    assert "What Odd.get_state() gave cannot be stored" in (await house.until("failed")).failure.reason
    assert house.world.running() == []


async def test_a_spawner_that_cannot_be_made_fails_the_start(house: House) -> None:
    hub = await house.hub()

    def broken(server: Any) -> Any:
        raise ValueError("no such trait")

    hub.steps._new_spawner = broken
    await hub.start()
    assert "Something went wrong" in (await house.until("failed")).failure.reason


async def test_hooks_run_around_a_server(house: House) -> None:
    told: list[str] = []
    house.spawner_options = {
        "pre_spawn_hook": lambda spawner: told.append(f"pre {spawner.user.name}"),
        "post_stop_hook": lambda spawner: told.append("post"),
    }
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.stop()
    await house.until("stopped")
    assert told == ["pre ada", "post"]


async def test_a_hook_that_fails_before_the_start_fails_it_and_one_after_the_stop_does_not(house: House) -> None:
    def refuse(spawner: Any) -> None:
        raise PerijoveError(Code.FORBIDDEN, "Not on Sundays.")

    house.spawner_options = {"pre_spawn_hook": refuse, "post_stop_hook": refuse}
    hub = await house.hub()
    await hub.start()
    assert (await house.until("failed")).failure.reason == "Not on Sundays."
    assert house.world.runs == {}


async def test_the_spawners_own_steps_are_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS_TOLD", 2)
    house.world.steps = [
        {"progress": 0, "message": "Pulling"},
        {"progress": 200, "message": "y" * 5000},
        {"message": "one too many"},
    ]
    house.world.hang_start = True
    hub = await house.hub()
    server = await house.reach(hub, "starting")
    async with asyncio.timeout(10):
        while len(shown := await house.messages(server)) < 4:
            await asyncio.sleep(0.005)
    assert shown[2] == "Pulling"
    assert len(shown[3]) == 2000
    assert "one too many" not in shown


async def test_progress_that_breaks_does_not_break_the_start(house: House) -> None:
    house.world.steps = [{"progress": "half"}]
    hub = await house.hub()
    await hub.start()
    await house.until("ready")


async def test_over_the_limit_starts_wait_in_order_and_are_told_their_place(house: House) -> None:
    names = ["u1", "u2", "u3"]
    for name in names:
        await house.user(name)
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    await house.reach(hub, "answering")
    for name in names:
        await hub.start(name)
        house.clock.advance(1)
    for place, name in enumerate(names, 1):
        row = await house.row(name)
        text = f"Waiting for a free place: number {place} in the queue"
        async with asyncio.timeout(10):
            while text not in await house.messages(row):
                await asyncio.sleep(0.005)
        assert row.state is State.QUEUED
    house.let_go("answering")
    started = [(await house.until("ready", name)).id for name in names]
    assert [run.server_id for run in house.world.runs.values()][1:] == started


async def test_a_free_place_is_taken_without_waiting_for_the_next_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOOK", 3600.0)
    hub = await house.hub(limits=Limits(concurrent_starts=1))
    await house.reach(hub, "queued")
    await hub.stop("first")
    house.let_go("queued")
    await house.until("ready")


async def test_an_adopted_server_is_told_once(house: House) -> None:
    before = await house.hub()
    await house.reach(before, "ready")
    await before.die()
    await house.hub()
    await house.when(lambda: house.telemetry.of(ServerAdopted) == [ServerAdopted("ada/")])


async def test_a_server_that_died_while_the_hub_was_down_fails(house: House) -> None:
    before = await house.hub()
    server = await house.reach(before, "ready")
    await before.die()
    house.world.end(server.id, 7)
    await house.hub()
    assert "exit status 7" in (await house.until("failed")).failure.reason
    assert house.telemetry.of(DriftFound) == [DriftFound(Drift.ENDED, "ada/")]
    assert house.telemetry.of(ServerAdopted) == []


async def test_a_log_that_cannot_be_read_is_left_out(house: House) -> None:
    def unreadable(self: Any, lines: int) -> str:
        raise OSError("gone")

    house.spawner_class = type("NoLog", (house.world.spawner_class(),), {"read_log": unreadable})
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.end(server.id, 1)
    assert (await house.until("failed")).failure.log == ""


async def test_names_of_durable_things_are_worked_out_once_and_outlive_a_rename(house: House) -> None:
    seen: list[tuple[str, Any]] = []

    class Keeper(FakeSpawner):
        world = house.world

        async def start(self) -> Any:
            seen.append((self.durable_name("volume", f"volume-{self.user.name}-{self.name}"), self.get_state()))
            return await super().start()

    house.spawner_class = Keeper
    hub = await house.hub(named=True)
    await hub.start(name="lab")
    await house.until("ready", "ada", "lab")
    await hub.stop(name="lab")
    stopped = await house.until("stopped", "ada", "lab")
    assert stopped.spawner_state == {"durable": {"volume": "volume-ada-lab"}}
    await house.when(lambda: not hub.steps._spawners)
    await hub.servers.change(house.admin, "ada", "lab", new_name="den")
    await hub.start(name="den")
    await house.until("ready", "ada", "den")
    assert seen == [("volume-ada-lab", {})] * 2
    await hub.die()
    await house.hub()
    await house.when(lambda: len(house.telemetry.of(ServerAdopted)) == 1)
    assert house.spawners[-1].durable == {"volume": "volume-ada-lab"}
    assert house.world.running()


async def test_groups_change_options_of_their_members_servers(house: House) -> None:
    async with house.store.transaction() as tx:
        ada = await tx.users.get("ada")
        groups = [await tx.groups.add(name) for name in ("alpha", "beta")]
        await tx.groups.set_groups(ada.id, [group.id for group in groups])
    house.spawner_options = {
        "environment": {"A": "1", "GONE": "x"},
        "group_overrides": {
            "2": {"groups": ["beta"], "spawner_override": {"environment": {"A": "2"}, "mem_limit": "2G"}},
            "1": {"groups": ["alpha"], "spawner_override": {"environment": {"A": "9", "B": "3", "GONE": None}}},
            "3": {"groups": ["others"], "spawner_override": {"mem_limit": "9G"}},
            "4": {"groups": ["alpha"], "spawner_override": {"default_url": lambda spawner: f"/{spawner.user.name}"}},
        },
    }
    await house.reach(await house.hub(), "ready")
    spawner = house.spawners[-1]
    assert spawner.environment == {"A": "2", "B": "3"}
    assert (spawner.mem_limit, spawner.default_url) == (2 * 1024**3, "/ada")


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (lambda spawner: {"x": {"groups": ["staff"], "spawner_override": {"mem_limt": 1}}}, "has no option mem_limt"),
        (lambda spawner: {"x": {"groups": ["staff"], "spawner_override": {"cmd": 7}}}, "group_overrides['x'] is wrong"),
        (lambda spawner: {"x": {"groups": ["staff"], "spawner_override": {"user": 7}}}, "has no option user"),
        (lambda spawner: [], "must be a dictionary"),
    ],
)
async def test_overrides_that_are_wrong_fail_the_start_and_say_so(house: House, overrides: Any, why: str) -> None:
    async with house.store.transaction() as tx:
        staff = await tx.groups.add("staff")
        await tx.groups.add_members(staff.id, [(await tx.users.get("ada")).id])
    house.spawner_options = {"group_overrides": overrides}
    await (await house.hub()).start()
    assert why in (await house.until("failed")).failure.reason
    assert house.world.runs == {}


async def test_a_spawner_of_the_next_hub_process_reads_the_state_too(house: House) -> None:
    house.ctx = replace(house.ctx, encryption=FernetEncryption([bytes(32)]))
    server = await house.reach(await house.hub(), "ready")
    await StoredAuthState(house.ctx, server.user_id).put({"token": "x"})
    assert await house.process().steps.spawner(server).user.get_auth_state() == {"token": "x"}


async def test_a_hook_that_hangs_after_the_stop_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOOK_TIMEOUT", 0.02)

    async def hang(spawner: Any) -> None:
        await asyncio.Event().wait()

    house.spawner_options = {"post_stop_hook": hang}
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.stop()
    await house.until("stopped")


async def test_a_server_that_says_that_it_runs_is_asked_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROBE_FIRST", "PROBE_LONGEST"):
        monkeypatch.setattr(module, name, 3600.0)
    hub = await house.hub()
    server = await house.reach(hub, "answering")
    house.let_go("answering")
    await Activity(house.ctx, hub.signals).report(house.admin, "ada", None, {"": house.clock.now()})
    assert (await house.until("ready")).id == server.id


async def test_what_is_not_to_be_polled_is_looked_at_once_and_then_left_alone(house: House) -> None:
    mute: Any = type("MuteHere", (Mute,), {"world": house.world, "polls": 0, "trouble": ""})
    house.spawner_class, house.spawner_options = mute, {"poll_interval": 0.0}
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    seen = mute.polls
    house.world.end(server.id, 1)
    await asyncio.sleep(0.1)
    assert (mute.polls, (await house.row()).state) == (seen, State.READY)
    await hub.die()
    await house.hub()
    assert "exit status 1" in (await house.until("failed")).failure.reason


async def test_a_server_that_is_not_to_be_polled_may_signal_its_end(house: House) -> None:
    house.spawner_options = {"poll_interval": -1.0}
    hub = await house.hub()
    server = await house.reach(hub, "ready")
    house.world.end(server.id, 3)
    assert "exit status 3" in (await house.until("failed")).failure.reason
