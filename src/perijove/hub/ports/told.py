"""What spawners and authenticators are told: where the hub is, and of whom they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from perijove.hub.core.groups import Group
from perijove.hub.core.site import Site
from perijove.wire.prefixes import escape_name


class HubInfo(Struct, frozen=True):
    """Where the hub is.

    Attributes:
        site: where browsers find the hub and its servers.
        api_url: the URL under which servers reach the API.
        data_dir: an existing folder in which a spawner may keep files of its own.
        host_cookies: whether servers give the names of their cookies the prefix ``__Host-``.
        installation: what tells servers of this hub's store from those of any other; empty where that is not told.
    """

    site: Site
    api_url: str
    data_dir: str
    host_cookies: bool = False
    installation: str = ""

    @property
    def base_url(self) -> str:
        """The prefix of the installation."""
        return self.site.base_url

    @property
    def public_host(self) -> str:
        """``scheme://host[:port]`` of the hub for browsers; empty where paths are enough."""
        return self.site.origin


class AuthStateAccess(Protocol):
    """What the authenticator keeps about one person, decrypted for plug-ins."""

    async def get(self) -> dict[str, Any] | None:
        """Return it; None if there is nothing, or if it is not enabled or cannot be decrypted."""
        ...

    async def put(self, state: Mapping[str, Any] | None) -> None:
        """Replace it; None forgets it. Nothing happens where it is not enabled."""
        ...


class _NoAuthState:
    async def get(self) -> dict[str, Any] | None:
        return None

    async def put(self, state: Mapping[str, Any] | None) -> None:
        pass


@dataclass(frozen=True, slots=True)
class SpawnerUser:
    """A person, as plug-ins see them: the owner of a server for a spawner, whoever is refreshed for an authenticator.

    Attributes:
        id: their number, for ever.
        name: normalised.
        admin: whether they are an administrator.
        groups: their groups with properties, by name; known from the start of a server on, and to authenticators.
        user_info: what the authenticator tells everybody about them; known when *groups* are.
        auth_state: where `get_auth_state` and `save_auth_state` find what they give and take.
    """

    id: int
    name: str
    admin: bool
    groups: tuple[Group, ...] = ()
    user_info: Mapping[str, object] | None = None
    auth_state: AuthStateAccess = field(default=_NoAuthState(), repr=False, compare=False)

    async def get_auth_state(self) -> dict[str, Any] | None:
        """Return what the authenticator keeps about them; None if there is nothing that can be read."""
        return await self.auth_state.get()

    async def save_auth_state(self, state: Mapping[str, Any] | None) -> None:
        """Replace it; None forgets it. Raises TypeError or ValueError for what cannot be kept."""
        await self.auth_state.put(state)

    @property
    def escaped_name(self) -> str:
        """The name as it stands in a URL."""
        return escape_name(self.name)
