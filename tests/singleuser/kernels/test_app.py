from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KERNEL = """
import os, socket
from perijove.singleuser.kernels.app import CopiedKernelApp
from perijove.singleuser.kernels.preparing import NO_POLLER

def look():
    for port in (app.shell_port, app.iopub_port, app.stdin_port, app.control_port):
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    print("ran" if os.path.exists("ran") else "not yet", flush=True)

app = CopiedKernelApp.instance(parent_handle=NO_POLLER, listening=look)
app.initialize(["-f", "kernel.json", "-c", "open('ran', 'w').close()"])
os._exit(0 if os.path.exists("ran") else 1)
"""


def test_it_tells_that_it_listens_before_it_runs_code_of_its_user(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KERNEL], cwd=tmp_path, stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout.splitlines()[0] == b"not yet"
