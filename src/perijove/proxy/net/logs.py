"""The proxy's log: lines to standard error, written so that nothing can stop the proxy there.

The proxy outlives whoever started it, so standard error may be a closed pipe, or one that nobody empties. Lines are
written by a thread of their own; when it cannot keep up, lines are dropped, and when the pipe is closed, all are.
"""

from __future__ import annotations

import logging
import sys
from queue import SimpleQueue
from threading import Thread

log = logging.getLogger("perijove.proxy")

MAX_WAITING = 2000
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class DetachedHandler(logging.Handler):
    """Hands lines to a thread that writes them to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line, unless too many wait already."""
        try:
            if self._lines.qsize() < MAX_WAITING:
                self._lines.put(self.format(record))
        except (ValueError, TypeError):
            self.handleError(record)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            stream = sys.stderr
            if stream is None:  # closed before the start
                continue
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):
                # A closed pipe: nobody reads the log any more, and that is no reason to stop.
                continue

    def close(self) -> None:
        """Write what is queued, for at most a second."""
        self._lines.put(None)
        self._thread.join(1.0)
        super().close()


def configure(level: str) -> DetachedHandler:
    """Send this package's log to standard error from *level* on. Close the returned handler at the end."""
    logging.raiseExceptions = False
    handler = DetachedHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s proxy %(message)s"))
    log.setLevel(LEVELS[level])
    log.propagate = False
    log.addHandler(handler)
    asyncio_log = logging.getLogger("asyncio")
    asyncio_log.propagate = False
    asyncio_log.addHandler(handler)
    return handler
