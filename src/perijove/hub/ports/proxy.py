"""What the hub needs from a proxy: to add, delete and list routes, and to be started if it is ours.

Subclass `Proxy` and name the class in ``c.JupyterHub.proxy_class``, or register it as an entry point in the group
``perijove.proxies``. A routespec ends with a slash, and starts with one or with a host name; the proxy sends the whole
path on and keeps WebSockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct
from traitlets import Bool, Dict, Float, Unicode
from traitlets.config import LoggingConfigurable

from perijove.hub.core.routes import Route


class ProxySetting(Struct, frozen=True):
    """What a proxy must know of its surroundings.

    Attributes:
        bind_url: where the proxy listens for browsers.
        hub_url: ``http://host:port`` of the hub.
        hub_prefix: the hub's prefix.
        data_dir: an existing folder in which a proxy may keep files of its own.
        default_token: the token for the admin API if none is configured: the same in every hub process.
        host_routing: whether the first segment of every route but the hub's is a host name.
        ssl_key: file with the private key for browsers; empty for plain HTTP.
        ssl_cert: file with the certificate for browsers.
    """

    bind_url: str
    hub_url: str
    hub_prefix: str
    data_dir: str
    default_token: str
    host_routing: bool = False
    ssl_key: str = ""
    ssl_cert: str = ""


class Proxy(LoggingConfigurable):
    """Sends traffic to the hub and to servers."""

    setting: ProxySetting
    """Set by the hub before anything is called."""

    should_start = Bool(True, help="Start the proxy with the hub; off if it is started by somebody else.").tag(
        config=True
    )
    extra_routes = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Routes of your own: the URL to send requests to, by the beginning of the path "
        "(of host and path where users have hosts).",
    ).tag(config=True)
    check_running_interval = Float(0.5, help="Seconds between two looks whether the proxy still runs.").tag(config=True)

    async def start(self) -> bool:
        """Make sure that the proxy runs; return False if one from an earlier hub process was found and kept.

        Raises:
            PerijoveError: UNAVAILABLE, with what kept it from starting.
        """
        raise TypeError(f"{type(self).__name__} does not say how to start: it must override start() or be external")

    async def stop(self) -> None:
        """End the proxy if this hub or an earlier one started it."""

    async def close(self) -> None:
        """Let go of what this hub opened to talk to the proxy, which goes on."""

    async def is_running(self) -> bool:
        """Say whether the proxy is there; a failure to find out is an exception."""
        raise TypeError(f"{type(self).__name__} must override is_running()")

    async def add_route(self, routespec: str, target: str, data: Mapping[str, Any]) -> None:
        """Send all below *routespec* to *target*, in place of what was there. Raises PerijoveError UNAVAILABLE."""
        raise TypeError(f"{type(self).__name__} must override add_route()")

    async def delete_route(self, routespec: str) -> None:
        """Delete a route; it is no error if there is none. Raises PerijoveError UNAVAILABLE."""
        raise TypeError(f"{type(self).__name__} must override delete_route()")

    async def get_all_routes(self) -> Mapping[str, Route]:
        """Return the routes that a hub made, by routespec; raises PerijoveError UNAVAILABLE."""
        raise TypeError(f"{type(self).__name__} must override get_all_routes()")


@runtime_checkable
class Moves(Protocol):
    """A proxy that the hub can be told of anew while it runs: it was started again elsewhere, by somebody else."""

    api_url: str

    async def move(self, api_url: str, auth_token: str) -> None:
        """Talk to the proxy at *api_url*, if not empty, with *auth_token*, if not empty, from now on.

        Raises:
            PerijoveError: INVALID, if the hub itself starts this proxy or no proxy can be there; UNAVAILABLE, if none
                answers there. Nothing changes then.
        """
        ...


@runtime_checkable
class ChangesRoutesAtOnce(Protocol):
    """A proxy that can be told of many routes in one call, as after a restart."""

    async def change_routes(self, add: Sequence[Route], delete: Sequence[str]) -> None:
        """Add or replace the routes *add* and delete those of the routespecs *delete*; leave all others alone.

        Raises:
            PerijoveError: UNAVAILABLE; then any part of it may have been done.
        """
