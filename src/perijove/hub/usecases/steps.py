"""The steps of a server's life: one method for each command of the life cycle. They act; `core.servers` decides."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import structlog

from perijove.hub.core.admission import Limits, queue_position
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.failures import LOG_LINES, crashed, ended, refused, timed_out
from perijove.hub.core.oauth import OAuthClient, server_client_id
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.routes import server_route
from perijove.hub.core.servers import Command, Event, Failure, Server, State
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.probe import Probe
from perijove.hub.ports.proxy import Proxy
from perijove.hub.ports.spawner import KeepsLog, SignalsExit, Spawner
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.lifecycle import Lifecycle, Outcome, Step
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.tokens import new_secret
from perijove.wire.prefixes import server_prefix

log = structlog.get_logger(__name__)

POLL_TIMEOUT = 10.0
HOOK_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
STOP_RETRY_MAX = 30.0
PROBE_FIRST = 0.05
PROBE_LONGEST = 1.0
QUEUE_LOOK = 1.0
EXIT_LOOK = 1.0
SpawnerFactory = Callable[[Server], Spawner]


class Steps:
    """Carries commands out for all servers of this process, one spawner object for each."""

    def __init__(
        self,
        ctx: Context,
        lifecycle: Lifecycle,
        signals: Signals,
        *,
        spawner_factory: SpawnerFactory,
        authenticator: Authenticator,
        proxy: Proxy,
        probe: Probe,
        limits: Limits,
        base_url: str,
    ) -> None:
        self._ctx = ctx
        self._lifecycle = lifecycle
        self._signals = signals
        self._new_spawner = spawner_factory
        self._authenticator = authenticator
        self._proxy = proxy
        self._probe = probe
        self._limits = limits
        self._base_url = base_url
        self._spawners: dict[int, Spawner] = {}

    def table(self) -> dict[Command, Step]:
        """Return the step for each command."""
        return {
            Command.ADMIT: self.admit,
            Command.START: self.start,
            Command.PROBE: self.probe,
            Command.ROUTE: self.route,
            Command.WATCH: self.watch,
            Command.STOP: self.stop,
        }

    def forget(self, server: Server) -> None:
        """Drop the spawner object of a server that is at rest."""
        self._spawners.pop(server.id, None)

    def spawner(self, server: Server) -> Spawner:
        """Return the spawner object of *server*, made from the store if this process has none yet."""
        if server.id not in self._spawners:
            spawner = self._new_spawner(server)
            spawner.load_state(server.spawner_state)
            spawner.checkpoint = self._checkpoint(server, spawner)
            self._spawners[server.id] = spawner
        return self._spawners[server.id]

    def _checkpoint(self, server: Server, spawner: Spawner) -> Callable[[], Any]:
        async def checkpoint() -> None:
            async with self._ctx.store.transaction() as tx:
                current = await tx.servers.checkpoint(server.id, server.attempt, spawner.get_state())
            if not current:
                raise PerijoveError(Code.CONFLICT, "This start is over: the server was stopped or started anew.")

        return checkpoint

    async def admit(self, server: Server) -> Outcome:
        """Wait until there is room for one more start."""
        told = -1
        with self._signals.subscribe(server.id) as news:
            while True:
                async with self._ctx.store.transaction() as tx:
                    position = queue_position(server, await tx.servers.list_active(), self._limits)
                if position == 0:
                    return Outcome(Event.ADMITTED)
                if position != told:
                    told = position
                    await self._lifecycle.note(server, 0, f"Waiting for a free place: number {position} in the queue")
                await news.wait(QUEUE_LOOK)

    async def start(self, server: Server) -> Outcome:
        """Let the spawner start the server; what an earlier hub process left half-started is ended first."""
        self.forget(server)
        spawner = self.spawner(server)
        if server.spawner_state:
            await self._end(server, spawner)
            spawner.clear_state()
        try:
            spawner.api_token, spawner.oauth_client_id = await self._credentials(server, spawner)
            await call_plugin(
                self._authenticator.pre_spawn_start, spawner.user, spawner, timeout=HOOK_TIMEOUT
            )
            async with asyncio.timeout(HOOK_TIMEOUT):
                await spawner.run_hook(spawner.pre_spawn_hook)
            url = _as_url(await self._start_with_progress(server, spawner))
            await spawner.checkpoint()
        except TimeoutError:
            return await self._broke(spawner, timed_out("start", spawner.start_timeout))
        except PerijoveError as error:
            return await self._broke(spawner, refused(error.message))
        except Exception as error:
            return await self._broke(spawner, _unexpected(server, "starting the server", error))
        return Outcome(Event.STARTED, url=url)

    async def _start_with_progress(self, server: Server, spawner: Spawner) -> Any:
        async def follow() -> None:
            async for step in spawner.progress():
                message = str(step.get("message", ""))
                await self._lifecycle.note(server, min(max(int(step.get("progress", 0)), 10), 49), message)

        follower = asyncio.ensure_future(follow())
        try:
            return await call_plugin(spawner.start, timeout=spawner.start_timeout)
        finally:
            follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await follower
                except Exception:
                    log.exception("the spawner's progress failed", server=server.full_name)

    async def _credentials(self, server: Server, spawner: Spawner) -> tuple[str, str]:
        """Make the server's token and OAuth client, in place of those of an earlier attempt."""
        value = new_secret()
        token_hash = hash_token(value)
        client_id = server_client_id(server.user_name, server.name)
        prefix = server_prefix(self._base_url, server.user_name, server.name)
        async with self._ctx.store.transaction() as tx:
            await tx.tokens.delete_of_server(server.id)
            await tx.oauth.put_client(
                OAuthClient(
                    client_id=client_id,
                    secret_hash=token_hash,
                    redirect_uri=f"{spawner.hub.public_host}{prefix}oauth_callback",
                    description=f"Server at {prefix}",
                    server_id=server.id,
                    server_name=server.full_name,
                )
            )
            await tx.tokens.add(
                Token(
                    id=0,
                    token_hash=token_hash,
                    owner_kind="user",
                    owner_id=server.user_id,
                    owner_name=server.user_name,
                    scopes=DEFAULT_ROLES["server"].scopes,
                    created=self._ctx.clock.now(),
                    note=f"Server at {prefix}",
                    server_id=server.id,
                )
            )
        return value, client_id

    async def probe(self, server: Server) -> Outcome:
        """Wait until the server answers HTTP, or ends."""
        spawner = self.spawner(server)
        url = f"{server.url}{server_prefix(self._base_url, server.user_name, server.name)}api"
        exit_watch = asyncio.ensure_future(self._exited(spawner))
        pause = PROBE_FIRST
        try:
            async with asyncio.timeout(spawner.http_timeout):
                while not await self._probe.answers(url):
                    done, _ = await asyncio.wait({exit_watch}, timeout=pause)
                    if done:
                        return await self._broke(spawner, await self._ended(spawner, exit_watch.result(), starting=True))
                    pause = min(pause * 1.5, PROBE_LONGEST)
        except TimeoutError:
            return await self._broke(spawner, timed_out("answer", spawner.http_timeout))
        finally:
            exit_watch.cancel()
        return Outcome(Event.ANSWERED)

    async def route(self, server: Server) -> Outcome:
        """Let the proxy send the server's traffic to it."""
        route = server_route(self._base_url, server)
        spawner = self.spawner(server)
        try:
            async with asyncio.timeout(spawner.http_timeout):
                while True:
                    try:
                        await self._proxy.add_route(route.routespec, route.target, route.data)
                    except PerijoveError as error:
                        log.warning("route not added yet", server=server.full_name, reason=error.message)
                        await asyncio.sleep(PROBE_LONGEST)
                    else:
                        return Outcome(Event.ROUTED)
        except TimeoutError:
            return await self._broke(spawner, refused("The proxy did not take the server's route."))

    async def watch(self, server: Server) -> Outcome:
        """Return when a ready server has ended by itself."""
        fresh = server.id not in self._spawners
        spawner = self.spawner(server)
        if fresh:
            self._lifecycle.adopted(server)
        status = await self._exited(spawner)
        return await self._broke(spawner, await self._ended(spawner, status, starting=False))

    async def _exited(self, spawner: Spawner) -> int | None:
        """Return when the spawner says that the server has ended: its exit status, or None if nobody knows that.

        Not knowing whether it runs is not ending: then this goes on asking.
        """
        while (status := await self._poll(spawner)) is None:
            if not isinstance(spawner, SignalsExit):
                await asyncio.sleep(min(spawner.poll_interval, EXIT_LOOK))
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(spawner.poll_interval, EXIT_LOOK)):
                    if (known := await spawner.wait_exit()) is not None:
                        return known
                    # It says "ended" without a status; poll() has the last word.
                    await asyncio.sleep(PROBE_FIRST)
        return status

    async def _poll(self, spawner: Spawner) -> int | None:
        """Return the exit status; None if it runs or if that cannot be found out."""
        try:
            status = await call_plugin(spawner.poll, timeout=POLL_TIMEOUT)
        except Exception as error:
            log.warning("poll failed; the server's state is unknown", user=spawner.user.name, error=repr(error)[:200])
            return None
        return status if status is None else int(status)

    async def stop(self, server: Server) -> Outcome:
        """End everything of the server: its route, its process, its credentials."""
        spawner = self.spawner(server)
        route = server_route(self._base_url, server)
        try:
            await self._proxy.delete_route(route.routespec)
        except PerijoveError as error:
            # Once the server is at rest, the next look at the proxy's table removes the route.
            log.warning("route not deleted yet", server=server.full_name, reason=error.message)
        await self._end(server, spawner)
        async with self._ctx.store.transaction() as tx:
            await tx.tokens.delete_of_server(server.id)
            await tx.oauth.delete_client_of(server.id)
        await self._after_stop(server, spawner)
        return Outcome(Event.GAVE_UP if server.failure is not None else Event.ENDED)

    async def _end(self, server: Server, spawner: Spawner) -> None:
        """Return when nothing of the server runs; try for as long as that is not known."""
        pause = PROBE_LONGEST
        while True:
            try:
                await call_plugin(spawner.stop, timeout=STOP_TIMEOUT)
                return
            except Exception:
                log.exception("stopping failed; trying again", server=server.full_name)
            if await self._poll(spawner) is not None:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, STOP_RETRY_MAX)

    async def _after_stop(self, server: Server, spawner: Spawner) -> None:
        try:
            async with asyncio.timeout(HOOK_TIMEOUT):
                await spawner.run_hook(spawner.post_stop_hook)
                await call_plugin(self._authenticator.post_spawn_stop, spawner.user, spawner)
        except Exception:
            log.exception("a hook failed after the server stopped", server=server.full_name)
        spawner.clear_state()

    async def _ended(self, spawner: Spawner, status: int | None, *, starting: bool) -> Failure:
        return ended(status, await self._log_of(spawner), while_starting=starting)

    async def _broke(self, spawner: Spawner, failure: Failure) -> Outcome:
        """Return the outcome of a failure, with the server's last lines and the time added where they are missing."""
        text = failure.log or await self._log_of(spawner)
        return Outcome(Event.BROKE, Failure(failure.reason, failure.advice, text, self._ctx.clock.now()))

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
    if isinstance(address, str) and address.startswith(("http://", "https://")):
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{rest.split('/', 1)[0]}"
    try:
        host, port = address
        number = int(port)
    except (TypeError, ValueError):
        raise PerijoveError(Code.FAILED, "The spawner did not say where the server listens.") from None
    host = host or "127.0.0.1"
    return f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}"


