"""Slows down who guesses passwords, codes and secrets; counted in the store, so that all hub processes count as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from perijove.hub.core.attempts import AttemptKey
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import GuessingSlowed
from perijove.hub.core.guessing import GuessLimits, Try, too_many
from perijove.hub.core.names import shorten
from perijove.hub.core.oauth import OAuthError
from perijove.hub.usecases.context import Context

KEPT_COUNTS: Final = 100_000
"""How many counts are kept at most, whoever makes up how many names."""
_NO_VERDICT: Final = frozenset({Code.UNAVAILABLE, Code.LIMITED, Code.FAILED})


class Guard:
    """Counts tries that fail, and refuses further ones unread while there are too many."""

    def __init__(self, ctx: Context, limits: GuessLimits) -> None:
        self._ctx = ctx
        self._limits = limits

    @asynccontextmanager
    async def guarding(self, attempt: Try) -> AsyncIterator[None]:
        """Let the block find out whether *attempt* succeeds; what it raises says that it does not.

        A try counts under its name before it is made, so that many at once are no way round the limit, and is forgiven
        if it succeeds. It counts under its address after it has failed: many people may sign in from one address.

        Raises:
            PerijoveError: LIMITED, with the seconds to wait; the block is not entered then.
        """
        await self._admit(attempt)
        try:
            yield
        except PerijoveError as error:
            if error.code not in _NO_VERDICT:
                await self._failed(attempt)
            raise
        except OAuthError:
            await self._failed(attempt)
            raise
        else:
            await self._succeeded(attempt)

    async def count(self, attempt: Try) -> None:
        """Count what somebody does from an address, whether it succeeds or not. Raises PerijoveError LIMITED."""
        async with self._ctx.store.transaction() as tx:
            now, key = self._ctx.clock.now(), attempt.by_address
            tally = (await tx.attempts.record([key], now, self._limits.window))[key]
        if 0 < self._limits.per_address < tally.count:
            self._tell(attempt, "address", first=tally.count == self._limits.per_address + 1)
            raise too_many(tally, self._limits.window, now)

    async def purge(self) -> int:
        """Delete counts that are of no use any more; return how many."""
        async with self._ctx.store.transaction() as tx:
            return await tx.attempts.purge(self._ctx.clock.now() - self._limits.window, KEPT_COUNTS)

    async def _admit(self, attempt: Try) -> None:
        limits, now = self._limits, self._ctx.clock.now()
        by_name, by_address = self._by_name(attempt), attempt.by_address
        async with self._ctx.store.transaction() as tx:
            from_there = (await tx.attempts.count([by_address], now, limits.window)).get(by_address)
            if from_there is not None and 0 < limits.per_address <= from_there.count:
                raise too_many(from_there, limits.window, now)
            if by_name is None:
                return
            under_it = (await tx.attempts.record([by_name], now, limits.window))[by_name]
        if under_it.count > limits.per_name:
            self._tell(attempt, "name", first=under_it.count == limits.per_name + 1)
            raise too_many(under_it, limits.window, now)

    def _by_name(self, attempt: Try) -> AttemptKey | None:
        return attempt.by_name if self._limits.per_name else None

    async def _failed(self, attempt: Try) -> None:
        if not self._limits.per_address:
            return
        key = attempt.by_address
        async with self._ctx.store.transaction() as tx:
            tally = (await tx.attempts.record([key], self._ctx.clock.now(), self._limits.window))[key]
        self._tell(attempt, "address", first=tally.count == self._limits.per_address)

    async def _succeeded(self, attempt: Try) -> None:
        if (key := self._by_name(attempt)) is not None:
            async with self._ctx.store.transaction() as tx:
                await tx.attempts.forget([key])

    def _tell(self, attempt: Try, counted_by: str, *, first: bool) -> None:
        """Tell of the try that was one too many, and not of those after it."""
        if first:
            seconds = int(self._limits.window.total_seconds())
            self._ctx.telemetry.emit(GuessingSlowed(shorten(attempt.name), counted_by, seconds))
