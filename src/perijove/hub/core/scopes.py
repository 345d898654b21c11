"""What each scope contains, and who holds what: expansion, intersection and the question "may they?".

A *raw* scope is as somebody wrote it (``self``, ``inherit``, ``access:servers!server``). *Expanded* scopes name every
permission with its filter resolved, as clients see them. Decisions are made on expanded scopes only.
Source: the scope catalogue of JupyterHub 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perijove.hub.core.errors import invalid
from perijove.wire.scopes import Scope, ScopeSyntaxError, parse_scope


@dataclass(frozen=True, slots=True)
class Definition:
    """One row of the catalogue: what a scope allows, in words, and which scopes it contains directly."""

    description: str
    contains: tuple[str, ...] = ()


CATALOGUE: dict[str, Definition] = {
    "(no_scope)": Definition("Identify the owner of the requesting entity."),
    "self": Definition("Everything a user may do with what is their own."),
    "inherit": Definition("Everything the token's owner may do."),
    "admin-ui": Definition("See the administration page."),
    "admin:users": Definition(
        "Create, change and delete users.", ("admin:auth_state", "users", "read:roles:users", "delete:users")
    ),
    "admin:auth_state": Definition("See a user's authentication state."),
    "users": Definition(
        "Change users, without creating or deleting them.", ("read:users", "list:users", "users:activity")
    ),
    "delete:users": Definition("Delete users."),
    "list:users": Definition("List users.", ("read:users:name",)),
    "read:users": Definition("Read users.", ("read:users:name", "read:users:groups", "read:users:activity")),
    "read:users:name": Definition("Read the names of users."),
    "read:users:groups": Definition("Read which groups users are in."),
    "read:users:activity": Definition("Read when users were last active."),
    "users:activity": Definition("Report that users are active.", ("read:users:activity",)),
    "read:roles": Definition(
        "Read all role assignments.", ("read:roles:users", "read:roles:services", "read:roles:groups")
    ),
    "read:roles:users": Definition("Read the roles of users."),
    "read:roles:services": Definition("Read the roles of services."),
    "read:roles:groups": Definition("Read the roles of groups."),
    "admin:servers": Definition("Do everything with servers, their state included.", ("admin:server_state", "servers")),
    "admin:server_state": Definition("Read what a spawner keeps about a server."),
    "servers": Definition("Start and stop servers.", ("read:servers", "start:servers", "delete:servers")),
    "start:servers": Definition("Start servers."),
    "read:servers": Definition("Read servers.", ("read:users:name",)),
    "delete:servers": Definition("Stop and delete servers."),
    "tokens": Definition("Make and revoke tokens.", ("read:tokens",)),
    "read:tokens": Definition("Read what is known of tokens."),
    "admin:groups": Definition("Create and delete groups.", ("groups", "read:roles:groups", "delete:groups")),
    "groups": Definition("Change groups.", ("read:groups", "list:groups")),
    "list:groups": Definition("List groups.", ("read:groups:name",)),
    "read:groups": Definition("Read groups.", ("read:groups:name",)),
    "read:groups:name": Definition("Read the names of groups."),
    "delete:groups": Definition("Delete groups."),
    "admin:services": Definition(
        "Create and delete services.", ("list:services", "read:services", "read:roles:services")
    ),
    "list:services": Definition("List services.", ("read:services:name",)),
    "read:services": Definition("Read services.", ("read:services:name",)),
    "read:services:name": Definition("Read the names of services."),
    "read:hub": Definition("Read what the hub is made of."),
    "access:servers": Definition("Use servers."),
    "access:services": Definition("Use services."),
    "shares": Definition(
        "Share access to servers.", ("access:servers", "read:shares", "users:shares", "groups:shares")
    ),
    "read:shares": Definition("Read who has access to servers."),
    "users:shares": Definition("Give up access that was shared with a user.", ("read:users:shares",)),
    "read:users:shares": Definition("Read what was shared with users."),
    "groups:shares": Definition("Give up access that was shared with a group.", ("read:groups:shares",)),
    "read:groups:shares": Definition("Read what was shared with groups."),
    "proxy": Definition("Read and refresh the proxy's routes."),
    "shutdown": Definition("Stop the hub."),
    "read:metrics": Definition("Read metrics."),
}

METASCOPES = frozenset({"(no_scope)", "self", "inherit"})
"""Scopes that stand for others and take no filter."""

SELF_SCOPES = ("read:users", "users:shares", "read:shares", "users:activity", "servers", "tokens", "access:servers")
"""What the metascope ``self`` means, each limited to the user."""

IDENTIFY_SCOPES = ("read:users:name", "read:users:groups")
"""What every token of a user may read of its owner."""


@dataclass(frozen=True, slots=True)
class Holder:
    """On whose behalf self filters are resolved: the owner of a token, and the server its OAuth client stands for."""

    user: str = ""
    service: str = ""
    server: str = ""


def parse_known(text: str) -> Scope:
    """Return the scope that *text* names.

    Raises:
        PerijoveError: INVALID, if there is no such scope, or it is a metascope with a filter.
    """
    try:
        scope = parse_scope(text)
    except ScopeSyntaxError as error:
        raise invalid(str(error)) from None
    if scope.base not in CATALOGUE:
        raise invalid(f"There is no scope {scope.base[:80]!r}")
    if scope.base in METASCOPES and scope.kind:
        raise invalid(f"The scope {scope.base!r} takes no filter")
    return scope


def _resolve(scope: Scope, holder: Holder) -> Scope | None:
    """Fill in a self filter; None if there is nothing to fill it with."""
    if not scope.kind or scope.value:
        return scope
    value = {"user": holder.user, "service": holder.service, "server": holder.server}[scope.kind]
    return Scope(scope.base, scope.kind, value) if value else None


def _with_contained(scope: Scope) -> set[Scope]:
    found: set[Scope] = set()
    waiting = [scope]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        # A limit to one server says nothing about its owner's other data.
        if current.kind == "server" and current.base.startswith("read:user"):
            continue
        found.add(current)
        waiting.extend(Scope(base, current.kind, current.value) for base in CATALOGUE[current.base].contains)
    return found


def reduce(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return *scopes* without those that an unlimited one among them already covers."""
    every = set(scopes)
    unlimited = {scope.base for scope in every if not scope.kind}
    return frozenset(scope for scope in every if not scope.kind or scope.base not in unlimited)


def expand(raw: Iterable[str], holder: Holder) -> frozenset[Scope]:
    """Return every permission in *raw*, self filters resolved for *holder*.

    ``inherit`` stands for nothing here: see `token_scopes`. A self filter that cannot be resolved gives nothing.

    Raises:
        PerijoveError: INVALID, if one of them is no scope.
    """
    found: set[Scope] = set()
    for text in raw:
        scope = parse_known(text)
        if scope.base == "self":
            if holder.user:
                for base in SELF_SCOPES:
                    found |= _with_contained(Scope(base, "user", holder.user))
            continue
        resolved = _resolve(scope, holder)
        if resolved is not None and scope.base not in {"inherit", "(no_scope)"}:
            found |= _with_contained(resolved)
    return reduce(found)


def intersect(left: Iterable[Scope], right: Iterable[Scope]) -> frozenset[Scope]:
    """Return what both sides allow; of two that overlap, the narrower one."""
    left, right = frozenset(left), frozenset(right)
    narrower = {scope for scope in left if any(other.covers(scope) for other in right)}
    narrower |= {scope for scope in right if any(other.covers(scope) for other in left)}
    return reduce(narrower)


def token_scopes(raw: Iterable[str], owner_scopes: frozenset[Scope], holder: Holder) -> frozenset[Scope]:
    """Return what a token allows now: its own scopes as far as its owner holds them too.

    Args:
        raw: the scopes stored with the token.
        owner_scopes: everything its owner may do now, expanded.
        holder: for the token's self filters.
    """
    raw = tuple(raw)
    if "inherit" in raw:
        return owner_scopes
    return intersect(expand(raw, holder), owner_scopes)


def holds(scopes: Iterable[Scope], needed: Scope) -> bool:
    """Say whether *scopes* (expanded) allow *needed*."""
    return any(scope.covers(needed) for scope in scopes)


def holds_any(scopes: Iterable[Scope], base: str) -> bool:
    """Say whether *scopes* hold *base* at all, for whomever: it decides between 403 and 404."""
    return any(scope.base == base for scope in scopes)
