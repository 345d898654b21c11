"""The command ``perijove-singleuser``: checks its environment first, then loads Jupyter, which takes far longer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from perijove.client.environment import InvalidEnvironment, ServerEnvironment
from perijove.singleuser.quick_imports import import_quickly


def main(argv: Sequence[str] | None = None) -> None:
    """Run the server until it is told to stop.

    *argv* are Jupyter Server's own arguments, by default those of the process. Exits with status 1 and one line per
    problem on standard error if the environment is not that of a server started by a hub.
    """
    try:
        environment = ServerEnvironment.from_environ(os.environ)
    except InvalidEnvironment as error:
        sys.exit(f"perijove-singleuser: {error}")
    # Until Jupyter has set its own; as an exception it could be lost in the midst of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import_quickly()
    from perijove.singleuser.server import SingleUserServer  # loads Jupyter

    SingleUserServer.launch_instance(argv=None if argv is None else list(argv), environment=environment)
