"""Which process is which, whether it lives, when it ends.

A process id alone says nothing after a while: numbers are used again. A process is known by its number, the moment it
started (clock ticks since the machine booted) and the boot. Linux tells all three under ``/proc``; its pidfd tells the
end of any process, child or not, without asking again and again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

PROC = Path("/proc")
POLL_SECONDS = 0.5
"""How often to look where the kernel has no pidfd."""
_DEAD = frozenset("ZXx")


class ProcessIdentity(Struct, frozen=True):
    """One process, never mistaken for another.

    Attributes:
        pid: its number.
        started: when it started, in clock ticks since the boot.
        boot_id: the boot during which it runs.
    """

    pid: int
    started: int
    boot_id: str

    def to_dict(self) -> dict[str, Any]:
        """Return it fit for JSON."""
        return {"pid": self.pid, "started": self.started, "boot_id": self.boot_id}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessIdentity | None:
        """Return what to_dict() gave; None if *data* is anything else."""
        pid, started, boot = data.get("pid"), data.get("started"), data.get("boot_id")
        if type(pid) is not int or type(started) is not int or not isinstance(boot, str) or pid <= 1 or not boot:
            return None
        return cls(pid, started, boot)


class ProcessInfo(Struct, frozen=True):
    """What ``/proc/<pid>/stat`` says of a process; see proc_pid_stat(5)."""

    pid: int
    state: str
    group: int
    session: int
    threads: int
    started: int

    @property
    def dead(self) -> bool:
        """Whether it has ended, all threads of it, and only waits for its parent to notice."""
        return self.state in _DEAD and self.threads <= 1

    @property
    def identity(self) -> ProcessIdentity:
        """Its identity during this boot."""
        return ProcessIdentity(self.pid, self.started, boot_id())


class Child(subprocess.Popen[bytes]):
    """A child process that may outlive the object, and the hub: dropping the object is no mistake then."""

    def __del__(self) -> None:
        if getattr(self, "pid", None) is not None:
            self.poll()  # reaps it if it has ended


@cache
def boot_id() -> str:
    """Return the number of this boot. Raises OSError where there is no Linux ``/proc``."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def parse_stat(text: str) -> ProcessInfo:
    """Return the fields of a ``stat`` line; the command's name, in brackets, may itself hold brackets and blanks."""
    pid, rest = text.split(" (", 1)
    fields = rest.rpartition(")")[2].split()
    return ProcessInfo(int(pid), fields[0], int(fields[2]), int(fields[3]), int(fields[17]), int(fields[19]))


def info(pid: int) -> ProcessInfo | None:
    """Return what is known of process *pid*; None if there is none. Raises OSError if that cannot be found out."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        boot_id()  # without /proc a missing file means nothing
        return None


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of process *pid*, also if it has ended but was not reaped; None if there is none."""
    found = info(pid)
    return found.identity if found else None


def is_alive(process: ProcessIdentity) -> bool:
    """Say whether *process* runs: that very one, not one that got its number.

    Raises:
        OSError: it cannot be found out.
    """
    if process.boot_id != boot_id():
        return False
    found = info(process.pid)
    return found is not None and found.started == process.started and not found.dead


def all_processes() -> Iterator[ProcessInfo]:
    """Give every process of the machine that lives and may be looked at."""
    for entry in os.scandir(PROC):
        if entry.name.isdigit() and (found := _readable_info(int(entry.name))) and not found.dead:
            yield found


def _readable_info(pid: int) -> ProcessInfo | None:
    try:
        return info(pid)
    except PermissionError:
        return None


def has_variable(pid: int, name: str, value: str) -> bool:
    """Say whether process *pid* was given environment variable *name* with *value*; False if that is hidden from us."""
    return f"{name}={value}".encode() in _environment(pid)


def variable(pid: int, name: str) -> str:
    """Return the environment variable *name* that process *pid* was given; empty if none, or if that is hidden."""
    start = f"{name}=".encode()
    return next((os.fsdecode(line[len(start) :]) for line in _environment(pid) if line.startswith(start)), "")


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def command_line(pid: int) -> tuple[str, ...]:
    """Return the command that process *pid* was started with; () if there is none or it is hidden from us."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in raw.split(b"\0")[:-1])


def _open_pidfd(process: ProcessIdentity) -> int | None:
    """Return a pidfd of that very process, None if it is gone. Raises OSError where there is no pidfd."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Looked at after opening: if it is the right one now, the descriptor is the right one for ever.
    if not is_alive(process):
        os.close(fd)
        return None
    return fd


def send_signal(process: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to that very process; False if it is gone. Raises PermissionError if it is not ours."""
    try:
        fd = _open_pidfd(process)
    except (AttributeError, OSError):
        return is_alive(process) and _kill(process.pid, number)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def signal_group(leader: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to the process group that *leader* leads; False if the leader is gone.

    While the leader lives nothing else can have its number. Raises PermissionError if it is not ours.
    """
    found = info(leader.pid)
    if not is_alive(leader) or found is None or found.group != leader.pid:
        return False
    try:
        os.killpg(leader.pid, number)
    except ProcessLookupError:
        return False
    return True


async def wait_gone(process: ProcessIdentity, timeout: float | None = None) -> bool:
    """Return True as soon as *process* has ended, False if it runs after *timeout* seconds (None: wait for ever)."""
    try:
        async with asyncio.timeout(timeout):
            await _wait_gone(process)
    except TimeoutError:
        return not is_alive(process)
    return True


async def _wait_gone(process: ProcessIdentity) -> None:
    try:
        fd = _open_pidfd(process)
    except (AttributeError, OSError):
        while is_alive(process):  # noqa: ASYNC110 - without a pidfd there is no event
            await asyncio.sleep(POLL_SECONDS)
        return
    if fd is None:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        loop.add_reader(fd, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def end(process: ProcessIdentity, *, term_seconds: float, kill_seconds: float) -> bool:
    """End *process* and its group: SIGTERM, after *term_seconds* SIGKILL; False if it survives *kill_seconds* more."""
    signal_group(process, signal.SIGTERM) or send_signal(process, signal.SIGTERM)
    if await wait_gone(process, term_seconds):
        return True
    signal_group(process, signal.SIGKILL) or send_signal(process, signal.SIGKILL)
    return await wait_gone(process, kill_seconds)
