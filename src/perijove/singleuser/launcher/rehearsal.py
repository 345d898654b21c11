"""Finding out what something imports: a copy of this process does it for show, tells what it took, and ends."""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress

REHEARSAL_SECONDS = 60.0


def rehearsed(play: Callable[[], object], what: str) -> list[str]:
    """Return the modules that *play* imports beyond those that are there; none, and a line on stderr, if it fails.

    *play* runs in a copy of this process with an empty home folder and nothing to read or write.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _rehearse(play, what, writing)
    os.close(writing)
    told = b""
    while select.select([reading], [], [], REHEARSAL_SECONDS)[0] and (part := os.read(reading, 65536)):
        told += part
    os.close(reading)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return told.decode().split()


def import_all(names: Iterable[str]) -> None:
    """Import modules; one that fails here fails again, and is told of, where it is used."""
    for name in names:
        with suppress(Exception):
            __import__(name)


def _rehearse(play: Callable[[], object], what: str, told: int) -> None:
    status, errors = 1, os.dup(2)
    try:
        before = set(sys.modules)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        with tempfile.TemporaryDirectory() as home:
            os.environ["HOME"] = home
            os.chdir(home)
            play()
        os.write(told, "\n".join(name for name in sys.modules if name not in before).encode())
        status = 0
    except Exception as error:
        os.write(errors, f"perijove: the rehearsal of {what} failed: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)
