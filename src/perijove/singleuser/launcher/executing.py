"""A small process of a hub's that becomes what a request says, then executes its command.

For commands that no prepared process can be copied for; it needs the standard library only. What is asked for comes
over the socket that is standard input: nothing of it is in an argument, and nothing of the user's environment reaches
an interpreter that is still root.
"""

from __future__ import annotations

import os
import shutil  # here: as the user, this interpreter may not be readable any more
import signal
import socket

from perijove.singleuser.launcher.becoming import NotPossible, read_request, take_place
from perijove.singleuser.launcher.parent import Copy, give_up, send_line
from perijove.wire.launching import LaunchError


def main() -> None:
    """Take the request, become it and execute ``argv``, looked for in the PATH of its environment."""
    # Closed by executing: that tells the other side that it worked.
    connection = socket.socket(fileno=os.dup(0))
    connection.set_inheritable(False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        request = read_request(Copy(connection, 1))
        take_place(request)
        # Python ignores two, a shell's job in the background others; what ignores a signal hands that on.
        for number in signal.valid_signals():
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
    except (LaunchError, NotPossible) as error:
        give_up(connection, f"{error}"[:1].upper() + f"{error}."[1:])
    except (OSError, ValueError, AttributeError) as error:
        give_up(connection, f"The server's place could not be taken: {type(error).__name__}: {error}.")
    try:
        send_line(connection, {"runs": True})
        os.execvpe(request.argv[0], request.argv, request.env)  # noqa: S606 - that is what this is for
    except (OSError, ValueError) as error:
        give_up(connection, _why_not(request.argv[0], request.env, error))


def _why_not(command: str, env: dict[str, str], error: OSError | ValueError) -> str:
    found = shutil.which(command, path=env.get("PATH", os.defpath))
    if isinstance(error, FileNotFoundError) and found is not None:
        # The system says the same of a script whose interpreter, named in its first line, is gone.
        return f"The command {found!r} names an interpreter that is not there. Make its environment anew."
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return f"The command {command!r} was not found. Install it beside the hub, or set c.Spawner.cmd to its path."
    if isinstance(error, PermissionError) and found is None and "/" not in command:
        return (
            f"The command {command!r} was not found in the folders of PATH that the server's user may enter. Install "
            "it where all users may read it, or set c.Spawner.cmd to its path."
        )
    if isinstance(error, PermissionError):
        return f"The command {command!r} may not be executed by the server's user. Check the modes of its folders, too."
    return f"The command {command!r} could not be executed: {error}."
