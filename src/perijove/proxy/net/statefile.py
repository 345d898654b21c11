"""The file that keeps the routes, so that a proxy started again serves at once with the table it had.

A change is written half a second later, together with all that followed it; times of activity alone, once a minute.
Each writing makes a new file that takes the old one's place whole. What goes wrong is logged and stops nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

from perijove.proxy.core.activity import Activity
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.changes import Change
from perijove.proxy.core.routes import RouteTable
from perijove.proxy.core.saved import Unusable, read_table, write_table
from perijove.proxy.net.logs import log

SETTLE_SECONDS = 0.5
ACTIVITY_SECONDS = 60.0
MAX_FILE = 64 * 1024 * 1024


def load(path: Path, book: RouteBook) -> None:
    """Put the routes of a file into an empty *book*; where there is none, or none that can be read, it stays empty."""
    now = time.time()
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("the routes in %s cannot be read: %s", path, error.strerror)
        return
    table = book.table
    saved = (
        Unusable("it is too large")
        if len(text) > MAX_FILE
        else read_table(text, host_routing=table.host_routing, now=now)
    )
    if isinstance(saved, Unusable):
        log.warning("the routes in %s are not used: %s", path, saved.reason)
        return
    book.replace(saved.routes, now)
    for key, seen in saved.activity.items():
        book.activity.begin(key, seen)
    log.info("%d routes read from %s", len(book.table), path)


class StateFile:
    """Keeps the file as the book is. Must be made in a running event loop; `close` writes for the last time."""

    def __init__(self, path: Path, book: RouteBook) -> None:
        self._path = path
        self._book = book
        self._dirty = asyncio.Event()
        self._closing = asyncio.Event()
        self._written: int | None = None
        self._failed = False
        book.watchers.add(self._changed)
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def _changed(self, _: Change) -> None:
        self._dirty.set()

    async def _keep(self) -> None:
        last = False
        while not last:
            await _wait(self._dirty, ACTIVITY_SECONDS)
            await _wait(self._closing, SETTLE_SECONDS)
            last = self._closing.is_set()
            self._dirty.clear()
            await asyncio.to_thread(self._write, self._book.table, self._book.activity.copy())

    def _write(self, table: RouteTable, activity: Activity) -> None:
        text = write_table(table, activity)
        if hash(text) == self._written:
            return
        try:
            _replace(self._path, text)
        except OSError as error:
            if not self._failed:
                log.warning("the routes cannot be written to %s: %s", self._path, error.strerror)
            self._failed = True
            return
        self._written, self._failed = hash(text), False

    async def close(self) -> None:
        """Write what is not written yet, and stop."""
        self._closing.set()
        self._dirty.set()
        await asyncio.shield(self._task)
        self._book.watchers.discard(self._changed)


def _replace(path: Path, text: bytes) -> None:
    """Put *text* in place of the file at *path*, readable by its owner only."""
    new = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
