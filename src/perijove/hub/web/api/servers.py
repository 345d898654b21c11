"""Servers of users: start, stop, show, follow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response
from fastapi.responses import StreamingResponse

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server
from perijove.hub.web.callers import Hub, needs
from perijove.hub.web.models import server_model
from perijove.hub.web.state import HubState

router = APIRouter(tags=["servers"])
KEEP_ALIVE = ":\n\n"
MAX_OPTIONS_LENGTH = 65_536

Reader = Annotated[Principal, needs("read:servers")]
Starter = Annotated[Principal, needs("start:servers")]
Stopper = Annotated[Principal, needs("delete:servers")]
Json = Annotated[Any, Body()]


@router.get("/users/{user_name}/server", summary="Get the default server")
async def get_default(hub: Hub, principal: Reader, user_name: str) -> dict[str, Any]:
    """Give a user's default server."""
    return await _get(hub, principal, user_name, "")


@router.get("/users/{user_name}/servers/{server_name}", summary="Get a named server")
async def get_named(hub: Hub, principal: Reader, user_name: str, server_name: str) -> dict[str, Any]:
    """Give one of a user's servers."""
    return await _get(hub, principal, user_name, server_name)


@router.get("/users/{user_name}/servers/", include_in_schema=False)
async def get_unnamed(hub: Hub, principal: Reader, user_name: str) -> dict[str, Any]:
    """Give a user's default server, whose name is empty."""
    return await _get(hub, principal, user_name, "")


async def _get(hub: HubState, principal: Principal, user_name: str, name: str) -> dict[str, Any]:
    server = await hub.servers.get(principal, normalize_user_name(user_name), name)
    return dict(server_model(server, principal, hub.settings))


@router.post("/users/{user_name}/server", summary="Start the default server", status_code=201)
async def start_default(hub: Hub, principal: Starter, user_name: str, body: Json = None) -> Response:
    """Start a user's default server: 201 when it is ready in time, 202 while it is starting."""
    return await _start(hub, principal, user_name, "", body)


@router.post("/users/{user_name}/servers/{server_name}", summary="Start a named server", status_code=201)
async def start_named(
    hub: Hub, principal: Starter, user_name: str, server_name: str, body: Json = None
) -> Response:
    """Start one of a user's servers: 201 when it is ready in time, 202 while it is starting."""
    return await _start(hub, principal, user_name, server_name, body)


@router.post("/users/{user_name}/servers/", include_in_schema=False)
async def start_unnamed(hub: Hub, principal: Starter, user_name: str, body: Json = None) -> Response:
    """Start a user's default server, whose name is empty."""
    return await _start(hub, principal, user_name, "", body)


async def _start(hub: HubState, principal: Principal, user_name: str, name: str, body: Any) -> Response:
    options, display_name = start_request(body)
    user_name = normalize_user_name(user_name)
    try:
        server = await hub.servers.start(principal, user_name, name, options=options, display_name=display_name)
    except PerijoveError as error:
        if error.code is not Code.CONFLICT:
            raise
        server = await hub.servers.get(principal, user_name, name, scope="start:servers")
        if server.pending == "spawn":
            return Response(status_code=202, media_type="text/plain")
        raise invalid(error.message) from None
    settled = await hub.servers.settle(server, hub.settings.slow_start)
    if settled.ready:
        return Response(status_code=201, media_type="text/plain")
    if settled.failure is not None:
        raise PerijoveError(Code.FAILED, " ".join(filter(None, (settled.failure.reason, settled.failure.advice))))
    if not settled.active:
        raise PerijoveError(Code.CONFLICT, "The server was stopped before it was ready.")
    return Response(status_code=202, media_type="text/plain")


def start_request(body: Any) -> tuple[dict[str, Any] | None, str | None]:
    """Return user options and display name of a request to start a server; None for what it does not say.

    A body with neither of the two keys is the options as a whole: old scripts send it so.

    Raises:
        PerijoveError: INVALID.
    """
    if body is None:
        return None, None
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    if len(json.dumps(body)) > MAX_OPTIONS_LENGTH:
        raise invalid(f"user options have at most {MAX_OPTIONS_LENGTH} characters")
    if not body:
        return None, None
    if not body.keys() & {"user_options", "display_name"}:
        return body, None
    options, display_name = body.get("user_options"), body.get("display_name")
    if options is not None and not isinstance(options, dict):
        raise invalid("user_options must be a JSON object")
    if display_name is not None and not isinstance(display_name, str):
        raise invalid("display_name must be a string")
    return options, display_name


@router.delete("/users/{user_name}/server", summary="Stop the default server", status_code=204)
async def stop_default(hub: Hub, principal: Stopper, user_name: str, body: Json = None) -> Response:
    """Stop a user's default server: 204 when it is stopped, 202 while it is stopping."""
    return await _stop(hub, principal, user_name, "", body)


@router.delete("/users/{user_name}/servers/{server_name}", summary="Stop a named server", status_code=204)
async def stop_named(hub: Hub, principal: Stopper, user_name: str, server_name: str, body: Json = None) -> Response:
    """Stop one of a user's servers; with `{"remove": true}` it is deleted too."""
    return await _stop(hub, principal, user_name, server_name, body)


@router.delete("/users/{user_name}/servers/", include_in_schema=False)
async def stop_unnamed(hub: Hub, principal: Stopper, user_name: str, body: Json = None) -> Response:
    """Stop a user's default server, whose name is empty."""
    return await _stop(hub, principal, user_name, "", body)


async def _stop(hub: HubState, principal: Principal, user_name: str, name: str, body: Any) -> Response:
    remove = isinstance(body, dict) and bool(body.get("remove", False))
    user_name = normalize_user_name(user_name)
    if remove and not name:
        raise invalid("The default server cannot be deleted.")
    server = await hub.servers.stop(principal, user_name, name)
    settled = await hub.servers.settle(server, hub.settings.slow_stop)
    if settled.active:
        return Response(status_code=202, media_type="text/plain")
    if remove:
        await hub.servers.delete(principal, user_name, name)
    return Response(status_code=204)


@router.get("/users/{user_name}/server/progress", summary="Follow the start of the default server")
async def progress_default(
    hub: Hub, principal: Reader, user_name: str, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Give server-sent events while a user's default server starts; the last one says `ready` or `failed`."""
    return await _progress(hub, principal, user_name, "", last_event_id)


@router.get("/users/{user_name}/servers/{server_name}/progress", summary="Follow the start of a named server")
async def progress_named(
    hub: Hub, principal: Reader, user_name: str, server_name: str, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Give server-sent events while one of a user's servers starts; the last one says `ready` or `failed`."""
    return await _progress(hub, principal, user_name, server_name, last_event_id)


@router.get("/users/{user_name}/servers//progress", include_in_schema=False)
async def progress_unnamed(
    hub: Hub, principal: Reader, user_name: str, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Give server-sent events while a user's default server starts, whose name is empty."""
    return await _progress(hub, principal, user_name, "", last_event_id)


async def _progress(hub: HubState, principal: Principal, user_name: str, name: str, last_event_id: str) -> Response:
    seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 18 else 0
    steps = await hub.servers.progress(principal, normalize_user_name(user_name), name, seen)
    url = hub.servers.url(Server(0, 0, normalize_user_name(user_name), name))
    return StreamingResponse(
        _events(steps, url), media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )


async def _events(steps: AsyncIterator[ProgressEvent | None], url: str) -> AsyncIterator[str]:
    async for step in steps:
        if step is None:
            yield KEEP_ALIVE
            continue
        body = step.as_wire(url)
        if step.outcome == "ready":
            body |= {"message": f"Server ready at {url}", "html_message": f'Server ready at <a href="{url}">{url}</a>'}
        yield f"id: {step.id}\ndata: {json.dumps(body)}\n\n"


