"""Domain facts: what use cases tell the world after it happened. Metrics and logs are made of them alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody signed in."""

    user: str


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """A sign-in was refused; *name* is as typed, shortened."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SignedOut:
    """Somebody signed out."""

    user: str


@dataclass(frozen=True, slots=True)
class UserCreated:
    """A user came into being."""

    user: str
    by: str


@dataclass(frozen=True, slots=True)
class UserDeleted:
    """A user and all of theirs went away."""

    user: str
    by: str


@dataclass(frozen=True, slots=True)
class ServerStartRequested:
    """Somebody asked for a server."""

    server: str
    by: str


@dataclass(frozen=True, slots=True)
class ServerReady:
    """A server can be used; *seconds* from request to now."""

    server: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerFailed:
    """A server did not start, or ended by itself."""

    server: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerStopped:
    """A server was stopped; *seconds* from request to now."""

    server: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerAdopted:
    """A hub found a running server that an earlier hub process started."""

    server: str


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """A token was made."""

    owner: str
    by: str


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """A token was revoked."""

    owner: str
    by: str


@dataclass(frozen=True, slots=True)
class ProxyRestarted:
    """The proxy was found dead and started again; *seconds* until it had all its routes."""

    routes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """The proxy's table was put right."""

    added: int
    deleted: int


Fact = (
    SignedIn
    | SignInRefused
    | SignedOut
    | UserCreated
    | UserDeleted
    | ServerStartRequested
    | ServerReady
    | ServerFailed
    | ServerStopped
    | ServerAdopted
    | TokenCreated
    | TokenRevoked
    | ProxyRestarted
    | RoutesChanged
)
