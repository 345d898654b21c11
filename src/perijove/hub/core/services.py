"""Services: other programs that use the hub's API with a token of their own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A program known to the hub."""

    id: int
    name: str
    admin: bool = False
