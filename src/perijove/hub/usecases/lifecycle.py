"""Drives every server from its stored state towards its stored target.

One *driver* per server that is not at rest: it takes the lease, reads the row, carries out the command that belongs to
the row's state (`usecases.steps`), and records what came of it as an event. Nothing is decided from memory: a driver in
a new process goes on from the row alone. A request that changes the row wakes the driver, which drops what it was doing
if the row's state is another one now.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import timedelta
from typing import TypeVar

import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import ServerAdopted, ServerFailed, ServerReady, ServerStopped
from perijove.hub.core.progress import MAX_MESSAGE_LENGTH, ProgressEvent
from perijove.hub.core.servers import OCCUPYING, Command, Event, Failure, Server, State, after, command_for
from perijove.hub.core.texts import mark, say, shortened
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.signals import QUEUE, Signals
from perijove.hub.usecases.slices import in_slices
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)
T = TypeVar("T")

LEASE = timedelta(seconds=30)
RENEW_INTERVAL = 10.0
SWEEP_INTERVAL = 15.0
NEWS_INTERVAL = 0.5
"""Seconds between two looks whether other hub processes changed anything."""
TAKEN_AT_ONCE = 25
"""How many ready servers a sweep takes in one transaction; who else waits for the store comes in between."""
STORE_RETRY = 1.0
STEP_RETRY = 1.0
STEP_RETRY_MAX = 30.0
CLOSE_TIMEOUT = 10.0
RECENT_STARTS = 20

PROGRESS = {
    Event.START_REQUESTED: (0, mark("Server requested")),
    Event.ADMITTED: (10, mark("Starting your server")),
    Event.STARTED: (50, mark("The server was started; waiting for it to answer")),
    Event.ANSWERED: (90, mark("The server answers; opening its address")),
    Event.ROUTED: (100, mark("Server ready")),
}


class Outcome(Struct, frozen=True):
    """What came of a step: the event, and what it says."""

    event: Event
    failure: Failure | None = None
    url: str = ""


Step = Callable[[Server], Awaitable[Outcome]]


async def _keep(server: Server) -> None:
    """Delete nothing: work was not taken up yet."""


class Over(PerijoveError):
    """The attempt that is being carried out is over: another hub process ended it or began the next one."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, "This start is over: the server was stopped or started anew.")


class _Driver(Struct):
    """What one driver does: *state* and *version* of the row that its *step* belongs to, and *news* not read yet.

    Attributes:
        taken: the row as it was read under our lease, if it was before the driver's first step.
    """

    state: State
    taken: Server | None = None
    version: int = -1
    news: asyncio.Event = field(default_factory=asyncio.Event)
    step: asyncio.Task[Outcome] | None = None
    task: asyncio.Task[None] | None = None
    failures: int = 0


class Lifecycle:
    """Holds the drivers of this process."""

    def __init__(self, ctx: Context, signals: Signals, tasks: Tasks, owner: str) -> None:
        """Args: *owner* names this hub process in leases."""
        self._ctx = ctx
        self._signals = signals
        self._tasks = tasks
        self._owner = owner
        self._steps: dict[Command, Step] = {}
        self._forget: Callable[[int], None] = lambda server_id: None
        self._remove: Callable[[Server], Awaitable[None]] = _keep
        self._drivers: dict[int, _Driver] = {}
        self._closed = False
        self._seen: Hashable = None
        self.recent_starts: deque[float] = deque(maxlen=RECENT_STARTS)
        """Seconds that recent starts of this process took from leaving the queue until they were ready."""

    def begin(
        self,
        steps: dict[Command, Step],
        forget: Callable[[int], None],
        remove: Callable[[Server], Awaitable[None]],
        *,
        shared: bool = False,
    ) -> None:
        """Take up work with these steps, one for each command.

        Args:
            steps: what carries a command out.
            forget: called with the id of a server that is at rest or another hub's, to drop what memory holds of it.
            remove: deletes a server that is at rest and whose removal is wanted.
            shared: whether other hub processes may change what is stored.
        """
        if missing := set(Command) - set(steps):
            raise ValueError(f"no step for {sorted(missing)}")
        self._steps = steps
        self._forget = forget
        self._remove = remove
        self._tasks.every(RENEW_INTERVAL, self._renew, "renew leases")
        self._tasks.every(SWEEP_INTERVAL, self.sweep, "look for servers without a driver")
        if shared:
            self._tasks.every(NEWS_INTERVAL, self._follow, "look for what other hubs changed")

    async def sweep(self) -> int:
        """Drive every server that is not at rest, or is to be deleted, and is no other hub's; see what changed of ours.

        Returns:
            How many are not at rest.
        """
        async with self._ctx.store.transaction() as tx:
            active = await tx.servers.list_active()
            unwanted = await tx.servers.list_to_remove()
        now = self._ctx.clock.now()
        left: list[Server] = []
        for server in (*active, *unwanted):
            driver = self._drivers.get(server.id)
            if driver is not None:
                # A row that was read before the driver went on shows nothing new.
                if driver.version < server.version:
                    self.wake(server.id, server.state)
            elif server.may_be_driven_by(self._owner, now):
                if server.ready:
                    left.append(server)
                else:
                    self._tell_if_abandoned(server)
                    self.wake(server.id, server.state)
        async for part in in_slices(left, TAKEN_AT_ONCE):
            await self._take(part)
        return len(active)

    async def _take(self, servers: Sequence[Server]) -> None:
        """Drive those of *servers* that nobody drives by now, with one transaction for all of them.

        A hub that died may have left thousands, and whoever asks for anything meanwhile waits for a transaction too.
        """
        before = {server.id: server for server in servers}
        async with self._ctx.store.transaction() as tx:
            # Once closed, nothing that is taken would be released.
            wanted = [] if self._closed else [number for number in before if number not in self._drivers]
            if not wanted:
                return
            now = self._ctx.clock.now()
            taken = await tx.servers.claim_each(wanted, self._owner, now + LEASE, now)
            for server in taken:
                if not _to_do(server):
                    await tx.servers.release(server.id, self._owner)
        for server in taken:
            if server.id in self._drivers or not _to_do(server):
                continue
            self._tell_if_abandoned(before[server.id])
            self._begin_to_drive(server.id, _Driver(server.state, server))

    def _tell_if_abandoned(self, server: Server) -> None:
        if server.active and server.owner not in {"", self._owner}:
            self.drifted(Drift.ABANDONED, server)

    async def _follow(self) -> None:
        """Take up what was asked of another hub process, of a server that this one works on."""
        seen, self._seen = self._seen, self._ctx.store.generation
        if seen != self._seen:
            await self.sweep()

    def wake(self, server_id: int, state: State) -> None:
        """See to a server whose row was just changed to *state*."""
        self._signals.notify(server_id)
        self._signals.notify(QUEUE)
        driver = self._drivers.get(server_id)
        if driver is None:
            self._begin_to_drive(server_id, _Driver(state))
            return
        if self._closed:
            return
        driver.news.set()
        # Once only: a second cancellation would break off the step's cleaning up.
        if driver.step is not None and driver.state is not state and not driver.step.cancelling():
            driver.step.cancel()

    def _begin_to_drive(self, server_id: int, driver: _Driver) -> None:
        if not self._closed:
            self._drivers[server_id] = driver
            driver.task = self._tasks.spawn(self._drive(server_id, driver), f"server {server_id}")

    async def close(self) -> None:
        """Let all drivers go, their servers as they are; another hub process goes on with them."""
        self._closed = True
        tasks = [driver.task for driver in self._drivers.values() if driver.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with self._ctx.store.transaction() as tx:
            await tx.servers.release_of(self._owner)

    async def _drive(self, server_id: int, driver: _Driver) -> None:
        try:
            # News that came while the row was read is news that the row did not show.
            while await self._advance(server_id, driver) or driver.news.is_set():
                pass
        finally:
            # Nothing is awaited between the last look for news and this, so no wake-up is lost.
            self._drivers.pop(server_id, None)

    async def _advance(self, server_id: int, driver: _Driver) -> bool:
        """Take the server one step on; False if nothing is to be done by this process. Survives what a step raises."""
        server, driver.taken = driver.taken, None
        try:
            if server is None or driver.news.is_set():
                driver.news.clear()
                server = await self._claimed(server_id)
            if server is None:
                # What this process knows of it is of yesterday when it comes back.
                self._forget(server_id)
                return False
            command = command_for(server.state)
            if command is None:
                if server.remove_wanted:
                    await self._remove(server)
                self._forget(server_id)
                return False
            if driver.news.is_set():
                return True
            outcome = await self._carry_out(command, server, driver)
            if outcome is not None:
                await self._record(server, outcome)
            driver.failures = 0
        except PerijoveError as error:
            log.warning("server not taken on; trying again", server_id=server_id, reason=error.message)
            await self._pause(driver)
        except Exception:
            log.exception("server not taken on; trying again", server_id=server_id)
            await self._pause(driver)
        return True

    async def _pause(self, driver: _Driver) -> None:
        """Wait before the next try, longer after each failure, and no longer than until there is news."""
        seconds = min(STEP_RETRY * 2 ** min(driver.failures, 10), STEP_RETRY_MAX)
        driver.failures += 1
        try:
            async with asyncio.timeout(seconds):
                await driver.news.wait()
        except TimeoutError:
            pass

    async def _claimed(self, server_id: int) -> Server | None:
        """Read the row under our lease; None if it is gone or another hub process works on it."""

        async def claim(tx: Transaction) -> Server | None:
            now = self._ctx.clock.now()
            if not await tx.servers.claim(server_id, self._owner, now + LEASE, now):
                return None
            server = await tx.servers.by_id(server_id)
            if server is not None and not _to_do(server):
                await tx.servers.release(server_id, self._owner)
            return server

        return await self.stored(claim)

    async def _carry_out(self, command: Command, server: Server, driver: _Driver) -> Outcome | None:
        """Return what came of the command; None if the row was changed meanwhile. Raises what the step raises."""
        driver.state, driver.version = server.state, server.version
        step = driver.step = self._tasks.spawn(self._call(command, server), f"{command.value} server {server.id}")
        try:
            # Waiting does not end before the step has cleaned up, however it was broken off.
            await asyncio.wait({step})
            if step.cancelled():
                if step.cancelling():
                    return None
                raise PerijoveError(Code.FAILED, f"The step {command.value} cancelled itself.")
            return step.result()
        except asyncio.CancelledError:
            step.cancel()
            await asyncio.wait({step}, timeout=CLOSE_TIMEOUT)
            raise
        finally:
            driver.step = None

    async def _call(self, command: Command, server: Server) -> Outcome:
        return await self._steps[command](server)

    async def _record(self, before: Server, outcome: Outcome) -> None:
        """Store the event unless the row was changed meanwhile; wait for the store if it is away."""
        changed = await self.stored(lambda tx: self._store_outcome(tx, before, outcome))
        if changed is None:
            return
        self._tell(before, changed, outcome)
        self._signals.notify(before.id)
        if before.state in OCCUPYING and changed.state not in OCCUPYING:
            self._signals.notify(QUEUE)

    async def _store_outcome(self, tx: Transaction, before: Server, outcome: Outcome) -> Server | None:
        now = self._ctx.clock.now()
        current = await tx.servers.by_id(before.id)
        if current is None or (current.state, current.attempt) != (before.state, before.attempt):
            return None
        if current.owner not in {"", self._owner}:
            return None
        changed = after(current, outcome.event, now, outcome.failure)
        if outcome.url:
            changed = replace(changed, url=outcome.url)
        await tx.servers.save(changed)
        if (event := _progress_of(before, outcome)) is not None:
            await tx.progress.append(replace(event, at=now))
        return changed

    def _tell(self, before: Server, server: Server, outcome: Outcome) -> None:
        now = self._ctx.clock.now()
        seconds = max(0.0, (now - before.requested).total_seconds()) if before.requested else 0.0
        emit = self._ctx.telemetry.emit
        match outcome.event:
            case Event.ROUTED:
                self.recent_starts.append(max(0.0, (now - (before.started or now)).total_seconds()))
                emit(ServerReady(server.full_name, seconds))
            case Event.BROKE:
                emit(ServerFailed(server.full_name, outcome.failure.reason if outcome.failure else "", seconds))
            case Event.ENDED:
                emit(ServerStopped(server.full_name, seconds))
            case _:
                log.debug("server event", server=server.full_name, what=outcome.event.value, state=server.state.value)

    def adopted(self, server: Server) -> None:
        """Tell that a server of an earlier hub process was found running."""
        self._ctx.telemetry.emit(ServerAdopted(server.full_name))

    def drifted(self, drift: Drift, server: Server) -> None:
        """Tell that a server was found otherwise than stored, and is put right."""
        self._ctx.telemetry.emit(DriftFound(drift, server.full_name))

    async def note(self, server: Server, progress: int, message: str) -> None:
        """Add a step that people see to the running attempt of *server*."""
        event = ProgressEvent(
            0, server.id, server.attempt, self._ctx.clock.now(), progress, shortened(message, MAX_MESSAGE_LENGTH)
        )
        await self.stored(lambda tx: tx.progress.append(event))
        self._signals.notify(server.id)

    async def stored(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Return what *work* does in a transaction of its own; while the store is away, wait and do it again.

        *work* must bear being done twice: a commit whose answer was lost may have happened.
        """
        while True:
            try:
                async with self._ctx.store.transaction() as tx:
                    return await work(tx)
            except PerijoveError as error:
                await self._store_away(error)

    async def stored_of(self, server: Server, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do as `stored`, while the running attempt of *server* is this process's to carry out. Raises Over."""

        async def fenced(tx: Transaction) -> T:
            current = await tx.servers.by_id(server.id)
            if current is None or not current.active or current.attempt != server.attempt:
                raise Over
            if current.owner not in {"", self._owner}:
                raise Over
            return await work(tx)

        return await self.stored(fenced)

    async def _store_away(self, error: PerijoveError) -> None:
        """Wait a moment for the store to come back; any other error is ours."""
        if error.code is not Code.UNAVAILABLE:
            raise error
        log.warning("the store is away; waiting", reason=error.message)
        await asyncio.sleep(STORE_RETRY)

    async def _renew(self) -> None:
        async with self._ctx.store.transaction() as tx:
            await tx.servers.renew(self._owner, self._ctx.clock.now() + LEASE)


def _to_do(server: Server) -> bool:
    """Say whether there is anything to do for *server*, so that our lease on it is kept."""
    return command_for(server.state) is not None or server.remove_wanted


def _progress_of(before: Server, outcome: Outcome) -> ProgressEvent | None:
    """Return what people see of *outcome* on the page of the start; its time is filled in by the caller."""
    stamp = before.requested or before.started
    # A server that ended after it was ready did not fail to start.
    if stamp is None or before.state is State.READY:
        return None
    if outcome.event is Event.BROKE:
        reason = outcome.failure.reason if outcome.failure else ""
        message = shortened(say("Spawn failed: {reason}", reason=reason), MAX_MESSAGE_LENGTH)
        return ProgressEvent(0, before.id, before.attempt, stamp, 100, message, "failed")
    if outcome.event in PROGRESS:
        progress, message = PROGRESS[outcome.event]
        ready = "ready" if outcome.event is Event.ROUTED else ""
        return ProgressEvent(0, before.id, before.attempt, stamp, progress, message, ready)
    return None
