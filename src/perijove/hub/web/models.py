"""From what use cases return to the JSON models of ``wire.models``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic_core import to_json

from perijove.hub.core.admission import Place
from perijove.hub.core.culling import Ending
from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Failure, Server
from perijove.hub.core.tokens import API_CLIENT_ID
from perijove.hub.core.usage import Usage
from perijove.hub.core.visibility import sees_server_state
from perijove.hub.usecases.groups import GroupView
from perijove.hub.usecases.services import ServiceView
from perijove.hub.usecases.shares import CodeView, ShareView
from perijove.hub.usecases.tokens import TokenView
from perijove.hub.usecases.users import UserView
from perijove.hub.web.state import WebSettings
from perijove.wire.models import (
    FailureModel,
    GroupModel,
    ServerModel,
    ServiceModel,
    ShareCodeModel,
    SharedServerModel,
    ShareModel,
    TokenModel,
    UserModel,
)
from perijove.wire.prefixes import escape_name, service_prefix


def json_bytes(value: Any) -> bytes:
    """Return *value* as JSON, as short as it can be. Raises ValueError for what JSON cannot hold.

    What is no number, or an infinite one, becomes null. Long lists take a quarter of the time that `json` takes.
    """
    return to_json(value, inf_nan_mode="null")


def timestamp(time: datetime | None) -> str | None:
    """Return *time* as clients read it: ISO 8601, UTC, with a Z."""
    if time is None:
        return None
    text = time.isoformat() if time.tzinfo is UTC else time.astimezone(UTC).isoformat()
    return f"{text[:-6]}Z"


def failure_model(failure: Failure | None) -> FailureModel | None:
    """Return why a server failed."""
    if failure is None:
        return None
    return {"reason": failure.reason, "advice": failure.advice, "log": failure.log, "at": timestamp(failure.at)}


def server_model(
    server: Server,
    settings: WebSettings,
    *,
    state: bool = False,
    place: Place | None = None,
    ending: Ending | None = None,
    usage: Usage | None = None,
) -> ServerModel:
    """Return a server.

    Args:
        server: as it is stored.
        settings: where it is reached.
        state: whether what its spawner keeps is shown.
        place: where it waits for its start, if it does.
        ending: when it will be stopped, if that is known.
        usage: what it uses, if that is known.
    """
    site = settings.site
    progress = progress_url(server, settings.prefix)
    model: ServerModel = {
        "name": server.name,
        "display_name": server.display_name,
        "full_name": server.full_name,
        "last_activity": timestamp(server.last_activity),
        "started": timestamp(server.started),
        "pending": server.pending,
        "ready": server.ready,
        "stopped": not server.active,
        "url": site.server_url(server.user_name, server.name),
        "user_options": dict(server.user_options),
        "progress_url": progress,
        "full_url": site.public_server_url(server.user_name, server.name) or None,
        "full_progress_url": f"{site.origin}{progress}" if site.origin else None,
        "failure": failure_model(server.failure),
    }
    if state:
        model["state"] = dict(server.spawner_state)
    if place is not None:
        model["queue"] = {"position": place.position, "seconds": place.seconds}
    if ending is not None:
        model["stops"] = {"if_idle": timestamp(ending.if_idle), "at_latest": timestamp(ending.at_latest)}
    if usage is not None:
        model["usage"] = {"memory": usage.memory, "memory_limit": usage.memory_limit}
    return model


def progress_url(server: Server, prefix: str) -> str:
    """Return the path of the stream that tells how *server* starts; *prefix* is the hub's."""
    path = f"servers/{escape_name(server.name)}" if server.name else "server"
    return f"{prefix}api/users/{escape_name(server.user_name)}/{path}/progress"


def user_model(
    view: UserView, principal: Principal, settings: WebSettings, *, stopped_servers: bool = False
) -> UserModel:
    """Return the user with the fields that the caller may see; servers at rest only if asked for."""
    user = view.user
    # Most have no server at all.
    default = next((server for server in view.servers if not server.name), None) if view.servers else None
    ready = default is not None and default.ready
    everything: dict[str, Any] = {
        "kind": "user",
        "name": user.name,
        "admin": user.admin,
        "user_info": None if user.user_info is None else dict(user.user_info),
        "roles": list(view.roles),
        "groups": list(user.groups),
        "server": settings.site.server_url(user.name) if ready else None,
        "pending": default.pending if default else None,
        "created": timestamp(user.created),
        "last_activity": timestamp(user.last_activity),
        "auth_state": None if view.auth_state is None else dict(view.auth_state),
        "servers": {
            server.name: server_model(server, settings, state=sees_server_state(principal, user, server.name))
            for server in view.servers
            if (server.active or stopped_servers) and principal.may("read:servers", user=user, server=server.name)
        }
        if view.servers
        else {},
    }
    fields = view.fields
    if everything["servers"]:
        fields |= {"kind", "name", "servers"}
    # Most callers may see nearly everything.
    for field in everything.keys() - fields:
        del everything[field]
    model: UserModel = everything  # type: ignore[assignment]
    return model


def group_model(view: GroupView) -> GroupModel:
    """Return the group with the fields that the caller may see."""
    everything: dict[str, Any] = {
        "kind": "group",
        "name": view.group.name,
        "users": list(view.members),
        "properties": dict(view.group.properties),
        "roles": list(view.roles),
    }
    model: GroupModel = {key: value for key, value in everything.items() if key in view.fields}  # type: ignore[assignment]
    return model


def service_model(view: ServiceView, settings: WebSettings) -> ServiceModel:
    """Return the service with the fields that the caller may see."""
    service = view.service
    everything: dict[str, Any] = {
        "kind": "service",
        "name": service.name,
        "admin": service.admin,
        "roles": list(view.roles),
        "url": service.url,
        "prefix": service_prefix(settings.base_url, service.name) if service.url else "",
        "command": list(service.command),
        "pid": view.pid,
        "info": dict(service.info),
        "display": service.display,
    }
    model: ServiceModel = {key: value for key, value in everything.items() if key in view.fields}  # type: ignore[assignment]
    return model


def share_model(view: ShareView, settings: WebSettings) -> ShareModel:
    """Return a share."""
    share = view.share
    return {
        "server": _shared_server(view.server, settings),
        "scopes": list(share.limited_scopes),
        "user": None if share.user_id is None else {"name": share.user_name},
        "group": None if share.group_id is None else {"name": share.group_name},
        "kind": "user" if share.group_id is None else "group",
        "created_at": timestamp(share.created) or "",
    }


def share_code_model(view: CodeView, settings: WebSettings) -> ShareCodeModel:
    """Return a share code; with itself and where it is used, if it was just made."""
    code = view.code
    model: ShareCodeModel = {
        "server": _shared_server(view.server, settings),
        "scopes": list(code.limited_scopes),
        "id": code.api_id,
        "created_at": timestamp(code.created) or "",
        "expires_at": timestamp(code.expires) or "",
        "exchange_count": code.exchange_count,
        "last_exchanged_at": timestamp(code.last_exchanged),
    }
    if view.value:
        accept = f"{settings.prefix}accept-share?{urlencode({'code': view.value})}"
        model["code"] = view.value
        model["accept_url"] = accept
        model["full_accept_url"] = f"{settings.site.origin}{accept}" if settings.site.origin else None
    return model


def _shared_server(server: Server, settings: WebSettings) -> SharedServerModel:
    return {
        "user": {"name": server.user_name},
        "name": server.name,
        "url": settings.site.server_url(server.user_name, server.name),
        "full_url": settings.site.public_server_url(server.user_name, server.name) or None,
        "ready": server.ready,
    }


def token_model(view: TokenView) -> TokenModel:
    """Return the token, with its value if it was just made."""
    token = view.token
    model: TokenModel = {
        "id": token.api_id,
        "kind": "api_token",
        "roles": [],
        "scopes": list(view.scopes),
        "created": timestamp(token.created) or "",
        "last_activity": timestamp(token.last_activity),
        "expires_at": timestamp(token.expires_at),
        "note": token.note,
        "session_id": token.session_id,
        "oauth_client": "JupyterHub" if token.client_id == API_CLIENT_ID else token.client_id,
    }
    if token.owner_kind == "user":
        model["user"] = token.owner_name
    else:
        model["service"] = token.owner_name
    if view.value:
        model["token"] = view.value
    return model


def scope_strings(scopes: Iterable[Any]) -> list[str]:
    """Return scopes as sorted text."""
    return sorted(str(scope) for scope in scopes)
