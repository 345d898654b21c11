"""Deny by default: an operation says who may ask for it, or it cannot be registered.

A handler declares it by a dependency: `callers.needs` and its kin for the API, a visitor for pages, `public` for what
everybody may ask for, with the reason. `Router` refuses a handler without such a declaration when it is defined, and
`included` refuses any other kind of router. The declaration lets in whoever holds one of the scopes for anything;
whether it reaches what is asked for, the use case decides.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from functools import cache, cached_property
from typing import Any, Final, cast, get_type_hints

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as DependsParameter
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from perijove.hub.web.schemas import gives, returned


class Who(Enum):
    """Who gets as far as the handler."""

    HOLDER = "whoever holds one of the scopes"
    IDENTIFIED = "whoever is known by a token or a session"
    SIGNED_IN = "whoever is signed in with a browser"
    ANYBODY = "anybody"


class Access(Struct, frozen=True):
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
    return _only({_DECLARED[call] for call in _calls(route.dependant) if call in _DECLARED}, route.path)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for inner in dependant.dependencies:
        if inner.call is not None:
            yield inner.call
        yield from _calls(inner)


@cache
def _declared_by(call: Callable[..., Any]) -> frozenset[Access]:
    """Return what *call*, the handler of an operation or one of its dependencies, declares by its parameters."""
    found = {_DECLARED[call]} if call in _DECLARED else set()
    function = call if inspect.isroutine(call) else getattr(call, "__init__" if isinstance(call, type) else "__call__")
    wanted = [*(getattr(function, "__defaults__", None) or ())]
    wanted += (getattr(function, "__kwdefaults__", None) or {}).values()
    for hint in get_type_hints(function, include_extras=True).values():
        wanted += getattr(hint, "__metadata__", ())
    for each in wanted:
        if isinstance(each, DependsParameter) and each.dependency is not None:
            found |= _declared_by(each.dependency)
    return frozenset(found)


def _only(found: Collection[Access], path: str) -> Access | None:
    if len(found) > 1:
        raise TypeError(f"{path}: more than one declaration of who may ask: {sorted(map(repr, found))}")
    return next(iter(found), None)


class DeclaredRoute(BaseRoute):
    """An operation of a router, with who may ask for it. Raises TypeError, when it is made, if that is not said.

    FastAPI has not seen it yet: taking a handler apart takes it some milliseconds, and there are many.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **values: Any) -> None:
        self.path = path
        self.endpoint = endpoint
        self.methods = {method.upper() for method in values.get("methods") or ("GET",)}
        self.values = values
        calls = [endpoint, *(each.dependency for each in values.get("dependencies") or ())]
        access = _only({access for call in calls for access in _declared_by(call)}, path)
        if access is None:
            raise TypeError(
                f"{', '.join(sorted(self.methods))} {path or '/'} does not say who may ask for it: use needs(…) "
                "or another dependency of web.callers, a visitor of web.pages.common, or public(reason)"
            )
        self.access = access

    @property
    def responses(self) -> dict[int | str, Any]:
        """What OpenAPI tells of the answers."""
        hint, answers = returned(self.endpoint), self.values.get("responses") or {}
        return answers if hint is None else {self.values.get("status_code") or 200: gives(hint, "Done"), **answers}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match nothing: it has no place in an application yet."""
        return Match.NONE, {}


class PlacedRoute(Route):
    """A declared operation at its address, which FastAPI takes apart when it is asked for the first time."""

    def __init__(self, declared: DeclaredRoute, prefix: str, responses: Mapping[int | str, Any]) -> None:
        super().__init__(f"{prefix}{declared.path}", declared.endpoint)
        self.methods = declared.methods
        self._declared = declared
        self._responses = responses

    @cached_property
    def made(self) -> APIRoute:
        """The route as FastAPI has it. Raises TypeError if FastAPI sees another declaration than we did."""
        declared = self._declared
        # Models are made with their types, which mypy checks: here they are only written, and told to OpenAPI.
        overruled = {
            "responses": {**self._responses, **declared.responses},
            "response_model": None if returned(declared.endpoint) is None else Any,
            "generate_unique_id_function": lambda route: route.name,
        }
        made = APIRoute(self.path, declared.endpoint, **{**declared.values, **overruled})
        if access_of(made) != declared.access:
            raise TypeError(f"{self.path}: FastAPI takes another declaration of who may ask from its handler")
        return made

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that matches."""
        await self.made.handle(scope, receive, send)


def load_what_routes_need() -> None:
    """Let FastAPI load what it loads with the first route that it takes apart: in a request, everybody would wait."""

    async def nothing() -> None:
        """Answer nothing: nobody can ask for it."""

    APIRoute("/", nothing, response_model=Any)


class Router(APIRouter):
    """A router all of whose operations declare who may ask for them."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values, route_class=cast(type[APIRoute], DeclaredRoute))

    def declared(self) -> Iterator[DeclaredRoute]:
        """Yield every route. Raises TypeError for what was put here past the declarations."""
        for route in self.routes:
            if not isinstance(route, DeclaredRoute):
                raise TypeError(f"{route!r} does not say who may ask for it")
            yield route

    def operations(self) -> Iterator[tuple[str, DeclaredRoute]]:
        """Yield method and route of every operation. Raises TypeError as `declared` does."""
        for route in self.declared():
            for method in sorted(route.methods or ()):
                yield method, route


def included(router: APIRouter, prefix: str, responses: Mapping[int | str, Any] | None = None) -> list[PlacedRoute]:
    """Return the routes of *router* below *prefix* if everything in it declares who may ask for it.

    Raises TypeError otherwise. OpenAPI tells of *responses* for all of them.
    """
    if not isinstance(router, Router):
        raise TypeError(f"{router!r} is no Router of web.permissions, so its operations need not say who may ask")
    return [PlacedRoute(route, prefix, responses or {}) for route in router.declared()]
