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


def test_what_extensions_need_is_imported_and_no_thread_started() -> None:
    done = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, timeout=120, check=True)
    threads, *modules = done.stdout.split()
    assert threads == "1"
    # The first is our own, the others are needed by extensions only.
    assert {"perijove.singleuser.server", "jupyterlab.labapp", "jupyter_lsp", "terminado", "httpcore"} <= set(modules)
    assert "rfc3987_syntax" not in modules


FAILING = """
import sys
from perijove.singleuser.launcher import preparing
sys.modules["perijove.singleuser.server"] = None
print(preparing.rehearsed())
"""


def test_a_rehearsal_that_fails_says_why_and_is_done_without() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"
    assert "rehearsal" in done.stderr
