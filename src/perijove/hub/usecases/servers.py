"""Servers: asked for, waited for, shown, stopped, deleted. The life cycle itself is driven by `usecases.lifecycle`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core import user_options
from perijove.hub.core.admission import Limits, Place, check_active
from perijove.hub.core.errors import Code, PerijoveError, conflict, forbidden, invalid, not_found
from perijove.hub.core.events import ServerStartRequested, ServerStopRequested
from perijove.hub.core.names import shorten, validate_server_name
from perijove.hub.core.paging import Page
from perijove.hub.core.principals import Principal
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import AT_REST, Event, Server, State, after, changed_at_rest
from perijove.hub.core.site import Site
from perijove.hub.core.users import User
from perijove.hub.core.visibility import sees_server_state
from perijove.hub.ports.store import ServerQuery, Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.lifecycle import PROGRESS, Lifecycle
from perijove.hub.usecases.queue import Queue
from perijove.hub.usecases.reach import reached
from perijove.hub.usecases.refreshes import Refreshes
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.spawners import Spawners

LOOK = 1.0
KEEP_ALIVE = 8.0
MAX_DISPLAY_NAME = 255
CHANGED_MEANWHILE_TRIES = 5


def _always(server: Server) -> bool:
    return True


class ServerRules(Struct, frozen=True):
    """What the configuration says about servers.

    Attributes:
        site: where browsers find servers.
        named_servers: whether a user may have more than the default server.
        named_server_limit: how many named ones at most; 0 for no limit.
        limits: how many may run and start at once.
    """

    site: Site
    named_servers: bool
    named_server_limit: int
    limits: Limits


class Servers:
    """The use cases of servers."""

    def __init__(
        self,
        ctx: Context,
        lifecycle: Lifecycle,
        signals: Signals,
        rules: ServerRules,
        refreshes: Refreshes,
        spawners: Spawners,
    ) -> None:
        self._ctx = ctx
        self._refreshes = refreshes
        self.spawners = spawners
        self._lifecycle = lifecycle
        self._signals = signals
        self.rules = rules
        self._queue = Queue(ctx, lifecycle, signals, rules.limits)

    def url(self, server: Server) -> str:
        """Return where browsers reach *server*: a path, or a full URL where its owner has a host."""
        return self.rules.site.server_url(server.user_name, server.name)

    async def get(self, principal: Principal, user_name: str, name: str, *, scope: str = "read:servers") -> Server:
        """Return a server; one that never ran is shown as stopped if it is the default one.

        Raises:
            PerijoveError: FORBIDDEN or NOT_FOUND.
        """
        principal.require_some(scope)
        async with self._ctx.store.reading() as tx:
            user = await reached(tx, principal, scope, name=user_name, server=name)
            server = await tx.servers.get(user.id, name)
        if server is None and name:
            raise not_found(f"{user_name} has no server named {shorten(name)!r}")
        return server or Server(0, user.id, user.name, name)

    async def place(self, server: Server) -> Place | None:
        """Return where *server* stands in the queue of starts; None if it does not wait there."""
        return await self._queue.place(server) if server.state is State.QUEUED else None

    async def list(self, principal: Principal, query: ServerQuery) -> Page[Server]:
        """Return servers that *query* asks for, as far as the caller may read them. Raises PerijoveError FORBIDDEN."""
        limits = principal.limits("read:servers", "user", "group", "server")
        if limits is not None:
            query = replace(query, owners=limits["user"], groups=limits["group"], named=limits["server"])
        async with self._ctx.store.reading() as tx:
            return await tx.servers.list(query)

    async def count(self, principal: Principal) -> Mapping[State, int]:
        """Return how many servers are in each state. Raises PerijoveError FORBIDDEN unless the caller may read all."""
        principal.require("read:servers")
        async with self._ctx.store.reading() as tx:
            return await tx.servers.count_by_state()

    async def shows_state(self, principal: Principal, server: Server) -> bool:
        """Say whether *principal* may see what the spawner keeps about *server*."""
        if not principal.may_some("admin:server_state"):
            return False
        async with self._ctx.store.reading() as tx:
            owner = await tx.users.by_id(server.user_id)
        return owner is not None and sees_server_state(principal, owner, server.name)

    async def start(
        self,
        principal: Principal,
        user_name: str,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        display_name: str | None = None,
    ) -> Server:
        """Ask for a server and return it as it is now, on its way up.

        Args:
            principal: whoever asks.
            user_name: whose server.
            name: its name; empty for the default server.
            options: what its owner chose; None for what was chosen the last time.
            display_name: a name for people; None to leave it.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID for a bad name, or if it runs or is on its way already (code
                CONFLICT); LIMITED over a limit.
        """
        principal.require_some("start:servers")
        validate_server_name(name)
        _check_display_name(display_name)
        chosen = None if options is None else user_options.stored(options)
        await self._refresh_before_start(principal, user_name, name)
        await self._try_options(principal, user_name, name, chosen)
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
            server = await tx.servers.get(user.id, name) or await self._add(tx, user, name)
            if user.remove_wanted:
                raise conflict(f"{user.name} is being deleted")
            if server.state not in AT_REST:
                raise conflict(_busy(server))
            check_active(self.rules.limits, len(await tx.servers.list_active()))
            now = self._ctx.clock.now()
            changed = after(server, Event.START_REQUESTED, now)
            changed = replace(
                changed,
                user_options=server.user_options if chosen is None else chosen,
                display_name=server.display_name if display_name is None else display_name,
            )
            await tx.servers.save(changed)
            await tx.progress.forget_before(server.id, changed.attempt)
            progress, message = PROGRESS[Event.START_REQUESTED]
            await tx.progress.append(ProgressEvent(0, server.id, changed.attempt, now, progress, message))
        self._ctx.telemetry.emit(ServerStartRequested(changed.full_name, principal.name))
        self._lifecycle.wake(changed.id, changed.state)
        return changed

    async def _try_options(
        self, principal: Principal, user_name: str, name: str, chosen: Mapping[str, Any] | None
    ) -> None:
        """Refuse options that would make the start fail, those of the last time too. Raises PerijoveError INVALID."""
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
            server = await tx.servers.get(user.id, name) or Server(0, user.id, user.name, name)
        if server.active:
            return
        await self.spawners.try_out(user, server if chosen is None else replace(server, user_options=chosen))

    async def _refresh_before_start(self, principal: Principal, user_name: str, name: str) -> None:
        """Ask the authenticator about the owner, if it wants that. Raises PerijoveError FORBIDDEN, NOT_FOUND."""
        authenticator = self._refreshes.authenticator
        if not authenticator.refresh_pre_spawn:
            return
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
        # Whoever starts servers for others cannot sign in for them.
        themselves = principal.user_id == user.id and principal.token_id is None
        good = await self._refreshes.still_good(user.id, force=True)
        if not good and (themselves or authenticator.auth_refresh_strict):
            raise forbidden(f"{user.name} must sign in again before a server can start.")

    async def create(
        self,
        principal: Principal,
        user_name: str,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        display_name: str | None = None,
    ) -> Server:
        """Store a named server of a user, to be started later, and return it.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID for a bad name or over the limit; CONFLICT if there is one of
                that name, as there always is a default server.
        """
        principal.require_some("start:servers")
        validate_server_name(name)
        _check_display_name(display_name)
        options = None if options is None else user_options.stored(options)
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
            if not name or await tx.servers.get(user.id, name) is not None:
                raise conflict(f"{user_name} has a server named {name!r} already")
            server = changed_at_rest(await self._add(tx, user, name), display_name=display_name, options=options)
            await tx.servers.save(server)
        return server

    async def change(
        self,
        principal: Principal,
        user_name: str,
        name: str,
        *,
        new_name: str | None = None,
        options: Mapping[str, Any] | None = None,
        display_name: str | None = None,
    ) -> Server:
        """Change what is not None of a server that is at rest, and return it.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID for a bad name, over the limit of named servers or while it
                runs; CONFLICT if the new name is taken.
        """
        principal.require_some("start:servers")
        _check_display_name(display_name)
        options = None if options is None else user_options.stored(options)
        if new_name is not None:
            validate_server_name(new_name)
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
            if new_name is not None:
                principal.require("start:servers", user=user, server=new_name)
            server = await tx.servers.get(user.id, name)
            if server is None:
                if name:
                    raise not_found(f"{user_name} has no server named {shorten(name)!r}")
                server = await self._add(tx, user, name)
            if new_name is not None and new_name != name:
                if not new_name or await tx.servers.get(user.id, new_name) is not None:
                    raise conflict(f"{user_name} has a server named {new_name!r} already")
                if not name:
                    await self._check_room(tx, user)
            changed = changed_at_rest(server, name=new_name, display_name=display_name, options=options)
            await tx.servers.save(changed)
        return changed

    async def _add(self, tx: Transaction, user: User, name: str) -> Server:
        if name:
            await self._check_room(tx, user)
        return await tx.servers.add(user.id, name)

    async def _check_room(self, tx: Transaction, user: User) -> None:
        """Raise PerijoveError INVALID unless *user* may have one more named server."""
        if not self.rules.named_servers:
            raise invalid("Named servers are not enabled.")
        named = [server for server in await tx.servers.list_of([user.id]) if server.name]
        if self.rules.named_server_limit and len(named) >= self.rules.named_server_limit:
            raise invalid(f"User {user.name} already has the maximum of {self.rules.named_server_limit} named servers.")

    async def stop(self, principal: Principal, user_name: str, name: str, *, remove: bool = False) -> Server:
        """Ask for a server to be stopped, at whatever stage it is, and return it as it is now.

        Args:
            principal: whoever asks.
            user_name: whose server.
            name: its name; empty for the default server.
            remove: whether it is to be deleted as soon as it is at rest, whatever becomes of this hub process.

        Raises:
            PerijoveError: FORBIDDEN or NOT_FOUND; INVALID for the removal of a default server.
        """
        if remove and not name:
            raise invalid("The default server cannot be deleted.")
        server = await self.get(principal, user_name, name, scope="delete:servers")
        return await self.stop_for(server, by=principal.name, remove=remove)

    async def stop_for(
        self, server: Server, *, by: str, remove: bool = False, only_if: Callable[[Server], bool] = _always
    ) -> Server:
        """Ask for *server* to be stopped, and tell that it was *by* somebody's wish; see `stop_server`."""
        if self._refreshes.authenticator.refresh_pre_stop:
            # What ends the server may need what the authenticator keeps; nobody's server runs on for want of it.
            await self._refreshes.still_good(server.user_id, force=True)
        changed = await self.stop_server(server, remove=remove, only_if=only_if)
        if changed.version != server.version:
            self._ctx.telemetry.emit(ServerStopRequested(changed.full_name, by))
        return changed

    async def stop_all_of(self, principal: Principal, user: User) -> None:
        """Ask for all servers of *user* to be stopped, as far as *principal* may do that."""
        async with self._ctx.store.transaction() as tx:
            servers = await tx.servers.list_of([user.id])
        for server in servers:
            if server.active and principal.may("delete:servers", user=user, server=server.name):
                await self.stop(principal, user.name, server.name)

    async def stop_server(
        self, server: Server, *, remove: bool = False, only_if: Callable[[Server], bool] = _always
    ) -> Server:
        """Ask for *server* to be stopped, and deleted if *remove*; no error if it is at rest or on its way there.

        It is left alone if *only_if* says no of it as it is stored now.
        """
        for _ in range(CHANGED_MEANWHILE_TRIES):
            async with self._ctx.store.transaction() as tx:
                current = await tx.servers.by_id(server.id) if server.id else None
                if current is None or not only_if(current):
                    return server
                changed = _told_to_stop(current, self._ctx.clock.now(), remove)
                if changed is current:
                    return current
                try:
                    await tx.servers.save(changed)
                except PerijoveError as error:
                    if error.code is not Code.CONFLICT:
                        raise
                    continue
            self._lifecycle.wake(changed.id, changed.state)
            return changed
        raise conflict("The server is changing too quickly. Try again.")

    async def settle(self, server: Server, seconds: float) -> Server:
        """Return *server* once it is ready or at rest, gone if it is to be deleted; or as it is after *seconds*."""
        deadline = self._ctx.clock.monotonic() + seconds
        with self._signals.subscribe(server.id) as news:
            while True:
                async with self._ctx.store.transaction() as tx:
                    current = await tx.servers.by_id(server.id)
                if current is None:
                    return replace(server, state=State.STOPPED, remove_wanted=False)
                if current.state is State.READY or (current.state in AT_REST and not current.remove_wanted):
                    return current
                left = deadline - self._ctx.clock.monotonic()
                if left <= 0:
                    return current
                await news.wait(min(left, LOOK))

    async def stopped_within(self, server: Server, seconds: float) -> bool:
        """Stop *server* and say whether it was at rest after *seconds*."""
        return (await self.settle(await self.stop_server(server), seconds)).state in AT_REST

    async def history(self, server: Server) -> Sequence[ProgressEvent]:
        """Return the steps of the running attempt so far."""
        async with self._ctx.store.transaction() as tx:
            return await tx.progress.list(server.id, server.attempt)

    async def progress(
        self, principal: Principal, user_name: str, name: str, seen: int = 0
    ) -> AsyncGenerator[ProgressEvent | None, None]:
        """Return the steps of the running start, as they come; None now and then, to keep the connection.

        Args:
            principal: whoever asks.
            user_name: whose server.
            name: its name.
            seen: the id of the last step that the caller has; those up to it are left out.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID if the server is not starting and did not fail.
        """
        server = await self.get(principal, user_name, name)
        if not server.active and server.failure is None:
            raise invalid(f"{server.full_name} is not starting")
        if server.state is State.STOPPING and server.failure is None:
            raise invalid(f"{server.full_name} is stopping")
        return self._follow(server, seen)

    async def _follow(self, server: Server, seen: int) -> AsyncGenerator[ProgressEvent | None, None]:
        now = self._ctx.clock.now()
        if server.ready:
            yield ProgressEvent(seen, server.id, server.attempt, now, 100, "Server ready", "ready")
            return
        if server.failure is not None and not server.active:
            yield ProgressEvent(seen, server.id, server.attempt, now, 100, _end_of(server, server), "failed")
            return
        yield None
        quiet_since = self._ctx.clock.monotonic()
        with self._signals.subscribe(server.id) as news:
            while True:
                async with self._ctx.store.transaction() as tx:
                    events = await tx.progress.list(server.id, server.attempt, seen)
                    current = await tx.servers.by_id(server.id)
                place = await self.place(current) if events and current is not None else None
                for event in events:
                    seen = event.id
                    yield replace(event, queue=place)
                    if event.outcome:
                        return
                if current is None or current.attempt != server.attempt or current.state in AT_REST | {State.STOPPING}:
                    yield ProgressEvent(seen, server.id, server.attempt, now, 100, _end_of(server, current), "failed")
                    return
                if current.ready:
                    # The caller has seen the last step already.
                    yield ProgressEvent(seen, server.id, server.attempt, now, 100, "Server ready", "ready")
                    return
                if events or self._ctx.clock.monotonic() - quiet_since >= KEEP_ALIVE:
                    quiet_since = self._ctx.clock.monotonic()
                    yield None
                await news.wait(LOOK)


def _told_to_stop(server: Server, now: datetime, remove: bool) -> Server:
    """Return *server* as it is once it was told to stop; itself if that changes nothing."""
    changed = server
    if server.state not in AT_REST and server.state is not State.STOPPING:
        # The clock of stopping starts now, as the clock of starting did when it was asked for.
        changed = replace(after(server, Event.STOP_REQUESTED, now), requested=now)
    if remove and not server.remove_wanted:
        changed = replace(changed, remove_wanted=True, version=server.version + 1)
    return changed


def _end_of(server: Server, current: Server | None) -> str:
    """Say how the start of *server* ended, as far as its *current* row tells."""
    if current is not None and current.attempt == server.attempt and current.failure is not None:
        return f"Spawn failed: {current.failure.reason}"
    return "Spawn cancelled"


def _check_display_name(display_name: str | None) -> None:
    if display_name is not None and len(display_name) > MAX_DISPLAY_NAME:
        raise invalid(f"A display name has at most {MAX_DISPLAY_NAME} characters")


def _busy(server: Server) -> str:
    if server.ready:
        return f"{server.full_name} is already running"
    return f"{server.full_name} is pending {server.pending}"
