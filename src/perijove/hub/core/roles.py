"""Roles: named sets of scopes, given to users, groups and services. The four default roles exist in every hub."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of raw scopes.

    Attributes:
        name: its name.
        scopes: raw scopes.
        description: what it is for.
        managed: whether it came from the authenticator, not from the configuration.
    """

    name: str
    scopes: tuple[str, ...]
    description: str = ""
    managed: bool = False


DEFAULT_ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("user", ("self",), "What every user may do"),
        Role("admin", ADMIN_SCOPES, "Everything; cannot be changed"),
        Role("server", ("users:activity!user", "access:servers!server"), "What a single-user server may do"),
        Role("token", ("inherit",), "What a token may do if nothing else was asked for"),
    )
}
