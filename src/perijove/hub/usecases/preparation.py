"""What a server gets before it starts: its token and OAuth client, and what hooks and options make of its spawner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from perijove.hub.core.oauth import OAuthClient, server_client_id
from perijove.hub.core.servers import Server
from perijove.hub.core.texts import say
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import Spawner, SpawnerUser
from perijove.hub.ports.store import Transaction
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.lifecycle import Lifecycle
from perijove.hub.usecases.people import for_plugins
from perijove.hub.usecases.spawners import apply_options
from perijove.hub.usecases.time_limits import within
from perijove.hub.usecases.tokens import new_secret

HOOK_TIMEOUT: Final = 60.0


class Preparation:
    """Prepares spawners for one start."""

    def __init__(self, ctx: Context, lifecycle: Lifecycle, authenticator: Authenticator) -> None:
        self._ctx = ctx
        self._lifecycle = lifecycle
        self._authenticator = authenticator

    async def prepare(self, server: Server, spawner: Spawner) -> None:
        """Give the spawner its credentials and call what prepares the start.

        Raises:
            TooSlow: a hook took too long.
            PerijoveError: INVALID for what is wrong with options and scopes; whatever a hook raises.
        """
        spawner.api_token, spawner.oauth_client_id = await self._credentials(server, spawner)

        async def hooks() -> None:
            await call_plugin(self._authenticator.pre_spawn_start, spawner.user, spawner)
            await spawner.run_auth_state_hook()
            await spawner.apply_group_overrides()
            await apply_options(spawner)
            await spawner.run_hook(spawner.pre_spawn_hook)

        await within(HOOK_TIMEOUT, say("get what it needs before its start"), hooks())

    async def _credentials(self, server: Server, spawner: Spawner) -> tuple[str, str]:
        """Make the server's token and OAuth client, in place of those of an earlier attempt."""
        value = new_secret()
        token_hash = hash_token(value)
        client_id = server_client_id(server.user_name, server.name)
        now = self._ctx.clock.now()
        configured = await self._scopes(spawner, spawner.server_token_scopes)
        allowed = spawner.oauth_allowed = await self._scopes(spawner, spawner.oauth_client_allowed_scopes)

        async def store(tx: Transaction) -> SpawnerUser:
            await tx.tokens.delete_of_server(server.id)
            default = None if configured else await tx.roles.get("server")
            scopes = configured or (() if default is None else default.scopes)
            await tx.oauth.put_client(
                OAuthClient(
                    client_id=client_id,
                    secret_hash=token_hash,
                    redirect_uri=spawner.callback_url,
                    description=f"Server at {spawner.prefix}",
                    server_id=server.id,
                    server_name=server.full_name,
                    allowed_scopes=allowed,
                )
            )
            await tx.tokens.add(
                Token(
                    id=0,
                    token_hash=token_hash,
                    owner_kind="user",
                    owner_id=server.user_id,
                    owner_name=server.user_name,
                    scopes=scopes,
                    created=now,
                    note=f"Server at {spawner.prefix}",
                    server_id=server.id,
                )
            )
            user = await tx.users.by_id(server.user_id)
            return spawner.user if user is None else await for_plugins(self._ctx, tx, user)

        spawner.user = await self._lifecycle.stored_of(server, store)
        return value, client_id

    async def _scopes(self, spawner: Spawner, given: Any) -> tuple[str, ...]:
        """Return the scopes of an option that is a list or a function of the spawner. Raises PerijoveError INVALID."""
        wanted: Sequence[Any] | None = given
        if callable(given):
            wanted = await within(spawner.start_timeout, say("start"), call_plugin(given, spawner))
        scopes = tuple(map(str, wanted or ()))
        for scope in scopes:
            self._ctx.catalogue.parse(scope)
        return scopes
