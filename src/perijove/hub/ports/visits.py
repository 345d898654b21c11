"""What functions of the configuration are told of somebody who visits a page, under the names that they know."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class HookUser(Struct, frozen=True):
    """The visitor.

    Attributes:
        name: the user's name.
        admin: whether the user is an administrator.
        url: where the user's default server is.
    """

    name: str
    admin: bool
    url: str


class HookRequest(Struct, frozen=True):
    """What the browser asked for.

    Attributes:
        method: of HTTP.
        path: as the browser wrote it.
        query: as the browser wrote it, without the question mark.
        headers: names in lower case; without cookies and tokens.
        protocol: ``http`` or ``https``.
        host: with the port, if one was given.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "http"
    host: str = ""

    @property
    def uri(self) -> str:
        """The path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def full_url(self) -> str:
        """Return the whole address."""
        return f"{self.protocol}://{self.host}{self.uri}"


class HookHandler(Struct, frozen=True):
    """A visit: who asks for what.

    Attributes:
        current_user: the visitor.
        request: what they ask for.
        base_url: the prefix of the installation.
    """

    current_user: HookUser
    request: HookRequest
    base_url: str
