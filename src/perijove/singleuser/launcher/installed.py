"""What is installed, so that a process can tell that what it imported is out of date."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import perijove


@dataclass(frozen=True)
class Installed:
    """The state of all folders that modules come from: installing, updating or removing a package changes one."""

    changed: tuple[tuple[str, int], ...]

    @classmethod
    def now(cls) -> Installed:
        """Return the state of this moment."""
        own = Path(perijove.__file__).parent
        # A relative one is the working directory, from which nothing is imported.
        modules = [folder for folder in map(Path, sys.path) if folder.is_absolute()]
        folders = [*modules, own, own / "singleuser", own / "client", own / "wire"]
        return cls(tuple((str(folder), _changed(folder)) for folder in folders))


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
