"""The options of the hub itself, ``c.JupyterHub.…``, and what follows from them.

`JupyterHub` holds values that are right each on its own; `JupyterHub.conflicts` says which of them contradict
each other.
Once built, ``bind_url``, ``ip``, ``port`` and ``base_url`` agree: the last three, where set, are parts of the first.
"""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from traitlets import Any as AnyTrait
from traitlets import Bool, Bytes, Dict, Float, Integer, List, Set, TraitError, Unicode, Union, default, validate

from perijove.hub.core.guessing import GuessLimits
from perijove.hub.core.site import Site
from perijove.hub.settings.addresses import (
    absolute_database_url,
    at_host,
    check_database_url,
    check_http_url,
    is_everywhere,
    port_of,
)
from perijove.hub.settings.cookies import parse_cookie_secret
from perijove.hub.settings.landing import LandingOptions
from perijove.hub.settings.subdomains import check_subdomain_host, read_hook
from perijove.wire.prefixes import normalize_base_url

DEFAULT_CONFIG_FILE = "jupyterhub_config.py"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DAY = 24 * 3600
_CLASS = "a name, an import path or a class"


def _option(trait: Any, **metadata: Any) -> Any:
    return trait.tag(config=True, **metadata)


class JupyterHub(LandingOptions):
    """Addresses, files, limits, and which plug-ins the hub uses."""

    bind_url: str = _option(
        Unicode(
            "http://127.0.0.1:8000",
            help="Where browsers reach Perijove: the proxy listens on its host and port, all pages are below its path.",
        )
    )
    ip: str = _option(
        Unicode(help="The address of bind_url on its own; empty for all addresses."),
        default_text="the host of bind_url",
    )
    port: int = _option(
        Integer(min=0, max=65535, help="The port of bind_url on its own."), default_text="the port of bind_url"
    )
    base_url: str = _option(
        Unicode(help="The path of bind_url on its own: the prefix of every page."), default_text="the path of bind_url"
    )
    public_url: str = _option(
        Unicode(
            "",
            help="The full URL that people type, if another server in front of Perijove makes it differ from bind_url.",
        )
    )
    subdomain_host: str = _option(
        Unicode(
            "",
            help="The hub's origin, such as https://hub.example, if each user and service shall have a host of their "
            "own below it: ada.hub.example. A wildcard DNS entry and certificate are needed. It keeps users' pages "
            "apart from each other.",
        )
    )
    subdomain_hook: Any = _option(
        AnyTrait(
            "idna",
            help="How these hosts are called: idna, legacy, or a function (name, domain, kind) that returns a host "
            "name; kind is user or service.",
        ),
        wanted="idna, legacy or a function",
    )
    cookie_host_prefix_enabled: bool = _option(
        Bool(
            help="Give the names of cookies the prefix __Host-, so that no page on a host below can set them. Needs "
            "HTTPS and subdomain_host.",
        ),
        default_text="True where subdomain_host begins with https://",
    )
    ssl_key: str = _option(Unicode("", help="File with the private key with which the proxy serves HTTPS."))
    ssl_cert: str = _option(Unicode("", help="File with the certificate, and its chain, for ssl_key."))
    hub_ip: str = _option(
        Unicode(
            "127.0.0.1",
            help="The address on which the hub listens for the proxy and the servers; empty for all addresses.",
        )
    )
    hub_port: int = _option(
        Integer(8081, min=0, max=65535, help="The port on which the hub listens for the proxy and the servers.")
    )
    hub_connect_ip: str = _option(
        Unicode(
            "",
            help="The address or host name under which the proxy and the servers reach the hub, if it is not hub_ip.",
        )
    )
    hub_connect_url: str = _option(
        Unicode("", help="The URL, without a path, under which the proxy and the servers reach the hub.")
    )

    template_paths: list[str] = _option(
        List(Unicode(), help="Folders of your own templates, found before ours; see docs/customising.md.")
    )
    template_vars: dict[str, Any] = _option(
        Dict(
            help="What templates may use: texts, or functions of the user. announcement, or announcement_home for one "
            "page, is HTML shown on top; login_term_url is where the terms are that people accept to sign in."
        )
    )
    logo_file: str = _option(Unicode("", help="An image in place of our logo."))

    config_file: str = _option(
        Unicode(
            DEFAULT_CONFIG_FILE, help="The configuration file; only of use on the command line, where -f says the same."
        )
    )
    data_dir: str = _option(
        Unicode("", help="The folder of the hub's own files, from which all relative file names start."),
        default_text="the current folder if there is a configuration file, else $PERIJOVE_DATA_DIR, "
        "else $XDG_DATA_HOME/perijove, else ~/.local/share/perijove",
    )
    db_url: str = _option(
        Unicode(
            "sqlite:///jupyterhub.sqlite",
            help="The database: sqlite:///file, just the name of the file, or "
            "postgresql://user:password@host/database (which needs perijove[postgresql]).",
        )
    )
    cookie_secret: bytes = _option(
        Union(
            [Bytes(), Unicode()],
            default_value=b"",
            help="The secret that signs cookies: at least 32 bytes, or as many in hexadecimal digits.",
        ),
        default_text="$JPY_COOKIE_SECRET, else what cookie_secret_file holds",
    )
    cookie_secret_file: str = _option(
        Unicode("jupyterhub_cookie_secret", help="The file that keeps the cookie secret; made at the first start.")
    )
    cookie_max_age_days: float = _option(Float(14, help="Days after which a person must sign in again."))
    pid_file: str = _option(Unicode("", help="A file for the process id to send signals to; none if empty."))
    audit_log_file: str = _option(
        Unicode(
            "audit.jsonl",
            help="The file that tells who did what, one JSON object a line, each chained to the one before; none if "
            "empty. `perijove audit verify` checks it.",
        )
    )
    log_level: str = _option(
        AnyTrait("INFO", help="How much the hub logs: DEBUG, INFO, WARNING, ERROR or CRITICAL."), wanted="a log level"
    )

    authenticator_class: str | type = _option(
        AnyTrait("password", help="Who says who somebody is: the name of a plug-in, an import path, or a class."),
        wanted=_CLASS,
    )
    spawner_class: str | type = _option(
        AnyTrait("simple", help="What starts servers: the name of a plug-in, an import path, or a class."),
        wanted=_CLASS,
    )
    proxy_class: str | type = _option(
        AnyTrait(
            "configurable-http-proxy", help="Which proxy is used: the name of a plug-in, an import path, or a class."
        ),
        wanted=_CLASS,
    )
    services: list[Any] = _option(
        List(
            help='Programs beside the hub: a list of {"name": …} with any of url, command, api_token and others; '
            "docs/services.md has them all."
        )
    )
    service_check_interval: float = _option(
        Float(60, min=1, help="Seconds between two looks whether the services answer; the log tells what has changed.")
    )
    service_tokens: dict[str, str] = _option(
        Dict(help='Further tokens of services, by token: {"<token>": "<name of the service>"}.')
    )
    api_tokens: dict[str, str] = _option(
        Dict(
            help='Tokens of users, by token: {"<token>": "<name of the user>"}. One that is taken out here is valid '
            "until it is revoked; it is better to give a service a token."
        )
    )
    load_groups: dict[str, Any] = _option(
        Dict(
            help='Groups made and joined at each start: {"<group>": {"users": […], "properties": {…}}}. Nobody leaves '
            "a group by this; properties replace all that the group has."
        )
    )
    load_roles: list[Any] = _option(
        List(
            help='Roles made or changed at each start: a list of {"name": …, "description": …, "scopes": […], '
            '"users": […], "groups": […], "services": […]}.'
        )
    )
    custom_scopes: dict[str, Any] = _option(
        Dict(
            help='Scopes of your own: {"custom:…": {"description": …, "subscopes": […]}}. Services and extensions of '
            "servers ask for them; the hub hands them out and gives them no meaning."
        )
    )
    extra_user_scopes: set[str] = _option(
        Set(Unicode(), help="Scopes that every user has beside those of the role user, such as access:services.")
    )

    failed_sign_ins_per_name: int = _option(
        Integer(
            10,
            min=0,
            help="How many sign-ins may fail under one name within failed_sign_in_window before further ones are "
            "refused; browsers in which that name has signed in before are counted apart. 0 for any number.",
        )
    )
    failed_sign_ins_per_address: int = _option(
        Integer(
            100,
            min=0,
            help="How many failed sign-ins, guesses of secrets and sign-ups may come from one address, or IPv6 /64 "
            "network, within failed_sign_in_window before further ones are refused. 0 for any number.",
        )
    )
    failed_sign_in_window: float = _option(
        Float(600, min=1, help="Seconds in which failed sign-ins are counted, and after which counting begins anew.")
    )
    trusted_downstream_ips: list[str] = _option(
        List(
            Unicode(),
            help="Addresses and networks of further proxies whose X-Forwarded-For is believed; those on this machine "
            "always are.",
        )
    )

    cleanup_servers: bool = _option(Bool(True, help="Stop all servers when the hub stops."))
    cleanup_proxy: bool = _option(Bool(True, help="Stop the proxy when the hub stops, if the hub started it."))
    allow_named_servers: bool = _option(
        Bool(False, help="Let a user have further servers with names, beside the default one.")
    )
    named_server_limit_per_user: int = _option(
        Integer(0, help="How many named servers a user may have; 0 for any number.")
    )
    concurrent_spawn_limit: int = _option(
        Integer(100, help="How many servers may be starting at once; 0 for any number.")
    )
    active_server_limit: int = _option(Integer(0, help="How many servers may be active at once; 0 for any number."))
    slow_spawn_timeout: float = _option(
        Float(
            10,
            help="Seconds that a request to start a server waits before it answers that the server is still starting.",
        )
    )
    slow_stop_timeout: float = _option(
        Float(
            10,
            help="Seconds that a request to stop a server waits before it answers that the server is still stopping.",
        )
    )

    api_page_default_limit: int = _option(
        Integer(50, min=1, help="How many items a page of an API list has by default.")
    )
    api_page_max_limit: int = _option(
        Integer(200, min=1, help="How many items a page of an API list may have at most.")
    )
    oauth_token_expires_in: int = _option(
        Integer(min=1, help="Seconds for which an OAuth token is valid."), default_text="cookie_max_age_days in seconds"
    )
    oauth_require_pkce: bool = _option(
        Bool(False, help="Refuse OAuth clients, such as very old servers and services, that do not use PKCE.")
    )
    token_expires_in_max_seconds: int = _option(
        Integer(0, help="The longest validity in seconds that somebody may ask for a token; 0 for any.")
    )
    activity_resolution: float = _option(
        Float(30, help="Seconds by which last activity must have moved before it is stored again.")
    )
    last_activity_interval: float = _option(
        Float(300, help="Seconds between two looks at the proxy's routes and what was active on them.")
    )
    cull_every: float = _option(
        Float(60, min=1, help="Seconds between two looks for servers to stop by c.Spawner.cull_….")
    )
    cull_concurrency: int = _option(
        Integer(10, min=1, help="How many servers are stopped at once by c.Spawner.cull_….")
    )
    authenticate_prometheus: bool = _option(Bool(True, help="Show metrics only to holders of the scope read:metrics."))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.cookie_secret:
            self.cookie_secret = parse_cookie_secret(self.cookie_secret)
        parts, host, port, path = self._bind_parts, self.ip, self.port, self.base_url
        scheme = "https" if self.ssl_key and self.ssl_cert else parts.scheme
        self.bind_url = f"{scheme}://{at_host(host)}:{port}{path}"

    @property
    def _bind_parts(self) -> SplitResult:
        return urlsplit(self.bind_url)

    @default("ip")
    def _ip_default(self) -> str:
        return self._bind_parts.hostname or ""

    @default("port")
    def _port_default(self) -> int:
        return port_of(self._bind_parts)

    @default("base_url")
    def _base_url_default(self) -> str:
        return normalize_base_url(self._bind_parts.path)

    @default("oauth_token_expires_in")
    def _oauth_token_expires_in_default(self) -> int:
        return int(self.cookie_max_age_days * DAY)

    @default("cookie_host_prefix_enabled")
    def _cookie_host_prefix_default(self) -> bool:
        return self.subdomain_host.startswith("https://")

    @validate("base_url")
    def _normalize_base_url(self, proposal: Any) -> str:
        return normalize_base_url(str(proposal.value))

    @validate("bind_url")
    def _check_bind_url(self, proposal: Any) -> str:
        return check_http_url(str(proposal.value), host_needed=False)

    @validate("public_url")
    def _check_public_url(self, proposal: Any) -> str:
        return check_http_url(str(proposal.value)) if proposal.value else ""

    @validate("subdomain_host")
    def _check_subdomain_host(self, proposal: Any) -> str:
        return check_subdomain_host(str(proposal.value)) if proposal.value else ""

    @validate("subdomain_hook")
    def _check_subdomain_hook(self, proposal: Any) -> Any:
        read_hook(proposal.value)
        return proposal.value

    @validate("hub_connect_url")
    def _check_hub_connect_url(self, proposal: Any) -> str:
        url = check_http_url(str(proposal.value)) if proposal.value else ""
        if urlsplit(url).path.strip("/"):
            raise TraitError("it must have no path: base_url is added to it")
        return url.rstrip("/")

    @validate("db_url")
    def _check_db_url(self, proposal: Any) -> str:
        return check_database_url(str(proposal.value))

    @validate("cookie_secret")
    def _check_cookie_secret(self, proposal: Any) -> bytes:
        return parse_cookie_secret(proposal.value) if proposal.value else b""

    @validate("log_level")
    def _check_log_level(self, proposal: Any) -> str:
        value = proposal.value
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        name = logging.getLevelName(value) if isinstance(value, int) else str(value).upper()
        if name not in LOG_LEVELS:
            raise TraitError(f"it must be one of {', '.join(LOG_LEVELS)}")
        return str(name)

    @validate("authenticator_class", "spawner_class", "proxy_class")
    def _check_class(self, proposal: Any) -> Any:
        if isinstance(proposal.value, type) or (isinstance(proposal.value, str) and proposal.value):
            return proposal.value
        raise TraitError("it must be the name of a plug-in, an import path, or a class")

    @validate(
        "cookie_max_age_days",
        "activity_resolution",
        "last_activity_interval",
        "slow_spawn_timeout",
        "slow_stop_timeout",
        "named_server_limit_per_user",
        "concurrent_spawn_limit",
        "active_server_limit",
        "token_expires_in_max_seconds",
    )
    def _check_number(self, proposal: Any) -> Any:
        positive = proposal.trait.name in {"cookie_max_age_days", "last_activity_interval"}
        if proposal.value < 0 or (positive and proposal.value == 0):
            raise TraitError("it must be greater than 0" if positive else "it must not be negative")
        return proposal.value

    @property
    def public_host(self) -> str:
        """``scheme://host[:port]`` of the hub for browsers; empty where it is not configured and paths are enough."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}" if self.public_url else self.subdomain_host

    @property
    def site(self) -> Site:
        """Where browsers find the hub and its servers."""
        hook = read_hook(self.subdomain_hook) if self.subdomain_host else None
        return Site(self.base_url, self.public_host, hook)

    @property
    def hub_url(self) -> str:
        """``http://host:port`` under which the proxy and the servers reach the hub."""
        if self.hub_connect_url:
            return self.hub_connect_url
        host = self.hub_connect_ip or (socket.gethostname() if is_everywhere(self.hub_ip) else self.hub_ip)
        return f"http://{at_host(host)}:{self.hub_port}"

    @property
    def hub_api_url(self) -> str:
        """The URL of the REST API for servers and services."""
        return f"{self.hub_url}{self.base_url}hub/api"

    @property
    def local_api_url(self) -> str:
        """The URL of the REST API for what runs on this machine."""
        if self.hub_connect_url or not is_everywhere(self.hub_ip):
            return self.hub_api_url
        loopback = "[::1]" if self.hub_ip == "::" else "127.0.0.1"
        return f"http://{loopback}:{self.hub_port}{self.base_url}hub/api"

    @property
    def template_folders(self) -> list[str]:
        """The absolute folders of the operator's own templates."""
        return [str(self.path(folder)) for folder in self.template_paths]

    @property
    def data_path(self) -> Path:
        """The absolute folder of the hub's own files."""
        return Path(self.data_dir).expanduser().absolute()

    def path(self, name: str) -> Path:
        """Return the absolute path of the file *name*, which may be relative to the hub's folder."""
        return self.data_path / Path(name).expanduser()

    @property
    def cookie_secret_path(self) -> Path:
        """The absolute path of cookie_secret_file."""
        return self.path(self.cookie_secret_file)

    @property
    def pid_path(self) -> Path | None:
        """The absolute path of pid_file, or None."""
        return self.path(self.pid_file) if self.pid_file else None

    @validate("trusted_downstream_ips")
    def _check_networks(self, proposal: Any) -> list[str]:
        for network in proposal.value:
            try:
                ip_network(network)
            except ValueError:
                raise TraitError(f"{network!r} is no address and no network such as 192.0.2.0/24") from None
        return list(proposal.value)

    @property
    def guess_limits(self) -> GuessLimits:
        """How many tries to sign in may fail."""
        return GuessLimits(
            self.failed_sign_ins_per_name,
            self.failed_sign_ins_per_address,
            timedelta(seconds=self.failed_sign_in_window),
        )

    @property
    def audit_log_path(self) -> Path | None:
        """The absolute path of audit_log_file, or None."""
        return self.path(self.audit_log_file) if self.audit_log_file else None

    @property
    def ssl_key_path(self) -> str:
        """The absolute path of ssl_key; empty for plain HTTP."""
        return str(self.path(self.ssl_key)) if self.ssl_key else ""

    @property
    def ssl_cert_path(self) -> str:
        """The absolute path of ssl_cert; empty for plain HTTP."""
        return str(self.path(self.ssl_cert)) if self.ssl_cert else ""

    @property
    def database_url(self) -> str:
        """db_url, with the absolute path of its file if it is one."""
        return absolute_database_url(self.db_url, self.data_path)
