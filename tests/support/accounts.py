"""Accounts of this machine for a test, made by root and removed again."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("useradd") is None, reason="only root can make accounts and become somebody else"
)
PATIENCE = 60.0


@dataclass(frozen=True)
class Accounts:
    """Two accounts, which share one further group, and the folder of their homes."""

    ada: str
    bob: str
    group: str
    homes: Path


@contextmanager
def made_accounts() -> Iterator[Accounts]:
    """Make the accounts; all of it is gone at the end."""
    mark = secrets.token_hex(3)
    homes = Path(tempfile.mkdtemp(prefix="perijove-homes-"))
    homes.chmod(0o755)
    made = Accounts(f"pjv-ada-{mark}", f"pjv-bob-{mark}", f"pjv-{mark}", homes)
    try:
        run("groupadd", made.group)
        for name in (made.ada, made.bob):
            run("useradd", "-m", "-b", str(homes), "-K", "HOME_MODE=0700", "-s", "/bin/bash", "-G", made.group, name)
        yield made
    finally:
        for name in (made.ada, made.bob):
            run("userdel", "-f", name, check=False)
        run("groupdel", made.group, check=False)
        shutil.rmtree(homes)


def may_be_read_by_all(file: Path) -> bool:
    """Say whether every user of this machine can come to *file*, wherever links lead."""
    here = file.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in here.parents) and bool(here.stat().st_mode & 0o004)


def environment_for_users(folder: Path) -> Path:
    """Return the ``bin`` of an environment with all that is installed here which other users can use, too.

    Where this interpreter is in somebody's home, one of the system's with the same version takes its place.
    """
    here = Path(sys.executable)
    if may_be_read_by_all(here):
        return here.parent
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = next((path for at in ("/usr/bin", "/usr/local/bin") if (path := Path(at, version)).exists()), None)
    if system is None:
        pytest.skip(f"other users cannot read {here.resolve()}, and the system has no {version}")
    packages = folder / "lib" / version / "site-packages"
    packages.parent.mkdir(parents=True)
    packages.symlink_to(sysconfig.get_path("purelib"))
    for shared in ("share", "etc"):
        if (found := Path(sys.prefix, shared)).is_dir():
            (folder / shared).symlink_to(found)
    (folder / "pyvenv.cfg").write_text(f"home = {system.parent}\ninclude-system-site-packages = false\n")
    commands = folder / "bin"
    commands.mkdir()
    (commands / "python3").symlink_to(system)
    for name in ("perijove-singleuser", "jupyter-labhub"):
        if (here.parent / name).exists():
            script = (here.parent / name).read_text().split("\n", 1)[1]
            (commands / name).write_text(f"#!{commands / 'python3'}\n{script}")
            (commands / name).chmod(0o755)
    return commands


def run(*command: str, check: bool = True) -> None:
    """Run a command of the shadow suite, again if another one holds the lock of its files."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 or "lock" not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert done.returncode == 0 or not check, done.stderr
