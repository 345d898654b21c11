"""Roles: named sets of scopes, given to users, groups and services. The four default roles exist in every hub."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from perijove.hub.core.texts import mark

HolderKind = Literal["user", "group", "service"]
"""Who can hold a role."""

ADMIN_SCOPES = (
    "admin-ui",
    "admin:users",
    "admin:servers",
    "admin:services",
    "tokens",
    "admin:groups",
    "list:services",
    "read:services",
    "read:hub",
    "proxy",
    "shutdown",
    "access:services",
    "access:servers",
    "read:roles",
    "read:metrics",
    "shares",
)


class Source(StrEnum):
    """Who says what a role allows."""

    HUB = "hub"
    CONFIGURATION = "configuration"
    AUTHENTICATOR = "authenticator"
    ADMINISTRATORS = "administrators"


class Role(Struct, frozen=True):
    """A named set of raw scopes.

    Attributes:
        name: its name.
        scopes: raw scopes.
        description: what it is for.
        managed: whether it came from the authenticator, not from the configuration.
        custom: whether an administrator made it while the hub ran: it stays until it is deleted, or until the
            configuration has one of its name. Never together with *managed*.
    """

    name: str
    scopes: tuple[str, ...]
    description: str = ""
    managed: bool = False
    custom: bool = False

    @property
    def source(self) -> Source:
        """Who says what it allows."""
        if self.custom:
            return Source.ADMINISTRATORS
        if self.managed:
            return Source.AUTHENTICATOR
        return Source.HUB if self.name in DEFAULT_ROLES else Source.CONFIGURATION


DEFAULT_ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("user", ("self",), "What every user may do"),
        Role("admin", ADMIN_SCOPES, "Everything; cannot be changed"),
        Role("server", ("users:activity!user", "access:servers!server"), "What a single-user server may do"),
        Role("token", ("inherit",), "What a token may do if nothing else was asked for"),
    )
}

OF_THE_HUB: Final = frozenset({"server", "token"})
"""Roles that say what a server or token may do: nobody holds them."""

_FIXED: Final = {
    Source.HUB: mark("The hub brings this role along. What it allows is said in its configuration, if anywhere."),
    Source.CONFIGURATION: mark("This role stands in the configuration of the hub; change or remove it there."),
    Source.AUTHENTICATOR: mark("This role comes from the sign-in service, which says what it allows."),
}


def why_fixed(role: Role) -> str:
    """Return why people cannot change what *role* allows, or delete it; empty if they can."""
    return _FIXED.get(role.source, "")


def why_holders_fixed(role: Role, kind: HolderKind, listed: Collection[HolderKind]) -> str:
    """Return why people cannot say which users, groups or services hold *role*; empty if they can.

    Args:
        role: the role.
        kind: of the holders.
        listed: the kinds of which the configuration lists all holders: each start of the hub makes it so again.
    """
    if role.name in OF_THE_HUB:
        return mark("The hub goes by this role where it makes servers and tokens; nobody holds it.")
    if kind in listed:
        return mark("The configuration of the hub lists those who hold it; change that there.")
    if role.managed:
        return mark("The sign-in service says who holds it.")
    if (role.name, kind) == ("admin", "service"):
        return mark("Whether a service is an administrator is said where the service is made.")
    return ""
