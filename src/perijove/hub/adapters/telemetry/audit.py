"""The audit log's file. Several processes may append to it; each holds the lock on ``<file>.state`` while it does.

The state beside the log says which line is the newest and where it ends, so that lines missing at the end are noticed
and the chain goes on in a new file after a rotation. A batch is written in one call and forced to the disk before the
state is; whoever is killed in between leaves a file from which the next writer finds the newest line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from perijove.hub.adapters.redaction import without_secrets
from perijove.hub.core import audit
from perijove.hub.core.audit import EMPTY, LOST, MAX_TORN, OPENED, Head
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.facts import Fact
from perijove.hub.ports.clock import Clock
from perijove.hub.ports.telemetry import ORIGIN

log = structlog.get_logger(__name__)
MAX_WAITING: Final = 10_000
"""How many entries wait in memory while the file cannot be written; further ones are counted and lost."""
MAX_BATCH: Final = 200
RETRY: Final = 5.0
"""Seconds between two tries to write."""
CLOSE_TIMEOUT: Final = 10.0

Entry = Mapping[str, Any]


class State(NamedTuple):
    """What is kept beside the log: the newest line, and the file and the place where it ends."""

    head: Head
    inode: int
    size: int


def state_path(path: Path) -> Path:
    """Return where the state of the log at *path* is kept."""
    return path.with_name(f"{path.name}.state")


def read_state(path: Path) -> State | None:
    """Return the state of the log at *path*; None if there is none. Raises OSError."""
    try:
        raw = state_path(path).read_bytes()
    except FileNotFoundError:
        return None
    return _parse_state(raw)


def _parse_state(raw: bytes) -> State | None:
    try:
        known = json.loads(raw)
        return State(Head(int(known["seq"]), str(known["hash"])), int(known["inode"]), int(known["size"]))
    except (ValueError, KeyError, TypeError):
        return None


class AuditFile:
    """Appends to one log; made anew by whoever rotates it away."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entries: Sequence[Entry], now: datetime) -> None:
        """Write *entries* in order, all or none, and return when they are on the disk.

        Args:
            entries: what `perijove.hub.core.audit.entry_of` made.
            now: the time, for what the log says of itself.

        Raises:
            OSError: nothing was written.
        """
        with self._locked() as state_file, _opened(self.path, os.O_APPEND) as file:
            head, data = _continuation(file, _parse_state(os.pread(state_file, 4096, 0)), now)
            for entry in entries:
                line, head = audit.chained(entry, head)
                data += line
            status = os.fstat(file)
            try:
                _write_all(file, data)
                os.fdatasync(file)
            except OSError:
                with contextlib.suppress(OSError):  # then the next writer marks the torn line
                    os.ftruncate(file, status.st_size)
                raise
            # The lines are there: a state that is behind is put right by the next writer.
            with contextlib.suppress(OSError):
                _write_state(state_file, State(head, status.st_ino, status.st_size + len(data)))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        with _opened(state_path(self.path), 0) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_state(descriptor: int, state: State) -> None:
    known = {"seq": state.head.seq, "hash": state.head.hash, "inode": state.inode, "size": state.size}
    # Always as long, so that one write replaces all of it.
    os.pwrite(descriptor, f"{json.dumps(known):<255}\n".encode(), 0)


def _continuation(file: int, state: State | None, now: datetime) -> tuple[Head, bytes]:
    """Return the newest line of *file*, and what must be written before the next: the mark of a torn line, if any."""
    status = os.fstat(file)
    known = state.head if state else EMPTY
    if state and (state.inode, state.size) == (status.st_ino, status.st_size):
        return known, b""
    follows = state is not None and state.inode == status.st_ino and state.size <= status.st_size
    start = max(state.size if state and follows else 0, status.st_size - MAX_TORN)
    lines = os.pread(file, MAX_TORN, start).splitlines(keepends=True)
    if start > 0 and not follows:
        lines = lines[1:]  # it may begin anywhere in it
    head, good = known, 0
    for number, raw in enumerate(lines, 1):
        line = audit.read_line(raw)
        if line is not None and line.genuine and line.head.seq > head.seq:
            head, good = line.head, number
    if good == len(lines) and lines and not lines[-1].endswith(b"\n"):
        return head, b"\n"
    torn = b"".join(lines[good:])
    if not torn or (torn.endswith(b"\n") and not follows):
        return head, b""
    mark, head = audit.chained(audit.torn_note(torn.rstrip(b"\n"), now), head)
    return head, mark if torn.endswith(b"\n") else b"\n" + mark


class AuditLog:
    """Takes facts at once and writes them in a thread, so that no disk holds up the event loop.

    What cannot be written waits, with a word in the log and a count in the metrics; the hub goes on.
    """

    def __init__(self, path: Path, clock: Clock, failed: Callable[[int], None] = lambda lost: None) -> None:
        """Make the log usable.

        Args:
            path: the file; made if need be.
            clock: tells the time.
            failed: told of each write that failed and each entry that was lost, with the number of the latter.

        Raises:
            PerijoveError: UNAVAILABLE, if the file cannot be made or used.
        """
        self.path = path
        self._file = AuditFile(path)
        self._clock = clock
        self._failed = failed
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._closing = False
        self._changed = threading.Condition()
        self._waiting.append(audit.note(OPENED, clock.now(), pid=os.getpid()))
        try:
            with _opened(path, os.O_APPEND), _opened(state_path(path), 0):
                pass
        except OSError as error:
            raise PerijoveError(
                Code.UNAVAILABLE,
                f"The audit log {path} cannot be written: {error.strerror}. "
                "Set c.JupyterHub.audit_log_file to another file, or to an empty text for no audit log.",
            ) from None
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def emit(self, fact: Fact) -> None:
        """Take note of *fact*, if it belongs into the log."""
        entry = audit.entry_of(fact, ORIGIN.get(), self._clock.now(), without_secrets)
        if entry is None:
            return
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self._lost += 1
                self._failed(1)
                return
            self._waiting.append(entry)
            self._changed.notify_all()

    def close(self) -> None:
        """Write what waits and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_TIMEOUT)
        if self._waiting:
            log.error("entries of the audit log are lost", count=len(self._waiting), path=str(self._file.path))

    def _run(self) -> None:
        trouble = False
        while batch := self._next_batch():
            try:
                self._file.append(batch, self._clock.now())
            except OSError as error:
                log.critical(
                    "the audit log cannot be written; entries wait in memory",
                    path=str(self._file.path),
                    reason=error.strerror,
                    waiting=len(self._waiting),
                    lost=self._lost,
                )
                self._failed(0)
                trouble = True
                if self._closing:
                    return
                self._pause()
                continue
            if trouble:
                log.warning("the audit log can be written again", path=str(self._file.path))
                trouble = False
            self._written(len(batch))

    def _next_batch(self) -> list[Entry]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting[index] for index in range(min(MAX_BATCH, len(self._waiting)))]

    def _written(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._waiting.popleft()
            if self._lost and not self._waiting:
                self._waiting.append(audit.note(LOST, self._clock.now(), count=self._lost))
                self._lost = 0
            self._changed.notify_all()

    def _pause(self) -> None:
        """Wait until it makes sense to try again."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, RETRY)
