"""What is installed, so that a process that others are copied from can tell that what it imported is out of date."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import perijove


@dataclass(frozen=True)
class Installed:
    """When each folder that modules come from was changed: installing, updating or removing a package changes one."""

    changed: tuple[tuple[Path, int], ...]

    @classmethod
    def now(cls) -> Installed:
        """Return the state of this moment: of the search path, and of every folder of ours with a loaded module."""
        # A relative one is the working directory, from which nothing is imported.
        modules = [folder for folder in map(Path, sys.path) if folder.is_absolute()]
        files = [
            file
            for name, module in sys.modules.items()
            if name.partition(".")[0] == perijove.__name__ and (file := getattr(module, "__file__", None))
        ]
        folders = dict.fromkeys([*modules, *(Path(file).parent for file in files)])
        return cls(tuple((folder, _changed(folder)) for folder in folders))

    def outdated(self) -> bool:
        """Say whether anything was installed, updated or removed since."""
        return any(_changed(folder) != changed for folder, changed in self.changed)


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
