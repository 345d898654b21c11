"""The grammar of scope strings: ``base``, ``base!kind=value`` or ``base!kind``.

``kind`` is one of user, group, server, service; a server is written ``owner/name``, the default server ``owner/``.
A bare kind is a self filter: the hub resolves it before a scope leaves the hub.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

FILTER_KINDS = frozenset({"user", "group", "server", "service"})
SELF_FILTER_KINDS = frozenset({"user", "server", "service"})


class ScopeSyntaxError(ValueError):
    """A string is not a scope; the message quotes its beginning."""


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One scope, taken apart.

    Attributes:
        base: the permission, such as ``read:users``.
        kind: what the permission is limited to; empty where it is not limited.
        value: the name of the user, group, service or ``owner/server``; empty for a self filter.
    """

    base: str
    kind: str = ""
    value: str = ""

    def __str__(self) -> str:
        if not self.kind:
            return self.base
        return f"{self.base}!{self.kind}={self.value}" if self.value else f"{self.base}!{self.kind}"

    @property
    def owner(self) -> str:
        """The user to whom a ``!user=`` or ``!server=`` scope is limited; empty for all others."""
        if self.kind == "server":
            return self.value.partition("/")[0]
        return self.value if self.kind == "user" else ""

    def covers(self, needed: Scope, groups: Collection[str] = ()) -> bool:
        """Say whether holding this scope is enough where *needed* is asked for.

        Args:
            needed: what is asked for; one without a filter is about everything there is.
            groups: the groups of the user whom *needed* is limited to, or whose server; without them a group filter
                covers only itself.
        """
        if self.base != needed.base:
            return False
        if not self.kind or (self.kind, self.value) == (needed.kind, needed.value):
            return True
        owner = needed.owner
        if not owner:
            return False
        if self.kind == "group":
            return self.value in groups
        return self.kind == "user" and needed.kind == "server" and self.value == owner


def parse_scope(text: str) -> Scope:
    """Return the parts of *text*.

    Raises:
        ScopeSyntaxError: the filter is not one of the known kinds, or a value is missing.
    """
    base, mark, limit = text.partition("!")
    if not base or (mark and not limit):
        raise ScopeSyntaxError(f"not a scope: {text[:80]!r}")
    if not mark:
        return Scope(base)
    kind, equals, value = limit.partition("=")
    if kind not in FILTER_KINDS or (equals and not value) or (not equals and kind not in SELF_FILTER_KINDS):
        raise ScopeSyntaxError(f"unknown filter in scope {text[:80]!r}: use !user=, !group=, !server= or !service=")
    return Scope(base, kind, value)


def check_scopes(required: Iterable[str], held: Iterable[str]) -> set[str]:
    """Return the *held* scopes that satisfy one of the *required* ones; empty means no access.

    Both are fully expanded, as in the hub's answer to ``GET /hub/api/user``; a held string that is no scope satisfies
    nothing.

    Raises:
        ScopeSyntaxError: one of the *required* is not a scope.
    """
    needed = [parse_scope(text) for text in required]
    satisfied = set()
    for text in held:
        try:
            scope = parse_scope(text)
        except ScopeSyntaxError:
            continue
        if any(scope.covers(need) for need in needed):
            satisfied.add(text)
    return satisfied
