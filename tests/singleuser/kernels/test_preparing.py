from __future__ import annotations

import subprocess
import sys

PREPARED = """
import sys, threading
from perijove.singleuser.kernels.preparing import prepare_kernels
prepare_kernels()
print(threading.active_count(), *sys.modules)
"""


def test_everything_a_kernel_needs_is_imported_and_no_thread_started() -> None:
    done = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, timeout=120, check=True)
    threads, *modules = done.stdout.split()
    assert threads == "1"
    assert done.stderr == ""
    assert {"ipykernel.zmqshell", "IPython.core.magics", "IPython.core.completer"} <= set(modules)
