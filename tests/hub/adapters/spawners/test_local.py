from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.local_servers import output
from traitlets.config import Config

from perijove.hub.adapters import processes
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners import cgroups, local
from perijove.hub.adapters.spawners.executing import execute
from perijove.hub.adapters.spawners.launcher import PreparedChild, launcher_for
from perijove.hub.adapters.spawners.local import STATUS_UNKNOWN, SimpleLocalProcessSpawner
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.site import Site
from perijove.hub.core.usage import Usage
from perijove.hub.ports.spawner import ChoosesPort, HubInfo, KeepsLog, SignalsExit, SpawnerUser
from perijove.hub.testing.spawner_contract import SpawnerContract

RUNS_ON = "exec sleep 600"
Make = Callable[..., SimpleLocalProcessSpawner]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """A function that makes a spawner of alice's server, which runs a shell script."""
    made: list[SimpleLocalProcessSpawner] = []

    def make(script: str = RUNS_ON, **options: Any) -> SimpleLocalProcessSpawner:
        config = Config({"SimpleLocalProcessSpawner": {"cmd": ["sh", "-c", script], **options}})
        spawner = SimpleLocalProcessSpawner(config=config)
        spawner.user = SpawnerUser(1, "alice", False)
        spawner.hub = HubInfo(Site("/base/"), "http://127.0.0.1:8081/base/hub/api", str(tmp_path))
        spawner.server_id = 7
        spawner.api_token = "the-token-of-the-server"
        spawner.oauth_client_id = "jupyterhub-user-alice"
        made.append(spawner)
        return spawner

    yield make
    for spawner in made:
        await spawner.stop(now=True)


class TestContract(SpawnerContract):
    @pytest.fixture
    def make_spawner(self, make: Make) -> Make:
        return make


def test_optional_abilities_are_there(make: Make) -> None:
    assert isinstance(make(), SignalsExit)
    assert isinstance(make(), KeepsLog)


async def test_the_environment_of_a_server(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HUB", "hush")
    monkeypatch.setenv("CONDA_PREFIX", "/conda")
    monkeypatch.setenv("LC_TIME", "C")
    lines = (await output(make("env"))).splitlines()
    env = dict(line.split("=", 1) for line in lines if "=" in line)
    assert env["HOME"] == str(tmp_path / "homes" / "alice")
    assert env["USER"] == "alice"
    assert env["JUPYTERHUB_API_TOKEN"] == "the-token-of-the-server"
    assert env["JUPYTERHUB_SERVICE_PREFIX"] == "/base/user/alice/"
    assert (env["CONDA_PREFIX"], env["LC_TIME"]) == ("/conda", "C")
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert os.access(env["SHELL"], os.X_OK)
    assert len(env[RUN_VARIABLE]) == 32
    assert "SECRET_OF_THE_HUB" not in env


async def test_the_server_is_told_the_port_that_was_chosen(make: Make) -> None:
    spawner = make('printf %s "$JUPYTERHUB_SERVICE_URL"')
    ip, port = await spawner.start()
    await asyncio.wait_for(spawner.wait_exit(), 30)
    assert ip == "127.0.0.1"
    assert spawner.log_file.read_text() == f"http://127.0.0.1:{port}/base/user/alice/"
    assert spawner.get_state()["port"] == port


async def test_a_port_that_is_set_is_taken(make: Make) -> None:
    assert await make(port=18999, ip="").start() == ("127.0.0.1", 18999)


async def test_what_the_operator_sets_wins(make: Make, tmp_path: Path) -> None:
    spawner = make("env", environment={"HOME": "/elsewhere", "PATH": "/usr/bin:/bin"})
    lines = (await output(spawner)).splitlines()
    assert {"HOME=/elsewhere", "PATH=/usr/bin:/bin"} <= set(lines)


async def test_secrets_are_not_in_the_command_line(make: Make) -> None:
    spawner = make()
    await spawner.start()
    assert "the-token-of-the-server" not in " ".join(processes.command_line(spawner.get_state()["pid"]))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("", "homes/alice"), ("~/work", "homes/alice/work"), ("~", "homes/alice"), ("work", "homes/alice/work")],
)
async def test_the_notebook_folder_is_seen_from_home(make: Make, tmp_path: Path, folder: str, expected: str) -> None:
    (tmp_path / "homes" / "alice" / "work").mkdir(parents=True)
    spawner = make('pwd; echo "$JUPYTERHUB_ROOT_DIR"', notebook_dir=folder)
    cwd, root = (await output(spawner)).splitlines()
    assert cwd == str(tmp_path / expected)
    assert root == (str(tmp_path / expected) if folder else "")


async def test_a_notebook_folder_for_each_user(make: Make, tmp_path: Path) -> None:
    (tmp_path / "shared" / "alice").mkdir(parents=True)
    assert (await output(make("pwd", notebook_dir=f"{tmp_path}/shared/{{username}}"))).strip() == str(
        tmp_path / "shared/alice"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cmd": ["no-such-command"]}, "'no-such-command' was not found"),
        ({"notebook_dir": "/nowhere/at/all"}, "'/nowhere/at/all' cannot be entered"),
        ({"home_dir_template": "/dev/null/{username}"}, "home folder"),
        ({"ip": "192.0.2.1"}, "No port is free"),
    ],
)
async def test_a_start_that_cannot_be_says_why(make: Make, options: dict[str, Any], message: str) -> None:
    spawner = make(**options)
    with pytest.raises(PerijoveError, match=message) as error:
        await spawner.start()
    assert error.value.code is Code.FAILED
    assert await spawner.poll() is not None
    assert [step async for step in spawner.progress()] == []


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("exit 0", 0)])
async def test_the_exit_status_is_known(make: Make, script: str, status: int) -> None:
    spawner = make(script)
    await spawner.start()
    assert await asyncio.wait_for(spawner.wait_exit(), 30) == status
    assert await spawner.poll() == status


async def test_another_hub_process_sees_the_end_but_not_the_status(make: Make) -> None:
    first, second = make("read x < fifo; exit 3"), make()
    first.home.mkdir(parents=True)
    os.mkfifo(first.home / "fifo")
    await first.start()
    second.load_state(first.get_state())
    waiting = asyncio.create_task(second.wait_exit())
    await asyncio.to_thread((first.home / "fifo").write_text, "go\n")
    assert await asyncio.wait_for(waiting, 30) is None
    assert await second.poll() == STATUS_UNKNOWN
    assert await first.poll() == 3


async def test_a_server_not_written_down_is_found_by_its_run(make: Make) -> None:
    first, second = make(), make()
    await first.start()
    state = first.get_state()
    second.load_state({key: value for key, value in state.items() if key not in {"pid", "started", "boot_id"}})
    assert await second.poll() is None
    assert second.get_state() == state


async def test_what_nobody_wrote_down_is_found_and_ended_and_others_are_left_alone(make: Make) -> None:
    forgotten, another_hubs, looking = make(), make(), make()
    installation = secrets.token_hex(16)
    forgotten.hub = looking.hub = replace(looking.hub, installation=installation)
    another_hubs.hub = replace(looking.hub, installation=secrets.token_hex(16))
    await forgotten.start()
    await another_hubs.start()
    (run,) = await looking.find_runs()
    assert run == looking.run_of(forgotten.get_state())
    await looking.end_run(run)
    assert await looking.find_runs() == set()
    assert await forgotten.poll() is not None
    assert await another_hubs.poll() is None


async def test_where_no_installation_is_told_nothing_is_found(make: Make) -> None:
    spawner = make()
    await spawner.start()
    assert await spawner.find_runs() == set()
    assert spawner.run_of({}) == ""


async def test_a_stop_takes_kernels_along(make: Make) -> None:
    spawner = make("setsid sleep 601 & echo $!; exec sleep 600")
    await spawner.start()
    async with asyncio.timeout(30):
        while not (text := spawner.log_file.read_text()).endswith("\n"):
            await asyncio.sleep(0.01)
    kernel = processes.identify(int(text))
    await spawner.stop()
    assert kernel is None or not processes.is_alive(kernel)


async def test_a_server_may_finish_in_order(make: Make) -> None:
    spawner = make("trap 'echo saved; exit 0' INT; echo ready; while :; do sleep 0.01; done")
    await spawner.start()
    async with asyncio.timeout(30):
        while "ready" not in spawner.log_file.read_text():
            await asyncio.sleep(0.01)
    await spawner.stop()
    assert await spawner.poll() == 0
    assert spawner.read_log(1) == "saved"


async def test_one_that_will_not_finish_is_ended(make: Make) -> None:
    spawner = make(
        "trap '' INT TERM; echo ready; while :; do sleep 600; done", interrupt_timeout=0.05, term_timeout=0.05
    )
    await spawner.start()
    async with asyncio.timeout(30):
        while "ready" not in spawner.log_file.read_text():
            await asyncio.sleep(0.01)
    await spawner.stop()
    assert await spawner.poll() == -signal.SIGKILL


async def test_what_survives_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = make(kill_timeout=0.05)
    await spawner.start()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "send_signal", lambda *_: True)
        with pytest.raises(PerijoveError, match=f"still running as process {spawner.get_state()['pid']}"):
            await spawner.stop(now=True)
    spawner.kill_timeout = 30


async def test_a_cancelled_start_can_be_stopped(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spawner, reached, go = make(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_launch(*args: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(30)
        return execute(*args)

    monkeypatch.setattr(local, "execute", slow_launch)
    starting = asyncio.create_task(spawner.start())
    await asyncio.wait_for(reached.wait(), 30)
    assert await spawner.poll() is None, "a server that is being started has not ended"
    starting.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await spawner.poll() is None
    await spawner.stop()
    assert await spawner.poll() is not None


async def test_a_state_that_cannot_be_read_means_not_known(make: Make) -> None:
    spawner = make()
    spawner.load_state({"pid": 4711})
    with pytest.raises(PerijoveError) as error:
        await spawner.poll()
    assert error.value.code is Code.UNAVAILABLE
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(spawner.wait_exit(), 0.01)
    await spawner.stop()
    spawner.clear_state()
    assert await spawner.poll() is not None


async def test_the_memory_of_all_its_processes_is_measured(make: Make) -> None:
    spawner = make("sleep 600 & exec sleep 600")
    assert spawner.usage() is None
    await spawner.start()
    used = spawner.usage()
    assert used is not None
    assert 0 < used.memory < 64 * 1024 * 1024
    another = make()
    another.load_state(spawner.get_state())
    assert another.usage() is not None
    await spawner.stop(now=True)
    assert spawner.usage() is None


async def test_where_a_control_group_counts_it_its_word_is_taken(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = make()
    await spawner.start()
    monkeypatch.setattr(cgroups, "memory_in", lambda folders: (123, 456))
    assert spawner.usage() == Usage(123, 456)


async def test_the_log_is_shown_without_secrets(make: Make) -> None:
    spawner = make('echo "$JUPYTERHUB_API_TOKEN"; echo "http://x/?token=abcdefgh"; echo "$MY_PASSWORD"; echo end')
    spawner.environment = {"MY_PASSWORD": "correct horse"}
    await spawner.start()
    await asyncio.wait_for(spawner.wait_exit(), 30)
    assert spawner.read_log(10).splitlines() == ["[removed]", "http://x/?token=[removed]", "[removed]", "end"]


async def test_the_state_holds_no_secret_and_fits_json(make: Make) -> None:
    spawner = make()
    await spawner.start()
    state = json.loads(json.dumps(spawner.get_state()))
    assert set(state) - {"groups"} == {"run", "port", "pid", "started", "boot_id"}
    assert "the-token-of-the-server" not in json.dumps(state)


async def test_progress_tells_what_happened(make: Make) -> None:
    spawner = make()
    await spawner.start()
    pid = spawner.get_state()["pid"]
    assert [step async for step in spawner.progress()] == [{"progress": 30, "message": f"Process {pid} started"}]


def test_names_do_not_lead_out_of_the_homes(make: Make, tmp_path: Path) -> None:
    spawner = make()
    spawner.user = SpawnerUser(2, "..", False)
    assert spawner.home.parent == tmp_path / "homes"
    assert spawner.home.name != ".."


def test_a_hub_that_is_root_may_start_servers_and_says_what_that_means(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    spawner = make(args=["--x"])
    assert spawner.get_args() == ["--x", "--allow-root"]
    assert make(args=["--allow-root"]).get_args() == ["--allow-root"]
    spawner.ensure_possible()
    (sentence,) = spawner.caveats()
    assert "The hub runs as root" in sentence
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert spawner.get_args() == ["--x"]
    assert spawner.caveats() == []


@pytest.fixture
async def launching(make: Make) -> AsyncIterator[Make]:
    """The same for our own single-user server, once it can be copied from a prepared process."""

    def make_real(**options: Any) -> SimpleLocalProcessSpawner:
        return make(cmd=["perijove-singleuser"], **options)

    await make_real().prepare()
    launcher = launcher_for(["perijove-singleuser"], {"PATH": str(Path(sys.executable).parent)})
    assert launcher is not None
    if (starting := launcher.begin()) is not None:
        await starting
    yield make_real
    launcher.close()


async def test_a_copied_server_is_followed_like_any_other(launching: Make) -> None:
    spawner = launching()
    await spawner.start()
    assert isinstance(spawner._child, PreparedChild)
    pid = spawner.get_state()["pid"]
    assert pid == spawner._child.pid
    assert await spawner.poll() is None
    assert "perijove-singleuser" in processes.command_line(pid)
    assert processes.has_variable(pid, RUN_VARIABLE, spawner.get_state()["run"])
    other = launching()
    other.load_state({key: value for key, value in spawner.get_state().items() if key in {"run", "port"}})
    assert await other.poll() is None
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(spawner.wait_exit(), 30) == -signal.SIGKILL
    assert await spawner.poll() == -signal.SIGKILL


async def test_a_copied_server_stops_when_it_is_told_to(launching: Make) -> None:
    spawner = launching()
    address, port = await spawner.start()

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError:
            return False
        writer.close()
        return True

    async with asyncio.timeout(60):
        while not await listens():
            await asyncio.sleep(0.02)
    await spawner.stop()
    assert await spawner.poll() in {0, -signal.SIGINT, -signal.SIGTERM}  # by itself, or before it could


async def test_without_the_launcher_the_command_is_executed(launching: Make) -> None:
    spawner = launching(use_launcher=False)
    await spawner.start()
    assert isinstance(spawner._child, processes.Child)


async def test_what_cannot_be_copied_is_executed(launching: Make) -> None:
    spawner = launching(environment={"PYTHONDEVMODE": "1"})
    await spawner.start()
    assert isinstance(spawner._child, processes.Child)


async def test_a_port_that_the_operator_has_fixed_is_no_choice(make: Make) -> None:
    spawner = make()
    assert isinstance(spawner, ChoosesPort) and spawner.chosen_port is None
    _, port = await spawner.start()
    assert spawner.chosen_port == port
    fixed = make(port=port)
    await fixed.start()
    assert fixed.chosen_port is None
