"""The environment that a hub gives to the servers and services it starts, read once and checked whole."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict
from urllib.parse import urlsplit

from perijove.wire import environment as names
from perijove.wire.prefixes import hub_prefix, normalize_base_url, service_prefix
from perijove.wire.scopes import ScopeSyntaxError, parse_scope

COOKIE_OPTIONS = "JUPYTERHUB_COOKIE_OPTIONS"
ALLOW_TOKEN_IN_URL = "JUPYTERHUB_ALLOW_TOKEN_IN_URL"
SSL_KEYFILE = "JUPYTERHUB_SSL_KEYFILE"
SSL_CERTFILE = "JUPYTERHUB_SSL_CERTFILE"
SSL_CLIENT_CA = "JUPYTERHUB_SSL_CLIENT_CA"

DEFAULT_ACTIVITY_INTERVAL = 300.0
COOKIE_ATTRIBUTES = frozenset({"domain", "expires_days", "httponly", "path", "samesite", "secure"})
DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidEnvironment(ValueError):
    """The environment lacks variables or has unusable ones.

    Attributes:
        problems: one sentence per variable; values are never repeated, they may be secrets.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "This program is started by a hub, which describes itself in environment variables:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
        )


@dataclass(frozen=True, slots=True)
class BindAddress:
    """Where the server listens.

    Attributes:
        ip: address or host name; empty means all interfaces.
        port: TCP port; 0 lets the system choose.
    """

    ip: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HubEnvironment:
    """What a hub tells every program that asks it who its visitors are; names follow JupyterHub's variables.

    Attributes:
        activity_url: where a server reports when it was last used; empty for services.
        prefix: the path below which the program answers.
        host: ``scheme://host[:port]`` of the hub where it is not the program's own.
        public_url: the program's own public address; empty where the hub does not know it.
        callback_url: where the hub sends browsers back to: a path, or a full URL.
        access_scopes: one of them lets a visitor in.
        bind: where the hub expects the program to listen; None if it knows no address of it.
    """

    api_token: str = field(repr=False)
    client_id: str
    api_url: str
    activity_url: str
    base_url: str
    prefix: str
    host: str
    public_url: str
    callback_url: str
    access_scopes: tuple[str, ...]
    cookie_options: Mapping[str, object]
    cookie_host_prefix: bool
    allow_token_in_url: bool
    keyfile: str
    certfile: str
    client_ca: str
    bind: BindAddress | None

    @property
    def hub_url(self) -> str:
        """The public address of the hub: a path, or a full URL where the hub lives on another host."""
        return self.host + hub_prefix(self.base_url)

    @property
    def authorize_url(self) -> str:
        """The page of the hub where a browser begins to sign in."""
        return self.hub_url + "api/oauth2/authorize"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEnvironment(HubEnvironment):
    """What a hub tells the single-user server that it starts."""

    user: str
    server_name: str
    bind: BindAddress
    root_dir: str
    default_url: str
    debug: bool
    disable_user_config: bool
    activity_interval: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ServerEnvironment:
        """Return the environment that *environ* describes.

        Raises:
            InvalidEnvironment: it names every missing and every unusable variable at once.
        """
        return _Reader(environ).server()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEnvironment(HubEnvironment):
    """What a hub tells a service, or what whoever starts the service puts in the hub's place.

    Attributes:
        name: the service's name in the hub's configuration.
    """

    name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> ServiceEnvironment:
        """Return the environment that *environ*, by default the process's own, describes.

        Name, token and the address of the hub's API are enough; the rest follows from them.

        Raises:
            InvalidEnvironment: it names every missing and every unusable variable at once.
        """
        return _Reader(os.environ if environ is None else environ).service()


class _Common(TypedDict):
    """What both kinds of programs read from the same variables."""

    api_token: str
    api_url: str
    base_url: str
    prefix: str
    host: str
    public_url: str
    callback_url: str
    cookie_options: Mapping[str, object]
    cookie_host_prefix: bool
    allow_token_in_url: bool
    keyfile: str
    certfile: str
    client_ca: str


class _Reader:
    """Reads variables one by one and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def server(self) -> ServerEnvironment:
        prefix = normalize_base_url(self.required(names.SERVICE_PREFIX))
        environment = ServerEnvironment(
            **self.common(prefix),
            client_id=self.required(names.CLIENT_ID),
            activity_url=self.optional(names.ACTIVITY_URL),
            access_scopes=self.access_scopes(),
            user=self.required(names.USER),
            server_name=self.optional(names.SERVER_NAME),
            bind=self.bind_address(self.required(names.SERVICE_URL)),
            root_dir=self.optional(names.ROOT_DIR),
            default_url=self.optional(names.DEFAULT_URL),
            debug=self.flag(names.DEBUG),
            disable_user_config=self.flag(names.DISABLE_USER_CONFIG),
            activity_interval=self.activity_interval(),
        )
        self.raise_problems()
        return environment

    def service(self) -> ServiceEnvironment:
        name = self.required(names.SERVICE_NAME)
        url = self.optional(names.SERVICE_URL)
        prefix = self.optional(names.SERVICE_PREFIX) or service_prefix(self.optional(names.BASE_URL), name)
        environment = ServiceEnvironment(
            **self.common(normalize_base_url(prefix)),
            client_id=self.optional(names.CLIENT_ID) or f"service-{name}",
            activity_url="",
            access_scopes=self.access_scopes("access:services", f"access:services!service={name or '?'}"),
            name=name,
            bind=self.bind_address(url) if url else None,
        )
        self.raise_problems()
        return environment

    def common(self, prefix: str) -> _Common:
        return {
            "api_token": self.required(names.API_TOKEN, names.OLD_API_TOKEN),
            "api_url": self.required(names.API_URL).rstrip("/"),
            "base_url": normalize_base_url(self.optional(names.BASE_URL)),
            "prefix": prefix,
            "host": self.optional(names.HOST).rstrip("/"),
            "public_url": self.optional(names.PUBLIC_URL),
            "callback_url": self.optional(names.OAUTH_CALLBACK_URL) or prefix + "oauth_callback",
            "cookie_options": self.cookie_options(),
            "cookie_host_prefix": self.flag(names.COOKIE_HOST_PREFIX_ENABLED),
            "allow_token_in_url": self.flag(ALLOW_TOKEN_IN_URL),
            "keyfile": self.optional(SSL_KEYFILE),
            "certfile": self.optional(SSL_CERTFILE),
            "client_ca": self.optional(SSL_CLIENT_CA),
        }

    def raise_problems(self) -> None:
        if self.problems:
            raise InvalidEnvironment(self.problems)

    def optional(self, name: str) -> str:
        return self.environ.get(name, "")

    def required(self, *spellings: str) -> str:
        for name in spellings:
            if value := self.environ.get(name, ""):
                return value
        self.problems.append(f"{spellings[0]} is missing")
        return ""

    def flag(self, name: str) -> bool:
        return self.optional(name).lower() in {"1", "true", "yes", "on"}

    def bind_address(self, text: str) -> BindAddress:
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError:
            url, port = urlsplit(""), None
        if text and url.scheme not in DEFAULT_PORTS:
            self.problems.append(f"{names.SERVICE_URL} is no http or https address with a valid port")
        return BindAddress(url.hostname or "", DEFAULT_PORTS.get(url.scheme, 0) if port is None else port)

    def access_scopes(self, *default: str) -> tuple[str, ...]:
        spellings = (names.OAUTH_ACCESS_SCOPES, names.OLD_OAUTH_SCOPES)
        if default and not any(map(self.optional, spellings)):
            return default
        text = self.required(*spellings)
        if not text:
            return ()
        try:
            scopes = json.loads(text)
            if not isinstance(scopes, list) or not scopes:
                raise ValueError("not a filled list")
            return tuple(str(parse_scope(scope)) for scope in scopes)
        except (ValueError, AttributeError, ScopeSyntaxError):
            self.problems.append(f"{names.OAUTH_ACCESS_SCOPES} is not a JSON list of one or more scopes")
            return ()

    def cookie_options(self) -> dict[str, object]:
        text = self.optional(COOKIE_OPTIONS)
        if not text:
            return {}
        try:
            options = {key.lower(): value for key, value in json.loads(text).items()}
        except (ValueError, AttributeError):
            self.problems.append(f"{COOKIE_OPTIONS} is not a JSON object")
            return {}
        if unknown := sorted(options.keys() - COOKIE_ATTRIBUTES):
            self.problems.append(f"{COOKIE_OPTIONS} has the unknown attribute {unknown[0][:40]!r}")
        return options

    def activity_interval(self) -> float:
        text = self.optional(names.ACTIVITY_INTERVAL)
        if not text:
            return DEFAULT_ACTIVITY_INTERVAL
        try:
            interval = float(text)
        except ValueError:
            interval = math.nan
        if not math.isfinite(interval) or interval < 0:
            self.problems.append(f"{names.ACTIVITY_INTERVAL} is not a number of seconds; 0 switches reports off")
            return DEFAULT_ACTIVITY_INTERVAL
        return interval
