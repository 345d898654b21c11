from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from perijove.hub.adapters.store.lock import FileLock
from perijove.hub.core.errors import Code, PerijoveError

HOLD = """
import sys
from pathlib import Path
from perijove.hub.adapters.store.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite"
    lock = FileLock(database)
    with pytest.raises(PerijoveError) as caught:
        FileLock(database)
    assert caught.value.code is Code.CONFLICT
    assert str(database) in caught.value.message
    assert f"process {os.getpid()}:" in caught.value.message
    lock.release()
    FileLock(database).release()


def test_a_link_to_the_file_leads_to_the_same_lock(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite"
    (tmp_path / "link.sqlite").symlink_to(database)
    lock = FileLock(tmp_path / "link.sqlite")
    with pytest.raises(PerijoveError):
        FileLock(database)
    lock.release()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    FileLock(tmp_path / "hub.sqlite").release()
    assert stat.S_IMODE((tmp_path / "hub.sqlite.lock").stat().st_mode) == 0o600


def test_a_killed_holder_is_no_obstacle(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(PerijoveError, match=f"process {holder.pid}:"):
            FileLock(database)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    FileLock(database).release()


def test_a_program_started_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite"
    lock = FileLock(database)
    with subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        lock.release()
        FileLock(database).release()
