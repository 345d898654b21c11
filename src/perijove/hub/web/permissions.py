"""Deny by default: an operation says who may ask for it, or it cannot be registered.

A handler declares it by a dependency: `callers.needs` and its kin for the API, a visitor for pages, `public` for what
everybody may ask for, with the reason. `Router` refuses a handler without such a declaration when it is defined, and
`included` refuses any other kind of router. The declaration lets in whoever holds one of the scopes for anything;
whether it reaches what is asked for, the use case decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from perijove.hub.web.schemas import gives, returned


class Who(Enum):
    """Who gets as far as the handler."""

    HOLDER = "whoever holds one of the scopes"
    IDENTIFIED = "whoever is known by a token or a session"
    SIGNED_IN = "whoever is signed in with a browser"
    ANYBODY = "anybody"


@dataclass(frozen=True, slots=True)
class Access:
    """What one operation declares.

    Attributes:
        who: who gets as far as its handler.
        scopes: one of these is needed; empty unless *who* is HOLDER.
        reason: why everybody may ask; empty unless *who* is ANYBODY.
    """

    who: Who
    scopes: tuple[str, ...] = ()
    reason: str = ""


_DECLARED: Final[dict[Callable[..., Any], Access]] = {}


def declare(dependency: Callable[..., Any], access: Access) -> Callable[..., Any]:
    """Return *dependency*, known from now on as one that lets in only whom *access* says."""
    _DECLARED[dependency] = access
    return dependency


def public(reason: str) -> Any:
    """Return the dependency of an operation that everybody may ask for, for this *reason*."""

    async def nobody_is_asked() -> None:
        return None

    return Depends(declare(nobody_is_asked, Access(Who.ANYBODY, reason=reason)))


def access_of(route: APIRoute) -> Access | None:
    """Return what *route* declares; None if nothing. Raises TypeError if it declares two things."""
    found = {_DECLARED[call] for call in _calls(route.dependant) if call in _DECLARED}
    if len(found) > 1:
        raise TypeError(f"{route.path}: more than one declaration of who may ask: {sorted(map(repr, found))}")
    return next(iter(found), None)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for inner in dependant.dependencies:
        if inner.call is not None:
            yield inner.call
        yield from _calls(inner)


class DeclaredRoute(APIRoute):
    """A route that knows who may ask. Raises TypeError, when it is made, if its handler does not say so."""

    access: Access

    def __init__(self, path: str, endpoint: Callable[..., Any], **values: Any) -> None:
        hint = returned(endpoint)
        if hint is not None:
            # Models are made with their types, which mypy checks: here they are only written, and told to OpenAPI.
            answers, status = values.get("responses") or {}, values.get("status_code") or 200
            values["responses"] = {status: gives(hint, "Done"), **answers}
        super().__init__(path, endpoint, **{**values, "response_model": None if hint is None else Any})
        access = access_of(self)
        if access is None:
            raise TypeError(
                f"{', '.join(sorted(self.methods or ()))} {path or '/'} does not say who may ask for it: use needs(…) "
                "or another dependency of web.callers, a visitor of web.pages.common, or public(reason)"
            )
        self.access = access


class Router(APIRouter):
    """A router all of whose operations declare who may ask for them."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values, route_class=DeclaredRoute)

    def operations(self) -> Iterator[tuple[str, DeclaredRoute]]:
        """Yield method and route of every operation. Raises TypeError for what was put here past the declarations."""
        for route in self.routes:
            if not isinstance(route, DeclaredRoute):
                raise TypeError(f"{route!r} does not say who may ask for it")
            for method in sorted(route.methods or ()):
                yield method, route


def included(router: APIRouter) -> Router:
    """Return *router* if everything in it declares who may ask for it. Raises TypeError otherwise."""
    if not isinstance(router, Router):
        raise TypeError(f"{router!r} is no Router of web.permissions, so its operations need not say who may ask")
    for _ in router.operations():
        pass
    return router
