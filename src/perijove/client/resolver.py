"""From token to identity, with as few questions to the hub as can be, and none that everybody waits for.

An answer is good for five minutes. After that the hub is asked again, once however many requests wait for it. While
the hub is unavailable, whoever it vouched for within the last day stays signed in, so that running notebooks outlive
the hub; a refusal ends that at once, because it is an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from perijove.client.api import HubUnavailable
from perijove.client.cache import TimedCache, TokenKey, token_key
from perijove.client.identity import HubIdentity

FRESH = 300.0
STALE_LIMIT = 24 * 3600.0
REFUSAL_FRESH = 60.0
MAX_KNOWN = 1024
MAX_REFUSED = 1024
RETRY_AFTER = 10.0
"""Seconds in which a hub that just failed to answer is not asked again for one whom it vouched for before."""
RECHECK_TIMEOUT = 3.0
"""Seconds to wait for the hub where an older answer exists."""


class AsksHub(Protocol):
    """The one question a resolver puts to the hub."""

    async def user_for_token(self, token: str, *, timeout: float | None = None) -> HubIdentity | None:
        """Return the owner of *token*, None for a refusal, or raise HubUnavailable."""


class IdentityResolver:
    """Answers whose token it is. Not thread-safe: it belongs to one event loop."""

    def __init__(self, hub: AsksHub, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._clock = clock
        self._known: TimedCache[TokenKey, HubIdentity] = TimedCache(MAX_KNOWN)
        # Refusals have a cache of their own: made-up tokens must not push out people who are signed in.
        self._refused: TimedCache[TokenKey, bool] = TimedCache(MAX_REFUSED)
        self._asking: dict[TokenKey, asyncio.Task[HubIdentity | None]] = {}
        self._failed_at: float | None = None

    async def identify(self, token: str, session_id: str = "") -> HubIdentity | None:
        """Return the owner of *token*, or None if the hub refuses it.

        Raises:
            HubUnavailable: the hub does not answer, and did not vouch for this token and session before.
        """
        key, now = token_key(session_id, token), self._clock()
        if (identity := self._known.get(key, now, FRESH)) is not None:
            return identity
        if self._refused.get(key, now, REFUSAL_FRESH):
            return None
        stale = self._known.get(key, now, STALE_LIMIT)
        if stale is not None and self._failed_at is not None and now - self._failed_at < RETRY_AFTER:
            return stale
        try:
            return await self._ask_once(key, token, RECHECK_TIMEOUT if stale else None)
        except HubUnavailable:
            if stale is None:
                raise
            return stale

    def forget(self, token: str) -> None:
        """Drop what is known of *token*, in every session."""
        digest = token_key("", token)[1]
        self._known.drop(lambda key: key[1] == digest)
        self._refused.drop(lambda key: key[1] == digest)

    async def _ask_once(self, key: TokenKey, token: str, timeout: float | None) -> HubIdentity | None:
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key, token, timeout))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        # Shielded: a browser that goes away must not take the answer from the others who wait for it.
        return await asyncio.shield(task)

    def _asked(self, key: TokenKey, task: asyncio.Task[HubIdentity | None]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # read here, so that asyncio does not report it when every asker has gone

    async def _ask(self, key: TokenKey, token: str, timeout: float | None) -> HubIdentity | None:
        try:
            identity = await self._hub.user_for_token(token, timeout=timeout)
        except HubUnavailable:
            self._failed_at = self._clock()
            raise
        self._failed_at = None
        if identity is None:
            self.forget(token)
            self._refused.put(key, True, self._clock())
        else:
            self._known.put(key, identity, self._clock())
        return identity
