"""Running programs beside the hub: the services for which the configuration has a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run.

    Attributes:
        name: the service's name, under which its output stands in the log.
        command: the program and its arguments.
        environment: variables added to what every program gets.
        cwd: the folder in which it starts; empty for the hub's, or the home of another user.
        user: as which user of the system it runs; empty for the hub's own.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str = ""
    user: str = ""


class RunningProgram(Protocol):
    """A program that was started."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    async def ended(self) -> int | None:
        """Return when nothing of it is left: its exit status, negative for a signal, None if nobody knows."""
        ...


class Programs(Protocol):
    """Starts programs, each at most once, and ends them."""

    def check(self, program: Program) -> None:
        """Return if it may be started at all. Raises PerijoveError INVALID, if this hub can never do that."""
        ...

    async def start(self, program: Program) -> RunningProgram:
        """Start it, once nothing is left of it as it ran before.

        Raises:
            PerijoveError: FAILED; the message says why.
        """
        ...

    async def end(self, name: str) -> None:
        """End what runs of the service *name*, in order if it does that soon.

        Raises:
            PerijoveError: FAILED, if it cannot be ended.
        """
        ...

    async def end_all(self) -> int:
        """End everything that this hub, or an earlier process of it, started, in order if it does that soon.

        Returns:
            How many programs there were.
        """
        ...
