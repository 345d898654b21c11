"""Keeping code in one route from acting on the whole origin.

Hub, users' servers and services share one origin unless every user has a host name of their own. What a user's server
answers is written by that user, so answers of routes other than the hub's lose what reaches beyond their prefix.
"""

from __future__ import annotations

from perijove.proxy.core.routes import Route, canonical_path

# A service worker over "/" would see every request to the hub; clearing site data would sign the person out of the hub.
_HUB_ONLY = frozenset((b"service-worker-allowed", b"clear-site-data"))
# What a user's server may not say of the whole host: report all that a browser does there (with the addresses, in which
# codes stand), reach it by TLS only, or at another place.
_OF_THE_HOST = frozenset((b"nel", b"report-to", b"strict-transport-security", b"alt-svc"))
# The hub's pages share no browsing context with pages of another opener policy: users' pages must not have the same.
_OPENER_POLICY = b"cross-origin-opener-policy"

# All fields that some routes may not send, in lower case; any other need not be looked at.
GUARDED = _HUB_ONLY | _OF_THE_HOST | {b"set-cookie", _OPENER_POLICY}


def passes_guard(name: bytes, value: bytes, route: Route, request_path: str) -> bool:
    """Return whether a field in the answer of a route other than the hub's may reach the client."""
    lower = name.lower()
    if lower in _HUB_ONLY:
        return False
    if not route.is_user:
        return True
    if lower in _OF_THE_HOST:
        return False
    if lower == _OPENER_POLICY:
        return route.host_routing
    if lower == b"set-cookie":
        return cookie_stays_inside(value.decode("latin-1"), route.prefix, request_path)
    return True


def _inside(path: str, prefix: str) -> bool:
    return prefix in ("/", path) or path.startswith(prefix + "/")


def cookie_stays_inside(cookie: str, prefix: str, request_path: str) -> bool:
    """Return whether the Set-Cookie value *cookie* is sent back below *prefix* (canonical, no slash at its end) only.

    False if it has a Domain, or a Path outside the prefix. Without a usable Path a browser takes the directory of
    *request_path* (RFC 6265 5.1.4), which lies outside where the request was for the prefix itself, without a slash.
    """
    usable_path = False
    for attribute in cookie.split(";")[1:]:
        name, _, value = attribute.partition("=")
        name, value = name.strip().lower(), value.strip()
        if name == "domain":
            return False
        if name == "path":
            usable_path = value.startswith("/")
            if usable_path and not _inside(canonical_path(value), prefix):
                return False
    return usable_path or prefix == "/" or canonical_path(request_path).startswith(prefix + "/")
