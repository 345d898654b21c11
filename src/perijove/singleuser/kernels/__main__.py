"""``python -m perijove.singleuser.kernels``: the process that kernels of an executed server are copied from."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from perijove.installed import Installed
from perijove.singleuser.kernels.parent import ignore_requests, serve_kernels
from perijove.singleuser.kernels.preparing import prepare_kernels


def main() -> None:
    """Serve the socket that is standard input."""
    control = socket.socket(fileno=0)
    ignore_requests()
    # `python -m` puts the working directory there.
    sys.path[:] = [folder for folder in sys.path if folder not in {"", str(Path.cwd())}]
    prepare_kernels()
    serve_kernels(control, Installed.now())


if __name__ == "__main__":
    main()
