"""Domain facts about roles: what they allow, and who holds them; see `core.events`."""

from __future__ import annotations

from perijove.hub.core.facts import Audited, Fact


class RoleChanged(Fact, frozen=True):
    """A role came into being or allows something else now; *scopes* are those that it has from now on."""

    audited = Audited("role.change", "role", whom="role")
    role: str
    scopes: str
    by: str

    def sentence(self) -> str:
        return f"The role {self.role} was changed by {self.by}"


class RoleDeleted(Fact, frozen=True):
    """A role went away, and everybody lost it."""

    audited = Audited("role.delete", "role", whom="role")
    role: str
    by: str

    def sentence(self) -> str:
        return f"The role {self.role} was deleted by {self.by}"


class RolesChanged(Fact, frozen=True):
    """A user holds other roles; *roles* are those they hold now."""

    audited = Audited("user.roles", "user", whom="user")
    user: str
    roles: str
    by: str

    def sentence(self) -> str:
        return f"User {self.user} holds the roles {self.roles or '(none)'} now, by {self.by}"


class RoleHolderChanged(Fact, frozen=True):
    """A role was given to a user, group or service, or taken away; *kind* says which of them *holder* is."""

    audited = Audited("role.holder", "role", whom="role")
    role: str
    kind: str
    holder: str
    holds: bool
    by: str

    def sentence(self) -> str:
        change = "given to" if self.holds else "taken from"
        return f"The role {self.role} was {change} the {self.kind} {self.holder} by {self.by}"
