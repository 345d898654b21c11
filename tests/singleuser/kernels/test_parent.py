from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from perijove.singleuser.kernels.provisioner import Kernels, NotCopied
from perijove.wire.launching import PREPARED, LaunchRequest

SERVER = """
import json, os, socket, sys
from perijove.singleuser.kernels.parent import fork_kernel_parent
from perijove.singleuser.kernels.preparing import prepare_kernels
from perijove.singleuser.kernels.provisioner import Kernels
from perijove.installed import Installed
from perijove.wire.launching import LaunchRequest
prepare_kernels()
kernels = Kernels()
kernels.adopt(fork_kernel_parent(Installed.now()))
kernels._control.setblocking(True)
assert kernels._control.recv(16) == b"P"
kernels._prepared = True
argv = (sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1])
kernel = kernels.launch(LaunchRequest(argv, dict(os.environ), os.getcwd()))
print("processes", json.dumps([os.getpid(), kernel.pid, os.getsid(kernel.pid)]), flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_kernels_end_with_their_server_however_that_ends(tmp_path: Path) -> None:
    connection = tmp_path / "kernel.json"
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(connection)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        # The kernel has its say there too.
        told = next(line for line in server.stdout if line.startswith(b"processes"))
        pid, kernel, session = json.loads(told.removeprefix(b"processes"))
        assert session == kernel != pid
        pidfd = os.pidfd_open(kernel)
        server.kill()
        server.wait()
    try:
        assert select.select([pidfd], [], [], 30)[0]
    finally:
        os.close(pidfd)


@pytest.fixture
def kernels() -> Iterator[Kernels]:
    """Where kernels are copied from, once that is ready."""
    made = Kernels()
    made.begin()
    assert made._control is not None
    made._control.settimeout(60)
    assert made._control.recv(16) == PREPARED
    made._control.settimeout(None)
    made._prepared = True
    yield made
    made.close()


def test_a_kernel_that_cannot_run_with_its_arguments_is_refused(kernels: Kernels, tmp_path: Path) -> None:
    argv = (sys.executable, "-m", "ipykernel_launcher", "--no-such-flag=1", "--help")
    with pytest.raises(NotCopied, match="ended at once"):
        kernels.launch(LaunchRequest(argv, dict(os.environ), str(tmp_path)))


def test_a_kernel_that_is_there_can_be_reached_at_once(kernels: Kernels, tmp_path: Path) -> None:
    connection, content = write_connection_file(str(tmp_path / "kernel.json"))
    argv = (sys.executable, "-m", "ipykernel_launcher", "-f", connection)
    kernel = kernels.launch(LaunchRequest(argv, dict(os.environ), str(tmp_path)))
    try:
        socket.create_connection(("127.0.0.1", content["shell_port"]), timeout=10).close()
    finally:
        kernel.kill()
        kernel._connection.close()
