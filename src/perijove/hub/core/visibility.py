"""Which fields of a user a caller may see: the vertical filters of the scopes."""

from __future__ import annotations

from typing import Final

from perijove.hub.core.principals import Principal

USER_FIELDS: Final[dict[str, tuple[str, ...]]] = {
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


def user_fields(principal: Principal, user_name: str) -> frozenset[str]:
    """Return the names of the fields of *user_name* that *principal* may see; empty if it may not know them at all."""
    return frozenset(
        field for scope, fields in USER_FIELDS.items() if principal.may(scope, user=user_name) for field in fields
    )
