"""The process of one server: started, and written down so that it is found again; see `adapters.runs`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perijove.hub.adapters.processes import Child, ProcessIdentity
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.core.errors import Code, PerijoveError

_RUN_ID = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a server.

    Attributes:
        id: its random number, in the environment of all its processes.
        port: where the server listens.
        leader: the server's process, once it is known.
    """

    id: str
    port: int
    leader: ProcessIdentity | None = None

    def to_state(self) -> dict[str, Any]:
        """Return it fit for JSON."""
        return {"run": self.id, "port": self.port} | (self.leader.to_dict() if self.leader else {})

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return *env* with what all processes of the run are known by."""
        return {**env, RUN_VARIABLE: self.id}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Run | None:
        """Return what to_state() gave; None if *state* is anything else."""
        run, port = state.get("run"), state.get("port")
        if not isinstance(run, str) or not _RUN_ID.fullmatch(run) or type(port) is not int or not 0 < port < 65536:
            return None
        return cls(run, port, ProcessIdentity.from_dict(state))


def open_log(log: Path) -> int:
    """Return a descriptor of the file *log*, emptied, for the output of a server. Raises PerijoveError FAILED."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = os.open(log, flags, 0o600)
        os.fchmod(output, 0o600)
    except OSError as error:
        raise _failed(f"The server's log file cannot be written: {error.strerror}.") from error
    return output


def launch(run: Run, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> Child:
    """Start *command* as leader of a new session; what it prints goes to the file *log*, emptied first.

    Blocks until the command was found and executed.

    Raises:
        PerijoveError: FAILED, if the command cannot be started.
    """
    name = command[0]
    output = open_log(log)
    try:
        return Child(
            list(command),
            env=run.environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    except FileNotFoundError as error:
        raise _failed(
            f"The command {name!r} was not found. Install it beside the hub, or set c.Spawner.cmd to its path."
        ) from error
    except PermissionError as error:
        raise _failed(f"The command {name!r} may not be executed by the hub's user.") from error
    except (OSError, ValueError) as error:
        raise _failed(f"The command {name!r} could not be started: {error}.") from error
    finally:
        os.close(output)


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
