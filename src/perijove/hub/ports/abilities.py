"""What a spawner may be able to do beyond starting, finding and stopping a server: each ability is a small protocol.

A spawner has an ability if it has its methods. They may be sync, then they run in a thread, or async.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from perijove.hub.core.usage import Usage


@runtime_checkable
class Prepares(Protocol):
    """A spawner with something to get ready once in each hub process, before the first server is asked for."""

    async def prepare(self) -> None:
        """Begin with it; called on an object that belongs to no server, with its configuration only."""
        ...


@runtime_checkable
class HasNeeds(Protocol):
    """A spawner that cannot work just anywhere."""

    def ensure_possible(self) -> None:
        """Return if servers can be started in this process at all; called once at the hub's start, before any other.

        Raises:
            PerijoveError: they cannot; the message says why and what to do. The hub does not start then.
        """
        ...

    def caveats(self) -> list[str]:
        """Return what its options promise and this machine does not give, a sentence each; the hub logs them."""
        ...


@runtime_checkable
class WatchesMemory(Protocol):
    """A spawner that limits the memory of its servers and sees what comes of that."""

    def ran_out_of_memory(self) -> bool:
        """Say whether something of the server was ended because its memory was used up; may run in a thread."""
        ...


@runtime_checkable
class ChoosesPort(Protocol):
    """A spawner that chooses a free port for its server; until that listens there, another program may take it."""

    @property
    def chosen_port(self) -> int | None:
        """The port of this start if the next try of it would get another one; None if there is no choice."""
        ...


@runtime_checkable
class SignalsExit(Protocol):
    """A spawner that knows at once when its server ends, so that the hub need not ask."""

    async def wait_exit(self) -> int | None:
        """Return when the server has ended: its exit status (negative: the signal), or None if that cannot be known."""
        ...


@runtime_checkable
class KeepsLog(Protocol):
    """A spawner that can show what its server printed."""

    def read_log(self, lines: int) -> str:
        """Return the last *lines* lines of the server's output; may run in a thread."""
        ...


@runtime_checkable
class MeasuresUsage(Protocol):
    """A spawner that can say how much its server uses."""

    def usage(self) -> Usage | None:
        """Return what the whole server uses now; None if nothing runs or nobody can tell.

        It is asked often, and not waited for long.
        """
        ...
