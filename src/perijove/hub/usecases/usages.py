"""What running servers use: their spawners are asked, each about one server at most once at a time.

An answer is good for some seconds. Nobody waits long for one; what comes later is there for whoever asks next. Where
there is none, nothing is known: that is no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from msgspec import Struct

from perijove.hub.core.servers import Server
from perijove.hub.core.usage import Usage
from perijove.hub.ports.abilities import MeasuresUsage
from perijove.hub.ports.clock import Clock
from perijove.hub.ports.spawner import Spawner
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.remembered import Remembered
from perijove.hub.usecases.tasks import Tasks

log = structlog.get_logger(__name__)

FRESH: Final = 5.0
"""Seconds for which an answer is not asked for again."""
OLDEST: Final = 60.0
"""Seconds after which an answer is no longer shown, though there is none after it."""
PATIENCE: Final = 1.0
"""Seconds that somebody waits for answers."""
TIMEOUT: Final = 10.0
AT_ONCE: Final = 4
"""How many spawners are asked at once: each may hold a thread."""
MAX_REMEMBERED: Final = 4096

_Key = tuple[int, int]


class _Answer(Struct, frozen=True):
    usage: Usage | None
    at: float


class Usages:
    """What servers use, as far as it is known."""

    def __init__(self, clock: Clock, tasks: Tasks, spawner_of: Callable[[Server], Spawner]) -> None:
        """Args: *spawner_of* gives the spawner object to ask about a server."""
        self._clock = clock
        self._tasks = tasks
        self._spawner_of = spawner_of
        self._answers: Remembered[_Key, _Answer] = Remembered(MAX_REMEMBERED)
        self._asking: dict[_Key, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def of(self, servers: Iterable[Server]) -> Mapping[int, Usage]:
        """Return what those of *servers* use that are ready, by id; without those of which it is not known."""
        ready = [server for server in servers if server.ready]
        if questions := [task for server in ready if (task := self._question(server)) is not None]:
            await asyncio.wait(questions, timeout=PATIENCE)
        known = {server.id: self._known(server, OLDEST) for server in ready}
        return {number: answer.usage for number, answer in known.items() if answer and answer.usage}

    def _known(self, server: Server, seconds: float) -> _Answer | None:
        answer = self._answers.get((server.id, server.attempt))
        return answer if answer is not None and self._clock.monotonic() - answer.at < seconds else None

    def _question(self, server: Server) -> asyncio.Task[None] | None:
        """Return what asks about *server*; None if that is not needed."""
        if self._known(server, FRESH) is not None:
            return None
        key = server.id, server.attempt
        task = self._asking.get(key)
        if task is None:
            # Whoever waits may go away; the question goes on for the others.
            task = self._asking[key] = self._tasks.spawn(self._ask(server), f"what server {server.id} uses")
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, server: Server) -> None:
        usage: Usage | None = None
        try:
            async with self._places:
                spawner = self._spawner_of(server)
                if isinstance(spawner, MeasuresUsage):
                    usage = await call_plugin(spawner.usage, timeout=TIMEOUT)
            if usage is not None and not isinstance(usage, Usage):
                raise TypeError(f"usage() gave {type(usage).__name__}")
        except Exception as error:
            usage = None
            log.info("what a server uses is not known", server=server.full_name, error=repr(error)[:200])
        self._answers.put((server.id, server.attempt), _Answer(usage, self._clock.monotonic()))
