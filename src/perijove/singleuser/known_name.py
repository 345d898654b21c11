"""The command ``jupyterhub-singleuser``: the name that container images and configurations call.

JupyterHub installs a command of that name too. Where both are installed there is one file, written by whichever came
last, and it does what it did before we came: it starts JupyterHub's own server.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

from perijove.singleuser import app

PEER = "jupyterhub"


def main(argv: Sequence[str] | None = None) -> None:
    """Run JupyterHub's single-user server if it is installed, else ours, as `app.main` does."""
    if importlib.util.find_spec(PEER) is None:
        app.main(argv)
    else:
        importlib.import_module(f"{PEER}.singleuser").main(argv)
