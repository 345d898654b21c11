"""A hub that is root, users with accounts of this machine, their servers and kernels: real processes, no browser."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.accounts import AS_ROOT, Accounts, environment_for_users, made_accounts
from tests.support.hubs import OPS_TOKEN, UPSTREAM_CONFIG, RunningHub, alive, eventually
from tests.support.kernels import run_in_kernel

from perijove.hub.adapters.spawners import cgroups

pytestmark = AS_ROOT
LIMIT = 400_000_000
HELD = not cgroups.not_held(cgroups.Wanted(mem_limit=LIMIT), cgroups.places())
WHO = "import os; print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getcwd(), os.environ['HOME'])"


@pytest.fixture(scope="module")
def accounts() -> Iterator[Accounts]:
    with made_accounts() as made:
        yield made


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub], accounts: Accounts) -> Iterator[RunningHub]:
    """A hub whose servers are users of this machine, each with a limit of its memory."""
    with tempfile.TemporaryDirectory(prefix="perijove-env-") as folder:
        Path(folder).chmod(0o755)
        commands = environment_for_users(Path(folder))
        config = UPSTREAM_CONFIG.replace('spawner_class = "simple"', 'spawner_class = "localprocess"')
        config = config.replace('c.Spawner.args = ["--allow-root"]', f"c.Spawner.mem_limit = {LIMIT}")
        hub = make_hub(config=f'{config}c.Spawner.cmd = ["{commands}/perijove-singleuser"]\n')
        hub.start()
        yield hub
        with hub.client(OPS_TOKEN) as api:
            for name in (accounts.ada, accounts.bob):
                stop(api, name)


def server_of(api: httpx.Client, name: str) -> dict[str, Any]:
    """Return the model of the user's server, running or not."""
    model: dict[str, Any] = api.get(f"/users/{name}?include_stopped_servers").json()["servers"][""]
    return model


def start(api: httpx.Client, name: str) -> dict[str, Any]:
    """Start the user's server and return its model when it is ready or has failed."""
    api.post(f"/users/{name}")
    api.post(f"/users/{name}/server")

    def settled() -> dict[str, Any] | None:
        server = server_of(api, name)
        return server if server["ready"] or server["failure"] else None

    server = eventually(settled, f"the server of {name} is ready or has failed", 90)
    assert server is not None
    return server


def stop(api: httpx.Client, name: str) -> None:
    """Stop the user's server; nothing of it runs then."""
    api.delete(f"/users/{name}/server")
    eventually(lambda: server_of(api, name)["stopped"], f"the server of {name} is stopped", 60)
    assert processes_of(name) == []


def failure_of(api: httpx.Client, name: str) -> dict[str, str]:
    """Wait for the failure of a server that ran, and return it."""
    found: dict[str, str] = eventually(lambda: server_of(api, name)["failure"], f"the server of {name} has failed")
    return found


def in_kernel(hub: RunningHub, api: httpx.Client, name: str, code: str) -> str:
    """Run *code* in a kernel of the user's server and return what it printed."""
    token = api.post(f"/users/{name}/tokens").json()["token"]
    return asyncio.run(run_in_kernel(hub, token, name, code)).strip()


def processes_of(name: str) -> list[int]:
    """Return the living processes of the account, the oldest first."""
    uid, found = pwd.getpwnam(name).pw_uid, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"\nUid:\t{uid}\t" in (folder / "status").read_text() and alive(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found, key=lambda pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))


def test_kernels_run_as_their_users(hub: RunningHub, accounts: Accounts) -> None:
    with hub.client(OPS_TOKEN) as api:
        for name in (accounts.ada, accounts.bob):
            server = start(api, name)
            assert server["ready"], server
            account = pwd.getpwnam(name)
            groups = sorted(os.getgrouplist(name, account.pw_gid))
            assert in_kernel(hub, api, name, WHO) == (
                f"{(account.pw_uid,) * 3} {(account.pw_gid,) * 3} {groups} {account.pw_dir} {account.pw_dir}"
            )
        look = f"import os; print(os.access('{accounts.homes / accounts.ada}', os.R_OK))"
        assert in_kernel(hub, api, accounts.bob, look) == "False"
        for name in (accounts.ada, accounts.bob):
            stop(api, name)


def test_a_server_outlives_a_hub_that_is_killed_and_is_ended_by_the_next(hub: RunningHub, accounts: Accounts) -> None:
    with hub.client(OPS_TOKEN) as api:
        assert start(api, accounts.ada)["ready"]
        server = processes_of(accounts.ada)[0]
        hub.kill()
        hub.start()
        eventually(lambda: server_of(api, accounts.ada)["ready"], "the server is found again")
        assert processes_of(accounts.ada)[0] == server
        stop(api, accounts.ada)


@pytest.mark.skipif(not HELD, reason="memory cannot be limited here")
def test_a_server_that_used_all_its_memory_says_so(hub: RunningHub, accounts: Accounts) -> None:
    with hub.client(OPS_TOKEN) as api:
        assert start(api, accounts.ada)["ready"]
        server = processes_of(accounts.ada)[0]
        # The system ends one process of the group after the other: this one first, though it is not the biggest.
        Path(f"/proc/{server}/oom_score_adj").write_text("1000")
        lines = Path(f"/proc/{server}/cgroup").read_text().splitlines()
        name = next(Path(line).name for line in lines if cgroups.PREFIX in line)
        join = f"open('{cgroups.places()['memory'].folder / name / 'cgroup.procs'}', 'w').write('0')"
        eaten = subprocess.run(
            [sys.executable, "-c", f"{join}; bytearray(b'x') * {2 * LIMIT}"], check=False, timeout=60
        )
        assert eaten.returncode == -signal.SIGKILL
        failure = failure_of(api, accounts.ada)
        assert failure["reason"].endswith("SIGKILL: it used all the memory that it may use.")
        assert "c.Spawner.mem_limit" in failure["advice"]


def test_a_server_that_is_killed_says_so(hub: RunningHub, accounts: Accounts) -> None:
    with hub.client(OPS_TOKEN) as api:
        assert start(api, accounts.bob)["ready"]
        os.kill(processes_of(accounts.bob)[0], signal.SIGKILL)
        failure = failure_of(api, accounts.bob)
        assert failure["reason"] == "The server was killed by signal SIGKILL."
        assert "Somebody ended it" in failure["advice"]
        assert "running at" in failure["log"]


def test_somebody_without_an_account_is_told_so(hub: RunningHub) -> None:
    with hub.client(OPS_TOKEN) as api:
        failure = start(api, "nobody-of-that-name")["failure"]
        assert "This machine has no account 'nobody-of-that-name'" in failure["reason"]
