"""Writing the access log: batches of lines by a thread, so that a slow disk or a full pipe never holds up traffic."""

from __future__ import annotations

import os
import sys
from queue import Empty, SimpleQueue
from threading import Thread

from perijove.proxy.core.accesslog import Exchange, Format, access_line
from perijove.proxy.net.logs import log

MAX_WAITING = 20000
MAX_BATCH = 500


class AccessLog:
    """Takes exchanges and writes their lines to a file, or to standard output for ``-``. Raises OSError at first."""

    def __init__(self, form: Format, path: str, *, query: bool) -> None:
        self._form = form
        self._path = path
        self._query = query
        self._file = self._open()
        self._waiting: SimpleQueue[Exchange | None] = SimpleQueue()
        self._reopen = False
        self._closed = False
        self._thread = Thread(target=self._write, name="access log", daemon=True)
        self._thread.start()

    def _open(self) -> int:
        if self._path == "-":
            return sys.stdout.fileno()
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def add(self, exchange: Exchange) -> None:
        """Queue an exchange, unless too many wait already."""
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(exchange)

    def reopen(self) -> None:
        """Open the file anew before the next line: it was moved away."""
        self._reopen = True

    def _batch(self) -> tuple[list[Exchange], bool]:
        """Wait for what is there; the second value is whether the end has come."""
        first = self._waiting.get()
        batch: list[Exchange] = []
        while first is not None:
            batch.append(first)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                first = self._waiting.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _write(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._batch()
            if self._reopen:
                self._reopen = False
                self._change_file()
            text = "".join(access_line(each, self._form, query=self._query) + "\n" for each in batch)
            data = text.encode("utf-8", "backslashreplace")
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError:
                # A full disk or a closed pipe: the exchanges go on without their lines.
                continue

    def _change_file(self) -> None:
        try:
            new = self._open()
        except OSError as error:
            log.error("the access log cannot be opened anew: %s", error.strerror)
            return
        if self._path != "-":
            os.close(self._file)
        self._file = new

    def close(self) -> None:
        """Write what is queued, for at most a second; once is enough."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join(1.0)
        if self._path != "-" and not self._thread.is_alive():
            os.close(self._file)
