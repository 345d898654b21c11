"""What a running server uses."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """What all of one server uses together.

    Attributes:
        memory: bytes in use; what several servers share counts for each in part.
        memory_limit: the bytes that it cannot go beyond; None if nothing holds it to a limit.
    """

    memory: int
    memory_limit: int | None = None
