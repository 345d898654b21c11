"""``python -m perijove.singleuser.launcher``: the prepared process for servers; its input is a socket of a hub's."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from perijove.installed import Installed
from perijove.singleuser.kernels.parent import fork_kernel_parent
from perijove.singleuser.kernels.provisioner import adopt
from perijove.singleuser.launcher.becoming import NotPossible, become, check_readable, read_request
from perijove.singleuser.launcher.parent import Parent, give_up, send_line
from perijove.singleuser.launcher.preparing import prepare_servers
from perijove.wire.launching import LaunchError


def main() -> None:
    """Serve the socket that is standard input; in each copy, become the server that it was asked for."""
    control = socket.socket(fileno=0)
    # `python -m` puts the working directory there.
    sys.path[:] = [folder for folder in sys.path if folder not in {"", str(Path.cwd())}]
    prepare_servers()
    installed = Installed.now()
    copy = Parent(control, stale=installed.outdated).serve()
    if copy is None:
        return
    try:
        request = read_request(copy)
        become(copy, request)
        check_readable()
    except (LaunchError, NotPossible) as error:
        give_up(copy.request, str(error))
    send_line(copy.request, {"runs": True})
    copy.request.close()
    if "ipykernel.kernelapp" in sys.modules:
        adopt(fork_kernel_parent(installed))
    from perijove.singleuser.app import main as server

    server(request.argv[1:])


if __name__ == "__main__":
    main()
