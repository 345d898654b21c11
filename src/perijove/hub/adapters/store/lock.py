"""One hub a database file: a lock that the operating system gives back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from perijove.hub.core.errors import conflict


class FileLock:
    """The lock on a database file, held from construction to `release`."""

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Args:
            database: the file to be had alone; the lock is ``<database>.lock`` beside it, and stays there.

        Raises:
            PerijoveError: CONFLICT, if another process (or this one) has it.
            OSError: the lock file cannot be made.
        """
        real = database.resolve()
        path = real.with_name(f"{real.name}.lock")
        # Not inherited by the programs we start: a server that outlives the hub must not keep the next hub out.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            by = f"by process {holder}" if holder.isdecimal() else "by another process"
            raise conflict(f"The database {real} is in use {by}: two hubs cannot share one SQLite file") from None
        except BaseException:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; once only."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
