"""Servers as users of this machine, with accounts that are made for the tests."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.accounts import AS_ROOT, Accounts
from tests.support.local_servers import output
from traitlets import TraitError
from traitlets.config import Config

from perijove.hub.adapters import processes
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.launcher import PreparedChild, launcher_for
from perijove.hub.adapters.spawners.local import POPEN_OWN, UNLIMITED, LocalProcessSpawner
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HasNeeds, HubInfo, SpawnerUser, WatchesMemory
from perijove.hub.testing.spawner_contract import SpawnerContract

RUNS_ON = "exec sleep 600"
Make = Callable[..., LocalProcessSpawner]
NO_LIMITS = cgroups.not_held(cgroups.Wanted(mem_limit=100_000_000, cpu_limit=1), cgroups.places())


@pytest.fixture
async def make(tmp_path: Path, accounts: Accounts) -> AsyncIterator[Make]:
    """A function that makes a spawner of one user's server, ada's by default, which runs a shell script."""
    made: list[LocalProcessSpawner] = []

    def make(script: str = RUNS_ON, name: str = accounts.ada, **options: Any) -> LocalProcessSpawner:
        config = Config({"LocalProcessSpawner": {"cmd": ["sh", "-c", script], **options}})
        spawner = LocalProcessSpawner(config=config)
        spawner.user = SpawnerUser(1, name, False)
        spawner.hub = HubInfo(Site("/base/"), "http://127.0.0.1:8081/base/hub/api", str(tmp_path / "data"))
        spawner.server_id = 7
        spawner.api_token = "the-token-of-the-server"
        spawner.oauth_client_id = f"jupyterhub-user-{name}"
        made.append(spawner)
        return spawner

    yield make
    for spawner in made:
        await spawner.stop(now=True)


def status(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def groups_of(accounts: Accounts, name: str) -> set[int]:
    return set(os.getgrouplist(name, pwd.getpwnam(name).pw_gid))


def assert_is(pid: int, accounts: Accounts, name: str) -> None:
    """Make sure that the process is the user and can never be more."""
    uid, gid = pwd.getpwnam(name)[2:4]
    found = status(pid)
    assert found["Uid"].split() == [str(uid)] * 4
    assert found["Gid"].split() == [str(gid)] * 4
    assert {int(group) for group in found["Groups"].split()} == groups_of(accounts, name)
    assert {found[field] for field in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


@AS_ROOT
class TestContract(SpawnerContract):
    @pytest.fixture
    def make_spawner(self, make: Make) -> Make:
        return make


def test_optional_abilities_are_there() -> None:
    assert isinstance(LocalProcessSpawner(), HasNeeds)
    assert isinstance(LocalProcessSpawner(), WatchesMemory)


@AS_ROOT
async def test_a_server_is_its_user_with_all_groups_and_no_more(make: Make, accounts: Accounts) -> None:
    spawner = make()
    await spawner.start()
    assert_is(spawner.get_state()["pid"], accounts, accounts.ada)
    assert len(groups_of(accounts, accounts.ada)) == 2


@AS_ROOT
async def test_the_environment_of_a_server(make: Make, accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HUB", "hush")
    monkeypatch.setenv("TMPDIR", "/root/tmp")
    env = dict(line.split("=", 1) for line in (await output(make("env; echo CWD=$(pwd)"))).splitlines())
    home = str(accounts.homes / accounts.ada)
    assert (env["USER"], env["LOGNAME"], env["HOME"], env["CWD"]) == (accounts.ada, accounts.ada, home, home)
    assert env["SHELL"] == "/bin/bash"
    assert env["JUPYTERHUB_API_TOKEN"] == "the-token-of-the-server"
    assert {"SECRET_OF_THE_HUB", "TMPDIR", "SUDO_USER"} & set(env) == set()


@AS_ROOT
async def test_ghsa_cg54_one_user_learns_nothing_of_the_server_of_another(make: Make, accounts: Accounts) -> None:
    """GHSA-cg54-gpgr-4rm6: the token of a server is for its user alone."""
    spawner = make()
    await spawner.start()
    pid = spawner.get_state()["pid"]
    bob = pwd.getpwnam(accounts.bob)
    for file in (f"/proc/{pid}/environ", str(spawner.log_file), str(accounts.homes / accounts.ada)):
        tried = subprocess.run(["ls", file, "-d"] if file.startswith("/proc") else ["ls", file], check=False)
        assert tried.returncode == 0
        command = ["cat", file] if not file.endswith(accounts.ada) else ["ls", file]
        seen = subprocess.run(
            command, user=bob.pw_uid, group=bob.pw_gid, extra_groups=[], capture_output=True, check=False
        )
        assert seen.returncode != 0
        assert seen.stdout == b""
    assert "the-token-of-the-server" not in " ".join(processes.command_line(pid))


@AS_ROOT
async def test_limits_and_modes_reach_the_server(make: Make, accounts: Accounts) -> None:
    options = {"resource_limits": {"NOFILE": (100, 200), "CORE": 0}, "umask": 0o027}
    found = await output(make("ulimit -Sn; ulimit -Hn; ulimit -c; umask; touch new; stat -c %a new", **options))
    assert found.split() == ["100", "200", "0", "0027", "640"]


@AS_ROOT
async def test_a_shell_reads_the_files_of_its_user_first(make: Make, accounts: Accounts) -> None:
    profile = accounts.homes / accounts.ada / ".bash_profile"
    profile.write_text("export FROM_PROFILE='of her own'\n")
    try:
        spawner = make('echo "$FROM_PROFILE"; id -un', shell_cmd=["bash", "-l", "-c"])
        assert (await output(spawner)).splitlines() == ["of her own", accounts.ada]
    finally:
        profile.unlink()


@AS_ROOT
async def test_everything_of_a_server_ends_with_it(make: Make, accounts: Accounts) -> None:
    script = "setsid sleep 601 & echo $!; trap '' INT TERM; while :; do sleep 600; done"
    spawner = make(script, interrupt_timeout=0.05, term_timeout=0.05)
    await spawner.start()
    async with asyncio.timeout(60):
        while not spawner.log_file.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
    kernel = processes.identify(int(spawner.log_file.read_text()))
    await spawner.stop()
    assert kernel is None or not processes.is_alive(kernel)
    assert await spawner.poll() == -signal.SIGKILL


@AS_ROOT
async def test_a_server_is_found_and_ended_after_its_account_is_gone(
    make: Make, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    await first.start()
    state = first.get_state()

    def nobody(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", nobody)
    second.load_state(state)
    assert await second.poll() is None
    await second.stop()
    assert await second.poll() is not None
    with pytest.raises(PerijoveError, match="has no account"):
        await second.start()


@AS_ROOT
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nobody-of-that-name"}, "has no account 'nobody-of-that-name'"),
        ({"name": "root"}, "belongs to the system"),
        ({"cmd": ["no-such-command"]}, "'no-such-command' was not found"),
        ({"notebook_dir": "/root"}, "'/root' cannot be entered: Permission denied"),
    ],
)
async def test_a_start_that_cannot_be_says_why(make: Make, options: dict[str, Any], message: str) -> None:
    spawner = make(**options)
    with pytest.raises(PerijoveError, match=message) as error:
        await spawner.start()
    assert error.value.code is Code.FAILED
    assert await spawner.poll() is not None


@AS_ROOT
async def test_a_home_of_somebody_else_is_not_used(make: Make, accounts: Accounts) -> None:
    home = accounts.homes / accounts.ada
    os.chown(home, 0, 0)
    try:
        with pytest.raises(PerijoveError, match=r"belongs to 'root'\. Ask your administrator to chown it"):
            await make().start()
    finally:
        os.chown(home, *pwd.getpwnam(accounts.ada)[2:4])


async def test_a_hub_without_root_does_not_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    spawner = LocalProcessSpawner()
    with pytest.raises(PerijoveError, match=r'Run it as root, or set c\.JupyterHub\.spawner_class = "simple"'):
        await spawner.start()


@AS_ROOT
async def test_a_copied_server_is_its_user_and_shows_nothing_of_others(
    make: Make, accounts: Accounts, commands: Path
) -> None:
    command = [str(commands / "perijove-singleuser")]
    await make(cmd=command).prepare()
    launcher = launcher_for(command, {})
    assert launcher is not None
    if (starting := launcher.begin()) is not None:
        await starting
    try:
        for name in (accounts.ada, accounts.bob):
            spawner = make(cmd=command, name=name, resource_limits={"NOFILE": (900, 1000)})
            await spawner.start()
            child, pid = spawner._child, spawner.get_state()["pid"]
            assert isinstance(child, PreparedChild), launcher
            assert_is(pid, accounts, name)
            assert Path(f"/proc/{pid}/cwd").readlink() == accounts.homes / name
            assert status(pid)["NoNewPrivs"] == "0"
            assert "Max open files            900                  1000" in Path(f"/proc/{pid}/limits").read_text()
            assert processes.has_variable(pid, RUN_VARIABLE, spawner.get_state()["run"])
            await answers(spawner, f"/base/user/{name}/api")
            await spawner.stop()
            assert await spawner.poll() == 0
    finally:
        launcher.close()


async def answers(spawner: LocalProcessSpawner, path: str) -> None:
    """Wait until the server answers a request for *path*."""
    port = spawner.get_state()["port"]
    async with asyncio.timeout(60):
        while True:
            assert await spawner.poll() is None, spawner.log_file.read_text()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            assert b"200" in await reader.readline()
            writer.close()
            return


@AS_ROOT
@pytest.mark.skipif(bool(NO_LIMITS), reason="; ".join(NO_LIMITS))
async def test_a_server_that_uses_all_its_memory_is_ended_and_the_hub_knows_why(make: Make, commands: Path) -> None:
    script = f"exec {commands}/python3 -c 'bytearray(b\"x\") * 300_000_000'"
    spawner = make(script, mem_limit="80M", cpu_limit=1.5)
    assert spawner.caveats() == []
    await spawner.start()
    folders = [Path(folder) for folder in spawner.get_state()["groups"]]
    assert folders
    assert await asyncio.wait_for(spawner.wait_exit(), 60) == -signal.SIGKILL
    assert spawner.ran_out_of_memory()
    other = make()
    other.load_state(spawner.get_state())
    assert other.ran_out_of_memory()
    await other.stop()
    assert [folder for folder in folders if folder.exists()] == []


@AS_ROOT
@pytest.mark.skipif(bool(NO_LIMITS), reason="; ".join(NO_LIMITS))
@pytest.mark.parametrize("options", [{}, {"mem_limit": "200M", "cpu_limit": 1}])
async def test_a_process_that_hides_from_its_server_is_ended_by_its_group(make: Make, options: dict[str, Any]) -> None:
    # It leaves the session and forgets its environment; the group is what it cannot leave.
    spawner = make("env -i setsid sh -c 'sleep 603 & echo $!' & wait; exec sleep 600", **options)
    await spawner.start()
    async with asyncio.timeout(60):
        while not spawner.log_file.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
    hidden = processes.identify(int(spawner.log_file.read_text()))
    assert hidden is not None
    await spawner.stop(now=True)
    assert not processes.is_alive(hidden)


@AS_ROOT
async def test_a_server_starts_where_its_limits_cannot_be_held(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    place = cgroups.Place(tmp_path / "file", 1)
    monkeypatch.setattr(LocalProcessSpawner, "_warned", set())
    for found, why in (({}, "offers no control groups"), ({"memory": place}, "no control group can be made")):
        monkeypatch.setattr(cgroups, "places", lambda parent, found=found: found)
        for _ in range(2):
            spawner = make(mem_limit="1G")
            await spawner.start()
            assert await spawner.poll() is None
            assert "groups" not in spawner.get_state()
            assert UNLIMITED in [step["message"] async for step in spawner.progress()]
            await spawner.stop(now=True)
        assert [why in record.message for record in caplog.records].count(True) == 1


@pytest.mark.parametrize("name", sorted(POPEN_OWN))
def test_what_other_options_set_is_not_for_popen(name: str) -> None:
    with pytest.raises(TraitError, match=f"{name} is not for popen_kwargs"):
        LocalProcessSpawner(popen_kwargs={name: None})


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(TraitError, match="there is no limit 'MEM'"):
        LocalProcessSpawner(resource_limits={"MEM": 1})


def test_a_stop_may_take_as_long_as_its_parts() -> None:
    spawner = LocalProcessSpawner(interrupt_timeout=100, term_timeout=200, kill_timeout=10)
    assert spawner.stop_timeout > 310
