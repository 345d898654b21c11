"""An optional ability of spawners: to look what runs, whatever the store says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class FindsRuns(Protocol):
    """A spawner that finds all servers of this installation that run, those that the store has forgotten too.

    It is asked on an object that belongs to no server, with its configuration and ``hub`` only. A *run* is one start of
    a server, by whatever number or name the spawner knows it; it must be in the stored state before anything runs.
    """

    async def find_runs(self) -> Collection[str]:
        """Return the runs that are there. An exception means: not known."""
        ...

    def run_of(self, state: Mapping[str, Any]) -> str:
        """Return the run that a state of ``get_state`` is about; empty if it is about none."""
        ...

    async def end_run(self, run: str) -> None:
        """End a run; it is no error if it is gone. Raises if something of it survives."""
        ...
