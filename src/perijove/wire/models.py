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


class GroupModel(TypedDict, total=False):
    """One group."""

    kind: str
    name: str
    users: list[str]
    roles: list[str]
    properties: dict[str, Any]


class ServiceModel(TypedDict, total=False):
    """One service; ``pid`` is 0 where the hub did not start it."""

    kind: str
    name: str
    admin: bool
    roles: list[str]
    url: str | None
    prefix: str
    command: list[str]
    pid: int
    info: dict[str, Any]
    display: bool


class NamedModel(TypedDict):
    """What is said of somebody of whom only the name matters."""

    name: str


class SharedServerModel(TypedDict, total=False):
    """The server that a share opens."""

    user: NamedModel
    name: str
    url: str
    full_url: str | None
    ready: bool


class ShareModel(TypedDict, total=False):
    """What one user or group may do with another user's server."""

    kind: str
    server: SharedServerModel
    scopes: list[str]
    user: NamedModel | None
    group: NamedModel | None
    created_at: str


class ShareCodeModel(TypedDict, total=False):
    """A code that makes whoever shows it a user of a server; ``code`` and the addresses only once, when it is made."""

    id: str
    server: SharedServerModel
    scopes: list[str]
    created_at: str
    expires_at: str
    exchange_count: int
    last_exchanged_at: str | None
    code: str
    accept_url: str
    full_accept_url: str | None


class ProgressModel(TypedDict, total=False):
    """One event of a server that starts; the last one says ``ready`` or ``failed``."""

    progress: int
    message: str
    html_message: str
    url: str
    ready: bool
    failed: bool
