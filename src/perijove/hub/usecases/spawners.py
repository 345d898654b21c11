"""What spawners are asked beside starting and stopping: their form for options, and what they make of what was chosen.

Each question goes to a spawner object of its own, made from the store, so that nothing of it stays in the one that
starts the server.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import structlog
from traitlets import TraitError

from perijove.hub.core import user_options
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import shorten, validate_server_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import DURABLE, Server
from perijove.hub.core.users import User
from perijove.hub.ports.spawner import Spawner
from perijove.hub.ports.traits import MAX_TOLD, call_plugin, told_by
from perijove.hub.usecases.auth_states import StoredAuthState
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.people import for_plugins
from perijove.hub.usecases.reach import reached
from perijove.hub.usecases.time_limits import TooSlow, within

log = structlog.get_logger(__name__)
T = TypeVar("T")

QUESTION_TIMEOUT: Final = 30.0
"""Seconds within which a spawner must have made or read a form."""

READY_TIMEOUT: Final = 5.0
UNFIT: Final = (ValueError, TypeError, TraitError)
"""What a function of the configuration raises for options that do not fit."""

SpawnerFactory = Callable[[Server], Spawner]


class UnfitOptions(PerijoveError):
    """The options of a server are not what its spawner can take."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INVALID, message)


def made(ctx: Context, new_spawner: SpawnerFactory, server: Server) -> Spawner:
    """Return a new spawner object of *server*, with all that the store knows."""
    spawner = new_spawner(server)
    spawner.user = dataclasses.replace(spawner.user, auth_state=StoredAuthState(ctx, server.user_id))
    spawner.user_options = user_options.readable(server.user_options)
    spawner.durable = {kind: str(name) for kind, name in server.durable.get(DURABLE, {}).items()}
    spawner.load_state(server.run_state)
    return spawner


class Spawners:
    """The use cases of spawners."""

    def __init__(self, ctx: Context, new_spawner: SpawnerFactory) -> None:
        self._ctx = ctx
        self._new_spawner = new_spawner

    async def form(self, principal: Principal, user_name: str, name: str, *, nonce: str = "") -> tuple[str, Server]:
        """Return the fields of the form for a server as HTML, empty if there are none, and the server as it is.

        Args:
            principal: whoever wants to start it.
            user_name: whose server.
            name: its name; empty for the default server. It need not exist yet.
            nonce: what scripts in the form may carry to be let work.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID for a bad name; what the spawner says; FAILED if it breaks.
        """
        user, server = await self._place(principal, user_name, name)
        spawner = await self._as_known(user, server)
        spawner.script_nonce = nonce

        async def ask() -> str:
            await spawner.run_auth_state_hook()
            await spawner.apply_group_overrides()
            return await spawner.get_options_form()

        return await self._asked(ask(), "showing the form for options"), server

    async def from_form(
        self, principal: Principal, user_name: str, name: str, form: Mapping[str, list[Any]]
    ) -> dict[str, Any]:
        """Return the options that a form says, fit to be stored. Raises PerijoveError as `form` does, and INVALID."""
        spawner = await self._as_known(*await self._place(principal, user_name, name))
        options = await self._asked(spawner.run_options_from_form(form), "reading the form for options")
        return user_options.stored(options)

    async def from_query(
        self, principal: Principal, user_name: str, name: str, query: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        """Return the options that an address says, fit to be stored. Raises PerijoveError as `from_form` does."""
        spawner = await self._as_known(*await self._place(principal, user_name, name))
        options = await self._asked(call_plugin(spawner.options_from_query, query), "reading options from the address")
        return user_options.stored(options)

    async def try_out(self, user: User, server: Server) -> None:
        """Refuse options of *server* that would make its start fail, before anything waits for it.

        What breaks otherwise is left to the start itself, which has more ready for the hooks of the configuration.

        Raises:
            PerijoveError: INVALID.
        """
        if not server.user_options or not self._new_spawner(server).apply_user_options:
            return
        spawner = await self._as_known(user, server)

        async def make_ready() -> None:
            await spawner.run_auth_state_hook()
            await spawner.apply_group_overrides()

        try:
            await within(QUESTION_TIMEOUT, "get ready", make_ready())
            await within(QUESTION_TIMEOUT, "take its options", apply_options(spawner))
        except Exception as error:
            if isinstance(error, UnfitOptions):
                raise
            log.info("options can only be tried at the start", server=server.full_name, error=repr(error)[:200])

    async def ready_event(self, server: Server, event: dict[str, Any]) -> dict[str, Any]:
        """Return what followers are told when *server* is ready: *event*, or what the configuration makes of it."""
        spawner = made(self._ctx, self._new_spawner, server)
        if spawner.progress_ready_hook is None:
            return event
        try:
            changed = await call_plugin(spawner.progress_ready_hook, spawner, dict(event), timeout=READY_TIMEOUT)
            # Whatever it says, followers must see that this is the last event.
            told: dict[str, Any] = json.loads(json.dumps({**changed, "ready": True}))
        except Exception:
            log.exception("progress_ready_hook failed", server=server.full_name)
            return event
        return told

    async def server(self, principal: Principal, user_name: str, name: str) -> Server:
        """Return a server that is to be started, as it would be if there is none of that name yet.

        Raises:
            PerijoveError: FORBIDDEN, NOT_FOUND; INVALID for a bad name.
        """
        return (await self._place(principal, user_name, name))[1]

    async def _place(self, principal: Principal, user_name: str, name: str) -> tuple[User, Server]:
        principal.require_some("start:servers")
        validate_server_name(name)
        async with self._ctx.store.transaction() as tx:
            user = await reached(tx, principal, "start:servers", name=user_name, server=name)
            return user, await tx.servers.get(user.id, name) or Server(0, user.id, user.name, name)

    async def _as_known(self, user: User, server: Server) -> Spawner:
        spawner = made(self._ctx, self._new_spawner, server)
        async with self._ctx.store.transaction() as tx:
            spawner.user = await for_plugins(self._ctx, tx, user)
        return spawner

    async def _asked(self, question: Awaitable[T], what: str) -> T:
        """Return the answer to *question*; whatever goes wrong is an error in words for whoever waits for it."""
        try:
            return await within(QUESTION_TIMEOUT, "answer", question)
        except PerijoveError:
            raise
        except TooSlow:
            raise PerijoveError(Code.UNAVAILABLE, f"This took too long: {what}. Try again.") from None
        except Exception as error:
            if text := _unfit(error):
                raise UnfitOptions(text) from error
            error_id = uuid.uuid4().hex[:12]
            log.exception("the spawner broke", what=what, error_id=error_id)
            raise PerijoveError(
                Code.FAILED,
                f"Something went wrong while {what}. Ask your administrator and say the number {error_id}, which is in "
                "the hub's log.",
            ) from error


async def apply_options(spawner: Spawner) -> None:
    """Let what was chosen have its effect on *spawner*.

    Raises:
        UnfitOptions: it does not fit; the message is for whoever chose.
    """
    try:
        await spawner.run_apply_user_options()
    except Exception as error:
        if text := _unfit(error):
            raise UnfitOptions(text) from error
        raise


def _unfit(error: Exception) -> str:
    """Return what *error* says about options that do not fit; empty if it means something else."""
    if text := told_by(error):
        return text
    if not isinstance(error, UNFIT):
        return ""
    # The words of a TypeError are about code: they are for whoever wrote it.
    text = "" if isinstance(error, TypeError) else " ".join(str(error).split())
    if not text:
        log.warning("options do not fit", exc_info=error)
    return shorten(text, MAX_TOLD) or "These options do not fit."
