"""Groups: users who are given roles and access together."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Group(Struct, frozen=True):
    """A named set of users.

    Attributes:
        id: its number, for ever.
        name: its name, as written by whoever made it.
        properties: what administrators and spawners keep with it; any JSON object.
    """

    id: int
    name: str
    properties: Mapping[str, object] = field(default_factory=dict)
