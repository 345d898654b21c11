"""How an authenticator and the hub sign somebody in together: what the page offers, requests, and what comes of them.

An authenticator that leads people elsewhere has handlers (`Authenticator.get_handlers`): functions that are given a
`SignInExchange` and return what is to happen, which the hub does. A sign-in is begun with ``exchange.begin(…)``, which
gives the *state* to send along; when the browser is back, ``exchange.resume(state)`` says whether it is the same
browser, in time and for the first time, and `Complete` then lets `Authenticator.authenticate` say who it is. The hub
keeps what lies between: no handler sees cookies, sessions or where the person wanted to go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from msgspec import Struct


class SignInRequest(Struct, frozen=True):
    """What an authenticator may know of the request: handed to it as *handler*.

    Attributes:
        address: the browser's address.
        headers: request headers, names in lower case.
        completed_by: the path of the handler that completed the sign-in, as `Authenticator.get_handlers` named it;
            empty if nobody did, so that what is to be checked comes straight from a form or the request.
    """

    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    completed_by: str = ""


PART_FIELD: Final = "authenticator"
"""The field of a form that says which of several authenticators it is for."""


class WayKind(Enum):
    """What the sign-in page shows for one way to sign in."""

    FORM = "form"
    """Name and password."""
    LINK = "link"
    """A button that leads to a handler."""
    REQUEST = "request"
    """A button that asks again: the request itself says who it is."""
    HTML = "html"
    """What the operator wrote."""


@dataclass(frozen=True, slots=True)
class SignInWay:
    """One way to sign in that the sign-in page offers.

    Attributes:
        kind: what is shown.
        url: where it leads or is sent to, on the hub.
        service: what people sign in with, for the button.
        html: a template of the operator's, for `WayKind.HTML`.
        part: which authenticator of several takes the form; empty if there is one.
    """

    kind: WayKind
    url: str
    service: str = ""
    html: str = field(default="", repr=False)
    part: str = ""


@dataclass(frozen=True, slots=True)
class LeadTo:
    """The browser goes to *url*: another site's, with its scheme, or a path on ours."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Complete:
    """The browser is back: `Authenticator.authenticate` says who it is, of *data*. The exchange must have resumed."""

    data: Mapping[str, Any] = field(repr=False)


class Refused(Struct, frozen=True):
    """Nobody is signed in, because the provider, or the person there, said no; *reason* in the provider's words."""

    reason: str = ""


class BeginAgain(Struct, frozen=True):
    """What came back fits to no sign-in: another one begins, at *url*, the authenticator's `login_url` if empty."""

    url: str = ""


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The person signs out here too, and the browser goes to *url*, or to the hub's own page if that is empty."""

    url: str = field(default="", repr=False)


Outcome = LeadTo | Complete | Refused | BeginAgain | SignedOut


class SignInExchange(Struct):
    """One request to a handler of an authenticator.

    Attributes:
        request: what is known of it.
        method: ``GET`` or ``POST``.
        query: the parameters of its address.
        form: the fields of its form, files left out.
        origin: ``scheme://host[:port]`` of the hub as the browser sees it.
        place: the path below which the authenticator's handlers are, without a slash at its end.
        begin: call and await it with what is to be kept, a dictionary: it returns the state of a new sign-in.
        resume: call and await it with the state that came back: it returns what was kept, or None if that is no
            sign-in of this browser, took too long or was over already.
    """

    request: SignInRequest
    method: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    origin: str
    place: str
    begin: Callable[[Mapping[str, Any]], Awaitable[str]]
    resume: Callable[[str], Awaitable[dict[str, Any] | None]]

    def url_of(self, path: str) -> str:
        """Return the full address of the handler at *path*, for the provider to send the browser back to."""
        return f"{self.origin}{self.place}{path}"


SignInHandler = Callable[[SignInExchange], Any]
"""A method of an authenticator; it returns an `Outcome`, and may be a coroutine."""
