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

from perijove.singleuser.kernels.provisioner import CopiedKernel, Kernels
from perijove.wire.launching import PREPARED, LaunchRequest

SERVER = """
import json, os, socket, sys
from perijove.singleuser.kernels.parent import fork_kernel_parent
from perijove.singleuser.kernels.preparing import prepare_kernels
from perijove.singleuser.kernels.provisioner import Kernels
from perijove.singleuser.launcher.installed import Installed
from perijove.wire.launching import LaunchRequest
prepare_kernels()
kernels = Kernels()
kernels.adopt(fork_kernel_parent(Installed.now()))
kernels._control.setblocking(True)
assert kernels._control.recv(16) == b"P"
kernels._prepared = True
argv = (sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1])
kernel = kernels.launch(LaunchRequest(argv, dict(os.environ), os.getcwd()))
print(json.dumps([os.getpid(), kernel.pid, os.getsid(kernel.pid)]), flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_kernels_end_with_their_server_however_that_ends(tmp_path: Path) -> None:
    connection = tmp_path / "kernel.json"
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(connection)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        pid, kernel, session = json.loads(server.stdout.readline())
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


def test_arguments_that_make_no_sense_end_the_kernel(kernels: Kernels, tmp_path: Path) -> None:
    argv = (sys.executable, "-m", "ipykernel_launcher", "--no-such-flag=1", "--help")
    kernel: CopiedKernel = kernels.launch(LaunchRequest(argv, dict(os.environ), str(tmp_path)))
    assert ended(kernel) == 0


def ended(kernel: CopiedKernel) -> int | None:
    """Return the exit status of a kernel that is about to end."""
    connection: socket.socket = kernel._connection
    connection.settimeout(30)
    kernel._buffer += connection.recv(4096)
    return kernel.poll() if kernel._buffer else None
