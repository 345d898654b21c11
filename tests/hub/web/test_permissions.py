from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket

from perijove.hub.core.principals import Principal
from perijove.hub.testing.running import RunningHub
from perijove.hub.web import app
from perijove.hub.web.callers import needs, needs_identity
from perijove.hub.web.pages.common import PageVisitor
from perijove.hub.web.permissions import Access, Router, Who, access_of, included, public


async def undeclared() -> None:
    """Forget to say who may ask."""


async def undeclared_socket(socket: WebSocket) -> None:
    """Forget it, too."""


def test_an_operation_that_does_not_say_who_may_ask_cannot_be_registered() -> None:
    router = Router()
    with pytest.raises(TypeError, match="GET /secrets does not say who may ask for it"):
        router.get("/secrets")(undeclared)
    with pytest.raises(TypeError, match="does not say who may ask"):
        router.add_api_route("/secrets", undeclared)
    assert not router.routes


def test_a_dependency_of_another_kind_is_no_declaration() -> None:
    with pytest.raises(TypeError, match="does not say who may ask"):
        Router().get("/secrets", dependencies=[Depends(undeclared)])(undeclared)


def test_a_router_that_does_not_look_is_not_taken() -> None:
    with pytest.raises(TypeError, match=r"no Router of web\.permissions"):
        included(APIRouter())
    router = Router()
    router.add_websocket_route("/secrets", undeclared_socket)
    with pytest.raises(TypeError, match="does not say who may ask"):
        included(router)


def test_the_hub_does_not_come_up_with_an_undeclared_operation(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = APIRouter()
    secret.get("/secrets")(undeclared)
    for place in ("API", "RESOURCES", "PAGES"):
        with monkeypatch.context() as patch, pytest.raises(TypeError, match="who may ask"):
            patch.setattr(app, place, (*getattr(app, place), secret))
            app.create_app(hub.state)


def test_each_way_to_declare_is_known_on_the_route() -> None:
    router = Router()

    @router.get("/holders")
    async def holders(principal: Annotated[Principal, needs("list:users", "users")]) -> None: ...

    @router.get("/known")
    async def known(principal: Annotated[Principal, needs_identity()]) -> None: ...

    @router.get("/page")
    async def page(visitor: PageVisitor) -> None: ...

    @router.get("/public", dependencies=[public("It is a test")])
    async def open_to_all() -> None: ...

    declared = {route.path: route.access for _, route in router.operations()}
    assert declared == {
        "/holders": Access(Who.HOLDER, ("list:users", "users")),
        "/known": Access(Who.IDENTIFIED),
        "/page": Access(Who.SIGNED_IN),
        "/public": Access(Who.ANYBODY, reason="It is a test"),
    }


def test_needs_without_a_scope_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="needs_identity"):
        needs()


def test_two_declarations_contradict_each_other() -> None:
    with pytest.raises(TypeError, match="more than one declaration"):

        @Router().get("/both", dependencies=[public("It is a test")])
        async def both(principal: Annotated[Principal, needs("users")]) -> None: ...


def test_what_a_plain_route_declares_can_be_asked() -> None:
    plain = FastAPI()
    plain.get("/secrets")(undeclared)
    routes: list[Any] = [route for route in plain.routes if getattr(route, "path", "") == "/secrets"]
    assert [access_of(route) for route in routes] == [None]
