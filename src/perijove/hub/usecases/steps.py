"""The steps of a server's life: one method for each command of the life cycle. They act; `core.servers` decides."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from msgspec import Struct

from perijove.hub.core.admission import Limits
from perijove.hub.core.drift import Drift
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.failures import LOG_LINES, crashed, ended, port_was_taken, refused, timed_out
from perijove.hub.core.progress import message_of
from perijove.hub.core.routes import server_route
from perijove.hub.core.servers import DURABLE, Command, Event, Failure, Server
from perijove.hub.core.site import Site
from perijove.hub.core.texts import say
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.probe import Probe
from perijove.hub.ports.proxy import Proxy
from perijove.hub.ports.spawner import ChoosesPort, KeepsLog, SignalsExit, Spawner, WatchesMemory
from perijove.hub.ports.store import Transaction
from perijove.hub.ports.traits import call_plugin, told_by
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.giving_up import Failures
from perijove.hub.usecases.lifecycle import Lifecycle, Outcome, Over, Step
from perijove.hub.usecases.preparation import HOOK_TIMEOUT, Preparation
from perijove.hub.usecases.queue import Queue
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.spawners import SpawnerFactory, made
from perijove.hub.usecases.time_limits import TooSlow, within
from perijove.wire.prefixes import server_prefix

log = structlog.get_logger(__name__)

POLL_TIMEOUT = 10.0
PROXY_TIMEOUT = 10.0
KEEP_TIMEOUT = 5.0
STOP_RETRY_MAX = 30.0
PROBE_FIRST = 0.05
PROBE_LONGEST = 1.0
EXIT_LOOK = 1.0
STOPS_BELIEVED = 3
"""How often a spawner has to have stopped a server until that counts more than its saying that it runs."""
MORE_PORTS = 2
"""How often one start goes on with another port because the one before was taken."""
MAX_STEPS_TOLD = 500
"""How many steps of its own a spawner may add to the progress of one start."""


class Plugins(Struct, frozen=True):
    """What the steps act through; *new_spawner* makes the spawner object of a server."""

    new_spawner: SpawnerFactory
    authenticator: Authenticator
    proxy: Proxy
    probe: Probe


class Steps:
    """Carries commands out for all servers of this process, one spawner object for each."""

    def __init__(
        self,
        ctx: Context,
        lifecycle: Lifecycle,
        signals: Signals,
        *,
        plugins: Plugins,
        limits: Limits,
        site: Site,
    ) -> None:
        self._ctx = ctx
        self.plugins = plugins
        self._lifecycle = lifecycle
        self._signals = signals
        self._new_spawner = plugins.new_spawner
        self._authenticator = plugins.authenticator
        self._proxy = plugins.proxy
        self._probe = plugins.probe
        self._preparation = Preparation(ctx, lifecycle, plugins.authenticator)
        self.failures = Failures(limits.broken_users)
        self._queue = Queue(ctx, lifecycle, signals, limits)
        self._site = site
        self._spawners: dict[int, tuple[int, Spawner]] = {}
        self._ports_taken: dict[int, tuple[int, int]] = {}
        """By server its attempt, and how many ports of that were taken."""

    def table(self) -> dict[Command, Step]:
        """Return the step for each command."""
        return {
            Command.ADMIT: self._queue.admit,
            Command.START: self.start,
            Command.PROBE: self.probe,
            Command.ROUTE: self.route,
            Command.WATCH: self.watch,
            Command.STOP: self.stop,
        }

    def forget(self, server_id: int) -> None:
        """Drop the spawner object of a server that is at rest, or another hub's."""
        self._spawners.pop(server_id, None)
        self._ports_taken.pop(server_id, None)

    def spawner(self, server: Server) -> Spawner:
        """Return the spawner object of *server*, made from the store if this process has none of this attempt yet."""
        attempt, known = self._spawners.get(server.id, (server.attempt, None))
        if known is not None and attempt == server.attempt:
            return known
        spawner = made(self._ctx, self._new_spawner, server)
        spawner.checkpoint = self._checkpoint(server, spawner)
        self._spawners[server.id] = server.attempt, spawner
        return spawner

    def spawner_to_ask(self, server: Server) -> Spawner:
        """Return a spawner object to ask about *server*: the one at work here, or one that is not kept."""
        attempt, known = self._spawners.get(server.id, (0, None))
        return known if known is not None and attempt == server.attempt else made(self._ctx, self._new_spawner, server)

    def _checkpoint(self, server: Server, spawner: Spawner) -> Callable[[], Awaitable[None]]:
        async def checkpoint() -> None:
            state = spawner.get_state() | ({DURABLE: dict(spawner.durable)} if spawner.durable else {})
            try:
                await self._lifecycle.stored_of(
                    server, lambda tx: tx.servers.checkpoint(server.id, server.attempt, state)
                )
            except PerijoveError as error:
                if error.code is not Code.INVALID:
                    raise
                raise PerijoveError(
                    Code.FAILED, f"What {type(spawner).__name__}.get_state() gave cannot be stored: {error.message}."
                ) from error

        return checkpoint

    async def start(self, server: Server) -> Outcome:
        """Let the spawner start the server; what an earlier try left half-started is ended first."""
        spawner: Spawner | None = None
        try:
            await self._end_earlier_try(server)
            spawner = self.spawner(server)
            spawner.clear_state()
            await self._preparation.prepare(server, spawner)
            address = await self._start_with_progress(server, spawner)
            await spawner.checkpoint()
            return Outcome(Event.STARTED, url=_as_url(address))
        except asyncio.CancelledError:
            await self._keep_state(server, spawner)
            raise
        except Over:
            if spawner is not None:
                await self._end_unknown(server, spawner)
            raise
        except TooSlow as error:
            self.failures.broke(server.user_id)
            return await self._broke(spawner, timed_out(error.what, error.seconds))
        except Exception as error:
            if text := told_by(error):
                return await self._broke(spawner, refused(text))
            self.failures.broke(server.user_id)
            return await self._broke(spawner, _unexpected(server, say("starting the server"), error))

    async def _end_earlier_try(self, server: Server) -> None:
        """End what this attempt began before the hub died or the step was interrupted."""
        _, left = self._spawners.pop(server.id, (0, None))
        if server.run_state or (left is not None and left.get_state()):
            await self._end(server, left if left is not None else self.spawner(server))
            self._spawners.pop(server.id, None)

    async def _keep_state(self, server: Server, spawner: Spawner | None) -> None:
        """Store where a start that is broken off got to, so that what runs of it is found; end it if it is over."""
        if spawner is None or not spawner.get_state():
            return
        try:
            async with asyncio.timeout(KEEP_TIMEOUT):
                await spawner.checkpoint()
        except Over:
            await self._end_unknown(server, spawner)
        except Exception as error:
            log.warning("the state of a start that was broken off is not stored", error=repr(error)[:200])

    async def _end_unknown(self, server: Server, spawner: Spawner) -> None:
        """End what a start that is over made: nobody else knows of it, so this is not broken off with the start."""
        ending = asyncio.create_task(self._end(server, spawner))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _start_with_progress(self, server: Server, spawner: Spawner) -> Any:
        async def follow() -> None:
            told = 0
            async for step in spawner.progress():
                percent = min(max(int(step.get("progress", 0)), 10), 49)
                await self._lifecycle.note(server, percent, message_of(step))
                told += 1
                if told >= MAX_STEPS_TOLD:
                    return

        follower = asyncio.create_task(follow())
        try:
            return await within(spawner.start_timeout, say("start"), call_plugin(spawner.start))
        finally:
            follower.cancel()
            await asyncio.wait({follower})
            if not follower.cancelled() and (error := follower.exception()) is not None:
                log.error("the spawner's progress failed", server=server.full_name, exc_info=error)

    async def probe(self, server: Server) -> Outcome:
        """Wait until the server answers HTTP, or ends."""
        spawner = self.spawner(server)
        url = f"{server.url}{server_prefix(self._site.base_url, server.user_name, server.name)}api"
        exited = asyncio.create_task(self._exited(spawner, EXIT_LOOK))
        try:
            answered = await within(spawner.http_timeout, say("answer"), self._answered(server, url, exited))
            if answered:
                return Outcome(Event.ANSWERED)
            failure = await self._ended(spawner, exited.result(), starting=True)
            if await self._may_take_another_port(server, spawner, port_was_taken(exited.result(), failure.log)):
                return Outcome(Event.PORT_TAKEN)
            return await self._broke(spawner, failure)
        except TooSlow as error:
            text = await self._log_of(spawner)
            return await self._broke(spawner, timed_out(error.what, error.seconds, text, url))
        finally:
            exited.cancel()

    async def _may_take_another_port(self, server: Server, spawner: Spawner, taken: bool) -> bool:
        """Say whether the start goes on with another port, and tell those who watch; not for ever."""
        port = spawner.chosen_port if taken and isinstance(spawner, ChoosesPort) else None
        attempt, ports = self._ports_taken.get(server.id, (server.attempt, 0))
        ports = ports if attempt == server.attempt else 0
        if port is None or ports >= MORE_PORTS:
            return False
        self._ports_taken[server.id] = server.attempt, ports + 1
        log.info("a port was taken; the start goes on with another", server=server.full_name, port=port)
        await self._lifecycle.note(server, 10, say("Port {port} was taken; trying another", port=port))
        return True

    async def _answered(self, server: Server, url: str, exited: asyncio.Task[int | None]) -> bool:
        """Return True once *url* answers, False as soon as the server has ended.

        A server that says itself that it runs is asked at once; upstream's says so a moment before it listens.
        """
        pause = PROBE_FIRST
        with self._signals.subscribe(server.id) as news:
            while not exited.done():
                question = asyncio.create_task(self._probe.answers(url))
                try:
                    await asyncio.wait({question, exited}, return_when=asyncio.FIRST_COMPLETED)
                    # Whatever answers at the address of a server that has ended is not that server.
                    if not exited.done() and question.result():
                        return True
                finally:
                    question.cancel()
                told = asyncio.create_task(news.wait(pause))
                try:
                    await asyncio.wait({told, exited}, return_when=asyncio.FIRST_COMPLETED)
                    pause = PROBE_FIRST if told.done() and told.result() else min(pause * 1.5, PROBE_LONGEST)
                finally:
                    told.cancel()
        return False

    async def route(self, server: Server) -> Outcome:
        """Let the proxy send the server's traffic to it."""
        route = server_route(self._site, server)
        spawner = self.spawner(server)

        async def add() -> None:
            while True:
                try:
                    await call_plugin(self._proxy.add_route, route.routespec, route.target, route.data)
                    return
                except Exception as error:
                    log.warning("route not added yet", server=server.full_name, error=repr(error)[:200])
                await asyncio.sleep(PROBE_LONGEST)

        try:
            await within(spawner.http_timeout, say("get its route"), add())
        except TooSlow:
            return await self._broke(spawner, refused(say("The proxy did not take the server's route.")))
        self.failures.worked()
        return Outcome(Event.ROUTED)

    async def watch(self, server: Server) -> Outcome:
        """Return when a ready server has ended by itself."""
        fresh = server.id not in self._spawners
        spawner = self.spawner(server)
        if fresh:
            known, status = await self._ask(spawner)
            if known and status is not None:
                self._lifecycle.drifted(Drift.ENDED, server)
            else:
                self._lifecycle.adopted(server)
        status = await self._exited(spawner, spawner.poll_interval if spawner.poll_interval > 0 else None)
        return await self._broke(spawner, await self._ended(spawner, status, starting=False))

    async def _exited(self, spawner: Spawner, interval: float | None) -> int | None:
        """Return the server's exit status once the spawner says that it has ended.

        Not knowing whether it runs is not ending: then this goes on asking, *interval* seconds apart. Without an
        interval it asks once, and relies on what the spawner signals after that.
        """
        signals = isinstance(spawner, SignalsExit)
        longest = EXIT_LOOK if interval is None else max(interval, PROBE_FIRST)
        pause = PROBE_FIRST if signals else longest
        while (status := await self._poll(spawner)) is None:
            if isinstance(spawner, SignalsExit) and (known := await self._signalled(spawner, interval)) is not None:
                return known
            if interval is None and not signals:
                await asyncio.get_running_loop().create_future()
            # A signal without a status makes poll() have the last word; if that does not know either, ask less often.
            await asyncio.sleep(pause * random.uniform(1 - spawner.poll_jitter, 1 + spawner.poll_jitter))  # noqa: S311
            pause = min(pause * 2, longest)
        return status

    async def _signalled(self, spawner: SignalsExit, seconds: float | None) -> int | None:
        """Return the exit status that the spawner tells within *seconds*, None for any time; None if it tells none."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await spawner.wait_exit()
        except TimeoutError as error:
            if not limit.expired():
                log.warning("waiting for the server's end failed", error=repr(error)[:200])
        except Exception as error:
            log.warning("waiting for the server's end failed", error=repr(error)[:200])
        return None

    async def _poll(self, spawner: Spawner) -> int | None:
        """Return the exit status; None if it runs or if that cannot be found out."""
        return (await self._ask(spawner))[1]

    async def _ask(self, spawner: Spawner) -> tuple[bool, int | None]:
        """Return whether the spawner knows how the server is, and its exit status, None if it runs."""
        try:
            status = await call_plugin(spawner.poll, timeout=POLL_TIMEOUT)
            return True, None if status is None else int(status)
        except Exception as error:
            log.warning("poll failed; the server's state is unknown", user=spawner.user.name, error=repr(error)[:200])
            return False, None

    async def stop(self, server: Server) -> Outcome:
        """End everything of the server: its route, its process, its credentials."""
        spawner = self._spawner_to_stop(server)
        route = server_route(self._site, server)
        try:
            await call_plugin(self._proxy.delete_route, route.routespec, timeout=PROXY_TIMEOUT)
        except Exception as error:
            # Once the server is at rest, the next look at the proxy's table removes the route.
            log.warning("route not deleted yet", server=server.full_name, error=repr(error)[:200])
        if spawner is not None:
            await self._end(server, spawner)

        async def end_credentials(tx: Transaction) -> None:
            await tx.tokens.delete_of_server(server.id)
            await tx.oauth.delete_client_of(server.id)

        await self._lifecycle.stored_of(server, end_credentials)
        if spawner is not None:
            await self._after_stop(server, spawner)
        return Outcome(Event.GAVE_UP if server.failure is not None else Event.ENDED)

    def _spawner_to_stop(self, server: Server) -> Spawner | None:
        """Return the server's spawner; None if none can be made and nothing was ever started."""
        try:
            return self.spawner(server)
        except Exception:
            if server.run_state:
                raise
            log.exception("no spawner can be made for a server that never ran", server=server.full_name)
            return None

    async def _end(self, server: Server, spawner: Spawner) -> None:
        """Return when nothing of the server runs; try for as long as that is not known.

        A spawner that says of a server it has stopped that it runs is made to stop it again; one that insists is not
        believed, or its user could never start it again.
        """
        pause, stopped = PROBE_LONGEST, 0
        while True:
            try:
                await call_plugin(spawner.stop, timeout=spawner.stop_timeout)
                stopped += 1
            except Exception:
                log.exception("stopping failed; trying again", server=server.full_name)
            known, status = await self._ask(spawner)
            if status is not None or (stopped and not known):
                return
            if stopped >= STOPS_BELIEVED:
                log.error("the spawner says that a server which it stopped still runs", server=server.full_name)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, STOP_RETRY_MAX)

    async def _after_stop(self, server: Server, spawner: Spawner) -> None:
        try:
            async with asyncio.timeout(HOOK_TIMEOUT):
                await spawner.run_hook(spawner.post_stop_hook)
                await call_plugin(self._authenticator.post_spawn_stop, spawner.user, spawner)
            spawner.clear_state()
        except Exception:
            log.exception("a hook failed after the server stopped", server=server.full_name)
        self.forget(server.id)

    async def _ended(self, spawner: Spawner, status: int | None, *, starting: bool) -> Failure:
        memory = await self._out_of_memory(spawner)
        return ended(status, await self._log_of(spawner), while_starting=starting, out_of_memory=memory)

    async def _out_of_memory(self, spawner: Spawner) -> bool:
        if not isinstance(spawner, WatchesMemory):
            return False
        try:
            return bool(await call_plugin(spawner.ran_out_of_memory, timeout=POLL_TIMEOUT))
        except Exception as error:
            log.warning("it is not known whether memory ran out", user=spawner.user.name, error=repr(error)[:200])
            return False

    async def _broke(self, spawner: Spawner | None, failure: Failure) -> Outcome:
        """Return the outcome of a failure, with the server's last lines and the time added where they are missing."""
        text = failure.log or ("" if spawner is None else await self._log_of(spawner))
        return Outcome(Event.BROKE, Failure(failure.reason, failure.advice, text, self._ctx.clock.now()))

    async def log_of(self, server: Server) -> str:
        """Return the last lines that *server*, which is not at rest, wrote; empty if its spawner keeps none."""
        return await self._log_of(self.spawner_to_ask(server))

    async def _log_of(self, spawner: Spawner) -> str:
        if not isinstance(spawner, KeepsLog):
            return ""
        try:
            return str(await call_plugin(spawner.read_log, LOG_LINES, timeout=POLL_TIMEOUT))
        except Exception as error:
            log.warning("the server's log cannot be read", user=spawner.user.name, error=repr(error)[:200])
            return ""


def _unexpected(server: Server, stage: str, error: Exception) -> Failure:
    error_id = uuid.uuid4().hex[:12]
    log.error("step failed", server=server.full_name, stage=stage, error_id=error_id, exc_info=error)
    return crashed(stage, error_id)


def _as_url(address: Any) -> str:
    """Return what start() gave as ``scheme://host:port``. Raises PerijoveError FAILED if it is neither URL nor pair."""
    try:
        scheme, host, port = _taken_apart(address)
    except (TypeError, ValueError, KeyError, AttributeError):
        scheme, host, port = "", "", 0
    if not host or not 0 < port < 65536 or not host.isprintable() or set(host) & set(" /?#@\\%"):
        raise PerijoveError(Code.FAILED, say("The spawner did not say where the server listens."))
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _taken_apart(address: Any) -> tuple[str, str, int]:
    if isinstance(address, str):
        parts = urlsplit(address)
        default = {"http": 80, "https": 443}[parts.scheme]
        return parts.scheme, parts.hostname or "", default if parts.port is None else parts.port
    host, port = address
    return "http", str(host) or "127.0.0.1", int(port)
