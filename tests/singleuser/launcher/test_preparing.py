from __future__ import annotations

import subprocess
import sys

PREPARED = """
import sys, threading
from perijove.singleuser.launcher.preparing import prepare_servers
prepare_servers()
print(threading.active_count())
print("\\n".join(sys.modules))
"""


def test_what_extensions_and_kernels_need_is_imported_and_no_thread_started() -> None:
    done = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, timeout=120, check=True)
    threads, *modules = done.stdout.split()
    assert threads == "1"
    assert done.stderr == ""
    # The first is our own; the next three are needed by extensions only, the last two by kernels.
    needed = {
        "perijove.singleuser.server",
        "jupyter_lsp",
        "terminado",
        "httpcore",
        "ipykernel.zmqshell",
        "IPython.core.magics",
    }
    assert needed <= set(modules)
    assert "rfc3987_syntax" not in modules
