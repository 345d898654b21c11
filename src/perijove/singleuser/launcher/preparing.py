"""What a user's server needs, with the extensions that are installed, imported ahead; a rehearsal finds out what."""

from __future__ import annotations

import os
from contextlib import suppress

from perijove.client.environment import ServerEnvironment
from perijove.singleuser.kernels.preparing import prepare_kernels
from perijove.singleuser.kernels.provisioner import is_installed
from perijove.singleuser.launcher.rehearsal import import_all, rehearsed
from perijove.singleuser.quick_imports import import_quickly
from perijove.wire import environment as names

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
    """Import what a user's server needs, and the kernels in it."""
    import_quickly()
    import perijove.singleuser.server  # noqa: F401 - loads Jupyter

    import_all(rehearsed(_set_up_a_server, "a server"))
    is_installed()
    with suppress(ImportError):
        prepare_kernels()


def _set_up_a_server() -> None:
    from perijove.singleuser.server import SingleUserServer

    os.environ |= _PLACES
    environment = ServerEnvironment.from_environ(os.environ)
    SingleUserServer.instance(environment=environment).initialize(["--allow-root"])
