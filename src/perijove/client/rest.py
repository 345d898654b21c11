"""The hub's REST API for programs: one method a question, answers as the models of `perijove.wire.models`.

A hub that restarts, or is asked too much at once, is asked again after a while; what must not be done twice is repeated
only if the hub itself said that it did not do it. Lists come page by page.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from perijove.client.environment import (
    SSL_CERTFILE,
    SSL_CLIENT_CA,
    SSL_KEYFILE,
    HubEnvironment,
    InvalidEnvironment,
)
from perijove.client.transport import HubUnavailable, Reply, StreamRefused, Transport
from perijove.wire import environment as names
from perijove.wire.models import (
    GroupModel,
    ProgressModel,
    ServerModel,
    ServiceModel,
    ShareCodeModel,
    ShareModel,
    TokenModel,
    UserModel,
)
from perijove.wire.prefixes import escape_name

T = TypeVar("T")
TIMEOUT = 30.0
"""Seconds for one answer; a hub takes up to ten to say whether a server is ready already."""
PATIENCE = 60.0
LONGEST_PAUSE = 15.0
MAX_ANSWER = 16 * 1024 * 1024
MAX_AT_ONCE = 20
PAGE_SIZE = 200
PAGED = "application/jupyterhub-pagination+json"
STREAM_IDLE = 60.0
"""Seconds; a hub that is well says something at least every eight."""
START_TIMEOUT = 600.0
MAX_MESSAGE = 500
BUSY = frozenset({429, 503})
BROKEN = frozenset({502, 503, 504})


class ApiError(Exception):
    """The hub answered, and the answer is no.

    Attributes:
        status: of HTTP: 400 for a question that makes no sense, 403 for one that the token does not permit, 404 for
            what is not there or not to be seen, 409 for what exists already.
        message: the hub's own words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class StartFailed(Exception):
    """A server did not start; the message is the hub's own."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to ask a hub that has trouble; *patience* is how many seconds to go on for in all."""

    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


def pause_before_retry(method: str, reply: Reply | None, attempt: int) -> float | None:
    """Return how many seconds to wait before asking again, or None if that is not to be done.

    *reply* is None for no answer at all; *attempt* counts from 0.
    """
    if reply is not None and reply.status in BUSY and (wanted := reply.headers.get("retry-after", "")).isdecimal():
        return float(wanted)
    if method == "GET" and (reply is None or reply.status in BROKEN):
        return min(LONGEST_PAUSE, 0.5 * 2.0**attempt)
    return None


class HubClient:
    """Asks the hub on behalf of one token. Every method may raise `ApiError` or `HubUnavailable`.

    Names are given as they are and escaped here; an empty server name is the default server.
    """

    def __init__(
        self, api_url: str, token: str, *, transport: Transport | None = None, retry: Retry | None = None
    ) -> None:
        """Prepare to ask the hub whose API is at *api_url*, such as ``http://127.0.0.1:8081/hub/api``."""
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._transport = transport or Transport(max_answer=MAX_ANSWER)
        self._retry = retry or Retry()
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    @classmethod
    def of(cls, environment: HubEnvironment) -> HubClient:
        """Return a client that asks as the program that *environment* describes."""
        transport = Transport(
            keyfile=environment.keyfile,
            certfile=environment.certfile,
            client_ca=environment.client_ca,
            max_answer=MAX_ANSWER,
        )
        return cls(environment.api_url, environment.api_token, transport=transport)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> HubClient:
        """Return a client for the hub and the token in *environ*, by default the process's own.

        Raises:
            InvalidEnvironment: one of them is missing.
        """
        env = os.environ if environ is None else environ
        if missing := [f"{name} is missing" for name in (names.API_URL, names.API_TOKEN) if not env.get(name)]:
            raise InvalidEnvironment(missing)
        keyfile, certfile, client_ca = (env.get(name, "") for name in (SSL_KEYFILE, SSL_CERTFILE, SSL_CLIENT_CA))
        transport = Transport(keyfile=keyfile, certfile=certfile, client_ca=client_ca, max_answer=MAX_ANSWER)
        return cls(env[names.API_URL], env[names.API_TOKEN], transport=transport)

    async def __aenter__(self) -> HubClient:
        """Return itself."""
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Give back the connections."""
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    # Questions of any kind

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        accept: str = "application/json",
    ) -> tuple[int, Any]:
        """Return status and JSON of the answer to any question; *path* is below the API's address, names escaped."""
        headers = {"Authorization": f"token {self._token}", "Accept": accept}
        text = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(body)
        reply = await self._send(method, self._url(path, query), headers, text)
        if reply.status >= 300:
            raise ApiError(reply.status, message_of(reply))
        try:
            return reply.status, json.loads(reply.body) if reply.body.strip() else None
        except ValueError:
            # Some answers are a sentence; what matters of them is the status.
            return reply.status, None

    async def pages(self, path: str, query: Mapping[str, object] | None = None) -> AsyncIterator[Any]:
        """Yield the items of a list of any length, asking for a page at a time."""
        offset: int | None = 0
        while offset is not None:
            asked = {**(query or {}), "offset": offset, "limit": PAGE_SIZE}
            _, page = await self.ask("GET", path, query=asked, accept=PAGED)
            if not isinstance(page, dict) or "_pagination" not in page:
                raise HubUnavailable("the hub answered with something that is no page of a list")
            for item in page["items"]:
                yield item
            # Only the number is taken: the address was made for whoever sees the hub under the name in it.
            following = (page["_pagination"].get("next") or {}).get("offset")
            offset = following if isinstance(following, int) and following > offset else None

    def _url(self, path: str, query: Mapping[str, object] | None) -> str:
        text = urlencode({key: value for key, value in (query or {}).items() if value is not None})
        return f"{self._api_url}{path}{'?' if text else ''}{text}"

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Reply:
        retry, attempt = self._retry, 0
        deadline = retry.clock() + retry.patience
        while True:
            reply, problem = None, HubUnavailable("the hub has trouble")
            try:
                async with self._at_once:
                    reply = await self._transport.send(url, method=method, headers=headers, body=body, timeout=TIMEOUT)
            except HubUnavailable as error:
                problem = error
            pause = pause_before_retry(method, reply, attempt)
            if pause is not None:
                # Spread, so that many who were turned away together do not come back together.
                pause *= 1 + retry.jitter() / 4
            if pause is None or retry.clock() + pause > deadline:
                if reply is None or reply.status in BROKEN:
                    raise problem if reply is None else HubUnavailable(f"the hub answered {reply.status}")
                return reply
            await retry.sleep(pause)
            attempt += 1

    # The hub and oneself

    async def version(self) -> str:
        """Return the version of the hub's protocol; no token is needed."""
        return str((await self._get(""))["version"])

    async def info(self) -> dict[str, Any]:
        """Return what the hub runs on (``read:hub``)."""
        return cast("dict[str, Any]", await self._get("/info"))

    async def me(self) -> UserModel | ServiceModel:
        """Return the owner of the token, with the token's ``scopes``."""
        return cast("UserModel | ServiceModel", await self._get("/user"))

    # Users

    def users(
        self,
        *,
        state: str | None = None,
        name_filter: str | None = None,
        sort: str | None = None,
        include_stopped_servers: bool = False,
    ) -> AsyncIterator[UserModel]:
        """Yield users (``list:users``).

        Args:
            state: only those with servers that are ``active`` or ``ready``, or ``inactive`` ones.
            name_filter: a part of the name.
            sort: ``id``, ``name`` or ``last_activity``; a ``-`` before it turns it round.
            include_stopped_servers: whether models hold servers that do not run.
        """
        query = {"state": state, "name_filter": name_filter, "sort": sort}
        stopped = {"include_stopped_servers": "true"} if include_stopped_servers else {}
        return self.pages("/users", {**query, **stopped})

    async def user(self, name: str) -> UserModel:
        """Return one user (``read:users``)."""
        return cast("UserModel", await self._get(_user(name)))

    async def create_users(self, names: Iterable[str], *, admin: bool = False) -> list[UserModel]:
        """Create users and return those that did not exist (``admin:users``)."""
        body = {"usernames": list(names), "admin": admin}
        return cast("list[UserModel]", (await self.ask("POST", "/users", body=body))[1])

    async def update_user(self, name: str, changes: Mapping[str, object]) -> UserModel:
        """Change ``name``, ``admin`` and the like of a user and return them (``admin:users``)."""
        return cast("UserModel", (await self.ask("PATCH", _user(name), body=dict(changes)))[1])

    async def delete_user(self, name: str) -> None:
        """Delete a user with everything that is theirs (``delete:users``)."""
        await self.ask("DELETE", _user(name))

    # Servers

    async def server(self, user: str, server: str = "") -> ServerModel:
        """Return one server (``read:servers``)."""
        return cast("ServerModel", await self._get(_server(user, server)))

    async def start_server(self, user: str, server: str = "", *, options: Mapping[str, object] | None = None) -> bool:
        """Start a server (``start:servers``) and say whether it is ready; if not, `progress` tells when it is."""
        body = {"user_options": dict(options)} if options is not None else None
        status, _ = await self.ask("POST", _server(user, server), body=body)
        return status == 201

    async def stop_server(self, user: str, server: str = "", *, remove: bool = False) -> bool:
        """Stop a server (``delete:servers``) and say whether it is stopped already.

        *remove* also deletes it, which only a server with a name can be.
        """
        status, _ = await self.ask("DELETE", _server(user, server), body={"remove": True} if remove else None)
        return status == 204

    async def progress(
        self, user: str, server: str = "", *, timeout: float = START_TIMEOUT
    ) -> AsyncIterator[ProgressModel]:
        """Yield what happens while a server starts (``read:servers``), until it is ready or has failed.

        Raises:
            HubUnavailable: also if that took more than *timeout* seconds.
        """
        url = self._url(f"{_server(user, server)}/progress", None)
        headers = {"Authorization": f"token {self._token}", "Accept": "text/event-stream"}
        rest = b""
        try:
            async for piece in self._transport.stream(url, headers=headers, idle=STREAM_IDLE, timeout=timeout):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.startswith(b"data:"):
                        yield cast("ProgressModel", json.loads(line[len(b"data:") :]))
        except StreamRefused as refused:
            raise ApiError(refused.reply.status, message_of(refused.reply)) from None
        except ValueError as error:
            raise HubUnavailable("the hub sent an event that cannot be read") from error

    async def run_server(
        self,
        user: str,
        server: str = "",
        *,
        options: Mapping[str, object] | None = None,
        timeout: float = START_TIMEOUT,
    ) -> ServerModel:
        """Start a server, wait until it is ready and return it.

        Raises:
            StartFailed: with the hub's reason.
        """
        if not await self.start_server(user, server, options=options):
            last: ProgressModel | None = None
            async for event in self.progress(user, server, timeout=timeout):
                last = event
            if last is None or not last.get("ready"):
                raise StartFailed((last and last["message"]) or "the hub does not say why")
        return await self.server(user, server)

    # Tokens

    async def tokens(self, user: str) -> list[TokenModel]:
        """Return a user's tokens, without their values (``read:tokens``)."""
        return cast("list[TokenModel]", (await self._get(f"{_user(user)}/tokens"))["api_tokens"])

    async def create_token(
        self, user: str, *, note: str = "", expires_in: int | None = None, scopes: Iterable[str] | None = None
    ) -> TokenModel:
        """Make a token for a user (``tokens``) and return it with its value.

        *expires_in* is in seconds; without *scopes* the token may do all that the user may.
        """
        wanted = {"note": note or None, "expires_in": expires_in, "scopes": None if scopes is None else list(scopes)}
        body = {key: value for key, value in wanted.items() if value is not None}
        return cast("TokenModel", (await self.ask("POST", f"{_user(user)}/tokens", body=body))[1])

    async def revoke_token(self, user: str, token_id: str) -> None:
        """Revoke the token with that id (``tokens``)."""
        await self.ask("DELETE", f"{_user(user)}/tokens/{escape_name(token_id)}")

    # Groups

    def groups(self) -> AsyncIterator[GroupModel]:
        """Yield all groups (``list:groups``)."""
        return self.pages("/groups")

    async def group(self, name: str) -> GroupModel:
        """Return one group (``read:groups``)."""
        return cast("GroupModel", await self._get(_group(name)))

    async def create_group(self, name: str, users: Iterable[str] = ()) -> GroupModel:
        """Create a group with *users* in it (``admin:groups``)."""
        return cast("GroupModel", (await self.ask("POST", _group(name), body={"users": list(users)}))[1])

    async def delete_group(self, name: str) -> None:
        """Delete a group (``delete:groups``)."""
        await self.ask("DELETE", _group(name))

    async def add_to_group(self, name: str, users: Iterable[str]) -> GroupModel:
        """Put *users* into a group and return it (``groups``)."""
        return cast("GroupModel", (await self.ask("POST", f"{_group(name)}/users", body={"users": list(users)}))[1])

    async def remove_from_group(self, name: str, users: Iterable[str]) -> GroupModel:
        """Take *users* out of a group and return it (``groups``)."""
        return cast("GroupModel", (await self.ask("DELETE", f"{_group(name)}/users", body={"users": list(users)}))[1])

    async def set_group_properties(self, name: str, properties: Mapping[str, object]) -> GroupModel:
        """Replace a group's properties and return it (``groups``)."""
        return cast("GroupModel", (await self.ask("PUT", f"{_group(name)}/properties", body=dict(properties)))[1])

    # Services

    async def services(self) -> dict[str, ServiceModel]:
        """Return all services by name (``list:services``)."""
        return cast("dict[str, ServiceModel]", await self._get("/services"))

    async def service(self, name: str) -> ServiceModel:
        """Return one service (``read:services``)."""
        return cast("ServiceModel", await self._get(f"/services/{escape_name(name)}"))

    # Shares

    def shares(self, owner: str, server: str | None = None) -> AsyncIterator[ShareModel]:
        """Yield what *owner* shares (``read:shares``): of one server, or of all where *server* is None."""
        return self.pages(_shares("shares", owner, server))

    def shared_with(self, user: str) -> AsyncIterator[ShareModel]:
        """Yield what is shared with a user, through groups included (``read:users:shares``)."""
        return self.pages(f"{_user(user)}/shared")

    async def share(
        self, owner: str, server: str = "", *, user: str = "", group: str = "", scopes: Iterable[str] = ()
    ) -> ShareModel:
        """Share a server with a *user* or a *group* (``shares``); without *scopes* they may enter it."""
        body = _grantee(user, group, scopes)
        return cast("ShareModel", (await self.ask("POST", _shares("shares", owner, server), body=body))[1])

    async def unshare(
        self, owner: str, server: str = "", *, user: str = "", group: str = "", scopes: Iterable[str] = ()
    ) -> None:
        """Take *scopes*, or all, of a share back (``shares``); with neither user nor group all shares of the server."""
        path = _shares("shares", owner, server)
        if user or group:
            await self.ask("PATCH", path, body=_grantee(user, group, scopes))
        else:
            await self.ask("DELETE", path)

    def share_codes(self, owner: str, server: str | None = None) -> AsyncIterator[ShareCodeModel]:
        """Yield the codes of one server, or of all where *server* is None, without their values (``read:shares``)."""
        return self.pages(_shares("share-codes", owner, server))

    async def create_share_code(
        self, owner: str, server: str = "", *, scopes: Iterable[str] = (), expires_in: int | None = None
    ) -> ShareCodeModel:
        """Make a code that is good for *expires_in* seconds, and return it with its value (``shares``)."""
        body = {key: value for key, value in (("scopes", list(scopes)), ("expires_in", expires_in)) if value}
        return cast("ShareCodeModel", (await self.ask("POST", _shares("share-codes", owner, server), body=body))[1])

    async def delete_share_code(self, owner: str, server: str = "", *, code_id: str) -> None:
        """Delete the code with that id (``shares``)."""
        await self.ask("DELETE", _shares("share-codes", owner, server), query={"id": code_id})

    async def _get(self, path: str) -> Any:
        return (await self.ask("GET", path))[1]


def run(question: Callable[[HubClient], Awaitable[T]], environ: Mapping[str, str] | None = None) -> T:
    """Return the answer to *question*, for scripts without an event loop: ``run(lambda hub: hub.user("ada"))``.

    Raises:
        InvalidEnvironment: *environ*, by default the process's own, lacks ``JUPYTERHUB_API_URL`` or the token.
    """

    async def answer() -> T:
        async with HubClient.from_environ(environ) as hub:
            return await question(hub)

    return asyncio.run(answer())


def message_of(reply: Reply) -> str:
    """Return what the hub says about an error, shortened."""
    try:
        message = json.loads(reply.body)["message"]
    except (ValueError, KeyError, TypeError):
        message = None
    return (message if isinstance(message, str) else "the hub gives no reason")[:MAX_MESSAGE]


def _user(name: str) -> str:
    return f"/users/{escape_name(name)}"


def _server(user: str, server: str) -> str:
    return f"{_user(user)}/servers/{escape_name(server)}" if server else f"{_user(user)}/server"


def _group(name: str) -> str:
    return f"/groups/{escape_name(name)}"


def _shares(kind: str, owner: str, server: str | None) -> str:
    path = f"/{kind}/{escape_name(owner)}"
    return path if server is None else f"{path}/{escape_name(server)}"


def _grantee(user: str, group: str, scopes: Iterable[str]) -> dict[str, object]:
    fields = (("user", user), ("group", group), ("scopes", list(scopes)))
    return {key: value for key, value in fields if value}
