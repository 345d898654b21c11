"""Whether people who are signed in are still who they were: the authenticator is asked now and then.

What it says holds for `auth_refresh_age`. An answer that does not come, or is an error, is none: who is signed in stays
so. After one that did not come in time, the authenticator is left alone for a while.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from msgspec import Struct

from perijove.hub.core.errors import PerijoveError
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.people import for_plugins, take_in, understood
from perijove.hub.usecases.remembered import Remembered

log = structlog.get_logger(__name__)

MAX_REMEMBERED: Final = 16_384
"""Of how many people it is remembered what the authenticator said."""

LEFT_ALONE: Final = 30.0
"""Seconds for which an authenticator that did not answer in time is not asked again."""


class _Answer(Struct, frozen=True):
    good: bool
    at: float


class Refreshes:
    """Asks the authenticator about people, each at most once at a time."""

    def __init__(self, ctx: Context, authenticator: Authenticator) -> None:
        self._ctx = ctx
        self.authenticator = authenticator
        self.enabled: Final = type(authenticator).refresh_user is not Authenticator.refresh_user
        """Whether the authenticator has anything to say at all."""
        self._said: Remembered[int, _Answer] = Remembered(MAX_REMEMBERED)
        self._asking: dict[int, asyncio.Task[bool]] = {}
        self._silent_until = 0.0

    def signed_in(self, user_id: int) -> None:
        """Take note that the authenticator has just recognised a user."""
        if self.enabled:
            self._note(user_id, True)

    async def still_good(self, user_id: int, request: SignInRequest | None = None, *, force: bool = False) -> bool:
        """Return False if a user must sign in again.

        Args:
            user_id: who.
            request: what they asked for, for the authenticator.
            force: ask however long ago the last answer is.
        """
        if not self.enabled or not (force or self.authenticator.auth_refresh_age):
            return True
        now, said = self._ctx.clock.monotonic(), self._said.get(user_id)
        fresh = said is not None and now - said.at < self.authenticator.auth_refresh_age
        if now < self._silent_until or (fresh and not force):
            return said is None or said.good
        task = self._asking.get(user_id)
        if task is None:
            # Whoever waits may go away; the question goes on for the others.
            task = self._asking[user_id] = asyncio.create_task(self._ask(user_id, request))
            task.add_done_callback(lambda _: self._asking.pop(user_id, None))
        return await asyncio.shield(task)

    async def _ask(self, user_id: int, request: SignInRequest | None) -> bool:
        try:
            good = await self._refreshed(user_id, request)
        except TimeoutError:
            self._silent_until = self._ctx.clock.monotonic() + LEFT_ALONE
            log.warning(
                "the authenticator did not answer a refresh in time; who is signed in stays so", user_id=user_id
            )
        except PerijoveError as error:
            log.warning("a refresh failed; who is signed in stays so", user_id=user_id, reason=error.message)
        except Exception:
            log.exception("the authenticator failed at a refresh; who is signed in stays so", user_id=user_id)
        else:
            self._note(user_id, good)
            return good
        said = self._said.get(user_id)
        good = said is None or said.good
        self._note(user_id, good)
        return good

    async def _refreshed(self, user_id: int, request: SignInRequest | None) -> bool:
        async with self._ctx.store.transaction() as tx:
            user = await tx.users.by_id(user_id)
            if user is None:
                return False
            person = await for_plugins(self._ctx, tx, user)
        answer = await self.authenticator.get_refreshed_user(person, request)
        if isinstance(answer, bool):
            return answer
        told = await understood(self._ctx, self.authenticator, answer, refreshed=True)
        async with self._ctx.store.transaction() as tx:
            if await tx.users.get(told.name) is None:
                # Deleted, or called otherwise, while the authenticator was asked: it is told of nobody.
                return False
            _, facts = await take_in(self._ctx, tx, told)
        for fact in facts:
            self._ctx.telemetry.emit(fact)
        return True

    def _note(self, user_id: int, good: bool) -> None:
        self._said.put(user_id, _Answer(good, self._ctx.clock.monotonic()))
