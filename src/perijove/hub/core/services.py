"""Services: other programs that use the hub's API with a token of their own, or are reached through its proxy."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, field

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
STEADY: Final = 60.0
"""Seconds: the pause before a service that ended is started again, how long that may become, and how long it must have
run for the next pause to be the first one again."""


class Service(Struct, frozen=True):
    """A program known to the hub.

    Attributes:
        id: its number, for ever; 0 before it is stored.
        name: its name.
        admin: whether it was given the role of administrators.
        url: where it listens, ``http://host:port``; empty if nothing of it is proxied.
        command: what a hub runs for it; empty if somebody else runs it.
        info: what its operator says about it; any JSON object.
        display: whether pages list it.
        oauth_client_id: the id that its OAuth client shall have; empty for ``service-<name>``.
        oauth_redirect_uri: where codes for that client are sent; empty for ``oauth_callback`` below its prefix.
        oauth_client_allowed_scopes: raw scopes it may ask for.
        oauth_no_confirm: whether people are spared the consent page.
        from_config: whether the configuration file has it; others were made while the hub ran, and stay until deleted.
    """

    id: int
    name: str
    admin: bool = False
    url: str = ""
    command: tuple[str, ...] = ()
    info: Mapping[str, object] = field(default_factory=dict)
    display: bool = True
    oauth_client_id: str = ""
    oauth_redirect_uri: str = ""
    oauth_client_allowed_scopes: tuple[str, ...] = ()
    oauth_no_confirm: bool = False
    from_config: bool = True

    @property
    def client_id(self) -> str:
        """The id of its OAuth client, if it has one."""
        return self.oauth_client_id or f"service-{self.name}"

    @property
    def target(self) -> str:
        """Where the proxy sends what is for it: the origin of its URL; empty if nothing of it is proxied.

        A path in the URL says where the service's pages are, and requests have the whole path in them already.
        """
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" if self.url else ""


def next_pause(last: float, ran: float) -> float:
    """Return how many seconds to wait before a service that ended is started again.

    Args:
        last: the pause before it was started; 0 for the first start.
        ran: how many seconds it ran.
    """
    return FIRST_PAUSE if ran >= STEADY or last <= 0 else min(LONGEST_PAUSE, 2 * last)


def derived_token(secret: bytes, name: str) -> str:
    """Return the token of a service that the hub runs and whose operator gave it none.

    It follows from the hub's secret, so that a service's visitors stay signed in over restarts of the hub, and hubs on
    one database agree on it.
    """
    return hmac.new(secret, f"token of the service {name}".encode(), hashlib.sha256).hexdigest()
