"""What an authenticator adds to the way into the hub: addresses, handlers, what the sign-in page offers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from perijove.hub.core.errors import PerijoveError, forbidden, invalid
from perijove.hub.core.names import shorten
from perijove.hub.core.redirects import local_target
from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.sign_in import Outcome, SignInExchange, SignInHandler, SignInWay, WayKind
from perijove.hub.ports.traits import call_plugin
from perijove.hub.usecases.sign_in import REFUSED, broken

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+")
WAYS_SECONDS: Final = 5.0
"""How long the sign-in page waits for what the authenticator wants to have on it."""

FORMS: Final = frozenset({WayKind.FORM, WayKind.HTML})
"""Ways whose fields are sent to the hub's own sign-in page."""


class Entrance(Struct, frozen=True):
    """What is known of it from the start on.

    Attributes:
        login_url: where a sign-in begins, a path.
        logout_url: where people sign out, a path.
        handlers: what answers below the hub's prefix, by path.
    """

    login_url: str
    logout_url: str
    handlers: tuple[tuple[str, SignInHandler], ...] = ()


def entrance_of(authenticator: Authenticator, site: Site) -> Entrance:
    """Return what *authenticator* adds.

    Raises:
        PerijoveError: INVALID, if it is nothing that the hub can use; the message says what, and what to do.
    """
    name = type(authenticator).__name__
    handlers: dict[str, SignInHandler] = {}
    for pair in authenticator.get_handlers(site):
        path, handler = _checked_pair(pair, f"{name}.get_handlers()")
        if path in handlers:
            raise invalid(f"{name}.get_handlers() gives {path} twice")
        handlers[path] = handler
    return Entrance(
        _checked_url(authenticator.login_url(site.prefix), site, f"{name}.login_url()"),
        _checked_url(authenticator.logout_url(site.prefix), site, f"{name}.logout_url()"),
        tuple(handlers.items()),
    )


def _checked_pair(pair: Any, source: str) -> tuple[str, SignInHandler]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise invalid(f"{source} gives {shorten(repr(pair))}: it must give pairs of a path and a function")
    path, handler = pair
    if isinstance(handler, type) and any(base.__module__.partition(".")[0] == "tornado" for base in handler.__mro__):
        raise invalid(
            f"{source} gives the Tornado handler {handler.__name__} for {shorten(str(path))}, which this hub cannot "
            "run: write a method that takes a SignInExchange instead; see docs/authenticators.md"
        )
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise invalid(
            f"{source} gives the path {shorten(str(path))!r}: it must be one below the hub's prefix, like "
            "'/oauth_callback', of letters, digits and . _ ~ - only, and no pattern"
        )
    if not callable(handler) or isinstance(handler, type):
        raise invalid(f"{source} gives {shorten(repr(handler))} for {path}: it must be a function")
    return path, handler


def _checked_url(url: Any, site: Site, source: str) -> str:
    if not isinstance(url, str) or local_target(url, base_url=site.prefix, default="") != url:
        raise invalid(f"{source} gives {shorten(repr(url))}: it must be a path that begins with {site.prefix}")
    return url


async def ways_of(authenticator: Authenticator, site: Site) -> Sequence[SignInWay]:
    """Return what the sign-in page offers.

    Raises:
        PerijoveError: UNAVAILABLE, if the authenticator breaks, lies or does not answer.
    """
    source = f"{type(authenticator).__name__}.sign_in_ways()"
    try:
        ways = await call_plugin(authenticator.sign_in_ways, site.prefix, timeout=WAYS_SECONDS)
        if not isinstance(ways, Sequence) or not all(isinstance(way, SignInWay) for way in ways):
            raise TypeError(f"{source} must give a list of SignInWay")
        for way in ways:
            _checked_url(way.url, site, source)
    except Exception as error:
        raise broken(authenticator, error) from None
    return ways


def check_takes_form(ways: Sequence[SignInWay]) -> None:
    """Return if somebody may sign in here with a form.

    What a handler completes a sign-in with was checked by that handler; in a form anybody may write anything.

    Raises:
        PerijoveError: FORBIDDEN otherwise.
    """
    if not any(way.kind in FORMS for way in ways):
        raise forbidden(REFUSED)


async def ask_handler(authenticator: Authenticator, handler: SignInHandler, exchange: SignInExchange) -> Outcome:
    """Return what *handler* wants to happen.

    Raises:
        PerijoveError: what it raised itself; UNAVAILABLE, if it breaks, lies or does not answer.
    """
    try:
        outcome = await call_plugin(handler, exchange, timeout=authenticator.sign_in_timeout)
        if not isinstance(outcome, Outcome):
            raise TypeError(
                f"the handler gave a {type(outcome).__name__}: see perijove.hub.ports.sign_in for what it may"
            )
    except PerijoveError:
        raise
    except Exception as error:
        raise broken(authenticator, error) from None
    return outcome
