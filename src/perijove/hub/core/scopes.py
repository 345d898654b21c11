"""What each scope contains, and who holds what: expansion, intersection and the question "may they?".

A *raw* scope is as somebody wrote it (``self``, ``inherit``, ``access:servers!server``). *Expanded* scopes name every
permission with its filter resolved, as clients see them. Decisions are made on expanded scopes only.
Source: the scope catalogue of JupyterHub 6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct, field

from perijove.hub.core.errors import PerijoveError, invalid
from perijove.wire.scopes import Scope, ScopeSyntaxError, parse_scope


class Definition(Struct, frozen=True):
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

CUSTOM_PREFIX = "custom:"


class Catalogue(Struct, frozen=True):
    """All scopes that a hub knows: its own, and those that its configuration adds.

    Attributes:
        definitions: name → what it allows and contains; containment has no circles.
    """

    definitions: Mapping[str, Definition]

    def __contains__(self, base: str) -> bool:
        return base in self.definitions

    def parse(self, text: str) -> Scope:
        """Return the scope that *text* names.

        Raises:
            PerijoveError: INVALID, if there is no such scope, or it is a metascope with a filter.
        """
        try:
            scope = parse_scope(text)
        except ScopeSyntaxError as error:
            raise invalid(str(error)) from None
        if scope.base not in self.definitions:
            raise invalid(f"There is no scope {scope.base[:80]!r}")
        if scope.base in METASCOPES and scope.kind:
            raise invalid(f"The scope {scope.base!r} takes no filter")
        return scope

    def known(self, raw: Iterable[str]) -> tuple[str, ...]:
        """Return those of *raw* that are scopes here: what was stored may be older than the configuration."""
        return tuple(text for text in raw if self._knows(text))

    def _knows(self, text: str) -> bool:
        try:
            self.parse(text)
        except PerijoveError:
            return False
        return True

    def with_contained(self, scope: Scope) -> set[Scope]:
        """Return *scope* and everything it contains, with its filter."""
        found: set[Scope] = set()
        waiting = [scope]
        while waiting:
            current = waiting.pop()
            # A limit to one server says nothing about its owner's other data.
            if current in found or (current.kind == "server" and current.base.startswith("read:user")):
                continue
            found.add(current)
            contained = self.definitions[current.base].contains
            waiting.extend(Scope(base, current.kind, current.value) for base in contained)
        return found


BUILT_IN = Catalogue(CATALOGUE)
"""The scopes that every hub knows."""


class Holder(Struct, frozen=True):
    """On whose behalf self filters are resolved: the owner of a token, and what its OAuth client stands for."""

    user: str = ""
    service: str = ""
    server: str = ""


class Memberships(Struct, frozen=True):
    """The groups of some users: of those whom filters name, no others.

    Attributes:
        groups: user name → the names of their groups.
    """

    groups: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, scope: Scope) -> Collection[str]:
        """Return the groups of the user to whom *scope* is limited."""
        return self.groups.get(scope.owner, ()) if scope.owner else ()


NO_MEMBERSHIPS = Memberships()


def parse_known(text: str, catalogue: Catalogue = BUILT_IN) -> Scope:
    """Return the scope that *text* names. Raises PerijoveError INVALID; see `Catalogue.parse`."""
    return catalogue.parse(text)


def _resolve(scope: Scope, holder: Holder) -> Scope | None:
    """Fill in a self filter; None if there is nothing to fill it with."""
    if not scope.kind or scope.value:
        return scope
    value = {"user": holder.user, "service": holder.service, "server": holder.server}[scope.kind]
    return Scope(scope.base, scope.kind, value) if value else None


def reduce(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return *scopes* without those that an unlimited one among them already covers."""
    every = set(scopes)
    unlimited = {scope.base for scope in every if not scope.kind}
    return frozenset(scope for scope in every if not scope.kind or scope.base not in unlimited)


def expand(raw: Iterable[str], holder: Holder, catalogue: Catalogue = BUILT_IN) -> frozenset[Scope]:
    """Return every permission in *raw*, self filters resolved for *holder*.

    ``inherit`` stands for nothing here: see `token_scopes`. A self filter that cannot be resolved gives nothing.

    Raises:
        PerijoveError: INVALID, if one of them is no scope.
    """
    found: set[Scope] = set()
    for text in raw:
        scope = catalogue.parse(text)
        if scope.base == "self":
            if holder.user:
                for base in SELF_SCOPES:
                    found |= catalogue.with_contained(Scope(base, "user", holder.user))
            continue
        resolved = _resolve(scope, holder)
        if resolved is not None and scope.base not in METASCOPES:
            found |= catalogue.with_contained(resolved)
    return reduce(found)


def undecided(left: Iterable[Scope], right: Iterable[Scope]) -> frozenset[str]:
    """Return the names of the users whose groups must be known to intersect *left* with *right*.

    Empty unless one side is limited to a group where the other is limited to a user or a server: the usual case.
    """
    left, right = frozenset(left), frozenset(right)
    return _met_by_groups(left, right) | _met_by_groups(right, left)


def _met_by_groups(limited: Iterable[Scope], other: Iterable[Scope]) -> frozenset[str]:
    by_group = {scope.base for scope in other if scope.kind == "group"}
    return frozenset(scope.owner for scope in limited if scope.owner and scope.base in by_group)


def intersect(left: Iterable[Scope], right: Iterable[Scope], members: Memberships = NO_MEMBERSHIPS) -> frozenset[Scope]:
    """Return what both sides allow; of two that overlap, the narrower one.

    Two different groups have nothing in common here, even if somebody is in both: no scope could say so, and JupyterHub
    decides likewise.

    Args:
        left: expanded scopes.
        right: expanded scopes.
        members: the groups of at least the users that `undecided` names.
    """
    left, right = frozenset(left), frozenset(right)
    narrower = {scope for scope in left if any(other.covers(scope, members.of(scope)) for other in right)}
    narrower |= {scope for scope in right if any(other.covers(scope, members.of(scope)) for other in left)}
    return reduce(narrower)


def token_own_scopes(raw: Iterable[str], holder: Holder, catalogue: Catalogue = BUILT_IN) -> frozenset[Scope]:
    """Return what a token asks for, whatever its owner may do: `token_scopes` cuts it down to that.

    Beside its stored scopes, a token may tell who its owner is.
    """
    identify = (
        [Scope(base, "user", holder.user) for base in IDENTIFY_SCOPES]
        if holder.user
        else [Scope("read:services:name", "service", holder.service)]
    )
    return reduce(expand(catalogue.known(raw), holder, catalogue) | frozenset(identify))


def token_scopes(
    raw: Iterable[str],
    owner_scopes: frozenset[Scope],
    holder: Holder,
    members: Memberships = NO_MEMBERSHIPS,
    catalogue: Catalogue = BUILT_IN,
) -> frozenset[Scope]:
    """Return what a token allows now: its own scopes as far as its owner holds them too.

    Args:
        raw: the scopes stored with the token; those that are not known (any more) give nothing.
        owner_scopes: everything its owner may do now, expanded.
        holder: for the token's self filters.
        members: the groups of the users that both sides name; see `undecided`.
        catalogue: all scopes there are.
    """
    raw = tuple(raw)
    if "inherit" in raw:
        return owner_scopes
    return intersect(token_own_scopes(raw, holder, catalogue), owner_scopes, members)


def holds(scopes: Iterable[Scope], needed: Scope, groups: Collection[str] = ()) -> bool:
    """Say whether *scopes* (expanded) allow *needed*; *groups* are those of the user whom *needed* is about."""
    return any(scope.covers(needed, groups) for scope in scopes)


def holds_any(scopes: Iterable[Scope], base: str) -> bool:
    """Say whether *scopes* hold *base* at all, for whomever: it decides between 403 and 404."""
    return any(scope.base == base for scope in scopes)


def beyond(asked: Iterable[Scope], held: frozenset[Scope], members: Memberships = NO_MEMBERSHIPS) -> tuple[Scope, ...]:
    """Return those of *asked* (expanded) that *held* do not cover, in order: what nobody may hand on."""
    return tuple(sorted(scope for scope in set(asked) if not holds(held, scope, members.of(scope))))
