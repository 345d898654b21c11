"""A bounded cache whose reader says how old an answer may be."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

TokenKey = tuple[str, bytes]
"""Browser session id and SHA-256 of the token: a cache never holds a token, and no answer outlives its session."""

MAX_SESSION_ID = 128


def token_key(session_id: str, token: str) -> TokenKey:
    """Return the key under which answers about *token* are kept; an overlong session id counts as none."""
    session = session_id if len(session_id) <= MAX_SESSION_ID else ""
    return session, hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class TimedCache(Generic[K, V]):
    """Values with the time they were put; the least recently used go first when there are more than *max_entries*."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: K, value: V, now: float) -> None:
        """Keep *value*; *now* is in seconds on any clock that only goes forward."""
        self._entries[key] = (now, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def get(self, key: K, now: float, max_age: float) -> V | None:
        """Return what was put less than *max_age* seconds ago, else None."""
        entry = self._entries.get(key)
        if entry is None or now - entry[0] >= max_age:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def drop(self, unwanted: Callable[[K], bool]) -> None:
        """Forget every key that is *unwanted*."""
        for key in [key for key in self._entries if unwanted(key)]:
            del self._entries[key]
