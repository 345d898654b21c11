"""Actions on many users or servers at once: carried out in the background, a few at a time, and to be cancelled.

How far one has come is stored, so that every hub process can show it and cancel it. An action ends with the process
that carries it out: what it has done stays, the rest is left alone, and whoever asks for it again goes on from there,
because nothing is done twice to what is at its goal already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError, invalid, not_found
from perijove.hub.core.long_actions import MAX_TOLD, Kind, LongAction, check_key
from perijove.hub.core.names import shorten
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import AT_REST
from perijove.hub.usecases import users
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.removal import Removal
from perijove.hub.usecases.servers import Servers
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)
MAX_TARGETS: Final = 50_000
AT_ONCE: Final = 8
"""How many are seen to at once: what people start themselves meanwhile does not wait behind all of them."""
TELL_INTERVAL: Final = 1.0
"""Seconds between two times that it is stored how far an action has come."""
LAST_TRIES: Final = 60
"""How often it is tried to store that an action has ended; without that it counts as interrupted."""
START_PATIENCE: Final = 600.0
STOP_PATIENCE: Final = 120.0
MEMORY: Final = timedelta(days=7)
"""How long is remembered what was done."""
SHOWN: Final = 10
NEEDS: Final[Mapping[Kind, str]] = {
    Kind.START: "start:servers",
    Kind.STOP: "delete:servers",
    Kind.DELETE: "delete:users",
}
"""The scope that whoever asks for an action holds for something at least; each thing asks for it again."""


class Target(NamedTuple):
    """What something is done to: a user, or one of their servers."""

    user: str
    server: str = ""

    @property
    def title(self) -> str:
        """How people know it."""
        return f"{self.user}/{self.server}" if self.server else self.user


class LongActions:
    """The actions of a hub, as far as this process carries them out."""

    def __init__(self, ctx: Context, tasks: Tasks, servers: Servers, removal: Removal) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._servers = servers
        self._removal = removal
        self._verbs: dict[Kind, Callable[[Principal, Target], Awaitable[None]]] = {
            Kind.START: self._start,
            Kind.STOP: self._stop,
            Kind.DELETE: self._delete,
        }

    async def begin(self, principal: Principal, key: str, kind: Kind, targets: Sequence[Target]) -> LongAction:
        """Begin an action and return it; the one that there is if *key* was used already, of which nothing changes.

        Args:
            principal: whoever asks.
            key: chosen by the page that asks.
            kind: what to do.
            targets: to what; each is seen to once.

        Raises:
            PerijoveError: FORBIDDEN; INVALID for a bad key, nothing or too much to do.
        """
        principal.require_some(NEEDS[kind])
        check_key(key)
        chosen = list(dict.fromkeys(targets))
        if not chosen:
            raise invalid("Nothing was chosen")
        if len(chosen) > MAX_TARGETS:
            raise invalid(f"At most {MAX_TARGETS} at once")
        now = self._ctx.clock.now()
        action = LongAction(key, kind, principal.name, len(chosen), now, now)
        async with self._ctx.store.transaction() as tx:
            await tx.long_actions.forget_before(now - MEMORY)
            added = await tx.long_actions.add(action)
        if not added:
            return await self.get(principal, key)
        self._tasks.spawn(_Run(self._ctx, action, lambda one: self._verbs[kind](principal, one)).run(chosen), "action")
        return action

    async def get(self, principal: Principal, key: str) -> LongAction:
        """Return an action of the caller's; an administrator sees all. Raises PerijoveError NOT_FOUND."""
        async with self._ctx.store.transaction() as tx:
            action = await tx.long_actions.get(key[:100])
        if action is None or not (principal.admin or action.by == principal.name):
            raise not_found("There is no such action (any more)")
        return action

    async def latest(self, principal: Principal) -> Sequence[LongAction]:
        """Return the newest actions that the caller may see."""
        async with self._ctx.store.transaction() as tx:
            newest = await tx.long_actions.latest(SHOWN)
        return [action for action in newest if principal.admin or action.by == principal.name]

    async def cancel(self, principal: Principal, key: str) -> LongAction:
        """Let what is not begun of an action alone, and return it. Raises PerijoveError NOT_FOUND."""
        action = await self.get(principal, key)
        async with self._ctx.store.transaction() as tx:
            await tx.long_actions.cancel(key)
        return replace(action, cancel_wanted=True)

    async def _start(self, principal: Principal, target: Target) -> None:
        try:
            server = await self._servers.start(principal, target.user, target.server)
        except PerijoveError as error:
            if error.code is not Code.CONFLICT:
                raise
            server = await self._servers.get(principal, target.user, target.server)
        server = await self._servers.settle(server, START_PATIENCE)
        if not server.ready:
            why = server.failure.reason if server.failure is not None else "It was stopped before it was ready"
            raise PerijoveError(Code.FAILED, why if server.state in AT_REST else "It is still starting")

    async def _stop(self, principal: Principal, target: Target) -> None:
        server = await self._servers.stop(principal, target.user, target.server)
        if (await self._servers.settle(server, STOP_PATIENCE)).active:
            raise PerijoveError(Code.FAILED, "It is still stopping")

    async def _delete(self, principal: Principal, target: Target) -> None:
        try:
            await users.delete_user(
                self._ctx,
                self._removal,
                principal,
                target.user,
                stop_server=lambda server: self._servers.stopped_within(server, STOP_PATIENCE),
            )
        except PerijoveError as error:
            if error.code is not Code.NOT_FOUND:
                raise


class _Run:
    """One action while it is carried out."""

    def __init__(self, ctx: Context, action: LongAction, see_to: Callable[[Target], Awaitable[None]]) -> None:
        self._ctx = ctx
        self._action = action
        self._see_to = see_to
        self._cancelled = False

    async def run(self, targets: Sequence[Target]) -> None:
        """See to all of *targets*, or to those that are begun before it is cancelled."""
        left = iter(targets)
        workers = asyncio.gather(*(self._work(left) for _ in range(min(AT_ONCE, len(targets)))))
        try:
            while not workers.done():
                await asyncio.wait([workers], timeout=TELL_INTERVAL)
                await self._tell()
            await workers
        finally:
            workers.cancel()
        self._action = replace(self._action, finished=self._ctx.clock.now())
        for _ in range(LAST_TRIES):
            if await self._tell():
                return
            await asyncio.sleep(TELL_INTERVAL)

    async def _work(self, left: Iterator[Target]) -> None:
        for target in left:
            if self._cancelled:
                return
            failure = await self._failure_of(target)
            action = replace(self._action, done=self._action.done + 1)
            if failure:
                told = (*action.failures, (target.title, failure))[:MAX_TOLD]
                action = replace(action, failed=action.failed + 1, failures=told)
            self._action = action

    async def _failure_of(self, target: Target) -> str:
        try:
            await self._see_to(target)
        except PerijoveError as error:
            return shorten(error.message, 300)
        except Exception:
            log.exception("an action failed for one", action=self._action.kind.value, target=target.title)
            return "Something went wrong in the hub; its log has the details"
        return ""

    async def _tell(self) -> bool:
        """Store how far it has come, take note if the rest is to be left alone, and say whether it is stored."""
        self._action = replace(self._action, changed=self._ctx.clock.now())
        try:
            async with self._ctx.store.transaction() as tx:
                self._cancelled = await tx.long_actions.save(self._action)
        except PerijoveError as error:
            log.warning("how far an action has come is not stored", reason=error.message)
            return False
        return True
