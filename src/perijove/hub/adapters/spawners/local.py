"""Servers as local processes: each as the account of the machine with its user's name, or all as the hub's own.

`start` writes down, by way of ``checkpoint``, the run's number before there is a process and the process as soon as
there is one. Whenever the hub dies, the next one finds the server by either.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import shlex
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from msgspec.structs import replace
from traitlets import Bool, Dict, Float, Integer, List, TraitError, Unicode, default, validate

from perijove.hub.adapters import processes
from perijove.hub.adapters.inherited import ENV_KEEP, kept, search_path, shell
from perijove.hub.adapters.processes import Child, ProcessIdentity
from perijove.hub.adapters.redaction import is_secret_name, without_secrets
from perijove.hub.adapters.runs import end_run, find_leader, runs_with
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.accounts import Account, account_of, check_home
from perijove.hub.adapters.spawners.executing import execute
from perijove.hub.adapters.spawners.homes import file_name, prepare_home
from perijove.hub.adapters.spawners.launcher import NotLaunched, PreparedChild, launcher_for
from perijove.hub.adapters.spawners.limits import parse_limits
from perijove.hub.adapters.spawners.logs import last_lines
from perijove.hub.adapters.spawners.memory import usage_of
from perijove.hub.adapters.spawners.ports import free_port
from perijove.hub.adapters.spawners.processes import RUN_ID, Run, open_log
from perijove.hub.adapters.threads import apart
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.texts import say
from perijove.hub.core.usage import Usage
from perijove.hub.ports.spawner import Spawner
from perijove.wire import environment as names
from perijove.wire.launching import LaunchRequest

STARTS_PER_PROCESSOR: Final = 2
"""How many local servers start at once; more make all of them answer later, the first one too."""
INSTALLATION_VARIABLE: Final = "PERIJOVE_SERVERS_OF"
"""In the environment of all servers of one installation, and nobody else's."""
STATUS_UNKNOWN: Final = 0
"""What poll() says of a server that is gone with nobody left who knows its exit status."""
UNLIMITED: Final = say("This machine does not hold the server to its limits of memory and processors")
POPEN_OWN: Final = frozenset(
    {"args", "executable", "shell", "env", "cwd", "stdin", "stdout", "stderr", "user", "group", "extra_groups"}
    | {"preexec_fn", "start_new_session", "process_group", "close_fds", "umask"}
)
"""Arguments of Popen that something else is for."""
_AS_ROOT: Final = (
    "The hub runs as root, and so do its users' servers: each user can do everything on this machine. That is for a "
    'trial only; run the hub as a user of its own, or set c.JupyterHub.spawner_class = "localprocess".'
)
_REACHED_BY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


class LocalProcessSpawner(Spawner):
    """Runs every server as the account of this machine that is called like its user; the hub must be root for that."""

    interrupt_timeout = Float(
        30, help="Seconds a server has to finish after SIGINT; with 0 it gets none. Then it gets SIGTERM."
    ).tag(config=True)
    term_timeout = Float(
        30, help="Seconds a server has to finish after SIGTERM; with 0 it gets none. Then it gets SIGKILL."
    ).tag(config=True)
    kill_timeout = Float(5, help="Seconds until all of a server must be gone after it was killed.").tag(config=True)
    shell_cmd = List(
        Unicode(),
        help="A shell that executes the server's command, such as ['bash', '-l', '-c'], so that its start-up files are "
        "read; the command follows as one argument. Nothing is copied from a prepared process then.",
    ).tag(config=True)
    popen_kwargs = Dict(
        help="Further arguments of subprocess.Popen, such as pass_fds. Nothing is copied from a prepared process then."
    ).tag(config=True)
    resource_limits = Dict(
        help="Limits of each process of a server by their names in resource(3), without RLIMIT_: a number for both, or "
        "a pair of soft and hard limit; -1 for none."
    ).tag(config=True, wanted="a dictionary of limits by name, such as {'NOFILE': 4096, 'CORE': (0, 0)}")
    umask = Integer(
        None, allow_none=True, min=0, max=0o777, help="Mode bits that new files lack, such as 0o027; None: the hub's."
    ).tag(config=True)
    cgroup_parent = Unicode(
        "",
        help="The control group, as a path such as /perijove, in which each server with a limit gets one of its own. "
        "Empty: that of the hub. docs/spawners.md says what a hub needs for that.",
    ).tag(config=True)
    lowest_uid = Integer(1000, min=1, help="Accounts with a lower number belong to the system and get no server.").tag(
        config=True
    )
    use_launcher = Bool(
        True,
        help="Start our own single-user server by copying a process that has Jupyter imported already, which takes a "
        "fraction of the time. All copies share the layout of their memory; docs/security.md says what that means.",
    ).tag(config=True)
    env_keep = List(
        Unicode(),
        [name for name in ENV_KEEP if name != "TMPDIR"],
        help="Environment variables of the hub that the server gets too; may hold *.",
    ).tag(config=True)

    _warned: ClassVar[set[str]] = set()
    """Sentences that were in the log already: once is enough for all servers."""

    @default("concurrent_starts")
    def _a_few_for_each_processor(self) -> int:
        return STARTS_PER_PROCESSOR * (os.cpu_count() or 1)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._account: Account | None = None
        self._run: Run | None = None
        self._child: Child | PreparedChild | None = None
        self._unreadable_state = False
        self._unlimited = False
        self._starting = False
        self._steps: list[dict[str, Any]] = []
        self._steps_over = False
        self._news = asyncio.Event()

    @validate("popen_kwargs")
    def _check_popen_kwargs(self, proposal: Mapping[str, Any]) -> Any:
        own = sorted(POPEN_OWN & set(proposal["value"]))
        if own:
            raise TraitError(f"{own[0]} is not for popen_kwargs: other options of the spawner set it")
        return proposal["value"]

    @validate("resource_limits")
    def _check_resource_limits(self, proposal: Mapping[str, Any]) -> Any:
        try:
            parse_limits(proposal["value"])
        except ValueError as error:
            raise TraitError(str(error)) from None
        return proposal["value"]

    def ensure_possible(self) -> None:
        """Make sure that servers can be started on this machine. Raises PerijoveError FAILED with advice."""
        if os.geteuid() != 0:
            raise PerijoveError(
                Code.FAILED,
                "LocalProcessSpawner starts servers as the users of this machine; only a hub that runs as root can do "
                'that. Run it as root, or set c.JupyterHub.spawner_class = "simple": all servers then run as the '
                "hub's own user.",
            )

    @property
    def account(self) -> Account:
        """Whom the server runs as; looked up once for each start. Raises PerijoveError FAILED."""
        if self._account is None:
            self._account = self._find_account()
        return self._account

    def _find_account(self) -> Account:
        return account_of(self.user.name, self.lowest_uid)

    @property
    def stop_timeout(self) -> float:
        """Seconds that stop() may take."""
        return super().stop_timeout + self.interrupt_timeout + self.term_timeout + self.kill_timeout

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return self.account.home

    @property
    def log_file(self) -> Path:
        """Where the server's output goes."""
        return Path(self.hub.data_dir, "logs", f"server-{self.server_id}.log").absolute()

    @property
    def working_dir(self) -> Path:
        """The folder the server shows: notebook_dir, taken from the home folder on, or that itself."""
        folder = self.format(self.notebook_dir)
        return self.home / folder.removeprefix("~").lstrip("/") if folder.startswith("~") else self.home / folder

    def get_env(self) -> dict[str, str]:
        """Return the whole environment of the server; what the operator set in ``environment`` stays as it is."""
        env = kept(self.env_keep) | super().get_env()
        own = {
            "USER": self.account.name,
            "LOGNAME": self.account.name,
            "HOME": str(self.home),
            "SHELL": self.account.shell,
            "PATH": search_path(env.get("PATH", "")),
        }
        if self.notebook_dir:
            own[names.ROOT_DIR] = str(self.working_dir)
        return env | {key: value for key, value in own.items() if key not in self.environment}

    async def prepare(self) -> None:
        """Begin to prepare the process that servers are copied from; nobody waits for it."""
        inherited = kept(self.env_keep)
        given = {key: value for key, value in self.environment.items() if isinstance(value, str)}
        env = inherited | {"PATH": search_path(inherited.get("PATH", ""))} | given
        if self._may_copy and (launcher := launcher_for(self.cmd, env)) is not None:
            launcher.begin()

    @property
    def _may_copy(self) -> bool:
        return self.use_launcher and not self.shell_cmd and not self.popen_kwargs

    async def start(self) -> tuple[str, int]:
        """Start the server's process and return address and port where it will listen.

        Raises:
            PerijoveError: FAILED, if there is no account, home folder, port or command.
        """
        self.clear_state()
        self._starting = True
        self._steps_over = False
        try:
            await apart("Accounts or home folders", self._prepare)
            port = self.port or await asyncio.to_thread(free_port, self.ip)
            run = Run(secrets.token_hex(16), port)
            groups = await asyncio.to_thread(self._plan_groups, run)
            run = self._run = replace(run, groups=tuple(group.folder for group in groups))
            await self.checkpoint()
            run = self._run = await asyncio.to_thread(self._make_groups, run, groups)
            if self._unlimited:
                self._step(20, UNLIMITED)
            await self._launch(run)
            await self.checkpoint()
        finally:
            self._starting = False
            self._steps_over = True
            self._news.set()
        return _REACHED_BY.get(self.ip, self.ip), port

    def _prepare(self) -> None:
        """Find the account and see to its home folder."""
        self.ensure_possible()
        check_home(self.account)

    @property
    def _wanted(self) -> cgroups.Wanted:
        return cgroups.Wanted(self.mem_limit, self.mem_guarantee, self.cpu_limit, self.cpu_guarantee)

    def caveats(self) -> list[str]:
        """Return which limits that are set are not held here, a sentence each. Blocks."""
        return cgroups.not_held(self._wanted, cgroups.places(self.cgroup_parent))

    def _plan_groups(self, run: Run) -> tuple[cgroups.Group, ...]:
        groups, missing = cgroups.plan(self._wanted, run.id, cgroups.places(self.cgroup_parent))
        if missing:
            self._tell_unlimited(cgroups.no_hierarchy(missing))
        return groups

    def _make_groups(self, run: Run, groups: tuple[cgroups.Group, ...]) -> Run:
        """Return the run with its control groups made; without any if they cannot be had."""
        try:
            cgroups.make(groups)
        except OSError as error:
            if self._wanted:
                self._tell_unlimited(cgroups.no_group(groups, error))
            return replace(run, groups=())
        return run

    def _tell_unlimited(self, sentence: str) -> None:
        """Log, once, why limits are not held; who waits for the server is told in `start`, in the event loop."""
        self._unlimited = True
        if sentence not in self._warned:
            self._warned.add(sentence)
            self.log.warning(sentence)

    async def _launch(self, run: Run) -> None:
        env = self.get_env()
        address = f"[{self.ip}]" if ":" in self.ip else self.ip
        env[names.SERVICE_URL] = f"http://{address}:{run.port}{self.prefix}"
        if self.hub.installation:
            env[INSTALLATION_VARIABLE] = self.hub.installation
        command = (*self.cmd, *self.get_args())
        request = LaunchRequest(
            command,
            run.environment(env),
            str(self.working_dir),
            identity=self.account.identity,
            limits=parse_limits(self.resource_limits),
            cgroup_files=tuple(str(folder / "cgroup.procs") for folder in run.groups),
            umask=self.umask,
        )

        async def take() -> int:
            child: Child | PreparedChild | None = await self._copied(request)
            if child is None:
                words = (*self.shell_cmd, shlex.join(command)) if self.shell_cmd else command
                executed = dataclasses.replace(request, argv=words)
                child = await asyncio.to_thread(execute, run, executed, self.log_file, self.popen_kwargs)
            self._child = child
            self._run = replace(run, leader=processes.identify(child.pid))
            return child.pid

        taking = asyncio.create_task(take())
        try:
            pid = await asyncio.shield(taking)
        except asyncio.CancelledError:
            # It goes on and may yet make a process: whoever cancels must find it in the state.
            await asyncio.wait({taking})
            raise
        self._step(30, say("Process {pid} started", pid=pid))

    async def _copied(self, request: LaunchRequest) -> PreparedChild | None:
        """Return the server, copied from a prepared process; None if it has to be executed."""
        if not self._may_copy or (launcher := launcher_for(self.cmd, request.env)) is None:
            return None
        if not launcher.ready:
            # Its imports take longer than those of a single server: this one does not wait for them.
            launcher.begin()
            return None
        output = await asyncio.to_thread(open_log, self.log_file)
        try:
            return await launcher.launch(request, output)
        except NotLaunched as error:
            self.log.info("The server of %s is executed, not copied: %s.", self.user.name, error)
            return None
        finally:
            os.close(output)

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
            self._run = replace(run, leader=leader)
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
            now: by force at once, without giving it time to finish.

        Raises:
            PerijoveError: FAILED, if something of it survives.
        """
        if self._unreadable_state:
            self.log.warning("What is stored of a server of %s cannot be read; nothing was ended.", self.user.name)
        await self._leader()
        if self._run is None:
            return
        requests = ((signal.SIGINT, self.interrupt_timeout), (signal.SIGTERM, self.term_timeout))
        run = self._run
        left = await end_run(
            run.id,
            run.leader,
            requests=() if now else requests,
            kill_seconds=self.kill_timeout,
            grouped=lambda: cgroups.processes_in(run.groups),
        )
        self._exit_status()  # reaps the child
        if left:
            numbers = ", ".join(str(process.pid) for process in left)
            raise PerijoveError(Code.FAILED, f"The server could not be ended: still running as process {numbers}.")
        if occupied := await cgroups.remove(self._run.groups):
            self.log.warning("The control group %s of a server that is gone could not be removed.", occupied[0])

    @property
    def chosen_port(self) -> int | None:
        """The port of this start, unless the operator has fixed it."""
        return self._run.port if self._run is not None and not self.port else None

    def ran_out_of_memory(self) -> bool:
        """Say whether something of the server was ended because it used all the memory that it may use."""
        return self._run is not None and cgroups.ran_out_of_memory(self._run.groups)

    def usage(self) -> Usage | None:
        """Return what all processes of the server use together; None if nothing of it runs. Blocks."""
        return usage_of(self._run) if self._run else None

    async def find_runs(self) -> set[str]:
        """Return the runs of all servers of this installation that are there."""
        if not self.hub.installation:
            return set()
        found = await asyncio.to_thread(runs_with, INSTALLATION_VARIABLE, self.hub.installation)
        return {run for run in found if RUN_ID.fullmatch(run)}

    def run_of(self, state: Mapping[str, Any]) -> str:
        """Return the run that *state* is about; empty if none."""
        return str(state.get("run", ""))

    async def end_run(self, run: str) -> None:
        """End all processes of *run*. Raises PerijoveError FAILED, if something of it survives."""
        groups = await asyncio.to_thread(cgroups.of_run, run, cgroups.places(self.cgroup_parent))
        # Where it listens is of no use any more.
        self._run = Run(run, 0, groups=groups)
        await self.stop()

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
        self._account = None
        self._run = None
        self._child = None
        self._unreadable_state = False
        self._unlimited = False
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


class SimpleLocalProcessSpawner(LocalProcessSpawner):
    """Runs every server as a process of the hub's own user. For trial, and for people who trust each other."""

    home_dir_template = Unicode(
        "homes/{username}",
        help="The home folder of each user; {username} stands for their name. Relative to the hub's data folder.",
    ).tag(config=True)
    env_keep = List(
        Unicode(),
        list(ENV_KEEP),
        help="Environment variables of the hub that the server gets too; may hold *.",
    ).tag(config=True)

    def ensure_possible(self) -> None:
        """Return: these servers can be started anywhere."""

    def caveats(self) -> list[str]:
        """Return what is not as it should be here, a sentence each: limits, and a hub that is root. Blocks."""
        return [_AS_ROOT, *super().caveats()] if os.geteuid() == 0 else super().caveats()

    def _find_account(self) -> Account:
        name = self.durable_name("home", file_name(self.user.name))
        template = self.home_dir_template.replace("{username}", name)
        return Account(self.user.name, None, Path(self.hub.data_dir, template).absolute(), shell())

    def get_args(self) -> list[str]:
        """Return the arguments that follow cmd; as root a Jupyter server must be allowed to run."""
        args = super().get_args()
        return [*args, "--allow-root"] if os.geteuid() == 0 and "--allow-root" not in [*self.cmd, *args] else args

    def _prepare(self) -> None:
        prepare_home(self.home)
