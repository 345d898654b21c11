"""What protects the hub in a browser: cookies, the origin of requests, and the token that forms carry.

Code in ``/user/x/`` is another person's code on our origin. It can send requests with the visitor's cookies, but it must
not be able to act on the hub, so:

- the session cookie is HttpOnly and confined to the hub's prefix;
- whatever changes something needs a token that stands only in pages of the hub, bound to the session;
- pages of the hub are given to navigations only, never to scripts (Fetch Metadata), may not be framed, and share no
  browsing context with other pages (COOP), so that no script outside the hub can read the token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.sign_in import NewSession
from perijove.hub.web.state import WebSettings

SESSION_COOKIE = "jupyterhub-hub-login"
SESSION_ID_COOKIE = "jupyterhub-session-id"
FORM_COOKIE = "_xsrf"
FORM_COOKIE_LIFETIME = 3600
FORM_FIELD = "_xsrf"
STALE_FORM = "Login form invalid or expired. Try again."

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def is_secure(request: Request, settings: WebSettings) -> bool:
    """Say whether browsers reach us by HTTPS."""
    if settings.public_url:
        return settings.public_url.startswith("https://")
    return request.url.scheme == "https"


def own_origin(request: Request, settings: WebSettings) -> str:
    """Return ``scheme://host[:port]`` of the hub as the browser sees it."""
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        return f"{parts.scheme}://{parts.netloc}"
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def begin(request: Request, settings: WebSettings, response: Response, session: NewSession) -> None:
    """Let the browser hold *session*."""
    secure = is_secure(request, settings)
    lifetime = int(settings.session_lifetime.total_seconds())
    response.set_cookie(
        SESSION_COOKIE, session.key, max_age=lifetime, path=settings.prefix, httponly=True, secure=secure, samesite="lax"
    )
    # Servers read this one: it says which session their tokens belong to, and is no secret.
    response.set_cookie(
        SESSION_ID_COOKIE, session.session.session_id, path=settings.base_url, httponly=True, secure=secure, samesite="lax"
    )
    response.delete_cookie(FORM_COOKIE, path=settings.prefix)


def end(settings: WebSettings, response: Response) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(SESSION_COOKIE, path=settings.prefix)
    response.delete_cookie(SESSION_ID_COOKIE, path=settings.base_url)
    response.delete_cookie(FORM_COOKIE, path=settings.prefix)


def form_token(request: Request, settings: WebSettings, visitor: Visitor | None) -> tuple[str, bool]:
    """Return the token for the forms of a page, and whether its cookie must be set.

    For somebody signed in it follows from the session; for anybody else it is the value of a cookie.
    """
    if visitor is not None:
        token = _session_token(settings, visitor)
        return token, request.cookies.get(FORM_COOKIE) != token
    held = request.cookies.get(FORM_COOKIE, "")
    return (held, False) if 20 <= len(held) <= 100 else (secrets.token_urlsafe(32), True)


def set_form_cookie(request: Request, settings: WebSettings, response: Response, token: str) -> None:
    """Set the cookie that goes with a form's token; no script can read it."""
    response.set_cookie(
        FORM_COOKIE,
        token,
        max_age=FORM_COOKIE_LIFETIME,
        path=settings.prefix,
        httponly=True,
        secure=is_secure(request, settings),
        samesite="lax",
    )


def _session_token(settings: WebSettings, visitor: Visitor) -> str:
    digest = hmac.new(settings.cookie_secret, f"xsrf:{visitor.session.session_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def check_form(request: Request, settings: WebSettings, visitor: Visitor | None, sent: str) -> None:
    """Return if *sent*, the form's token, is the right one and the request comes from a page of ours.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    check_origin(request, settings)
    expected = _session_token(settings, visitor) if visitor is not None else request.cookies.get(FORM_COOKIE, "")
    if len(expected) < 20 or not hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace")):
        raise PerijoveError(Code.FORBIDDEN, STALE_FORM)


def check_origin(request: Request, settings: WebSettings) -> None:
    """Refuse what another site's page sent: by Fetch Metadata where the browser sends it, and by Origin.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = site is not None and site not in {"same-origin", "none"}
    if foreign or (origin is not None and origin.lower() != own_origin(request, settings).lower()):
        raise PerijoveError(Code.FORBIDDEN, "This request came from another site.")


def check_page_request(request: Request) -> None:
    """Refuse a page to anything but a navigation: scripts have no business reading pages.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        raise PerijoveError(Code.FORBIDDEN, "Pages of the hub are for people, not for scripts.")
    if request.headers.get("sec-fetch-dest", "document") != "document":
        raise PerijoveError(Code.FORBIDDEN, "Pages of the hub cannot be part of other pages.")


def needs_token_for_read(request: Request) -> bool:
    """Say whether even a reading request with a cookie needs the form's token: unless a person navigates there."""
    return request.headers.get("sec-fetch-mode", "navigate") != "navigate"
