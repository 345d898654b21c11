"""The processes of one server: started, found again, ended all together.

The server leads a session of its own; its kernels and terminals lead further ones. What holds them together is a
variable in their environment, the *run*, which every descendant inherits. It also finds a server whose hub died before
it could write down the process id.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perijove.hub.adapters import processes
from perijove.hub.adapters.processes import Child, ProcessIdentity, ProcessInfo
from perijove.hub.core.errors import Code, PerijoveError

RUN_VARIABLE = "PERIJOVE_RUN"
HIDING_SECONDS = 0.02
"""For how long a process that executes another program may look as if it had no environment."""
_RUN_ID = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a server.

    Attributes:
        id: its random number, in the environment of all its processes.
        port: where the server listens.
        leader: the server's process, once it is known.
    """

    id: str
    port: int
    leader: ProcessIdentity | None = None

    def to_state(self) -> dict[str, Any]:
        """Return it fit for JSON."""
        return {"run": self.id, "port": self.port} | (self.leader.to_dict() if self.leader else {})

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return *env* with what all processes of the run are known by."""
        return {**env, RUN_VARIABLE: self.id}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Run | None:
        """Return what to_state() gave; None if *state* is anything else."""
        run, port = state.get("run"), state.get("port")
        if not isinstance(run, str) or not _RUN_ID.fullmatch(run) or type(port) is not int or not 0 < port < 65536:
            return None
        return cls(run, port, ProcessIdentity.from_dict(state))


def open_log(log: Path) -> int:
    """Return a descriptor of the file *log*, emptied, for the output of a server. Raises PerijoveError FAILED."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = os.open(log, flags, 0o600)
        os.fchmod(output, 0o600)
    except OSError as error:
        raise _failed(f"The server's log file cannot be written: {error.strerror}.") from error
    return output


def launch(run: Run, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> Child:
    """Start *command* as leader of a new session; what it prints goes to the file *log*, emptied first.

    Blocks until the command was found and executed.

    Raises:
        PerijoveError: FAILED, if the command cannot be started.
    """
    name = command[0]
    output = open_log(log)
    try:
        return Child(
            list(command),
            env=run.environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    except FileNotFoundError as error:
        raise _failed(
            f"The command {name!r} was not found. Install it beside the hub, or set c.Spawner.cmd to its path."
        ) from error
    except PermissionError as error:
        raise _failed(f"The command {name!r} may not be executed by the hub's user.") from error
    except (OSError, ValueError) as error:
        raise _failed(f"The command {name!r} could not be started: {error}.") from error
    finally:
        os.close(output)


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)


def find_leader(run_id: str) -> ProcessIdentity | None:
    """Return the oldest process of a run that leads a session; None if there is none. Blocks."""

    def leads(process: ProcessInfo) -> bool:
        return process.session == process.pid and processes.has_variable(process.pid, RUN_VARIABLE, run_id)

    leaders = _scan(leads)
    return min(leaders, key=lambda process: process.started).identity if leaders else None


def members(run: Run) -> list[ProcessIdentity]:
    """Return all living processes of a run: those in its session, and those that carry its number. Blocks."""
    session = run.leader.pid if run.leader and _session_is_ours(run.leader) else None

    def belongs(process: ProcessInfo) -> bool:
        return process.session == session or processes.has_variable(process.pid, RUN_VARIABLE, run.id)

    return [process.identity for process in _scan(belongs)]


def _scan(wanted: Callable[[ProcessInfo], bool]) -> list[ProcessInfo]:
    """Return all *wanted* processes but this one. Looks twice: one that is just executing hides its environment."""
    for pause in (0.0, HIDING_SECONDS):
        time.sleep(pause)
        if found := [
            process for process in processes.all_processes() if process.pid != os.getpid() and wanted(process)
        ]:
            return found
    return []


def _session_is_ours(leader: ProcessIdentity) -> bool:
    """Say whether a session with the leader's number is the leader's: a number is not free while its session lasts."""
    found = processes.info(leader.pid)
    return leader.boot_id == processes.boot_id() and (found is None or found.started == leader.started)


async def end_run(run: Run, *, term_seconds: float, kill_seconds: float) -> list[ProcessIdentity]:
    """End all processes of a run and return those that survived.

    The server gets SIGTERM and *term_seconds* to finish in order; with 0 it gets neither. What is left then gets
    SIGKILL and *kill_seconds* to go.
    """
    leader = run.leader
    if leader and term_seconds > 0 and processes.signal_group(leader, signal.SIGTERM):
        await processes.wait_gone(leader, term_seconds)
    left: list[ProcessIdentity] = []
    try:
        async with asyncio.timeout(kill_seconds):
            while left := await asyncio.to_thread(members, run):
                for process in left:
                    processes.send_signal(process, signal.SIGKILL)
                for process in left:
                    await processes.wait_gone(process)
    except TimeoutError:
        return [process for process in left if processes.is_alive(process)]
    return []
