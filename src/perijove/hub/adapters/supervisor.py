"""The process that the hub is forked from, and forked from again when it dies.

It has the hub's code imported, so that another hub needs only the time in which it reads its configuration and opens
its database. It has one thread, no event loop and no connection, and reads no configuration: nothing in it can break
as a hub does, and what a hub gets of it holds no secrets.

A hub and it talk over a socket pair, a byte each: the hub says that it is configured, waits to be told to go on, and
says when it serves. A hub that reads the configuration anew does so beside the one that serves; only when it is
configured is the other one asked to let go of everything. A hub dies with the process that it was forked from:
otherwise nobody would start it again, and it would keep its successor from the database.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog
from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.adapters.telemetry.logs import configure_logging
from perijove.hub.core.failures import exit_words
from perijove.hub.core.supervision import FAILED, End, Finish, Past, after
from perijove.installed import Installed

log = structlog.get_logger(__name__)
CONFIGURED, GO, UP = b"C", b"G", b"U"
LET_GO = signal.SIGUSR1
"""Asks a hub to end and to leave everything that it has started to the next one."""
LET_GO_SECONDS = 15.0
FORK_AGAIN_SECONDS = 1.0
_PASSED_ON = frozenset({signal.SIGTERM, signal.SIGINT})
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


class Leash:
    """What a hub has of the process that it was forked from.

    Attributes:
        holder: the id of that process, which takes signals for the hub.
    """

    def __init__(self, connection: socket.socket, holder: int) -> None:
        self.holder = holder
        self._connection = connection

    def configured(self) -> None:
        """Say that the configuration is fine; return when no other hub is at work."""
        self._connection.send(CONFIGURED)
        if self._connection.recv(1) != GO:
            raise SystemExit(FAILED)

    def up(self) -> None:
        """Say that the hub serves."""
        with self._connection, contextlib.suppress(OSError):
            self._connection.send(UP)


class _Child(Struct):
    """A hub; or the program that checks the configuration for one, which has no connection."""

    pid: int
    began: float
    connection: socket.socket | None = None
    configured: bool = False
    going: bool = False
    up: bool = False

    def listen(self) -> None:
        """Take note of what it has said; without a connection from then on if it has closed it."""
        while self.connection is not None:
            try:
                said = self.connection.recv(1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            self.configured |= said == CONFIGURED
            self.up |= said == UP
            if not said:
                self.hang_up()

    def go(self) -> None:
        """Let it go on."""
        self.going = True
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.send(GO)

    def hang_up(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal. It was not reaped, so its id is nobody else's."""
        os.kill(self.pid, number)


class Supervisor:
    """Keeps one hub running."""

    def __init__(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        *,
        outdated: Callable[[], bool],
        has_terminal: Callable[[], bool],
        preload: Callable[[], None],
    ) -> None:
        """Prepare, and do nothing yet.

        Args:
            program: what starts this command again.
            environment: of that.
            outdated: whether what this process has imported is no longer what is installed.
            has_terminal: whether a terminal controls this process.
            preload: imports what a hub needs beside what there is; called once, when the first one serves.
        """
        self._program = list(program)
        self._environment = environment
        self._outdated = outdated
        self._has_terminal = has_terminal
        self._preload = preload
        self._had_terminal = has_terminal()
        self._past = Past()
        self._hub: _Child | None = None
        self._next: _Child | None = None
        self._due = time.monotonic()
        self._patience: float | None = None
        self._read_anew = False
        self._ending: signal.Signals | None = None
        self._status: int | None = None

    def run(self) -> Leash | int:
        """Keep a hub running. Returns a leash in each hub; here, once there is none anymore, the command's status.

        Raises:
            RuntimeError: there are other threads; a hub would miss them, and stop where one held a lock.
        """
        if threading.active_count() > 1:
            raise RuntimeError("something that was imported has started a thread")
        # What is there now is never collected, so that collecting does not touch, and thereby copy, its pages.
        gc.freeze()
        with _signals_heard() as wake:
            while self._status is None:
                if (leash := self._fork_what_is_due()) is not None:
                    return leash
                self._advance()
                self._await(wake)
        if self._ending is not None and self._status == -self._ending:
            signal.signal(self._ending, signal.SIG_DFL)
            os.kill(os.getpid(), self._ending)
        return self._status if self._status >= 0 else 128 - self._status

    # What is to be there.

    def _fork_what_is_due(self) -> Leash | None:
        """Return a leash in a new hub; None here."""
        if self._ending is not None:
            return None
        if self._hub is None and self._next is not None and self._next.connection is not None:
            self._hub, self._next = self._next, None
        if self._hub is None and time.monotonic() >= self._due:
            if self._outdated():
                self._become_what_is_installed()
            self._hub, leash = self._fork()
            return leash
        if self._hub is not None and self._read_anew:
            self._read_anew = False
            self._drop_next()
            if not self._outdated():
                self._next, leash = self._fork()
                return leash
            # Only what is installed now can say whether it understands the configuration.
            self._next = _Child(self._check(), time.monotonic())
        return None

    def _fork(self) -> tuple[_Child | None, Leash | None]:
        """Return the child here, and the leash in the child."""
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        holder = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            log.warning("no process could be made for the hub", reason=error.strerror)
            ours.close()
            theirs.close()
            self._due = time.monotonic() + FORK_AGAIN_SECONDS
            return None, None
        if pid == 0:
            ours.close()
            for child in (self._hub, self._next):
                if child is not None:
                    child.hang_up()
            _become_hub(holder)
            return None, Leash(theirs, holder)
        theirs.close()
        return _Child(pid, time.monotonic(), ours), None

    def _check(self) -> int:
        return os.posix_spawn(self._program[0], [*self._program, "check-config"], self._environment)

    def _become_what_is_installed(self) -> None:
        log.info("what is installed has changed and is started")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(self._program[0], self._program, self._environment)  # noqa: S606 - nothing of it is anybody's input

    # What happens.

    def _await(self, wake: int) -> None:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        children = [child for child in (self._hub, self._next) if child is not None]
        for child in children:
            if child.connection is not None:
                poll.register(child.connection, select.POLLIN)
        poll.poll(self._milliseconds())
        for child in children:
            child.listen()
        with contextlib.suppress(BlockingIOError):
            for number in os.read(wake, 4096):
                self._signalled(signal.Signals(number))
        self._reap()

    def _milliseconds(self) -> float | None:
        until = self._due if self._hub is None else self._patience
        return None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1

    def _advance(self) -> None:
        """Let a hub that is configured have its turn."""
        hub, following = self._hub, self._next
        if hub is not None and hub.up and not self._past.up:
            self._past = replace(self._past, up=True)
            self._load_the_rest()
        if hub is not None and hub.configured and not hub.going:
            hub.go()
        if hub is not None and following is not None and following.configured and self._patience is None:
            self._make_room(hub)
        if hub is not None and self._patience is not None and time.monotonic() >= self._patience:
            log.warning("the hub does not let go and is killed", pid=hub.pid)
            self._patience = time.monotonic() + LET_GO_SECONDS
            hub.signal(signal.SIGKILL)

    def _load_the_rest(self) -> None:
        try:
            self._preload()
        except Exception as error:
            # As while another version is being installed; the next hub loads what it needs itself.
            log.warning("the next hub will start more slowly", reason=f"{type(error).__name__}: {error}"[:200])
        gc.freeze()

    def _make_room(self, hub: _Child) -> None:
        log.info("the configuration was read anew; the hub makes room for another one")
        self._patience = time.monotonic() + LET_GO_SECONDS
        hub.signal(LET_GO)

    def _signalled(self, number: signal.Signals) -> None:
        if number in _PASSED_ON or (number == signal.SIGHUP and self._had_terminal and not self._has_terminal()):
            self._end(number)
        elif number == signal.SIGHUP:
            # Where there is no hub, the next one reads the configuration anyway.
            self._read_anew, self._due = self._hub is not None, time.monotonic()

    def _end(self, number: signal.Signals) -> None:
        self._ending = number
        self._drop_next()
        if self._hub is None:
            self._status = 0
        else:
            # Whoever has lost the terminal has not said that servers shall stop.
            self._hub.signal(number if number in _PASSED_ON else LET_GO)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.hang_up()
            self._next.signal(signal.SIGKILL)
            self._next = None

    def _reap(self) -> None:
        """Take note of every child that has ended; as the first process of a container, of others' children as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._hub is not None and pid == self._hub.pid:
                self._hub_ended(self._hub, os.waitstatus_to_exitcode(status))
            elif self._next is not None and pid == self._next.pid:
                self._next_ended(self._next, os.waitstatus_to_exitcode(status))

    def _hub_ended(self, hub: _Child, status: int) -> None:
        hub.listen()
        hub.hang_up()
        self._hub = None
        now = time.monotonic()
        if self._ending is not None:
            self._status = status if self._ending in _PASSED_ON else -self._ending
        elif self._patience is not None:
            self._patience, self._due = None, now
        elif isinstance(step := after(End(status, hub.up, now - hub.began), self._past), Finish):
            self._drop_next()
            self._status = step.status
        else:
            self._past, self._due = step.past, now + step.pause
            log.error(f"the hub {exit_words(status)}; another one is started", pid=hub.pid, pause=step.pause)

    def _next_ended(self, child: _Child, status: int) -> None:
        checked = child.connection is None and status == 0
        child.hang_up()
        self._next = None
        if self._hub is None:
            return
        if checked:
            self._make_room(self._hub)
        else:
            log.error("the configuration is not taken; the hub goes on with the one that it has")


def supervised(environment: Mapping[str, str], preload: Callable[[], None]) -> Leash | int:
    """Keep a hub running that is forked from this process. Takes *preload* and returns as `Supervisor` does."""
    configure_logging()
    program = [sys.executable, *sys.orig_argv[1:]]
    return Supervisor(
        program, environment, outdated=Installed.now().outdated, has_terminal=_has_terminal, preload=preload
    ).run()


@contextlib.contextmanager
def _signals_heard() -> Iterator[int]:
    """Yield a descriptor from which the numbers of signals can be read."""
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGHUP, *_PASSED_ON):
        signal.signal(number, _heard)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)


def _heard(_number: int, _frame: object) -> None:
    """Do nothing: the signal's number is in the pipe."""


def _become_hub(holder: int) -> None:
    # SIGHUP stays without effect, it is meant for the holder; programs that the hub executes can be ended by it.
    for number in (signal.SIGCHLD, *_PASSED_ON):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != holder:
        os.kill(os.getpid(), signal.SIGKILL)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
