"""Servers as local processes under the hub's own user: no root, no containers, and no wall between users.

`start` writes down, by way of ``checkpoint``, the run's number before there is a process and the process as soon as
there is one. Whenever the hub dies, the next one finds the server by either.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from traitlets import Bool, Float, List, Unicode, default

from perijove.hub.adapters import processes
from perijove.hub.adapters.inherited import ENV_KEEP, kept, search_path, shell
from perijove.hub.adapters.processes import Child, ProcessIdentity
from perijove.hub.adapters.redaction import is_secret_name, without_secrets
from perijove.hub.adapters.runs import end_run, find_leader
from perijove.hub.adapters.spawners.homes import file_name, prepare_home
from perijove.hub.adapters.spawners.launcher import NotLaunched, PreparedChild, launcher_for
from perijove.hub.adapters.spawners.logs import last_lines
from perijove.hub.adapters.spawners.processes import Run, launch, open_log
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.spawner import Spawner
from perijove.wire import environment as names
from perijove.wire.launching import LaunchRequest

STARTS_PER_PROCESSOR: Final = 2
"""How many local servers start at once; more make all of them answer later, the first one too."""
STATUS_UNKNOWN: Final = 0
"""What poll() says of a server that is gone with nobody left who knows its exit status."""
_REACHED_BY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


class SimpleLocalProcessSpawner(Spawner):
    """Runs every server as a process of the hub's own user. For trial, and for people who trust each other."""

    home_dir_template = Unicode(
        "homes/{username}",
        help="The home folder of each user; {username} stands for their name. Relative to the hub's data folder.",
    ).tag(config=True)
    term_timeout = Float(10, help="Seconds a server has to finish after it was told to.").tag(config=True)
    kill_timeout = Float(5, help="Seconds until all of a server must be gone after it was killed.").tag(config=True)
    use_launcher = Bool(
        True,
        help="Start our own single-user server by copying a process that has Jupyter imported already, which takes a "
        "fraction of the time. All copies share the layout of their memory; docs/security.md says what that means.",
    ).tag(config=True)
    env_keep = List(
        Unicode(), list(ENV_KEEP), help="Environment variables of the hub that the server gets too; may hold *."
    ).tag(config=True)

    @default("concurrent_starts")
    def _a_few_for_each_processor(self) -> int:
        return STARTS_PER_PROCESSOR * (os.cpu_count() or 1)

    _warned_of_root: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._run: Run | None = None
        self._child: Child | PreparedChild | None = None
        self._unreadable_state = False
        self._starting = False
        self._steps: list[dict[str, Any]] = []
        self._steps_over = False
        self._news = asyncio.Event()

    @property
    def home(self) -> Path:
        """The user's home folder; it need not exist yet."""
        name = self.durable_name("home", file_name(self.user.name))
        template = self.home_dir_template.replace("{username}", name)
        return Path(self.hub.data_dir, template).absolute()

    @property
    def log_file(self) -> Path:
        """Where the server's output goes."""
        return Path(self.hub.data_dir, "logs", f"server-{self.server_id}.log").absolute()

    @property
    def working_dir(self) -> Path:
        """The folder the server shows: notebook_dir, taken from the home folder on, or that itself."""
        folder = self.format(self.notebook_dir)
        return self.home / folder.removeprefix("~").lstrip("/") if folder.startswith("~") else self.home / folder

    def get_args(self) -> list[str]:
        """Return the arguments that follow cmd; as root a Jupyter server must be allowed to run."""
        args = super().get_args()
        return [*args, "--allow-root"] if os.geteuid() == 0 and "--allow-root" not in [*self.cmd, *args] else args

    def get_env(self) -> dict[str, str]:
        """Return the whole environment of the server; what the operator set in ``environment`` stays as it is."""
        env = self._kept() | super().get_env()
        path = search_path(env.get("PATH", ""))
        own = {"USER": self.user.name, "HOME": str(self.home), "SHELL": shell(), "PATH": path}
        if self.notebook_dir:
            own[names.ROOT_DIR] = str(self.working_dir)
        return env | {key: value for key, value in own.items() if key not in self.environment}

    def _kept(self) -> dict[str, str]:
        """Return what the hub's own environment gives to every server."""
        return kept(self.env_keep)

    async def prepare(self) -> None:
        """Begin to prepare the process that servers are copied from; nobody waits for it."""
        inherited = self._kept()
        given = {key: value for key, value in self.environment.items() if isinstance(value, str)}
        env = inherited | {"PATH": search_path(inherited.get("PATH", ""))} | given
        if self.use_launcher and (launcher := launcher_for(self.cmd, env)) is not None:
            launcher.begin()

    async def start(self) -> tuple[str, int]:
        """Start the server's process and return address and port where it will listen.

        Raises:
            PerijoveError: FAILED, if there is no home folder, port or command.
        """
        self.clear_state()
        self._starting = True
        self._steps_over = False
        try:
            self._warn_of_root()
            await asyncio.to_thread(self._prepare_folders)
            port = self.port or await asyncio.to_thread(_free_port, self.ip)
            run = self._run = Run(secrets.token_hex(16), port)
            await self.checkpoint()
            await self._launch(run)
            await self.checkpoint()
        finally:
            self._starting = False
            self._steps_over = True
            self._news.set()
        return _REACHED_BY.get(self.ip, self.ip), port

    def _prepare_folders(self) -> None:
        prepare_home(self.home)
        if not self.working_dir.is_dir():
            raise PerijoveError(Code.FAILED, f"The notebook folder {str(self.working_dir)!r} does not exist.")

    async def _launch(self, run: Run) -> None:
        env = self.get_env()
        address = f"[{self.ip}]" if ":" in self.ip else self.ip
        env[names.SERVICE_URL] = f"http://{address}:{run.port}{self.prefix}"

        async def take() -> int:
            child: Child | PreparedChild | None = await self._copied(run, env)
            if child is None:
                command = [*self.cmd, *self.get_args()]
                child = await asyncio.to_thread(launch, run, command, env, self.working_dir, self.log_file)
            self._child = child
            self._run = Run(run.id, run.port, processes.identify(child.pid))
            return child.pid

        taking = asyncio.create_task(take())
        try:
            pid = await asyncio.shield(taking)
        except asyncio.CancelledError:
            # It goes on and may yet make a process: whoever cancels must find it in the state.
            await asyncio.wait({taking})
            raise
        self._step(30, f"Process {pid} started")

    async def _copied(self, run: Run, env: Mapping[str, str]) -> PreparedChild | None:
        """Return the server, copied from a prepared process; None if it has to be executed."""
        if not self.use_launcher or (launcher := launcher_for(self.cmd, env)) is None:
            return None
        if not launcher.ready:
            # Its imports take longer than those of a single server: this one does not wait for them.
            launcher.begin()
            return None
        request = LaunchRequest((self.cmd[0], *self.get_args()), run.environment(env), str(self.working_dir))
        output = await asyncio.to_thread(open_log, self.log_file)
        try:
            return await launcher.launch(request, output)
        except NotLaunched as error:
            self.log.info("The server of %s is executed, not copied: %s.", self.user.name, error)
            return None
        finally:
            os.close(output)

    def _warn_of_root(self) -> None:
        if os.geteuid() == 0 and not SimpleLocalProcessSpawner._warned_of_root:
            SimpleLocalProcessSpawner._warned_of_root = True
            self.log.warning(
                "The hub runs as root, and so do its users' servers: each user can do everything on this machine. "
                "That is for a trial only; run the hub as a user of its own."
            )

    async def poll(self) -> int | None:
        """Return None if the server runs or is being started, else its exit status, 0 if nobody knows that.

        Raises:
            PerijoveError: UNAVAILABLE, if what was stored of the server cannot be understood.
            OSError: the system does not say.
        """
        if self._starting:
            return None
        if self._unreadable_state:
            raise PerijoveError(Code.UNAVAILABLE, "What is stored of the server was not written by this spawner.")
        leader = await self._leader()
        if leader is not None and processes.is_alive(leader):
            return None
        status = self._exit_status()
        return STATUS_UNKNOWN if status is None else status

    async def _leader(self) -> ProcessIdentity | None:
        """Return the server's process; one that was started but not written down is looked for and kept."""
        run = self._run
        if run is None or run.leader is not None:
            return run.leader if run else None
        leader = await asyncio.to_thread(find_leader, run.id)
        if leader is not None and self._run is run:
            self._run = Run(run.id, run.port, leader)
        return leader

    def _exit_status(self) -> int | None:
        return self._child.poll() if self._child else None

    async def wait_exit(self) -> int | None:
        """Return when the server has ended: its exit status if this hub process started it, else None."""
        if self._unreadable_state:
            await asyncio.get_running_loop().create_future()
        leader = await self._leader()
        if leader is not None:
            await processes.wait_gone(leader)
        if isinstance(self._child, PreparedChild):
            await self._child.ended()
        return self._exit_status()

    async def stop(self, now: bool = False) -> None:
        """End the server with its kernels and terminals; nothing happens if nothing runs.

        Args:
            now: by force at once, without giving it `term_timeout` to finish.

        Raises:
            PerijoveError: FAILED, if something of it survives.
        """
        if self._unreadable_state:
            self.log.warning("What is stored of a server of %s cannot be read; nothing was ended.", self.user.name)
        await self._leader()
        if self._run is None:
            return
        left = await end_run(
            self._run.id,
            self._run.leader,
            term_seconds=0 if now else self.term_timeout,
            kill_seconds=self.kill_timeout,
        )
        self._exit_status()  # reaps the child
        if left:
            numbers = ", ".join(str(process.pid) for process in left)
            raise PerijoveError(Code.FAILED, f"The server could not be ended: still running as process {numbers}.")

    def get_state(self) -> dict[str, Any]:
        """Return what another hub process needs to find the server: the run, and its process if there is one."""
        return self._run.to_state() if self._run else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what get_state() gave. With anything else poll() does not know whether the server runs."""
        self._child = None
        self._run = Run.from_state(state)
        self._unreadable_state = bool(state) and self._run is None

    def clear_state(self) -> None:
        """Forget the server that ran."""
        self._run = None
        self._child = None
        self._unreadable_state = False
        self._steps.clear()

    def read_log(self, lines: int) -> str:
        """Return the last *lines* lines of the server's output, of the last 64 KiB at most, with secrets removed."""
        known = [self.api_token]
        known += [str(value) for key, value in self.environment.items() if is_secret_name(key) and not callable(value)]
        return without_secrets(last_lines(self.log_file, lines), known)

    def _step(self, percent: int, message: str) -> None:
        self._steps.append({"progress": percent, "message": message})
        self._news.set()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Give the steps of the start as they happen; ends with it."""
        given = 0
        while True:
            while given < len(self._steps):
                yield self._steps[given]
                given += 1
            if self._steps_over:
                return
            self._news.clear()
            await self._news.wait()


def _free_port(ip: str) -> int:
    """Return a port that is free on *ip* now; somebody else may take it, and the server then says so in its log."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((ip, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise PerijoveError(Code.FAILED, f"No port is free on {ip!r}: {error.strerror}. See c.Spawner.ip.") from error
