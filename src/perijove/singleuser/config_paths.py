"""Where configuration is read from when the operator switches the user's own configuration off."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping


def operator_paths(
    paths: Iterable[str], *, installed: Iterable[str], environ: Mapping[str, str], user_dirs: Iterable[str]
) -> list[str]:
    """Return those of *paths* that the owner of the server cannot write by default.

    Args:
        paths: Jupyter's search path for configuration.
        installed: the directories that belong to the Python environment and to the system.
        environ: ``JUPYTER_CONFIG_PATH`` in it is the operator's word, and stays.
        user_dirs: Jupyter's directories of the user; they go even if named twice.
    """
    named = environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    trusted = {os.path.realpath(path) for path in [*installed, *named] if path}
    trusted -= {os.path.realpath(path) for path in user_dirs}
    return [path for path in paths if os.path.realpath(path) in trusted]
