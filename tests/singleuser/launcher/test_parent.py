from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from tests.singleuser.launcher.conftest import Prepared, answer

Prepare = Callable[..., Prepared]


def test_every_copy_is_a_child_whose_end_is_told(prepare: Prepare) -> None:
    prepared = prepare("import sys; sys.exit(int(sys.argv[1]))")
    for status in ("0", "3"):
        first, connection = prepared.launch(argv=("server", status))
        assert first["copy"] != prepared.process.pid
        assert answer(connection) == {"exit": int(status)}
        assert answer(connection) == {}


def test_a_copy_that_is_killed_says_by_which_signal(prepare: Prepare) -> None:
    first, connection = prepare("import signal; signal.pause()").launch()
    os.kill(first["copy"], signal.SIGKILL)
    assert answer(connection) == {"exit": -signal.SIGKILL}


def test_copies_live_on_when_the_parent_is_no_longer_needed(prepare: Prepare) -> None:
    prepared = prepare("import signal; signal.pause()")
    first, _ = prepared.launch()
    prepared.control.close()
    assert prepared.process.wait(30) == 0
    os.kill(first["copy"], 0)
    os.kill(first["copy"], signal.SIGKILL)


def test_the_parent_never_holds_what_a_copy_is_told(prepare: Prepare) -> None:
    prepared = prepare("import signal; signal.pause()")
    secret = "a-token-that-is-nowhere-else"
    first, _ = prepared.launch(env={"TOKEN": secret})
    assert secret.encode() in memory(first["copy"])
    assert secret.encode() not in memory(prepared.process.pid)
    os.kill(first["copy"], signal.SIGKILL)


def memory(pid: int) -> bytes:
    """Return all of a process's memory that was written to."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                mem.seek(start)
                found.append(mem.read(end - start))
    return b"".join(found)


def test_a_stale_parent_copies_nothing(prepare: Prepare) -> None:
    first, connection = prepare("print('never')", stale="True").copy()
    assert first["stale"]
    assert "changed" in first["error"]
    assert answer(connection) == {}


def test_a_message_that_is_none_leaves_the_parent_as_it_is(prepare: Prepare) -> None:
    prepared = prepare("import sys; sys.exit(0)")
    with (prepared.folder / "other").open("w") as file:
        prepared.control.send(b"?")
        prepared.control.send(b"C")
        socket.send_fds(prepared.control, [b"C"], [file.fileno()])
    _, connection = prepared.launch()
    assert answer(connection) == {"exit": 0}
    assert len(list(Path(f"/proc/{prepared.process.pid}/fd").iterdir())) < 10


def test_a_process_with_threads_is_not_copied(prepare: Prepare) -> None:
    threads = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    prepared = prepare("", before=threads)
    assert prepared.said == b""
    assert prepared.process.wait(30) == 1
    assert prepared.process.stderr is not None
    assert b"started a thread" in prepared.process.stderr.read()


def test_a_hub_that_ended_before_all_was_imported_is_no_fault(prepare: Prepare) -> None:
    gone = "socket.socket(fileno=os.dup(0)).shutdown(socket.SHUT_RDWR)"
    prepared = prepare("print('never', flush=True)", before=gone)
    assert prepared.said == b""
    assert prepared.process.wait(30) == 0
    assert prepared.process.stderr is not None
    assert prepared.process.stderr.read() == b""
