"""The cookies of a server or service: their names and attributes, and a signature so that nobody else makes one."""

from __future__ import annotations

import base64
import binascii
import hmac

from perijove.client.environment import HubEnvironment
from perijove.client.messages import Cookie, WebRequest

DAY = 24 * 3600
MAX_LOGIN_AGE = 30 * DAY
"""Seconds for which a browser stays signed in where the hub does not say less."""
CLOCK_SKEW = 300.0
"""Seconds by which the clocks of two replicas of one service may differ."""


def derive_key(api_token: str, purpose: str) -> bytes:
    """Return a key for one *purpose*: the same for as long as the hub gives the program the same token."""
    return hmac.digest(api_token.encode(), f"perijove: {purpose}".encode(), "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _signature(key: bytes, name: str, body: str) -> str:
    return _text(hmac.digest(key, f"{name}|{body}".encode("utf-8", "replace"), "sha256"))


def sign(key: bytes, name: str, value: str, now: float) -> str:
    """Return *value* as a cookie *name* may carry it; *now* is in seconds since 1970."""
    body = f"{_text(value.encode())}.{int(now)}"
    return f"{body}.{_signature(key, name, body)}"


def unsign(key: bytes, name: str, text: str, now: float, max_age: float) -> str:
    """Return the value in *text*, or nothing if it is not ours, not of this *name* or older than *max_age* seconds."""
    body, _, signature = text.rpartition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(key, name, body).encode()):
        return ""
    value, _, moment = body.partition(".")
    try:
        age = now - int(moment)
        decoded = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except (ValueError, binascii.Error):
        return ""
    return decoded if -CLOCK_SKEW <= age < max_age else ""


class Cookies:
    """Makes and reads the cookies of one program."""

    def __init__(self, environment: HubEnvironment) -> None:
        self._environment = environment
        self._key = derive_key(environment.api_token, "cookies")

    @property
    def login_name(self) -> str:
        """The name of the cookie that keeps a visitor signed in: the OAuth client's id, as JupyterHub has it."""
        return ("__Host-" if self._environment.cookie_host_prefix else "") + self._environment.client_id

    @property
    def state_prefix(self) -> str:
        """What the names of the cookies of all sign-ins under way begin with."""
        return f"{self.login_name}-oauth-state-"

    def make(self, request: WebRequest, name: str, value: str, *, now: float, max_age: int) -> Cookie:
        """Return a signed cookie, with the attributes that the hub's operator wants and those that must be."""
        return self._cookie(request, name, sign(self._key, name, value, now), max_age)

    def remove(self, request: WebRequest, name: str) -> Cookie:
        """Return what removes the cookie *name*."""
        return self._cookie(request, name, "", 0)

    def login_age(self, expires_in: int | None = None) -> int:
        """Return for how many seconds a browser may keep a login that the hub says is good for *expires_in*."""
        days = self._environment.cookie_options.get("expires_days")
        wanted = int(days * DAY) if isinstance(days, (int, float)) and days > 0 else MAX_LOGIN_AGE
        return min(wanted, expires_in or wanted)

    def read(self, request: WebRequest, name: str, now: float, max_age: float) -> str:
        """Return the value of the first cookie *name* that we signed; empty if there is none.

        Another page on this host can add a cookie of the same name for a longer path, but cannot sign it.
        """
        values = (unsign(self._key, name, text, now, max_age) for text in request.cookies(name))
        return next(filter(None, values), "")

    def _cookie(self, request: WebRequest, name: str, value: str, max_age: int) -> Cookie:
        options = self._environment.cookie_options
        secure = request.secure or options.get("secure") is True
        samesite, domain = str(options.get("samesite") or "Lax"), str(options.get("domain") or "")
        if self._environment.cookie_host_prefix:
            # Browsers accept the prefix only with exactly these.
            return Cookie(name, value, path="/", max_age=max_age, secure=True, samesite=samesite)
        path = self._environment.prefix
        return Cookie(name, value, path=path, max_age=max_age, secure=secure, samesite=samesite, domain=domain)
