"""Where the hub keeps its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def choose_data_dir(configured: str, has_file: bool, *, folder: Path, environment: Mapping[str, str]) -> Path:
    """Return the absolute folder of the hub's own files.

    Args:
        configured: ``c.JupyterHub.data_dir``, relative to *folder*; empty to choose.
        has_file: whether there is a configuration file; then it is *folder*.
        folder: the current folder.
        environment: PERIJOVE_DATA_DIR and XDG_DATA_HOME are looked at, and HOME.
    """
    if configured:
        return folder / Path(configured).expanduser()
    if has_file:
        return folder
    if environment.get("PERIJOVE_DATA_DIR"):
        return folder / Path(environment["PERIJOVE_DATA_DIR"]).expanduser()
    home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    shared = Path(environment.get("XDG_DATA_HOME") or "")
    # A relative XDG_DATA_HOME is invalid and ignored (XDG base directory specification).
    return (shared if shared.is_absolute() else home / ".local" / "share") / "perijove"
