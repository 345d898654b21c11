"""What IPython kernels need, imported ahead; a rehearsal finds out what that is."""

from __future__ import annotations

import os
from pathlib import Path

from perijove.singleuser.launcher.rehearsal import import_all, rehearsed

NO_ADVICE = "PYDEVD_DISABLE_FILE_VALIDATION"
NO_POLLER = 1
"""What IPython takes for "do not look whether my parent lives": the parent of a copy is not the server."""


def prepare_kernels() -> None:
    """Import what a kernel needs. Raises ImportError where there is no IPython kernel."""
    import perijove.singleuser.kernels.app  # noqa: F401 - the rehearsal would fail without it

    # The debugger, once imported, has advice for whoever started the interpreter; here that would be the log.
    os.environ[NO_ADVICE] = "1"
    import_all(rehearsed(_set_up_a_kernel, "a kernel"))
    del os.environ[NO_ADVICE]


def _set_up_a_kernel() -> None:
    from perijove.singleuser.kernels.app import CopiedKernelApp

    app = CopiedKernelApp.instance(parent_handle=NO_POLLER, listening=lambda: None)
    app.initialize(["-f", str(Path("kernel.json").absolute())])  # type: ignore[no-untyped-call]
