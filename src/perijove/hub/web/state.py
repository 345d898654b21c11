"""What the handlers are given: the use cases, and what they must know of the configuration."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

import perijove
from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.settings.landing import Landing
from perijove.hub.usecases.accounts import Accounts
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.administration import Administration
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.culling import Culler
from perijove.hub.usecases.entrance import Entrance
from perijove.hub.usecases.guessing import Guard
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.refreshes import Refreshes
from perijove.hub.usecases.removal import Removal
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.servers import Servers
from perijove.hub.usecases.services import Services
from perijove.hub.usecases.shutdown import Shutdown
from perijove.hub.usecases.usages import Usages
from perijove.hub.web.answers import Answers, UserTexts
from perijove.hub.web.templating import Templates


class RequestMetrics(Protocol):
    """What is measured of requests, and where Prometheus reads it."""

    def observe_request(self, method: str, handler: str, code: int, seconds: float) -> None:
        """Take note of one answered request; *handler* is the name of what answered it."""
        ...

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        ...


class WebSettings(Struct, frozen=True):
    """What handlers must know of the configuration.

    Attributes:
        site: where browsers find the hub and its servers.
        host_cookies: whether the names of the hub's cookies have the prefix ``__Host-``.
        cookie_secret: signs what forms carry.
        session_lifetime: how long a sign-in lasts.
        require_pkce: whether OAuth clients must use PKCE.
        oauth_lifetime: how long a token given to a server lasts.
        token_maximum: the longest life of an API token in seconds; 0 for no limit.
        page_default: how many items a page of a list has by default.
        page_maximum: how many it has at most.
        slow_start: seconds that a request to start a server waits.
        slow_stop: seconds that a request to stop a server waits.
        metrics_need_scope: whether metrics are shown to holders of ``read:metrics`` only.
        landing: where people are led who did not say where they want to go.
    """

    site: Site
    host_cookies: bool
    cookie_secret: bytes
    session_lifetime: timedelta
    require_pkce: bool
    oauth_lifetime: timedelta
    token_maximum: int
    page_default: int
    page_maximum: int
    slow_start: float
    slow_stop: float
    metrics_need_scope: bool
    landing: Landing

    @property
    def base_url(self) -> str:
        """The prefix of the installation."""
        return self.site.base_url

    @property
    def prefix(self) -> str:
        """The prefix of the hub."""
        return self.site.prefix


class PluginInfo(Struct, frozen=True):
    """The class of a plug-in in use and the version of the distribution it comes from."""

    name: str
    version: str

    @classmethod
    def of(cls, plugin: type) -> PluginInfo:
        """Return what is known of the class *plugin*."""
        name, package = f"{plugin.__module__}.{plugin.__qualname__}", plugin.__module__.partition(".")[0]
        if package == perijove.__name__:
            return cls(name, perijove.__version__)
        # The last way looks through everything that is installed, and a class of the configuration file has no package.
        if package in sys.stdlib_module_names:
            return cls(name, "unknown")
        with suppress(PackageNotFoundError):
            return cls(name, version(package))
        with suppress(PackageNotFoundError, KeyError):
            return cls(name, version(packages_distributions()[package][0]))
        return cls(name, "unknown")


class Logo(Struct, frozen=True):
    """An operator's own logo."""

    content: bytes
    media_type: str

    @classmethod
    def read(cls, path: Path) -> Logo:
        """Return the logo in the file *path*. Raises OSError."""
        return cls(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


class HubState(Struct, frozen=True):
    """Everything a handler may use; in ``request.app.state.hub``."""

    ctx: Context
    settings: WebSettings
    activity: Activity
    identities: Identities
    accounts: Accounts | None
    guard: Guard
    authenticator: Authenticator
    entrance: Entrance
    refreshes: Refreshes
    servers: Servers
    culler: Culler
    usages: Usages
    removal: Removal
    routes: Routes
    services: Services
    shutdown: Shutdown
    templates: Templates
    metrics: RequestMetrics
    authenticator_info: PluginInfo
    spawner_info: PluginInfo
    ready: Callable[[], Awaitable[None]]
    administration: Administration
    template_vars: Mapping[str, Any] = field(default_factory=dict)
    logo: Logo | None = None
    answers: Answers = field(default_factory=Answers)
    user_texts: UserTexts = field(default_factory=UserTexts)
