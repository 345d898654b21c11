"""What local processes get of the hub's own environment."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

ENV_KEEP: Final = (
    "JUPYTERHUB_SINGLEUSER_APP",
    "PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_*",
    "LD_LIBRARY_PATH",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""Variables that servers and services get; may hold ``*``."""

_NO_LOGIN = ("nologin", "false")


def kept(patterns: Iterable[str] = ENV_KEEP) -> dict[str, str]:
    """Return the variables of the hub's environment whose names fit one of *patterns*."""
    patterns = tuple(patterns)
    return {key: value for key, value in os.environ.items() if any(fnmatchcase(key, p) for p in patterns)}


def search_path(inherited: str) -> str:
    """Return a search path on which the commands installed beside the hub come first."""
    beside = str(Path(sys.executable).parent)
    others = [folder for folder in (inherited or os.defpath).split(os.pathsep) if folder and folder != beside]
    return os.pathsep.join([beside, *others])


def shell(uid: int | None = None) -> str:
    """Return the shell of the user with that id, of the hub's own without one.

    The accounts of programs often have none that lets anybody in; then it is one that does.
    """
    try:
        found = pwd.getpwuid(os.geteuid() if uid is None else uid).pw_shell
    except KeyError:
        found = ""
    usable = found and not found.endswith(_NO_LOGIN) and os.access(found, os.X_OK)
    return found if usable else next((path for path in ("/bin/bash", "/bin/sh") if os.access(path, os.X_OK)), "/bin/sh")
