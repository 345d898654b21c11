"""What a user's new name means for scopes that were stored with the old one."""

from __future__ import annotations

from collections.abc import Iterable

from perijove.wire.scopes import Scope, ScopeSyntaxError, parse_scope


def renamed(scopes: Iterable[str], old: str, new: str) -> tuple[str, ...]:
    """Return *scopes* with those that are limited to the user *old*, or to a server of theirs, limited to *new*.

    Without it they would give access to whoever takes the old name. What is no scope stays as it is.
    """
    return tuple(_renamed(text, old, new) for text in scopes)


def _renamed(text: str, old: str, new: str) -> str:
    try:
        scope = parse_scope(text)
    except ScopeSyntaxError:
        return text
    if scope.kind == "user" and scope.value == old:
        return str(Scope(scope.base, "user", new))
    owner, slash, server = scope.value.partition("/")
    if scope.kind == "server" and slash and owner == old:
        return str(Scope(scope.base, "server", f"{new}/{server}"))
    return text
