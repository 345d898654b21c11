"""Who asks: a user or a service, known by a session or by a token, and what they may do now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from msgspec import Struct

from perijove.hub.core.errors import PerijoveError, forbidden, not_found
from perijove.hub.core.scopes import holds, holds_any
from perijove.wire.scopes import Scope

Kind = Literal["user", "service"]
OUT_OF_REACH = "No access to resources or resources not found"


class Person(Protocol):
    """Whoever something is done to: a `User`, or a `Target` where there is none."""

    @property
    def name(self) -> str:
        """The normalised name."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """The names of their groups: filters by group are decided by them."""
        ...


class Target(Struct, frozen=True):
    """A name that is no user's (yet), and the groups it counts as being in: none, if nothing else is known."""

    name: str
    groups: tuple[str, ...] = ()


class Principal(Struct, frozen=True):
    """Whoever asks, passed explicitly to every use case.

    Attributes:
        kind: user or service.
        name: its name.
        scopes: what it may do now, expanded.
        user_id: the user's id; None for a service.
        service_id: the service's id; None for a user.
        admin: whether the user is an administrator, or the service was configured as one.
        token_id: the token it came with; None for a session.
        session_id: the browser session, if it came with one or with a token issued in one.
        activity: whether what it does counts as the owner's activity (a server's own token does not).
    """

    kind: Kind
    name: str
    scopes: frozenset[Scope]
    user_id: int | None = None
    service_id: int | None = None
    admin: bool = False
    token_id: int | None = None
    session_id: str | None = None
    activity: bool = True

    def may(
        self,
        base: str,
        *,
        user: Person | str = "",
        server: str | None = None,
        service: str = "",
        group: str = "",
    ) -> bool:
        """Say whether it holds *base* for what is named; with nothing named, for everything there is.

        Args:
            base: the permission.
            user: whom it is about, with their groups; a bare name is in no group.
            server: the name of that user's server; empty for the default one.
            service: the service it is about.
            group: the group it is about.
        """
        if Scope(base) in self.scopes:
            return True
        target = Target(user) if isinstance(user, str) else user
        needed = needed_scope(base, user=target.name, server=server, service=service, group=group)
        return holds(self.scopes, needed, target.groups)

    def may_some(self, *bases: str) -> bool:
        """Say whether it holds any of *bases* for anybody or anything."""
        return any(holds_any(self.scopes, base) for base in bases)

    def require(
        self,
        *bases: str,
        user: Person | str = "",
        server: str | None = None,
        service: str = "",
        group: str = "",
    ) -> None:
        """Return if it holds any of *bases* for what is named; see `may`.

        Raises:
            PerijoveError: FORBIDDEN, if it holds none of them for anything; NOT_FOUND, if it holds one for others only.
        """
        if any(self.may(base, user=user, server=server, service=service, group=group) for base in bases):
            return
        self.require_some(*bases)
        if user or service or group:
            raise not_found(OUT_OF_REACH)
        raise lacking(*bases)

    def require_some(self, *bases: str) -> None:
        """Return if it holds any of *bases* for anybody or anything. Raises PerijoveError FORBIDDEN."""
        if not self.may_some(*bases):
            raise lacking(*bases)

    def limits(self, base: str, *kinds: str) -> dict[str, frozenset[str]] | None:
        """Return to what a list is limited for which *base* is needed: kind of filter → names; None if to nothing.

        Args:
            base: the permission to list.
            kinds: the filters that the list can apply; scopes with others give nothing.

        Raises:
            PerijoveError: FORBIDDEN, if it does not hold *base* in any of these forms.
        """
        held = [scope for scope in self.scopes if scope.base == base]
        if any(not scope.kind for scope in held):
            return None
        usable = [scope for scope in held if scope.kind in kinds]
        if not usable:
            raise lacking(base)
        return {kind: frozenset(scope.value for scope in usable if scope.kind == kind) for kind in kinds}


def lacking(*bases: str) -> PerijoveError:
    """Return the error that says which scopes were needed."""
    return forbidden(f"Action is not authorized with current scopes; requires any of [{', '.join(bases)}]")


def needed_scope(base: str, *, user: str = "", server: str | None = None, service: str = "", group: str = "") -> Scope:
    """Return the scope that must be held to do *base* to what is named; *server* goes with its *user*."""
    if server is not None:
        return Scope(base, "server", f"{user}/{server}")
    for kind, value in (("user", user), ("group", group), ("service", service)):
        if value:
            return Scope(base, kind, value)
    return Scope(base)
