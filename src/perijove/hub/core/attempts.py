"""Counting attempts of one kind, failed sign-ins say, so that too many in a while can be refused."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct


class AttemptKey(NamedTuple):
    """What is counted.

    Attributes:
        kind: one word for what is attempted and by what it is told apart, such as ``sign-in-name``; 32 characters.
        key_hash: SHA-256 of the name or address, in hexadecimal; the text itself is stored nowhere.
    """

    kind: str
    key_hash: str


class Tally(Struct, frozen=True):
    """How many attempts there were in a window of time.

    Attributes:
        count: how many.
        since: when the first of them was; the window begins there.
    """

    count: int
    since: datetime
