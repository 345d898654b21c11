"""Who asks: a user or a service, known by a session or by a token, and what they may do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perijove.hub.core.errors import forbidden, not_found
from perijove.hub.core.scopes import holds, holds_any
from perijove.wire.scopes import Scope

Kind = Literal["user", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
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

    def may(self, base: str, *, user: str = "", server: str | None = None, service: str = "") -> bool:
        """Say whether it holds *base* for the user, the server ``user``/``server`` or the service; else for all."""
        return holds(self.scopes, needed_scope(base, user=user, server=server, service=service))

    def require(self, *bases: str, user: str = "", server: str | None = None, service: str = "") -> None:
        """Return if it holds any of *bases* for what is named.

        Raises:
            PerijoveError: FORBIDDEN, if it holds none of them for anything; NOT_FOUND, if it holds one for others only.
        """
        if any(self.may(base, user=user, server=server, service=service) for base in bases):
            return
        if (user or service) and any(holds_any(self.scopes, base) for base in bases):
            raise not_found("No access to resources or resources not found")
        raise forbidden(f"Action is not authorized with current scopes; requires any of [{', '.join(bases)}]")


def needed_scope(base: str, *, user: str = "", server: str | None = None, service: str = "") -> Scope:
    """Return the scope that must be held to do *base* to what is named; *server* goes with its *user*."""
    if server is not None:
        return Scope(base, "server", f"{user}/{server}")
    if user:
        return Scope(base, "user", user)
    return Scope(base, "service", service) if service else Scope(base)
