"""What is imported ahead. Which modules a server needs depends on what is installed, so a rehearsal finds it out.

The rehearsal is a copy of this process that sets up a whole server, with all extensions, in an empty home folder, tells
what it had to import for that, and ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from contextlib import suppress

from perijove.client.environment import ServerEnvironment
from perijove.singleuser.quick_imports import import_quickly
from perijove.wire import environment as names

REHEARSAL_SECONDS = 60.0
_PLACES = {
    names.API_TOKEN: "rehearsal",
    names.CLIENT_ID: "rehearsal",
    names.USER: "rehearsal",
    names.SERVER_NAME: "",
    names.API_URL: "http://127.0.0.1:1/hub/api",
    names.BASE_URL: "/",
    names.SERVICE_PREFIX: "/user/rehearsal/",
    names.SERVICE_URL: "http://127.0.0.1:0/user/rehearsal/",
    names.OAUTH_CALLBACK_URL: "/user/rehearsal/oauth_callback",
    names.OAUTH_ACCESS_SCOPES: '["access:servers"]',
    names.DISABLE_USER_CONFIG: "1",
}


def prepare_servers() -> None:
    """Import what a user's server needs, with the extensions that are installed."""
    import_quickly()
    import perijove.singleuser.server  # noqa: F401 - loads Jupyter

    for name in rehearsed():
        # A module that fails here fails again, and is told of, where it is used.
        with suppress(Exception):
            __import__(name)


def rehearsed() -> list[str]:
    """Return the modules that setting up a server imports beyond those that are there; none if that fails."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _rehearse(writing)
    os.close(writing)
    told = b""
    while select.select([reading], [], [], REHEARSAL_SECONDS)[0] and (part := os.read(reading, 65536)):
        told += part
    os.close(reading)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return told.decode().split()


def _rehearse(told: int) -> None:
    status, errors = 1, os.dup(2)
    try:
        before = set(sys.modules)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        with tempfile.TemporaryDirectory() as home:
            os.environ |= _PLACES | {"HOME": home}
            os.chdir(home)
            from perijove.singleuser.server import SingleUserServer

            environment = ServerEnvironment.from_environ(os.environ)
            SingleUserServer.instance(environment=environment).initialize(["--allow-root"])
        os.write(told, "\n".join(name for name in sys.modules if name not in before).encode())
        status = 0
    except Exception as error:
        os.write(errors, f"perijove: the rehearsal of a server failed: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)
