"""Users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request, Response

from perijove.hub.core.errors import invalid
from perijove.hub.core.names import normalize_user_name, shorten
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Server
from perijove.hub.ports.store import UserQuery, UserSort, UserState
from perijove.hub.usecases import users
from perijove.hub.usecases.slices import in_slices
from perijove.hub.web.api.paging import page_window, text_page_response
from perijove.hub.web.callers import Hub, JsonBody, checked_object, needs, texts
from perijove.hub.web.models import json_bytes, user_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import gives, gives_pages, says_of, takes
from perijove.hub.web.state import HubState
from perijove.wire.models import UserModel, UserPageModel

router = Router(tags=["users"])

STATES = {"active", "ready", "inactive"}
SORTS = {"id", "name", "last_activity"}
USER_SCOPES = (
    "read:users",
    "read:users:name",
    "read:servers",
    "read:users:groups",
    "read:users:activity",
    "read:roles:users",
)
LIST_SCOPES = ("list:users",)
REPORT_SCOPES = ("users:activity",)
Flag = Annotated[str | None, Query(description="Any value but `0` and `false` means yes."), says_of("boolean")]
TIME = {"type": "string", "format": "date-time"}
NEW_USERS = takes(
    "Whom to create",
    required=True,
    must=("usernames",),
    usernames={"type": "array", "items": {"type": "string"}},
    admin={"type": "boolean", "description": "Whether they become administrators"},
)
NEW_USER = takes("What the user shall be", admin={"type": "boolean"})
CHANGES = takes(
    "What to change",
    name={"type": "string"},
    admin={"type": "boolean"},
    groups={"type": "array", "items": {"type": "string"}, "description": "All groups that the user shall be in"},
    roles={"type": "array", "items": {"type": "string"}, "description": "All roles that the user shall hold"},
    auth_state={"type": "object", "description": "What the authenticator shall keep about the user"},
)
ACTIVITY = takes(
    "When; at least one of the two",
    required=True,
    closed=False,
    last_activity=TIME | {"type": ["string", "null"]},
    servers={
        "type": ["object", "null"],
        "additionalProperties": {
            "type": "object",
            "properties": {"last_activity": TIME},
            "required": ["last_activity"],
        },
        "description": "By name of the server; the default server's is empty",
    },
)
USERS = gives_pages(list[UserModel], UserPageModel, "The users that the caller may see")
EXISTS: dict[int | str, dict[str, Any]] = {409: {"description": "All of them exist already"}}
CREATED = {201: gives(list[UserModel], "The users that were created"), **EXISTS}


def flag(value: str | None) -> bool:
    """Return what a flag in a query means: present is yes, unless it says 0 or false."""
    return value is not None and value.lower() not in {"0", "false"}


async def user_query(
    window: Annotated[Window, Depends(page_window)],
    state: Annotated[str | None, says_of("string", enum=sorted(STATES))] = None,
    name_filter: Annotated[str, Query(description="What names hold, whatever the case")] = "",
    sort: Annotated[
        str, says_of("string", enum=[f"{sign}{key}" for sign in ("", "-") for key in sorted(SORTS)])
    ] = "id",
) -> UserQuery:
    """Return which users are asked for. Raises PerijoveError INVALID."""
    if state is not None and state not in STATES:
        raise invalid(f"Unrecognized state filter: {shorten(state, 40)!r}; use one of {', '.join(sorted(STATES))}")
    key = sort.removeprefix("-")
    if key not in SORTS:
        allowed = ", ".join(sorted(SORTS))
        raise invalid(f"Unrecognized sort: {shorten(sort, 40)!r}; use one of {allowed}, with - for descending")
    return UserQuery(
        window=window,
        state=cast(UserState | None, state),
        name_filter=name_filter[:255],
        sort=cast(UserSort, key),
        descending=sort.startswith("-"),
    )


@router.get("/users", summary="List users", responses={200: USERS})
async def list_users(
    request: Request,
    hub: Hub,
    principal: Annotated[Principal, needs(*LIST_SCOPES)],
    query: Annotated[UserQuery, Depends(user_query)],
    include_stopped_servers: Flag = None,
) -> Response:
    """List users, as far as the caller may see them; with `Accept: application/jupyterhub-pagination+json` in pages."""
    return await page_of_users(request, hub, principal, query, stopped_servers=flag(include_stopped_servers))


async def page_of_users(
    request: Request, hub: HubState, principal: Principal, query: UserQuery, *, stopped_servers: bool = False
) -> Response:
    """Return the answer with the users that *query* asks for. Raises PerijoveError FORBIDDEN."""
    page = await users.list_users(hub.ctx, principal, query)

    def write(view: users.UserView) -> bytes:
        return json_bytes(user_model(view, principal, hub.settings, stopped_servers=stopped_servers))

    texts = [hub.user_texts.text_of(view, write) for view in page.items]
    return text_page_response(request, page, texts, hub.settings)


@router.post("/users", summary="Create users", status_code=201, openapi_extra=NEW_USERS, responses=CREATED)
async def create_users(hub: Hub, principal: Annotated[Principal, needs("admin:users")], body: JsonBody) -> Response:
    """Create several users, `{"usernames": [...], "admin": false}`; those that exist are left out of the answer."""
    body = checked_object(body, {"usernames": list, "admin": bool})
    created = await users.create_users(
        hub.ctx, hub.authenticator, principal, texts(body, "usernames"), admin=bool(body.get("admin", False))
    )
    parts = [
        json_bytes([user_model(view, principal, hub.settings) for view in part])[1:-1]
        async for part in in_slices(created)
    ]
    return Response(b"[" + b",".join(parts) + b"]", status_code=201, media_type="application/json")


@router.get("/users/{user_name}", summary="Get a user")
async def get_user(
    hub: Hub,
    principal: Annotated[Principal, needs(*USER_SCOPES)],
    user_name: str,
    include_stopped_servers: Flag = None,
) -> UserModel:
    """Give one user with the fields that the caller may see."""
    view = await users.get_user(hub.ctx, principal, normalize_user_name(user_name))
    return user_model(view, principal, hub.settings, stopped_servers=flag(include_stopped_servers))


@router.post("/users/{user_name}", summary="Create a user", status_code=201, openapi_extra=NEW_USER, responses=EXISTS)
async def create_user(
    hub: Hub,
    principal: Annotated[Principal, needs("admin:users")],
    user_name: str,
    body: JsonBody,
) -> UserModel:
    """Create one user; the body may hold `{"admin": true}`."""
    body = checked_object(body, {"admin": bool})
    admin = bool(body.get("admin", False))
    created = await users.create_user(hub.ctx, hub.authenticator, principal, user_name, admin=admin)
    return user_model(created, principal, hub.settings)


@router.patch("/users/{user_name}", summary="Change a user", openapi_extra=CHANGES)
async def change_user(
    hub: Hub, principal: Annotated[Principal, needs("admin:users")], user_name: str, body: JsonBody
) -> UserModel:
    """Change name, administrator's rights, groups, roles or authentication state of a user."""
    given = checked_object(body, {"name": str, "admin": bool, "groups": list, "roles": list, "auth_state": dict})
    changes = users.UserChanges(
        given.get("name"),
        given.get("admin"),
        texts(given, "groups") if "groups" in given else None,
        texts(given, "roles") if "roles" in given else None,
        given.get("auth_state"),
    )
    changed = await users.change_user(hub.ctx, hub.authenticator, principal, normalize_user_name(user_name), changes)
    return user_model(changed, principal, hub.settings)


@router.delete("/users/{user_name}", summary="Delete a user", status_code=204)
async def delete_user(hub: Hub, principal: Annotated[Principal, needs("delete:users")], user_name: str) -> Response:
    """Delete a user with servers and tokens; their servers are stopped first."""

    async def stop(server: Server) -> bool:
        return await hub.servers.stopped_within(server, hub.settings.slow_stop)

    await users.delete_user(hub.ctx, hub.removal, principal, normalize_user_name(user_name), stop_server=stop)
    return Response(status_code=204)


@router.post("/users/{user_name}/activity", summary="Report activity", openapi_extra=ACTIVITY, response_class=Response)
async def report_activity(
    hub: Hub,
    principal: Annotated[Principal, needs(*REPORT_SCOPES)],
    user_name: str,
    body: JsonBody,
) -> Response:
    """Report when a user and their servers were last active."""
    return await take_report(hub, principal, user_name, body)


async def take_report(hub: HubState, principal: Principal, user_name: str, body: Any) -> Response:
    """Take in a report of activity, and return the answer to it. Raises PerijoveError INVALID and others."""
    if not isinstance(body, dict):
        raise invalid("body must be a JSON object")
    last_activity, servers = body.get("last_activity"), body.get("servers")
    if servers is not None and not isinstance(servers, dict):
        raise invalid("servers must be a JSON object")
    if last_activity is None and not servers:
        raise invalid("body must contain at least one of `last_activity` and `servers`")
    at = None if last_activity is None else _time(last_activity)
    times = {}
    for name, model in (servers or {}).items():
        if not isinstance(model, dict) or "last_activity" not in model:
            raise invalid("Each server must have `last_activity`")
        times[str(name)] = _time(model["last_activity"])
    await hub.activity.report(principal, normalize_user_name(user_name), at, times)
    return Response(status_code=200)


def _time(value: Any) -> datetime:
    """Return a time that a client wrote, in UTC; one without a zone is in UTC. Raises PerijoveError INVALID."""
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"Not a valid ISO 8601 timestamp: {shorten(str(value), 40)!r}") from None
