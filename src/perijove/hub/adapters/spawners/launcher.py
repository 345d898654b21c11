"""Servers copied from a process that has Jupyter imported already: ready in a fraction of the time.

One such process runs for each interpreter that servers use; it ends with this hub process, the servers do not. Whatever
goes wrong with it, a server can still be started by executing its command.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog

from perijove.hub.adapters.processes import Child
from perijove.wire.launching import COPY, PREPARED, LaunchError, LaunchRequest

log = structlog.get_logger(__name__)

KNOWN_NAME: Final = "jupyterhub-singleuser"
COMMANDS: Final = ("perijove-singleuser", KNOWN_NAME)
MARK: Final = b"from perijove.singleuser."
PREPARED_WITHIN: Final = 120.0
LAUNCHED_WITHIN: Final = 10.0
STATUS_WITHIN: Final = 2.0
AGAIN_AFTER: Final = 60.0
"""Seconds after which a prepared process that could not be had is tried again."""
ROOM: Final = {"PERIJOVE_ROOM": "." * 16_384}
"""Makes room in the environment block, over which each server writes its own for others to see."""


KEPT: Final = ("PATH", "PYTHON", "LD_", "LANG", "LC_", "TZ", "VIRTUAL_ENV", "CONDA_")
"""How the names of variables begin that the prepared process needs."""


_PLACES: Final = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LD_PRELOAD")
"""Variables that name further places where an interpreter finds code."""


class NotLaunched(Exception):
    """The prepared process cannot start this server; the message says why."""


def interpreter_of(cmd: Sequence[str], path: str) -> str | None:
    """Return the Python of *cmd* if that is our own single-user server and nothing else, looked for in *path*."""
    if len(cmd) != 1 or Path(cmd[0]).name not in COMMANDS or (found := shutil.which(cmd[0], path=path)) is None:
        return None
    try:
        with Path(found).open("rb") as script:
            text = script.read(2048)
    except OSError:
        return None
    first = text.partition(b"\n")[0].removeprefix(b"#!").strip()
    if MARK not in text or not text.startswith(b"#!") or b" " in first or b"python" not in first:
        return None
    interpreter = os.fsdecode(first)
    # Where JupyterHub is installed too, the command of its name starts its own server.
    peers = Path(interpreter).parent.parent.glob("lib*/python3*/*-packages/jupyterhub")
    return None if Path(found).name == KNOWN_NAME and any(peers) else interpreter


def writable_by_others(interpreter: str, env: Mapping[str, str]) -> Path | None:
    """Return a place that modules of *interpreter* come from and that others than root could change; None if none.

    The launcher of a hub that runs as root imports them as root. *env* is its environment.
    """
    prefix = Path(interpreter).parent.parent
    folders = [*prefix.glob("lib*/python3*"), *prefix.glob("lib*/python3*/*-packages")]
    named = [Path(folder) for name in _PLACES for folder in env.get(name, "").split(os.pathsep) if folder]
    for place in (Path(interpreter), prefix, prefix / "bin", *folders, *named):
        try:
            found = place.stat()
        except OSError:
            continue
        if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
            return place
    return None


class PreparedChild:
    """A server that was copied; its parent is the prepared process, which tells how it ends."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer
        self._status: int | None = None
        self._told = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._status = _exit_status(await self._reader.readline())
        self._writer.close()

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal) if it is known, else None."""
        return self._status

    async def ended(self) -> None:
        """Wait for the news of a server that is gone; whoever would bring it may be gone too."""
        await asyncio.wait({self._told}, timeout=STATUS_WITHIN)


def _exit_status(line: bytes) -> int | None:
    told = json.loads(line) if line else {}
    status = told.get("exit")
    return status if type(status) is int else None


class Launcher:
    """The prepared process of one interpreter."""

    def __init__(self, interpreter: str, env: Mapping[str, str]) -> None:
        self._interpreter = interpreter
        self._env = dict(env)
        self._process: Child | None = None
        self._control: socket.socket | None = None
        self._failed_at = -AGAIN_AFTER
        self._starting: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether servers can be copied now."""
        return self._control is not None and self._process is not None and self._process.poll() is None

    def begin(self) -> asyncio.Task[None] | None:
        """Start the process unless it runs or could not be had a moment ago; return what waits for it, if anything."""
        loop = asyncio.get_running_loop()
        if self.ready or (self._starting is None and loop.time() - self._failed_at < AGAIN_AFTER):
            return None
        if self._starting is None:
            self._starting = loop.create_task(self._start())
        return self._starting

    async def _start(self) -> None:
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                self._process = await asyncio.to_thread(self._execute, theirs)
            async with asyncio.timeout(PREPARED_WITHIN):
                said = await asyncio.get_running_loop().sock_recv(ours, 16)
            if said != PREPARED:
                raise NotLaunched("it ended before it was ready")
            self._control = ours
            log.info("servers start from a prepared process", interpreter=self._interpreter, pid=self._process.pid)
        except (OSError, NotLaunched) as error:
            ours.close()
            self._failed_at = asyncio.get_running_loop().time()
            log.warning("no process could be prepared; servers are executed instead", reason=str(error)[:200])
        finally:
            self._starting = None

    def _execute(self, control: socket.socket) -> Child:
        if os.geteuid() == 0 and (place := writable_by_others(self._interpreter, self._env)) is not None:
            raise NotLaunched(f"the hub runs as root, and others can write to {place}")
        return Child(
            [self._interpreter, "-m", "perijove.singleuser.launcher"],
            env=self._env | ROOM,
            cwd="/",
            stdin=control.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def launch(self, request: LaunchRequest, output: int) -> PreparedChild:
        """Copy the process and let the copy become what *request* says; its output goes to descriptor *output*.

        Raises:
            NotLaunched: nothing was started.
        """
        if not self.ready or self._control is None:
            raise NotLaunched("no process is prepared yet")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                socket.send_fds(self._control, [COPY], [theirs.fileno(), output])
            reader, writer = await asyncio.open_connection(sock=ours)
        except OSError as error:
            ours.close()
            raise NotLaunched(str(error)) from error
        try:
            async with asyncio.timeout(LAUNCHED_WITHIN):
                pid = (await self._answer(reader, "copy"))["copy"]
                writer.write(request.encode())
                await self._answer(reader, "runs")
        except (OSError, ValueError, LaunchError) as error:
            writer.close()
            raise NotLaunched(f"{type(error).__name__}: {error}"[:200]) from error
        except NotLaunched:
            writer.close()
            raise
        return PreparedChild(pid, reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, expected: str) -> dict[str, Any]:
        """Return the next answer. Raises NotLaunched unless it says what is *expected*; ValueError if it is none."""
        answer: dict[str, Any] = json.loads(await reader.readline() or b"{}")
        if answer.get("stale"):
            self.close()
            self.begin()
        if expected not in answer:
            raise NotLaunched(str(answer.get("error") or "the copy ended at once")[:200])
        return answer

    def close(self) -> None:
        """Let the process end; servers go on."""
        if self._control is not None:
            self._control.close()
            self._control = None


_LAUNCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Launcher]] = WeakKeyDictionary()


def launcher_for(cmd: Sequence[str], env: Mapping[str, str]) -> Launcher | None:
    """Return the launcher of this process for servers of *cmd*; None if that is not our own single-user server.

    Args:
        cmd: the command without arguments.
        env: the environment of such a server; what matters to an interpreter's start is taken from it.
    """
    interpreter = interpreter_of(cmd, env.get("PATH", os.defpath))
    if interpreter is None:
        return None
    here = _LAUNCHERS.setdefault(asyncio.get_running_loop(), {})
    if interpreter not in here:
        here[interpreter] = Launcher(interpreter, {key: value for key, value in env.items() if key.startswith(KEPT)})
    return here[interpreter]
