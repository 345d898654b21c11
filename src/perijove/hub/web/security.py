"""What protects the hub in a browser: cookies, the origin of requests, and the token that forms carry.

Code in ``/user/x/`` is another person's code on our origin. It can send requests with the visitor's cookies, but it
must not be able to act on the hub, so:

- the session cookie is HttpOnly and confined to the hub's prefix;
- whatever changes something needs a token that stands only in pages of the hub, bound to the session;
- pages of the hub are given to navigations only, never to scripts (Fetch Metadata), may not be framed, and share no
  browsing context with other pages (COOP), so that no script outside the hub can read the token.

Somebody not signed in has nothing that a forged form could use, except that it could sign them in as somebody else.
Such forms carry a value signed by us; it counts if the browser says that the form came from our origin, or, where a
browser says nothing, if the same value is in a cookie. So each of many tabs that were opened at once can sign in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.site import Site
from perijove.hub.core.texts import mark
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.sign_in import NewSession
from perijove.hub.web.state import WebSettings

SESSION_COOKIE = "jupyterhub-hub-login"
SESSION_ID_COOKIE = "jupyterhub-session-id"
FORM_COOKIE = "_xsrf"
FORM_COOKIE_LIFETIME = 3600
FORM_FIELD = "_xsrf"
DEVICE_COOKIE = "perijove-device"
DEVICE_LIFETIME = 180 * 24 * 3600
SIGN_IN_COOKIE = "perijove-sign-in"
SIGN_IN_LIFETIME = 24 * 3600
LANGUAGE_COOKIE = "perijove-language"
THEME_COOKIE = "perijove-theme"
CHOICE_LIFETIME = 365 * 24 * 3600
MAX_DEVICE_COOKIE = 200
MAX_FORM_TOKEN = 200
MAX_SIGN_IN_COOKIE = 200
STALE_FORM = mark("Login form invalid or expired. Try again.")

MAX_SAME_NAME = 8
"""How many cookies of one name are looked at."""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def page_policy(site: Site, client: str = "", *, nonce: str = "") -> str:
    """Return the Content-Security-Policy of a page; its forms may lead to us, users' hosts and the origin *client*.

    What stands in the page itself works only if it carries *nonce*, which must be new for each page.
    """
    policy = _page_policy(site, client)
    for directive in ("script-src 'self'", "style-src 'self'"):
        policy = policy.replace(directive, f"{directive} 'nonce-{nonce}'") if nonce else policy
    return policy


@lru_cache(maxsize=64)
def _page_policy(site: Site, client: str) -> str:
    parts = urlsplit(site.origin)
    hosts = f" {parts.scheme}://*.{parts.netloc}" if site.has_hosts else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action 'self'{hosts}{client and ' ' + client}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def _first(request: Request, header: str) -> str:
    """Return what the outermost proxy said: others append theirs behind a comma."""
    return request.headers.get(header, "").partition(",")[0].strip()


def browser_origin(request: Request) -> str:
    """Return ``scheme://host[:port]`` that the browser sent this request to, whatever proxies stand between."""
    scheme, host = _first(request, "x-forwarded-proto").lower(), _first(request, "x-forwarded-host")
    if scheme not in _DEFAULT_PORTS:
        scheme = str(request.scope["scheme"])
    return f"{scheme}://{host if _HOST.fullmatch(host) else request.headers.get('host', '')}"


def is_secure(request: Request, settings: WebSettings) -> bool:
    """Say whether browsers reach us by HTTPS."""
    if settings.site.origin:
        return settings.site.secure
    return browser_origin(request).startswith("https://")


def own_origin(request: Request, settings: WebSettings) -> str:
    """Return ``scheme://host[:port]`` of the hub as the browser sees it."""
    return settings.site.origin or browser_origin(request)


def _comparable(origin: str) -> str:
    """Return *origin* as browsers write it: lower case, without the port that its scheme has anyway."""
    origin = origin.lower()
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition(":")[0], "/"))


def cookie_place(request: Request, settings: WebSettings, name: str) -> tuple[str, str]:
    """Return the full name and the path of the hub's own cookie *name*.

    Browsers let no page, and no other host, set a cookie whose name begins with ``__Host-``, nor a script one with
    ``__Http-``. The first goes to all of a host, which must then be the hub's own. Programs that sign in look for the
    form's cookie under the name it always had.
    """
    if name == FORM_COOKIE:
        return name, settings.prefix
    if settings.host_cookies:
        return f"__Host-{name}", "/"
    return (f"__Http-{name}" if is_secure(request, settings) else name), settings.prefix


def _set(request: Request, settings: WebSettings, response: Response, name: str, value: str, max_age: int) -> None:
    full_name, path = cookie_place(request, settings, name)
    response.set_cookie(
        full_name,
        value,
        max_age=max_age,
        path=path,
        httponly=True,
        secure=is_secure(request, settings),
        samesite="lax",
    )


def _forget(request: Request, settings: WebSettings, response: Response, name: str) -> None:
    full_name, path = cookie_place(request, settings, name)
    response.delete_cookie(full_name, path=path, secure=is_secure(request, settings), httponly=True, samesite="lax")


def cookie_values(request: Request, settings: WebSettings, name: str) -> list[str]:
    """Return all different values of the hub's own cookie *name*: with other paths, a browser sends more than one."""
    full_name, _ = cookie_place(request, settings, name)
    pairs = (pair.partition("=") for header in request.headers.getlist("cookie") for pair in header.split(";"))
    found = (value.strip().strip('"') for key, _, value in pairs if key.strip() == full_name)
    return list(dict.fromkeys(found))[:MAX_SAME_NAME]


def begin(request: Request, settings: WebSettings, response: Response, session: NewSession) -> None:
    """Let the browser hold *session*."""
    lifetime = int(settings.session_lifetime.total_seconds())
    _set(request, settings, response, SESSION_COOKIE, session.key, lifetime)
    # Servers read this one: it says which session their tokens belong to, and is no secret.
    response.set_cookie(
        SESSION_ID_COOKIE,
        session.session.session_id,
        path=settings.base_url,
        domain=_shared_domain(settings),
        httponly=True,
        secure=is_secure(request, settings),
        samesite="lax",
    )
    _forget(request, settings, response, FORM_COOKIE)


def _shared_domain(settings: WebSettings) -> str | None:
    """Return the domain whose hosts all see the session's id; None for the hub's host alone."""
    return settings.site.domain if settings.site.has_hosts else None


def end(request: Request, settings: WebSettings, response: Response) -> None:
    """Let the browser forget its session."""
    _forget(request, settings, response, SESSION_COOKIE)
    response.delete_cookie(SESSION_ID_COOKIE, path=settings.base_url, domain=_shared_domain(settings))
    _forget(request, settings, response, FORM_COOKIE)


def sign_in_browser(request: Request, settings: WebSettings) -> str:
    """Return the secret by which a browser is known that signs in elsewhere; empty if there is not just one."""
    held = [value for value in cookie_values(request, settings, SIGN_IN_COOKIE) if len(value) <= MAX_SIGN_IN_COOKIE]
    if len(held) > 1:
        # Somebody's page has put its own beside it, to have its sign-in completed here.
        request.state.planted = True
    return held[0] if len(held) == 1 else ""


def know_sign_in_browser(request: Request, settings: WebSettings, response: Response, secret: str) -> None:
    """Let a browser be known by *secret* when it is back."""
    _set(request, settings, response, SIGN_IN_COOKIE, secret, SIGN_IN_LIFETIME)


def remember_device(request: Request, settings: WebSettings, response: Response, typed: str) -> None:
    """Let this browser be known as one where somebody signed in as *typed*, so that nobody's guesses keep them out."""
    try:
        name = normalize_user_name(typed)
    except PerijoveError:
        return
    nonce = secrets.token_urlsafe(18)
    value = f"{nonce}.{_signature(settings, f'device:{nonce}:{name}')}"
    _set(request, settings, response, DEVICE_COOKIE, value, DEVICE_LIFETIME)


def remember_choice(request: Request, settings: WebSettings, response: Response, name: str, value: str) -> None:
    """Let the browser hold a choice of how pages look; forget it where *value* is empty."""
    if value:
        _set(request, settings, response, name, value, CHOICE_LIFETIME)
    else:
        _forget(request, settings, response, name)


def choice(request: Request, settings: WebSettings, name: str, known: Collection[str]) -> str:
    """Return which of the *known* values was chosen; empty if none was."""
    return next((value for value in cookie_values(request, settings, name) if value in known), "")


def known_device(request: Request, settings: WebSettings, typed: str) -> str:
    """Return what this browser is known by if the user called *typed* has signed in here before; else an empty text."""
    try:
        name = normalize_user_name(typed)
    except PerijoveError:
        return ""
    for value in cookie_values(request, settings, DEVICE_COOKIE):
        nonce, _, signature = value[:MAX_DEVICE_COOKIE].partition(".")
        if _equal(signature, _signature(settings, f"device:{nonce}:{name}")):
            return nonce
    return ""


def form_token(request: Request, settings: WebSettings, visitor: Visitor | None) -> tuple[str, bool]:
    """Return the token for the forms of a page, and whether its cookie must be set.

    For somebody signed in it follows from the session; for anybody else it is signed by us and kept in a cookie too.
    """
    if visitor is not None:
        return _session_token(settings, visitor), False
    for held in cookie_values(request, settings, FORM_COOKIE):
        if _is_ours(settings, held):
            return held, False
    nonce = secrets.token_urlsafe(24)
    return f"{nonce}.{_signature(settings, f'anonymous:{nonce}')}", True


def set_form_cookie(request: Request, settings: WebSettings, response: Response, token: str) -> None:
    """Set the cookie that goes with a form's token; no script can read it."""
    _set(request, settings, response, FORM_COOKIE, token, FORM_COOKIE_LIFETIME)


def _signature(settings: WebSettings, text: str) -> str:
    digest = hmac.new(settings.cookie_secret, f"xsrf:{text}".encode("utf-8", "replace"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _session_token(settings: WebSettings, visitor: Visitor) -> str:
    digest = hashlib.sha256(visitor.session.session_id.encode()).hexdigest()[:32]
    whose = f"{visitor.user.id}.{digest}"
    return f"{whose}.{_signature(settings, f'session:{whose}')}"


def form_owner(settings: WebSettings, sent: str) -> int | None:
    """Return the id of the user for whom a form with the token *sent* was made, in whatever session; None if none."""
    whose, _, signature = sent[:MAX_FORM_TOKEN].rpartition(".")
    if not whose or not _equal(signature, _signature(settings, f"session:{whose}")):
        return None
    return int(whose.partition(".")[0])


def seal(settings: WebSettings, text: str) -> str:
    """Return *text* in a form that a browser can hold for us, and nobody else can make."""
    body = base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()
    return f"{body}.{_signature(settings, f'sealed:{body}')}"


def unseal(settings: WebSettings, sealed: str) -> str | None:
    """Return what was sealed; None if it was not us who did that."""
    body, _, signature = sealed.partition(".")
    if not body or not _equal(signature, _signature(settings, f"sealed:{body}")):
        return None
    return base64.urlsafe_b64decode(body).decode("utf-8", "surrogatepass")


def once(settings: WebSettings, visitor: Visitor, purpose: str, number: str) -> str:
    """Return the secret for a wish that is to be granted once: the same for the same form of the same session.

    Args:
        settings: with what secrets are derived from.
        visitor: whose wish it is.
        purpose: what the secret is for.
        number: what makes the wish differ from others; nobody who does not know our secret learns anything from it.
    """
    return _signature(settings, f"once:{purpose}:{visitor.session.session_id}:{number}")


def form_number() -> str:
    """Return what makes a form differ from all others."""
    return secrets.token_urlsafe(12)


def _is_ours(settings: WebSettings, token: str) -> bool:
    nonce, dot, signature = token.partition(".")
    return bool(nonce and dot) and len(token) <= 100 and _equal(signature, _signature(settings, f"anonymous:{nonce}"))


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def check_form(request: Request, settings: WebSettings, visitor: Visitor | None, sent: str) -> None:
    """Return if *sent*, the form's token, is the right one and the request comes from a page of ours.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    proven = check_origin(request, settings)
    if visitor is not None:
        right = _equal(sent, _session_token(settings, visitor))
    else:
        right = _is_ours(settings, sent) and (proven or sent in cookie_values(request, settings, FORM_COOKIE))
    if not right:
        raise PerijoveError(Code.FORBIDDEN, STALE_FORM)


def check_call(request: Request, settings: WebSettings, visitor: Visitor) -> None:
    """Return if a call of the API by cookie comes from a page of ours; a person who navigates there needs no token.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    if request.method == "GET" and not needs_token_for_read(request):
        return
    check_origin(request, settings)
    headers = request.headers
    sent = request.query_params.get(FORM_FIELD) or headers.get("x-xsrftoken") or headers.get("x-csrftoken")
    if not sent:
        raise PerijoveError(Code.FORBIDDEN, f"'_xsrf' argument missing from {request.method}")
    if not _equal(sent, _session_token(settings, visitor)):
        raise PerijoveError(Code.FORBIDDEN, f"XSRF cookie does not match {request.method} argument")


def check_origin(request: Request, settings: WebSettings) -> bool:
    """Refuse what another site's page sent, and say whether the browser told that it came from a page on our origin.

    Raises:
        PerijoveError: FORBIDDEN, by Fetch Metadata where the browser sends it, or by Origin.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = {_comparable(known) for known in (browser_origin(request), settings.site.origin) if known}
    if site not in {None, "same-origin", "none"} or (origin is not None and _comparable(origin) not in ours):
        raise PerijoveError(Code.FORBIDDEN, "This request came from another site.")
    return origin is not None or site == "same-origin"


def is_led_here(request: Request, settings: WebSettings) -> bool:
    """Say whether a person, or one of our servers on a host of its own, led the browser here, and no other site."""
    if settings.site.has_hosts and request.headers.get("sec-fetch-site") == "same-site":
        return True
    try:
        check_origin(request, settings)
    except PerijoveError:
        return False
    return True


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
    mode, destination = request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest")
    return mode not in {None, "navigate"} or destination not in {None, "document"}
