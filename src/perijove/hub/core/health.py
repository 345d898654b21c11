"""What a look at the parts of the hub found."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Part = Literal["database", "proxy", "service"]


class Check(Struct, frozen=True):
    """One part.

    Attributes:
        part: which.
        name: of the service; empty for the others.
        well: whether it works.
        reason: what is wrong, for a person; empty if nothing is.
        seconds: how long it took to answer.
    """

    part: Part
    name: str = ""
    well: bool = True
    reason: str = ""
    seconds: float = 0.0
