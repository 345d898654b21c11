"""Which fields of users, groups, services and servers a caller may see: the vertical filters of the scopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from perijove.hub.core.errors import not_found
from perijove.hub.core.principals import OUT_OF_REACH, Person, Principal, Target

Fields = Mapping[str, tuple[str, ...]]
"""Scope → the fields it shows."""

USER_FIELDS: Final[Fields] = {
    "read:users": (
        "kind",
        "name",
        "admin",
        "user_info",
        "roles",
        "groups",
        "server",
        "pending",
        "created",
        "last_activity",
    ),
    "read:users:name": ("kind", "name", "admin", "user_info"),
    "read:users:groups": ("kind", "name", "groups"),
    "read:users:activity": ("kind", "name", "last_activity"),
    "read:servers": ("kind", "name", "servers"),
    "read:roles:users": ("kind", "name", "roles", "admin"),
    "admin:auth_state": ("kind", "name", "auth_state"),
}

GROUP_FIELDS: Final[Fields] = {
    "read:groups": ("kind", "name", "users", "properties"),
    "read:groups:name": ("kind", "name"),
    "read:roles:groups": ("kind", "name", "roles"),
}

SERVICE_FIELDS: Final[Fields] = {
    "read:services": ("kind", "name", "admin", "url", "prefix", "command", "pid", "info", "display"),
    "read:services:name": ("kind", "name", "admin"),
    "read:roles:services": ("kind", "name", "roles", "admin"),
}

READ_USER: Final = (
    "read:users",
    "read:users:name",
    "read:servers",
    "read:users:groups",
    "read:users:activity",
    "read:roles:users",
)
"""Any of these lets somebody read one user."""

READ_GROUP: Final = tuple(GROUP_FIELDS)
"""Any of these lets somebody read one group."""

READ_SERVICE: Final = tuple(SERVICE_FIELDS)
"""Any of these lets somebody read one service."""


def user_fields(principal: Principal, user: Person) -> frozenset[str]:
    """Return the names of the fields of *user* that *principal* may see; empty if it may not know them at all."""
    return _shown(
        USER_FIELDS,
        lambda scope: sees_a_server(principal, user) if scope == "read:servers" else principal.may(scope, user=user),
    )


def fields_of_users(principal: Principal, users: Sequence[Person]) -> list[frozenset[str]]:
    """Return `user_fields` of each of *users*; found out once where no scope is limited to anybody."""
    if any(scope.kind and scope.base in USER_FIELDS for scope in principal.scopes):
        return [user_fields(principal, user) for user in users]
    return [user_fields(principal, Target(""))] * len(users)


def sees_a_server(principal: Principal, user: Person) -> bool:
    """Say whether *principal* may see any server of *user*; one alone shows its owner's name too."""
    return principal.may("read:servers", user=user) or any(
        scope.base == "read:servers" and scope.kind == "server" and scope.owner == user.name
        for scope in principal.scopes
    )


def require_user(principal: Principal, user: Person) -> None:
    """Return if *principal* may read anything of *user*. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    principal.require_some(*READ_USER)
    if not sees_a_server(principal, user) and not any(principal.may(scope, user=user) for scope in READ_USER):
        raise not_found(OUT_OF_REACH)


def group_fields(principal: Principal, group: str) -> frozenset[str]:
    """Return the names of the fields of *group* that *principal* may see; empty if it may not know it at all."""
    return _shown(GROUP_FIELDS, lambda scope: principal.may(scope, group=group))


def service_fields(principal: Principal, service: str) -> frozenset[str]:
    """Return the names of the fields of *service* that *principal* may see; empty if it may not know it at all."""
    return _shown(SERVICE_FIELDS, lambda scope: principal.may(scope, service=service))


def _shown(table: Fields, may: Callable[[str], bool]) -> frozenset[str]:
    return _same(frozenset(field for scope, fields in table.items() if may(scope) for field in fields))


@lru_cache(maxsize=256)
def _same(fields: frozenset[str]) -> frozenset[str]:
    """Return the same object for equal *fields*: there are few, and who compares them often finds that out at once."""
    return fields


def sees_server_state(principal: Principal, user: Person, server: str) -> bool:
    """Say whether *principal* may see what the spawner keeps about a server: the one field with a scope of its own."""
    return principal.may("admin:server_state", user=user, server=server)
