"""The scopes that people choose from, in words: for tokens, and for roles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from perijove.hub.core.texts import mark

WORDS: Final = {
    "access:servers!user": mark("Open my servers and use everything in them"),
    "servers!user": mark("Start and stop my servers"),
    "read:servers!user": mark("See my servers and whether they run"),
    "read:users!user": mark("See my name, my groups and when I was last active"),
    "tokens!user": mark("Make and revoke tokens of mine"),
    "shares!user": mark("Share my servers"),
    "list:users": mark("See who else has an account here"),
    "admin:users": mark("Create, change and delete users"),
    "admin:servers": mark("Start, stop and see everybody's servers"),
    "access:servers": mark("Open everybody's servers"),
    "admin:groups": mark("Create, change and delete groups"),
    "groups": mark("Change the members and properties of groups"),
    "admin:services": mark("Create and delete services"),
    "access:services": mark("Use every service"),
    "tokens": mark("Make and revoke everybody's tokens"),
    "shares": mark("Share everybody's servers"),
    "read:roles": mark("See who holds which role"),
    "admin-ui": mark("Open the pages of the administration"),
    "read:hub": mark("See what the hub is made of"),
    "read:metrics": mark("Read metrics"),
    "proxy": mark("See and refresh the routes of the proxy"),
    "shutdown": mark("Stop the hub"),
}
"""The scopes that pages offer by name, in their order; whoever needs another one writes it down."""

ROLE_WORDS: Final = {
    "self": mark("Do everything with what is their own"),
    **{scope: words for scope, words in WORDS.items() if not scope.endswith("!user")},
}
"""Those offered for a role: whoever holds it has things of their own by `self`."""


def parted(scopes: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return those of *scopes* that a role can be given by a tick, and the others, which are written down."""
    scopes = list(scopes)
    return [scope for scope in scopes if scope in ROLE_WORDS], [scope for scope in scopes if scope not in ROLE_WORDS]
