"""Asking a server whether it answers."""

from __future__ import annotations

from typing import Protocol


class Probe(Protocol):
    """Makes one HTTP request."""

    async def answers(self, url: str) -> bool:
        """Say whether ``GET url`` gave any answer below 500; a failing connection is no answer, and no exception."""
        ...
