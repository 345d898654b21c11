"""Services: other programs that use the hub's API with a token of their own, or are reached through its proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Service:
    """A program known to the hub.

    Attributes:
        id: its number, for ever; 0 before it is stored.
        name: its name.
        admin: whether it was given the role of administrators.
        url: where it listens, ``http://host:port``; empty if nothing of it is proxied.
        command: what the hub runs for it; empty if somebody else runs it.
        info: what its operator says about it; any JSON object.
        display: whether pages list it.
        oauth_client_id: the id of its OAuth client; empty if it has none.
        oauth_redirect_uri: where codes for that client are sent.
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
