"""A prepared process with a program of the test's own in place of Jupyter."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perijove.wire.launching import COPY, PREPARED, LaunchRequest

SCRIPT = """
import socket, os, sys
from perijove.singleuser.launcher.becoming import NotPossible, become, read_request
from perijove.singleuser.launcher.parent import Parent, give_up, send_line
from perijove.wire.launching import LaunchError
{before}
copy = Parent(socket.socket(fileno=0), stale=lambda: {stale}).serve()
if copy is None:
    sys.exit(0)
try:
    request = read_request(copy)
    become(copy, request)
except (LaunchError, NotPossible) as error:
    give_up(copy.request, str(error))
send_line(copy.request, {{"runs": True}})
copy.request.close()
{program}
"""


class Prepared:
    """The prepared process of a test."""

    def __init__(self, folder: Path, program: str, stale: str, before: str) -> None:
        self.folder = folder
        self._connections: list[socket.socket] = []
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(30)
        script = SCRIPT.format(program=program, stale=stale, before=before)
        room = {"ROOM": "." * 4096, "PATH": os.environ["PATH"]}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script],
                stdin=theirs.fileno(),
                stderr=subprocess.PIPE,
                env=room,
                start_new_session=True,
            )
        self.said = self.control.recv(16)

    def copy(self) -> tuple[dict[str, Any], socket.socket]:
        """Ask for a copy and return its first answer, and the socket on which it takes its request."""
        ours, theirs = socket.socketpair()
        self._connections.append(ours)
        ours.settimeout(30)
        with theirs, (self.folder / "log").open("ab") as log:
            socket.send_fds(self.control, [COPY], [theirs.fileno(), log.fileno()])
        return answer(ours), ours

    def launch(self, **changes: Any) -> tuple[dict[str, Any], socket.socket]:
        """Launch the program; return what it answered up to its start, and the socket for what comes then."""
        values: dict[str, Any] = {"argv": ("the-server",), "env": {}, "cwd": str(self.folder)} | changes
        first, connection = self.copy()
        connection.sendall(LaunchRequest(**values).encode())
        return first | answer(connection), connection

    def close(self) -> None:
        """Let the process end, and wait for it."""
        for connection in [self.control, *self._connections]:
            connection.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process.wait(30)

    @property
    def output(self) -> str:
        """What copies printed."""
        return (self.folder / "log").read_text()


def answer(connection: socket.socket) -> dict[str, Any]:
    """Return the next answer; nothing once the connection is over."""
    with connection.makefile("rb", buffering=0) as lines:
        line = lines.readline()
    return dict(json.loads(line)) if line else {}


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[Callable[..., Prepared]]:
    """A function that prepares a process whose copies run *program*."""
    made: list[Prepared] = []

    def prepare(program: str, *, stale: str = "False", before: str = "") -> Prepared:
        prepared = Prepared(tmp_path, program, stale, before)
        made.append(prepared)
        if not before:
            assert prepared.said == PREPARED
        return prepared

    yield prepare
    for prepared in made:
        prepared.close()
