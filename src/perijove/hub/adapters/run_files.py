"""The hub's own folders, and the file with its process id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from perijove.hub.core.errors import Code, PerijoveError


def make_folders(data: Path) -> None:
    """Make the folder *data* and what belongs in it, for the hub's user only. Raises PerijoveError UNAVAILABLE."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PerijoveError(Code.UNAVAILABLE, f"The folder {data} cannot be made or used: {error.strerror}") from None


@contextlib.contextmanager
def pid_file(path: Path, pid: int) -> Iterator[None]:
    """Keep a process id in *path* for the length of the block. Raises PerijoveError UNAVAILABLE."""
    try:
        path.write_text(f"{pid}\n")
    except OSError as error:
        raise PerijoveError(Code.UNAVAILABLE, f"The file {path} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
