"""Requests and answers without a web framework: what a sign-in reads of the one and says in the other.

Tornado's and ASGI's own types are turned into these at the edge, so that both take the same decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
MAX_QUERY_FIELDS = 100
PAGE_HEADERS = {"Content-Security-Policy": "frame-ancestors 'none'", "Cross-Origin-Opener-Policy": "same-origin"}
"""Nobody else's page may show ours in a frame, nor hold on to its window: both lead to what stands in it."""


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What a program got from a browser or a script.

    Attributes:
        method: in capitals.
        target: path and query as they came.
        headers: names in lower case.
        scheme: http or https, as far as this program can see.
        websocket: whether the request wants to become a WebSocket.
    """

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    scheme: str = "http"
    websocket: bool = False

    def _first(self, header: str) -> str:
        """Return what the outermost proxy said: others append theirs behind a comma."""
        return self.headers.get(header, "").partition(",")[0].strip()

    @property
    def secure(self) -> bool:
        """Whether the browser came by HTTPS, whatever proxies stand between."""
        return (self._first("x-forwarded-proto").lower() or self.scheme) in {"https", "wss"}

    @property
    def origin(self) -> str:
        """``scheme://host[:port]`` that the browser sent this to."""
        host = self._first("x-forwarded-host") or self.headers.get("host", "")
        return f"{'https' if self.secure else 'http'}://{host}"

    def query(self, name: str) -> str:
        """Return the first value of the query's field *name*; empty if there is none."""
        return form_field(self.target.partition("?")[2], name)

    def cookies(self, name: str) -> list[str]:
        """Return the values of all cookies called *name*: one for each path or domain that has one."""
        return [value for held, value in self.all_cookies() if held == name]

    def all_cookies(self) -> list[tuple[str, str]]:
        """Return names and values of all cookies, of the same path the oldest first (RFC 6265 section 5.4)."""
        pairs = (part.partition("=") for part in self.headers.get("cookie", "").split(";"))
        return [(name.strip(), value.strip().strip('"')) for name, equals, value in pairs if equals]


def form_field(text: str, name: str) -> str:
    """Return the first value of *name* in the form or query *text*; empty if there is none, or too much of all."""
    try:
        return parse_qs(text, max_num_fields=MAX_QUERY_FIELDS).get(name, [""])[0]
    except ValueError:
        return ""


def comparable_origin(origin: str) -> str:
    """Return *origin* as browsers write it: lower case, without the port that its scheme has anyway."""
    origin = origin.lower()
    return origin.removesuffix(DEFAULT_PORTS.get(origin.partition(":")[0], "/"))


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to set, or with a *max_age* of 0 to remove; never one that scripts can read."""

    name: str
    value: str = field(repr=False)
    path: str
    max_age: int
    secure: bool
    samesite: str = "Lax"
    domain: str = ""

    def header(self) -> str:
        """Return the value of a ``Set-Cookie`` header."""
        parts = [f"{self.name}={self.value}", f"Max-Age={self.max_age}", f"Path={self.path}", "HttpOnly"]
        parts += [f"Domain={self.domain}"] if self.domain else []
        parts += ["Secure"] if self.secure else []
        return "; ".join([*parts, f"SameSite={self.samesite}"])


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """An answer that the sign-in gives in the program's place.

    Attributes:
        status: of HTTP.
        message: one sentence for a person; empty for a redirection.
        location: where to go; empty unless it is a redirection.
        cookies: to set or to remove.
        retry_after: seconds; 0 if it makes no difference.
    """

    status: int
    message: str = ""
    location: str = field(default="", repr=False)
    cookies: tuple[Cookie, ...] = ()
    retry_after: int = 0

    def headers(self) -> list[tuple[str, str]]:
        """Return all headers but the cookies; no such answer belongs in a cache."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        if self.location:
            headers.append(("Location", self.location))
        if self.retry_after:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


def redirect(location: str, *cookies: Cookie) -> WebAnswer:
    """Return the answer that sends a browser to *location*, which whoever calls has checked."""
    return WebAnswer(302, location=location, cookies=cookies)
