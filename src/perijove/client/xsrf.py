"""Requests with a visitor's cookie that the visitor may not have meant.

A page of another site can make a browser send them. So can a page on our own origin, where ``/user/x/`` is another
person's code; ``Sec-Fetch-Site`` and ``Origin`` do not tell it from our own pages. What counts is therefore a token
that stands only in the pages of this program and belongs to one login. That token must stay in those pages: without it
only a person's own navigation gets an answer, never a script, an image or a frame (Fetch Metadata).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

from perijove.client.messages import WebRequest, comparable_origin

FIELD = "_xsrf"
READING = frozenset({"GET", "HEAD"})
HEADERS = ("x-xsrftoken", "x-csrftoken")
OTHER_SITE = "This request came from another site."
NO_TOKEN = f"This request lacks the token of its page. Send it as the field {FIELD} or the header X-XSRFToken."


def xsrf_token(key: bytes, login: str) -> str:
    """Return the token for the pages of one *login*; it says nothing about the login to whoever reads it."""
    digest = hmac.digest(key, login.encode("utf-8", "replace"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_navigation(request: WebRequest) -> bool:
    """Say whether a person goes to a page, as far as the browser says; nothing said is a person or no browser."""
    if request.websocket or request.method not in READING:
        return False
    mode, destination = request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest")
    return mode in {None, "navigate"} and destination in {None, "document"}


def sent_token(request: WebRequest) -> str:
    """Return the token that *request* shows in a header or its address; empty if it shows none."""
    return next(filter(None, (request.headers.get(name) for name in HEADERS)), "") or request.query(FIELD)


def forgery(request: WebRequest, token: str, sent: str, own_origins: Iterable[str]) -> str:
    """Return why a *request* with a visitor's cookie is not to be trusted; empty if it is.

    Args:
        request: the request.
        token: the right token for the visitor's login.
        sent: the token that the request shows, wherever it stands.
        own_origins: ``scheme://host[:port]`` under which browsers reach this program.
    """
    if is_navigation(request):
        return ""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = {comparable_origin(own) for own in own_origins}
    if site not in {None, "same-origin", "none"} or (origin is not None and comparable_origin(origin) not in ours):
        return OTHER_SITE
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), token.encode()):
        return NO_TOKEN
    return ""
