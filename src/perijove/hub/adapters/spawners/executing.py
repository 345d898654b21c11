"""A command executed as somebody else, or within limits: by a small process that becomes that first, verified.

Groups, user and limits are not set between fork and exec of the hub itself: that process has threads, of which the copy
would have only one, and nothing could be verified there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import perijove
from perijove.hub.adapters.processes import Child
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners.processes import Run, open_log
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.texts import say
from perijove.wire.launching import LaunchError, LaunchRequest

EXECUTED_WITHIN: Final = 20.0
"""Seconds that becoming somebody may take; a home folder on a dead file server never answers."""
_OURS: Final = Path(perijove.__file__).parent.parent
"""Where our modules are, which need nothing but the standard library for this: installed, or on the path only."""
_BECOME: Final = (
    "import sys; sys.path.append(sys.argv[1]); from perijove.singleuser.launcher.executing import main; main()"
)
_OWN: Final = ("LD_LIBRARY_PATH",)
"""What this interpreter itself may need to start."""


def execute(run: Run, request: LaunchRequest, log: Path, popen_kwargs: Mapping[str, Any]) -> Child:
    """Start a process that becomes what *request* says and executes its command; return it when it has. Blocks.

    Args:
        run: what the process is known by from its first moment on.
        request: command, environment, folder, user and limits.
        log: where its output goes, emptied.
        popen_kwargs: further arguments of `subprocess.Popen`.

    Raises:
        PerijoveError: FAILED, with the reason; nothing runs then.
    """
    output = open_log(log)
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child = Child(
                [sys.executable, "-I", "-S", "-c", _BECOME, str(_OURS)],
                **{
                    **popen_kwargs,
                    "env": {RUN_VARIABLE: run.id} | {name: os.environ[name] for name in _OWN if name in os.environ},
                    "cwd": "/",
                    "stdin": theirs.fileno(),
                    "stdout": output,
                    "stderr": subprocess.STDOUT,
                    "start_new_session": True,
                    "close_fds": True,
                },
            )
    except (OSError, ValueError, TypeError) as error:
        ours.close()
        raise _failed(say("No process could be started: {reason}.", reason=error)) from error
    finally:
        os.close(output)
    with ours:
        ours.settimeout(EXECUTED_WITHIN)
        try:
            ours.sendall(request.encode())
            with ours.makefile("rb") as answers:
                problem = _problem(answers)
        except (OSError, ValueError, LaunchError) as error:
            problem = say("It did not start: {reason}.", reason=error)
    if problem is not None:
        _end(child)
        raise _failed(problem)
    return child


def _problem(answers: IO[bytes]) -> str | None:
    """Return why the command does not run; None if it does: then the socket was closed by executing it."""
    told: dict[str, Any] = {}
    for line in answers:
        told |= json.loads(line)
    if "error" in told:
        return str(told["error"])[:1000]
    return None if told.get("runs") else say("It ended before its command was executed; its log may say why.")


def _end(child: Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(EXECUTED_WITHIN)


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
