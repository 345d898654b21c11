"""Environments of their own, in `.cache`, for what is measured and comes from the package index."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from processes import CannotMeasure

CACHE = Path(__file__).resolve().parent / ".cache"


def environment(name: str, *packages: str, pins: Sequence[Path] = ()) -> Path:
    """Install *packages* into an environment of their own, if need be; return where their programs are.

    Args:
        name: of the environment.
        packages: as pip takes them.
        pins: files on whose change it is made anew; the first holds the versions to take.

    Raises:
        CannotMeasure.
    """
    folder = CACHE / name
    stamp = folder / "perijove-made"
    wanted = " ".join((*packages, platform.python_version(), *(each.read_text() for each in pins)))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {packages[0]} into bench/.cache", file=sys.stderr)
        if folder.is_symlink():
            # What it leads to is somebody else's, and would be emptied.
            folder.unlink()
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        versions = ["-c", str(pins[0])] if pins else []
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, *versions, *packages]):
            if subprocess.run(command, check=False).returncode:
                raise CannotMeasure(f"pip could not install {packages[0]}")
        stamp.write_text(wanted)
    return folder / "bin"
