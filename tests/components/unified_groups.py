"""Local servers held within limits by a kernel that has control groups of version 2 and no others.

This is the first process of a machine of its own (`tests.support.machine`), and root there. What it cannot show raises;
then it says so, and the machine ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets.config import Config

from perijove.hub.adapters.processes import is_alive
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo, SpawnerUser

ROOT = Path("/sys/fs/cgroup")
POWER_OFF = 0x4321FEDC
USER = 1000
GREEDY = "bytearray(b'x') * 200_000_000"
BUSY = """
import time
begun, until = time.monotonic(), time.process_time() + 0.3
while time.process_time() < until: pass
print("took", time.monotonic() - begun, flush=True)
"""
HIDING = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.execve(__import__("sys").executable, ["hidden", "-c", "import time; time.sleep(600)"], {})
print("hidden", flush=True)
time.sleep(600)
"""


def mount(kind: str, where: str) -> None:
    """Mount a file system of the kernel's own."""
    Path(where).mkdir(exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {where}")


def made(script: str, folder: str, **options: Any) -> SimpleLocalProcessSpawner:
    """Return the spawner of a server that is a Python script."""
    config = Config(
        {"SimpleLocalProcessSpawner": {"cmd": [sys.executable, "-c", script], "interrupt_timeout": 0, **options}}
    )
    spawner = SimpleLocalProcessSpawner(config=config)
    spawner.user, spawner.server_id = SpawnerUser(1, "alice", False), 7
    spawner.hub = HubInfo(Site("/"), "http://127.0.0.1:8081/hub/api", folder)
    spawner.api_token, spawner.oauth_client_id = "token", "jupyterhub-user-alice"
    return spawner


def group_of(spawner: SimpleLocalProcessSpawner) -> Path:
    """Return the one control group of its server."""
    (group,) = spawner.get_state()["groups"]
    return Path(group)


async def memory_is_limited(folder: str) -> None:
    """A server that uses more than it may is ended, and why is known."""
    spawner = made(GREEDY, folder, mem_limit=60_000_000, mem_guarantee=10_000_000)
    assert not [sentence for sentence in spawner.caveats() if "imits" in sentence], spawner.caveats()
    await spawner.start()
    group = group_of(spawner)
    assert await asyncio.wait_for(spawner.wait_exit(), 60) == -9
    assert spawner.ran_out_of_memory()
    held = {name: int((group / name).read_text()) for name in ("memory.max", "memory.low", "memory.swap.max")}
    # The kernel counts in pages of 4096 bytes.
    assert held == {"memory.max": 59_998_208, "memory.low": 9_998_336, "memory.swap.max": 0}, held
    await spawner.stop()
    assert not group.exists()


async def processors_are_limited(folder: str) -> None:
    """A server that wants more of a processor than it may have waits."""
    spawner = made(BUSY, folder, cpu_limit=0.2, cpu_guarantee=0.5)
    await spawner.start()
    group = group_of(spawner)
    assert (group / "cpu.max").read_text() == "20000 100000\n"
    assert (group / "cpu.weight").read_text() == "50\n"
    assert await asyncio.wait_for(spawner.wait_exit(), 60) == 0
    (line,) = [line for line in spawner.log_file.read_text().splitlines() if line.startswith("took")]
    assert float(line.split()[1]) > 0.8, line
    await spawner.stop()
    assert not group.exists()


async def nothing_leaves_its_group(folder: str) -> None:
    """What has a session of its own and no environment is ended with its server."""
    spawner = made(HIDING, folder)
    await spawner.start()
    group = group_of(spawner)
    while "hidden" not in spawner.log_file.read_text() or len(cgroups.processes_in([group])) < 2:
        await asyncio.sleep(0.05)
    leader = await spawner._leader()
    assert leader is not None and is_alive(leader)
    await spawner.stop()
    assert not group.exists() and not is_alive(leader)


async def show(folder: str) -> None:
    """Show everything."""
    for part in (memory_is_limited, processors_are_limited, nothing_leaves_its_group):
        await part(folder)
        print(f"shown: {part.__name__}", flush=True)


def join(group: Path) -> None:
    """Move this process to a group of its own."""
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(str(os.getpid()))


def as_root() -> None:
    """A hub in a group of its own makes way for those of its servers."""
    join(ROOT / "hub")
    assert cgroups.places() == {name: cgroups.Place(ROOT / "hub", 2) for name in ("memory", "cpu")}
    asyncio.run(show("/tmp/root"))
    assert (ROOT / "hub" / cgroups.OWN_LEAF / "cgroup.procs").read_text().split() == [str(os.getpid())]


def as_user_with_a_delegated_group() -> None:
    """So does systemd with ``Delegate=memory cpu`` and ``DelegateSubgroup=perijove-hub``."""
    service = ROOT / "service"
    join(service / cgroups.OWN_LEAF)
    for folder in (service, service / cgroups.OWN_LEAF):
        for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
            os.chown(path, USER, USER)
    become_user()
    asyncio.run(show("/tmp/user"))


def as_user_in_a_group_of_root() -> None:
    """Where no group can be made, that is said, and servers start all the same."""
    join(ROOT / "shared")
    become_user()

    async def told() -> None:
        spawner = made("print('runs')", "/tmp/shared", mem_limit=60_000_000)
        (caveat,) = spawner.caveats()
        assert "no control group can be made in /sys/fs/cgroup/shared (Permission denied)" in caveat, caveat
        await spawner.start()
        assert await asyncio.wait_for(spawner.wait_exit(), 60) == 0
        assert "groups" not in spawner.get_state()

    asyncio.run(told())


def become_user() -> None:
    """Stop being root."""
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def shown(part: Callable[[], None]) -> None:
    """Show it in a process of its own, and say whether it could be shown."""
    if (pid := os.fork()) == 0:
        try:
            part()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(f"{'SHOWN' if status == 0 else 'NOT SHOWN'}: {part.__name__}, {time.monotonic():.0f} s", flush=True)


def main() -> None:
    """Show everything and end the machine."""
    for kind, where in (
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("cgroup2", str(ROOT)),
    ):
        mount(kind, where)
    Path("/tmp").chmod(0o1777)
    (ROOT / "cgroup.subtree_control").write_text("+memory +cpu")
    os.environ |= {"PATH": "/bin", "HOME": "/tmp"}
    for part in (as_root, as_user_with_a_delegated_group, as_user_in_a_group_of_root):
        shown(part)


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).reboot(POWER_OFF)
