"""Servers of users: start, stop, show, follow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse

from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server
from perijove.hub.core.texts import in_language
from perijove.hub.web.callers import Hub, JsonBody, checked_object, needs
from perijove.hub.web.languages import texts
from perijove.hub.web.models import server_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import language_of
from perijove.hub.web.schemas import schema_of, takes
from perijove.hub.web.state import HubState
from perijove.wire.models import ProgressModel, ServerModel

log = structlog.get_logger(__name__)
router = Router(tags=["servers"])
KEEP_ALIVE = ":\n\n"

Reader = Annotated[Principal, needs("read:servers")]
Starter = Annotated[Principal, needs("start:servers")]
Stopper = Annotated[Principal, needs("delete:servers")]
OPTIONS = takes(
    "Options for the spawner. An object with neither of these keys is taken as the options themselves.",
    closed=False,
    user_options={"type": ["object", "null"], "description": "null for those of the last time"},
    display_name={"type": ["string", "null"]},
)
REMOVE = takes(
    "What else to do", closed=False, remove={"type": "boolean", "description": "Delete the named server too"}
)
STARTED: dict[int | str, dict[str, Any]] = {
    201: {"description": "The server is ready"},
    202: {"description": "The server is starting"},
    429: {"description": "Too many servers; `Retry-After`, if given, says when to try again"},
    500: {"description": "The server did not start; the message says why"},
}
STOPPED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The server is stopping; it is deleted after that, if this was asked for"},
    204: {"description": "The server is stopped"},
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; the data of each is a `Progress`",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "contentMediaType": "text/event-stream",
                    "contentSchema": schema_of(ProgressModel),
                }
            }
        },
    },
}
CREATION = takes(
    "What the server shall be; it is not started", user_options={"type": "object"}, display_name={"type": "string"}
)
CHANGES = takes(
    "What to change, at least one; the server must be stopped",
    required=True,
    name={"type": "string"},
    user_options={"type": "object"},
    display_name={"type": "string"},
)
EXISTS: dict[int | str, dict[str, Any]] = {409: {"description": "The user has a server of that name"}}
STARTING: dict[str, Any] = {
    "status_code": 201,
    "response_class": Response,
    "responses": STARTED,
    "openapi_extra": OPTIONS,
}
STOPPING: dict[str, Any] = {"status_code": 204, "responses": STOPPED, "openapi_extra": REMOVE}
FOLLOWING: dict[str, Any] = {"response_class": StreamingResponse, "responses": STREAM}


@router.get("/users/{user_name}/server", summary="Get the default server")
async def get_default_server(hub: Hub, principal: Reader, user_name: str) -> ServerModel:
    """Give a user's default server."""
    return await _get(hub, principal, user_name, "")


@router.get("/users/{user_name}/servers/{server_name}", summary="Get a named server")
async def get_named_server(hub: Hub, principal: Reader, user_name: str, server_name: str) -> ServerModel:
    """Give one of a user's servers."""
    return await _get(hub, principal, user_name, server_name)


@router.get("/users/{user_name}/servers/", include_in_schema=False)
async def get_unnamed_server(hub: Hub, principal: Reader, user_name: str) -> ServerModel:
    """Give a user's default server, whose name is empty."""
    return await _get(hub, principal, user_name, "")


async def _model(hub: HubState, principal: Principal, server: Server) -> ServerModel:
    shows_state, place = await hub.servers.shows_state(principal, server), await hub.servers.place(server)
    endings, usages = await hub.culler.endings([server]), await hub.usages.of([server])
    return server_model(
        server,
        hub.settings,
        state=shows_state,
        place=place,
        ending=endings.get(server.id),
        usage=usages.get(server.id),
    )


async def _get(hub: HubState, principal: Principal, user_name: str, name: str) -> ServerModel:
    server = await hub.servers.get(principal, normalize_user_name(user_name), name)
    return await _model(hub, principal, server)


@router.post("/users/{user_name}/server", summary="Start the default server", **STARTING)
async def start_default_server(hub: Hub, principal: Starter, user_name: str, body: JsonBody) -> Response:
    """Start a user's default server: 201 when it is ready in time, 202 while it is starting."""
    return await _start(hub, principal, user_name, "", body)


@router.post("/users/{user_name}/servers/{server_name}", summary="Start a named server", **STARTING)
async def start_named_server(
    hub: Hub, principal: Starter, user_name: str, server_name: str, body: JsonBody
) -> Response:
    """Start one of a user's servers: 201 when it is ready in time, 202 while it is starting."""
    return await _start(hub, principal, user_name, server_name, body)


@router.post("/users/{user_name}/servers/", include_in_schema=False)
async def start_unnamed_server(hub: Hub, principal: Starter, user_name: str, body: JsonBody) -> Response:
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


@router.put(
    "/users/{user_name}/servers/{server_name}",
    summary="Create a named server",
    status_code=201,
    openapi_extra=CREATION,
    responses=EXISTS,
)
async def create_named_server(
    hub: Hub, principal: Starter, user_name: str, server_name: str, body: JsonBody
) -> ServerModel:
    """Create a server without starting it."""
    given = changes_request(body, ("user_options", "display_name"))
    server = await hub.servers.create(
        principal,
        normalize_user_name(user_name),
        server_name,
        options=given.get("user_options"),
        display_name=given.get("display_name"),
    )
    return await _model(hub, principal, server)


@router.put("/users/{user_name}/server", include_in_schema=False)
@router.put("/users/{user_name}/servers/", include_in_schema=False)
async def create_default_server(hub: Hub, principal: Starter, user_name: str, body: JsonBody) -> ServerModel:
    """Say that the default server is always there."""
    return await create_named_server(hub, principal, user_name, "", body)


@router.patch(
    "/users/{user_name}/servers/{server_name}", summary="Change a server", openapi_extra=CHANGES, responses=EXISTS
)
async def change_named_server(
    hub: Hub, principal: Starter, user_name: str, server_name: str, body: JsonBody
) -> ServerModel:
    """Change name, display name or options of a server that is stopped."""
    given = changes_request(body, ("name", "user_options", "display_name"))
    if not given:
        raise invalid("Nothing to change: give `name`, `display_name` or `user_options`")
    server = await hub.servers.change(
        principal,
        normalize_user_name(user_name),
        server_name,
        new_name=given.get("name"),
        options=given.get("user_options"),
        display_name=given.get("display_name"),
    )
    return await _model(hub, principal, server)


@router.patch("/users/{user_name}/server", summary="Change the default server", openapi_extra=CHANGES, responses=EXISTS)
async def change_default_server(hub: Hub, principal: Starter, user_name: str, body: JsonBody) -> ServerModel:
    """Change name, display name or options of a user's default server while it is stopped."""
    return await change_named_server(hub, principal, user_name, "", body)


@router.patch("/users/{user_name}/servers/", include_in_schema=False)
async def change_unnamed_server(hub: Hub, principal: Starter, user_name: str, body: JsonBody) -> ServerModel:
    """Change a user's default server, whose name is empty."""
    return await change_named_server(hub, principal, user_name, "", body)


@router.delete("/users/{user_name}/server", summary="Stop the default server", **STOPPING)
async def stop_default_server(hub: Hub, principal: Stopper, user_name: str, body: JsonBody) -> Response:
    """Stop a user's default server: 204 when it is stopped, 202 while it is stopping."""
    return await _stop(hub, principal, user_name, "", body)


@router.delete("/users/{user_name}/servers/{server_name}", summary="Stop a named server", **STOPPING)
async def stop_named_server(hub: Hub, principal: Stopper, user_name: str, server_name: str, body: JsonBody) -> Response:
    """Stop one of a user's servers; with `{"remove": true}` it is deleted too."""
    return await _stop(hub, principal, user_name, server_name, body)


@router.delete("/users/{user_name}/servers/", include_in_schema=False)
async def stop_unnamed_server(hub: Hub, principal: Stopper, user_name: str, body: JsonBody) -> Response:
    """Stop a user's default server, whose name is empty."""
    return await _stop(hub, principal, user_name, "", body)


async def _stop(hub: HubState, principal: Principal, user_name: str, name: str, body: Any) -> Response:
    remove = remove_request(body)
    server = await hub.servers.stop(principal, normalize_user_name(user_name), name, remove=remove)
    settled = await hub.servers.settle(server, hub.settings.slow_stop)
    if settled.active or settled.remove_wanted:
        return Response(status_code=202, media_type="text/plain")
    return Response(status_code=204)


def remove_request(body: Any) -> bool:
    """Say whether a request to stop a server asks for its deletion. Raises PerijoveError INVALID."""
    if body is None:
        return False
    if not isinstance(body, dict) or not isinstance(remove := body.get("remove", False), bool):
        raise invalid("body must be a JSON object; its `remove` is true or false")
    return remove


CHANGEABLE: dict[str, type] = {"name": str, "display_name": str, "user_options": dict}


def changes_request(body: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """Return what a request to create or change a server says; only *keys* may stand in it.

    Raises:
        PerijoveError: INVALID.
    """
    return checked_object(body, {key: CHANGEABLE[key] for key in keys})


@router.get("/users/{user_name}/server/progress", summary="Follow the start of the default server", **FOLLOWING)
async def follow_default_server(
    request: Request, hub: Hub, principal: Reader, user_name: str, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Give server-sent events while a user's default server starts; the last one says `ready` or `failed`."""
    return await _progress(request, hub, principal, user_name, "", last_event_id)


@router.get(
    "/users/{user_name}/servers/{server_name}/progress", summary="Follow the start of a named server", **FOLLOWING
)
async def follow_named_server(
    request: Request,
    hub: Hub,
    principal: Reader,
    user_name: str,
    server_name: str,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Give server-sent events while one of a user's servers starts; the last one says `ready` or `failed`."""
    return await _progress(request, hub, principal, user_name, server_name, last_event_id)


@router.get("/users/{user_name}/servers//progress", include_in_schema=False)
async def follow_unnamed_server(
    request: Request, hub: Hub, principal: Reader, user_name: str, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Give server-sent events while a user's default server starts, whose name is empty."""
    return await _progress(request, hub, principal, user_name, "", last_event_id)


async def _progress(
    request: Request, hub: HubState, principal: Principal, user_name: str, name: str, last_event_id: str
) -> Response:
    seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 18 else 0
    user_name = normalize_user_name(user_name)
    steps = await hub.servers.progress(principal, user_name, name, seen)
    return StreamingResponse(
        _events(hub, steps, await hub.servers.get(principal, user_name, name), language_of(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _events(
    hub: HubState, steps: AsyncIterator[ProgressEvent | None], server: Server, language: str
) -> AsyncIterator[str]:
    url = hub.servers.url(server)
    translate = texts(language).gettext
    try:
        async for step in steps:
            if step is None:
                yield KEEP_ALIVE
            elif step.outcome == "ready":
                yield event_text(step, await hub.servers.spawners.ready_event(server, ready_body(step, url)))
            else:
                yield event_text(step, step.as_wire(url, in_language(step.message, translate)))
    except PerijoveError as error:
        # The client comes again by itself and says where it was.
        log.warning("a progress stream broke off", reason=error.message)


def ready_body(step: ProgressEvent, url: str) -> dict[str, Any]:
    """Return what followers are told of a server that is ready.

    *url* is a path with everything escaped that HTML would take for its own.
    """
    told = {"message": f"Server ready at {url}", "html_message": f'Server ready at <a href="{url}">{url}</a>'}
    return dict(step.as_wire(url)) | told


def event_text(step: ProgressEvent, body: Mapping[str, Any]) -> str:
    """Return one server-sent event."""
    return f"id: {step.id}\ndata: {json.dumps(body)}\n\n"
