"""The process that kernels are copied from: it belongs to one server, and ends with it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final

from perijove.installed import Installed
from perijove.singleuser.kernels.preparing import NO_POLLER
from perijove.singleuser.launcher.becoming import NotPossible, become, read_request
from perijove.singleuser.launcher.parent import Copy, Parent, give_up, send_line
from perijove.wire.launching import LaunchError, LaunchRequest

_REQUESTS: Final = (signal.SIGINT, signal.SIGTERM)


def serve_kernels(control: socket.socket, installed: Installed) -> None:
    """Copy this process, in which kernels are prepared, whenever asked to over *control*; never returns in a copy."""
    copy = Parent(control, stale=installed.outdated).serve()
    if copy is not None:
        _become_kernel(copy)


def ignore_requests() -> None:
    """Stay when the group of the server is asked to finish: how its kernels end is told here."""
    for number in _REQUESTS:
        signal.signal(number, signal.SIG_IGN)


def fork_kernel_parent(installed: Installed) -> socket.socket:
    """Leave a copy of this process behind for kernels; return the socket on which it takes requests.

    This process must have no threads yet, and kernels prepared.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() != 0:
        theirs.close()
        return ours
    try:
        ours.close()
        ignore_requests()
        serve_kernels(theirs, installed)
    finally:
        os._exit(0)


def _become_kernel(copy: Copy) -> None:
    for number in _REQUESTS:
        signal.signal(number, signal.SIG_DFL)
    try:
        request = read_request(copy)
        become(copy, request)
    except (LaunchError, NotPossible) as error:
        give_up(copy.request, str(error))
    send_line(copy.request, {"runs": True})
    threading.Thread(target=_end_with_server, args=[copy.request], daemon=True, name="server").start()
    run_kernel(request, listening=lambda: send_line(copy.request, {"listens": True}))


def _end_with_server(connection: socket.socket) -> None:
    """End this kernel when its server is gone: nobody else has the other end of *connection*."""
    connection.settimeout(None)
    while connection.recv(1):
        pass
    os._exit(1)


def run_kernel(request: LaunchRequest, *, listening: Callable[[], object]) -> None:
    """Be the kernel that *request* describes, and call *listening* when others can connect; does not return."""
    from perijove.singleuser.kernels.app import CopiedKernelApp  # loads IPython

    status = 1
    try:
        # The interpreter's own arguments and `-m ipykernel_launcher` come before those of the kernel.
        sys.argv = ["ipykernel_launcher", *request.argv[request.argv.index("ipykernel_launcher") + 1 :]]
        CopiedKernelApp.launch_instance(parent_handle=NO_POLLER, listening=listening)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        # What the server's process once registered for its own end is not for its copies.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
