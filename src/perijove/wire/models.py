"""JSON models of the REST API, as clients of JupyterHub 6 read them. Keys a caller may not see are missing."""

from __future__ import annotations

from typing import Any, TypedDict


class ServerModel(TypedDict, total=False):
    """One server. ``pending`` is null, ``spawn`` or ``stop``; times are ISO 8601 in UTC with a ``Z``."""

    name: str
    display_name: str
    full_name: str
    last_activity: str | None
    started: str | None
    pending: str | None
    ready: bool
    stopped: bool
    url: str
    user_options: dict[str, Any]
    progress_url: str
    full_url: str | None
    full_progress_url: str | None
    failure: FailureModel | None
    state: dict[str, Any]


class FailureModel(TypedDict):
    """Why the last start of a server failed, or how it ended (Perijove's own addition)."""

    reason: str
    advice: str
    log: str
    at: str | None


class UserModel(TypedDict, total=False):
    """One user."""

    kind: str
    name: str
    admin: bool
    user_info: dict[str, Any] | None
    roles: list[str]
    groups: list[str]
    server: str | None
    pending: str | None
    created: str
    last_activity: str | None
    auth_state: dict[str, Any] | None
    servers: dict[str, ServerModel]


class TokenModel(TypedDict, total=False):
    """One API token; ``token``, its value, only once when it is made."""

    user: str
    service: str
    id: str
    kind: str
    roles: list[str]
    scopes: list[str]
    created: str
    last_activity: str | None
    expires_at: str | None
    note: str
    session_id: str | None
    oauth_client: str
    token: str
