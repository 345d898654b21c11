"""The process of one server, written down so that it is found again, and its log; see `adapters.runs`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from perijove.hub.adapters.processes import ProcessIdentity
from perijove.hub.adapters.runs import RUN_VARIABLE
from perijove.hub.adapters.spawners import cgroups
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.texts import say

RUN_ID = re.compile(r"[0-9a-f]{16,64}")


class Run(Struct, frozen=True):
    """One start of a server.

    Attributes:
        id: its random number, in the environment of all its processes.
        port: where the server listens.
        leader: the server's process, once it is known.
        groups: its control groups, if it has any.
    """

    id: str
    port: int
    leader: ProcessIdentity | None = None
    groups: tuple[Path, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """Return it fit for JSON."""
        groups = {"groups": [str(folder) for folder in self.groups]} if self.groups else {}
        return {"run": self.id, "port": self.port} | groups | (self.leader.to_dict() if self.leader else {})

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return *env* with what all processes of the run are known by."""
        return {**env, RUN_VARIABLE: self.id}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Run | None:
        """Return what to_state() gave; None if *state* is anything else."""
        run, port = state.get("run"), state.get("port")
        if not isinstance(run, str) or not RUN_ID.fullmatch(run) or type(port) is not int or not 0 < port < 65536:
            return None
        groups = [Path(folder) for folder in state.get("groups") or [] if isinstance(folder, str)]
        # Only groups that are named for the run: they get removed, and what runs in them is ended.
        own = tuple(folder for folder in groups if folder.is_absolute() and folder.name == f"{cgroups.PREFIX}{run}")
        return cls(run, port, ProcessIdentity.from_dict(state), own)


def open_log(log: Path) -> int:
    """Return a descriptor of the file *log*, emptied, for the output of a server. Raises PerijoveError FAILED."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = os.open(log, flags, 0o600)
        os.fchmod(output, 0o600)
    except OSError as error:
        raise _failed(say("The server's log file cannot be written: {reason}.", reason=error.strerror)) from error
    return output


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
