"""JSON models of the REST API, as clients of JupyterHub 6 read them. Keys a caller may not see are missing.

OpenAPI's schemas are made of these types: a class is a component, its base classes hold the keys that are always there,
a text in ``Annotated`` is a format of JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

Time = Annotated[str, "date-time"]
"""ISO 8601 in UTC with a ``Z``."""

Pending = Literal["spawn", "stop"]


class ErrorModel(TypedDict):
    """What went wrong and what to do about it."""

    status: int
    message: str


class _Server(TypedDict):
    name: str
    display_name: str
    full_name: str
    last_activity: Time | None
    started: Time | None
    pending: Pending | None
    ready: bool
    stopped: bool
    url: str
    user_options: dict[str, Any]
    progress_url: str
    full_url: str | None
    full_progress_url: str | None
    failure: FailureModel | None


class ServerModel(_Server, total=False):
    """One server.

    ``state``, what its spawner keeps, is there for holders of ``admin:server_state`` only. Where one server is asked
    for, there is ``queue`` while its start waits for its turn, and, while it runs, ``stops`` and ``usage`` as far as
    they are known.
    """

    state: dict[str, Any]
    queue: QueueModel
    stops: StopsModel
    usage: UsageModel


class QueueModel(TypedDict):
    """Where a start stands that waits for its turn (Perijove's own addition); ``seconds`` is an estimate, if any."""

    position: int
    seconds: int | None


class StopsModel(TypedDict):
    """When the hub will stop a server by itself (Perijove's own addition): unless it is used, and whatever happens."""

    if_idle: Time | None
    at_latest: Time | None


class UsageModel(TypedDict):
    """What a server uses (Perijove's own addition), in bytes; ``memory_limit`` where it is held to one."""

    memory: int
    memory_limit: int | None


class FailureModel(TypedDict):
    """Why the last start of a server failed, or how it ended (Perijove's own addition)."""

    reason: str
    advice: str
    log: str
    at: Time | None


class _User(TypedDict):
    kind: Literal["user"]
    name: str


class UserModel(_User, total=False):
    """One user."""

    admin: bool
    user_info: dict[str, Any] | None
    roles: list[str]
    groups: list[str]
    server: str | None
    pending: Pending | None
    created: Time
    last_activity: Time | None
    auth_state: dict[str, Any] | None
    servers: dict[str, ServerModel]


class _Token(TypedDict):
    id: str
    kind: Literal["api_token"]
    roles: list[str]
    scopes: list[str]
    created: Time
    last_activity: Time | None
    expires_at: Time | None
    note: str
    session_id: str | None
    oauth_client: str


class TokenModel(_Token, total=False):
    """One API token of a user or a service; ``token``, its value, only once when it is made."""

    user: str
    service: str
    token: str


class TokensModel(TypedDict):
    """All tokens of a user."""

    api_tokens: list[TokenModel]


class _Group(TypedDict):
    kind: Literal["group"]
    name: str


class GroupModel(_Group, total=False):
    """One group."""

    users: list[str]
    roles: list[str]
    properties: dict[str, Any]


class _Service(TypedDict):
    kind: Literal["service"]
    name: str


class ServiceModel(_Service, total=False):
    """One service; ``pid`` is 0 where the hub did not start it."""

    admin: bool
    roles: list[str]
    url: str | None
    prefix: str
    command: list[str]
    pid: int
    info: dict[str, Any]
    display: bool


class HeldModel(TypedDict):
    """By what somebody is known to the hub, and what that allows."""

    token_id: str | None
    session_id: str | None
    scopes: list[str]


class SelfUserModel(UserModel, HeldModel):
    """The user who asks."""


class SelfServiceModel(ServiceModel, HeldModel):
    """The service that asks."""


class NamedModel(TypedDict):
    """What is said of somebody of whom only the name matters."""

    name: str


class SharedServerModel(TypedDict):
    """The server that a share opens."""

    user: NamedModel
    name: str
    url: str
    full_url: str | None
    ready: bool


class ShareModel(TypedDict):
    """What one user or group may do with another user's server."""

    kind: str
    server: SharedServerModel
    scopes: list[str]
    user: NamedModel | None
    group: NamedModel | None
    created_at: Time


class _ShareCode(TypedDict):
    id: str
    server: SharedServerModel
    scopes: list[str]
    created_at: Time
    expires_at: Time
    exchange_count: int
    last_exchanged_at: Time | None


class ShareCodeModel(_ShareCode, total=False):
    """A code that makes whoever shows it a user of a server; ``code`` and the addresses only once, when it is made."""

    code: str
    accept_url: str
    full_accept_url: str | None


class _Progress(TypedDict):
    progress: int
    message: str


class ProgressModel(_Progress, total=False):
    """One event of a server that starts; the last one says ``ready`` or ``failed``.

    ``shown`` is the message in the language that the request asks for, where it has another one (our own addition).
    """

    html_message: str
    shown: str
    url: str
    ready: bool
    failed: bool
    queue: QueueModel


class NextPageModel(TypedDict):
    """Where a list goes on."""

    offset: int
    limit: int
    url: str


class PaginationModel(TypedDict):
    """Which part of a list this is."""

    offset: int
    limit: int
    total: int
    next: NextPageModel | None


class UserPageModel(TypedDict):
    """A part of the list of users."""

    items: list[UserModel]
    _pagination: PaginationModel


class GroupPageModel(TypedDict):
    """A part of the list of groups."""

    items: list[GroupModel]
    _pagination: PaginationModel


class SharePageModel(TypedDict):
    """A part of a list of shares."""

    items: list[ShareModel]
    _pagination: PaginationModel


class ShareCodePageModel(TypedDict):
    """A part of a list of share codes."""

    items: list[ShareCodeModel]
    _pagination: PaginationModel


class VersionModel(TypedDict):
    """Which version of the JupyterHub API this is."""

    version: str


PluginModel = TypedDict("PluginModel", {"class": str, "version": str})
PluginModel.__doc__ = "The class of a plug-in and the version of the package it comes from."


class InfoModel(TypedDict):
    """What the hub is made of."""

    version: str
    python: str
    sys_executable: str
    spawner: PluginModel
    authenticator: PluginModel


class RouteModel(TypedDict):
    """One route of the proxy."""

    routespec: str
    target: str
    data: dict[str, Any]


class RoutePageModel(TypedDict):
    """A part of the proxy's routes."""

    items: dict[str, RouteModel]
    _pagination: PaginationModel


class MessageModel(TypedDict):
    """A sentence for people."""

    message: str


class AccessTokenModel(TypedDict):
    """What an OAuth client is given for a code (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: int
    token_type: str
    scope: str


class _OAuthError(TypedDict):
    error: str


class OAuthErrorModel(_OAuthError, total=False):
    """Why an OAuth client is given nothing (RFC 6749, section 5.2)."""

    error_description: str
