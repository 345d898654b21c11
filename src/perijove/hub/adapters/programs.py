"""Services as local processes: started, watched, ended as a whole, and found again after the hub was killed.

Nothing is written down: every process of a service inherits variables that say of which installation and which service
it is. They follow from the hub's secret, so each hub process knows what an earlier one may have left.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import pwd
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from perijove.hub.adapters import processes
from perijove.hub.adapters.inherited import kept, search_path, shell
from perijove.hub.adapters.output import Lines
from perijove.hub.adapters.processes import Child, ProcessIdentity
from perijove.hub.adapters.redaction import is_secret_name
from perijove.hub.adapters.runs import RUN_VARIABLE, end_marked, end_run, leaders
from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.ports.programs import Program

OWNER_VARIABLE: Final = "PERIJOVE_SERVICE_OF"
SERVICE_VARIABLE: Final = "PERIJOVE_SERVICE"
ASKED: Final = ((signal.SIGTERM, 10.0),)
"""How a program is told to finish, and for how many seconds it may."""
KILL_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 1.0
"""How long to wait for the last lines of a program that has ended."""

log = structlog.get_logger(__name__)


class _Account(Struct, frozen=True):
    """A user of the system."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class LocalProgram:
    """A program that was started."""

    def __init__(self, child: Child, process: ProcessIdentity, run: str, lines: Lines) -> None:
        self._child = child
        self._process = process
        self._run = run
        self._lines = lines

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ended(self) -> int | None:
        """Return when it has ended: its exit status. What it leaves behind is ended by force."""
        await processes.wait_gone(self._process)
        status = self._child.poll()
        await end_run(self._run, self._process, requests=(), kill_seconds=KILL_SECONDS)
        await asyncio.wait({self._lines.over}, timeout=DRAIN_SECONDS)
        return status


class LocalPrograms:
    """Programs on this machine.

    Args:
        secret: the hub's secret.
        installation: what tells this hub from others that have the same secret: its folder.
    """

    def __init__(self, secret: bytes, installation: str) -> None:
        self._owner = hmac.new(secret, f"services of {installation}".encode(), hashlib.sha256).hexdigest()[:32]

    def check(self, program: Program) -> None:
        """Return if it may be started at all. Raises PerijoveError INVALID, if it is for a user we cannot become."""
        _account(program.user)

    async def start(self, program: Program) -> LocalProgram:
        """Start it as leader of a session, once nothing is left of it. Raises PerijoveError FAILED."""
        await self.end(program.name)
        service = self._service(program.name)
        run = secrets.token_hex(16)
        environment = _environment(program)
        environment |= {OWNER_VARIABLE: self._owner, SERVICE_VARIABLE: service, RUN_VARIABLE: run}
        reading, writing = os.pipe()
        output = os.fdopen(reading, "rb", buffering=0)
        try:
            child = await _in_thread(program, environment, writing)
        except BaseException:
            output.close()
            raise
        process = processes.identify(child.pid)
        loop = asyncio.get_running_loop()
        tell = log.bind(service=program.name).info
        known = [value for key, value in environment.items() if is_secret_name(key)]
        _, lines = await loop.connect_read_pipe(lambda: Lines(tell, known, loop.time), output)
        if process is None:
            raise _failed("Its process was lost while it started")
        return LocalProgram(child, process, run, lines)

    async def end(self, name: str) -> None:
        """End what runs of the service *name*. Raises PerijoveError FAILED, if something of it stays."""
        service = self._service(name)
        left = await asyncio.to_thread(leaders, SERVICE_VARIABLE, service)
        if await end_marked(SERVICE_VARIABLE, service, left, requests=ASKED, kill_seconds=KILL_SECONDS):
            raise _failed("What is left of it, as it ran before, cannot be ended")

    def _service(self, name: str) -> str:
        return hashlib.sha256(f"{self._owner} {name}".encode()).hexdigest()[:32]

    async def end_all(self) -> int:
        """End everything that a hub with this secret and folder started; return how many programs there were."""
        found = await asyncio.to_thread(leaders, OWNER_VARIABLE, self._owner)
        left = await end_marked(OWNER_VARIABLE, self._owner, found, requests=ASKED, kill_seconds=KILL_SECONDS)
        if left:
            log.warning("processes of services cannot be ended", pids=[process.pid for process in left])
        return len(found)


async def _in_thread(program: Program, environment: dict[str, str], writing: int) -> Child:
    launching = asyncio.create_task(asyncio.to_thread(_launch, program, environment, writing))
    try:
        return await asyncio.shield(launching)
    except asyncio.CancelledError:
        # The thread goes on with the descriptor; whoever cancels ends what it started with end_all().
        await asyncio.wait({launching})
        raise
    finally:
        os.close(writing)


def _launch(program: Program, environment: dict[str, str], output: int) -> Child:
    account = _account(program.user)
    home = account.home if account and Path(account.home).is_dir() else "/"
    try:
        return Child(
            program.command,
            env=environment,
            cwd=program.cwd or (home if account else None),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            # Real, effective and saved ids, and all groups: nothing of the hub's own rights is left.
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
        )
    except FileNotFoundError as error:
        raise _failed(f"{os.fsdecode(error.filename or program.command[0])!r} was not found") from error
    except PermissionError as error:
        raise _failed(f"{program.command[0]!r} may not be executed, or {program.cwd!r} not be entered") from error
    except (OSError, ValueError) as error:
        raise _failed(f"{program.command[0]!r} could not be started: {error}") from error


def _environment(program: Program) -> dict[str, str]:
    account = _account(program.user)
    inherited = kept()
    if account is not None:
        own = {"USER": account.name, "LOGNAME": account.name, "HOME": account.home, "SHELL": shell(account.uid)}
    else:
        own = kept(("USER", "LOGNAME", "HOME", "SHELL"))
    return inherited | own | {"PATH": search_path(inherited.get("PATH", ""))} | dict(program.environment)


def _account(name: str) -> _Account | None:
    """Return the user of that name if it is another than the hub's own.

    Raises:
        PerijoveError: INVALID, if there is none or we may not become them.
    """
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise invalid(f"This machine knows no user {name!r}") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise invalid(f"Only a hub that runs as root can start a program as the user {name!r}")
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return _Account(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
