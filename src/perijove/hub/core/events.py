"""Domain facts: what use cases tell the world after it happened. Log, metrics and audit log are made of them alone.

A new kind of fact is one class here, derived from `Fact`: its fields, its sentence for the log and, where it belongs
into the audit log, how it is told there. Nothing else has to know it; metrics may count it.
"""

from __future__ import annotations

from perijove.hub.core import role_events
from perijove.hub.core.facts import Audited, Fact, seconds_words, server_words


class SignedIn(Fact, frozen=True):
    """Somebody signed in."""

    audited = Audited("session.begin", "user", whom="user", who="user")
    user: str

    def sentence(self) -> str:
        return f"User {self.user} signed in"


class SignInRefused(Fact, frozen=True):
    """A sign-in was refused; *name* is as typed, shortened."""

    warning = True
    audited = Audited("session.begin", "user", whom="name", who="name", outcome="refused")
    name: str
    reason: str

    def sentence(self) -> str:
        return f"Sign-in refused: {self.reason}"


class GuessingSlowed(Fact, frozen=True):
    """So many tries failed that further ones are refused unread for *seconds*; told once, when that begins."""

    warning = True
    audited = Audited("session.limit", "user", whom="name", who="name", outcome="refused")
    name: str
    counted_by: str
    seconds: int

    def sentence(self) -> str:
        return f"Too many failed tries by this {self.counted_by}: further ones are refused for {self.seconds} s"


class SignedOut(Fact, frozen=True):
    """Somebody signed out."""

    audited = Audited("session.end", "user", whom="user", who="user")
    user: str

    def sentence(self) -> str:
        return f"User {self.user} signed out"


class SignedUp(Fact, frozen=True):
    """Somebody asked for an account; *name* is taken by nobody yet."""

    audited = Audited("account.request", "user", whom="name", who="name")
    name: str

    def sentence(self) -> str:
        return f"Somebody signed up as {self.name} and waits for approval"


class AccountApproved(Fact, frozen=True):
    """An administrator let somebody in who had signed up."""

    audited = Audited("account.approve", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"The account of {self.user} was approved by {self.by}"


class AccountRefused(Fact, frozen=True):
    """An administrator refused somebody who had signed up."""

    audited = Audited("account.refuse", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"The account of {self.user} was refused by {self.by}"


class PasswordChanged(Fact, frozen=True):
    """A password that the hub keeps was replaced; all other sessions ended."""

    audited = Audited("account.password", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"The password of {self.user} was changed by {self.by}"


class UserCreated(Fact, frozen=True):
    """A user came into being."""

    audited = Audited("user.create", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"User {self.user} was created by {self.by}"


class UserDeleted(Fact, frozen=True):
    """A user and all of theirs went away."""

    audited = Audited("user.delete", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"User {self.user} was deleted by {self.by}"


class AdminChanged(Fact, frozen=True):
    """A user became an administrator, or is one no longer."""

    audited = Audited("user.admin", "user", whom="user")
    user: str
    admin: bool
    by: str

    def sentence(self) -> str:
        became = "an administrator" if self.admin else "no administrator any more"
        return f"User {self.user} was made {became} by {self.by}"


class AuthStateChanged(Fact, frozen=True):
    """Somebody replaced what the authenticator keeps about a user; what it is, is told nowhere."""

    audited = Audited("user.auth_state", "user", whom="user")
    user: str
    by: str

    def sentence(self) -> str:
        return f"The authentication state of {self.user} was replaced by {self.by}"


class UserRenamed(Fact, frozen=True):
    """A user has another name."""

    audited = Audited("user.rename", "user", whom="user")
    user: str
    before: str
    by: str

    def sentence(self) -> str:
        return f"User {self.before} was renamed to {self.user} by {self.by}"


class GroupCreated(Fact, frozen=True):
    """A group came into being."""

    audited = Audited("group.create", "group", whom="group")
    group: str
    by: str

    def sentence(self) -> str:
        return f"Group {self.group} was created by {self.by}"


class GroupDeleted(Fact, frozen=True):
    """A group went away, with what it gave to its members."""

    audited = Audited("group.delete", "group", whom="group")
    group: str
    by: str

    def sentence(self) -> str:
        return f"Group {self.group} was deleted by {self.by}"


class MembershipChanged(Fact, frozen=True):
    """A user joined a group, or is in it no longer."""

    audited = Audited("group.member", "group", whom="group")
    group: str
    user: str
    member: bool
    by: str

    def sentence(self) -> str:
        change = "added to" if self.member else "removed from"
        return f"User {self.user} was {change} group {self.group} by {self.by}"


class GroupPropertiesChanged(Fact, frozen=True):
    """A group has other properties."""

    audited = Audited("group.properties", "group", whom="group")
    group: str
    by: str

    def sentence(self) -> str:
        return f"The properties of group {self.group} were changed by {self.by}"


class ServerStartRequested(Fact, frozen=True):
    """Somebody asked for a server."""

    audited = Audited("server.start", "server", whom="server", by_others_only=True)
    server: str
    by: str

    def sentence(self) -> str:
        return f"{server_words(self.server)} was asked for by {self.by}"


class ServerStopRequested(Fact, frozen=True):
    """Somebody asked for the end of a server."""

    audited = Audited("server.stop", "server", whom="server", by_others_only=True)
    server: str
    by: str

    def sentence(self) -> str:
        return f"{server_words(self.server)} was asked to stop by {self.by}"


class ServerAccessed(Fact, frozen=True):
    """Somebody was let into a server; later requests in the same session are the server's own business."""

    audited = Audited("server.access", "server", whom="server", by_others_only=True)
    server: str
    by: str

    def sentence(self) -> str:
        return f"{server_words(self.server)} was opened by {self.by}"


class ServerReady(Fact, frozen=True):
    """A server can be used; *seconds* from request to now."""

    server: str
    seconds: float

    def sentence(self) -> str:
        return f"{server_words(self.server)} is ready after {seconds_words(self.seconds)}"


class ServerFailed(Fact, frozen=True):
    """A server did not start, or ended by itself."""

    warning = True
    server: str
    reason: str
    seconds: float

    def sentence(self) -> str:
        return f"{server_words(self.server)} failed after {seconds_words(self.seconds)}: {self.reason}"


class ServerStopped(Fact, frozen=True):
    """A server was stopped; *seconds* from request to now."""

    server: str
    seconds: float

    def sentence(self) -> str:
        return f"{server_words(self.server)} stopped within {seconds_words(self.seconds)}"


class ServerAdopted(Fact, frozen=True):
    """A hub found a running server that an earlier hub process started."""

    server: str

    def sentence(self) -> str:
        return f"{server_words(self.server)} was found running, started by an earlier hub process"


class ServiceCreated(Fact, frozen=True):
    """A service was made while the hub runs; *url* is empty if nothing of it is proxied."""

    audited = Audited("service.create", "service", whom="service")
    service: str
    admin: bool
    url: str
    by: str

    def sentence(self) -> str:
        return f"Service {self.service} was created by {self.by}"


class ServiceDeleted(Fact, frozen=True):
    """A service went away, with its tokens."""

    audited = Audited("service.delete", "service", whom="service")
    service: str
    by: str

    def sentence(self) -> str:
        return f"Service {self.service} was deleted by {self.by}"


class TokenCreated(Fact, frozen=True):
    """A token was made; *token* is its id on the wire, *client* the OAuth client it was issued to, if any."""

    audited = Audited("token.create", "user", whom="owner")
    owner: str
    by: str
    token: str = ""
    client: str = ""

    def sentence(self) -> str:
        return f"Token {self.token} of {self.owner} made by {self.by}"


class TokenRevoked(Fact, frozen=True):
    """A token was revoked; with *client*, all that this OAuth client had for its owner."""

    audited = Audited("token.revoke", "user", whom="owner")
    owner: str
    by: str
    token: str = ""
    client: str = ""

    def sentence(self) -> str:
        return f"Token {self.token} of {self.owner} revoked by {self.by}"


class ServerShared(Fact, frozen=True):
    """A user or group was given access to a server; *holder* is ``user <name>`` or ``group <name>``.

    Where somebody took it with a share code, *code* is its id on the wire and *by* is whoever took it.
    """

    audited = Audited("share.give", "server", whom="server")
    server: str
    holder: str
    scopes: str
    by: str
    code: str = ""

    def sentence(self) -> str:
        return f"{server_words(self.server)} was shared with {self.holder} by {self.code or self.by}: {self.scopes}"


class ShareRevoked(Fact, frozen=True):
    """A user or group, or with an empty *holder* everybody, lost *scopes*, or all that was shared of a server."""

    audited = Audited("share.revoke", "server", whom="server")
    server: str
    holder: str
    scopes: str
    by: str

    def sentence(self) -> str:
        whom, what = self.holder or "everybody", self.scopes or "everything"
        return f"{server_words(self.server)} is shared no longer with {whom}, says {self.by}: {what}"


class ShareCodeChanged(Fact, frozen=True):
    """A code that becomes access to a server was made or revoked; an empty *code* means all of them."""

    audited = Audited("share.code", "server", whom="server")
    server: str
    code: str
    made: bool
    by: str

    def sentence(self) -> str:
        which = f"Share code {self.code}" if self.code else "All share codes"
        return f"{which} of {self.server} {'made' if self.made else 'revoked'} by {self.by}"


class ShutdownRequested(Fact, frozen=True):
    """Somebody asked over the API for the end of this hub process, and of *servers* and *proxy* or not."""

    warning = True
    audited = Audited("hub.shutdown", "hub", whom="hub")
    hub: str
    servers: bool
    proxy: bool
    by: str

    def sentence(self) -> str:
        return f"The hub was asked to stop by {self.by}"


class ProxyMoved(Fact, frozen=True):
    """Somebody told the hub over the API of another proxy, or of another token for it."""

    warning = True
    audited = Audited("proxy.move", "proxy", whom="proxy")
    proxy: str
    by: str

    def sentence(self) -> str:
        return f"The hub was told by {self.by} that the proxy is at {self.proxy}"


class ProxyRestarted(Fact, frozen=True):
    """The proxy was found dead and started again; *seconds* until it had all its routes."""

    warning = True
    routes: int
    seconds: float

    def sentence(self) -> str:
        count = "1 route" if self.routes == 1 else f"{self.routes} routes"
        return f"The proxy was found dead; it was back with {count} after {seconds_words(self.seconds)}"


class RoutesChanged(Fact, frozen=True):
    """The proxy's table was put right."""

    added: int
    deleted: int

    def sentence(self) -> str:
        return f"The proxy's table was put right: {self.added} added, {self.deleted} deleted"


def kinds() -> list[type[Fact]]:
    """Return every kind of fact, by name."""
    known = [*globals().values(), *vars(role_events).values()]
    found = {kind for kind in known if isinstance(kind, type) and issubclass(kind, Fact)}
    return sorted((kind for kind in found if kind is not Fact), key=lambda kind: kind.__name__)
