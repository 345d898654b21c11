from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from perijove.client.api import HubUnavailable
from perijove.client.auth import HubOAuth
from perijove.client.cookies import derive_key, sign
from perijove.client.environment import ServerEnvironment
from perijove.client.identity import HubIdentity
from perijove.client.resolver import IdentityResolver
from perijove.singleuser.identity_provider import (
    HubIdentityProvider,
    HubUser,
    cookie_secret,
    is_page,
    is_public,
)

NAME = "jupyterhub-user-alice"
PREFIX = "/user/alice/"
ALICE = HubIdentity("alice", "user", frozenset({"access:servers!user=alice"}), info={"display_name": "Al", "color": 1})
BOB = HubIdentity("bob", "user", frozenset({"read:users"}))


class FakeHub:
    def __init__(self) -> None:
        self.tokens: dict[str, HubIdentity | Exception] = {"a": ALICE, "b": BOB, "away": HubUnavailable("away")}
        self.asked: list[str] = []

    async def user_for_token(self, token: str, *, timeout: float | None = None) -> HubIdentity | None:
        self.asked.append(token)
        answer = self.tokens.get(token)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Page(RequestHandler):
    def get(self) -> None: ...


class Public(RequestHandler):
    @allow_unauthenticated
    def get(self) -> None: ...


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def provider(environment: ServerEnvironment, hub: FakeHub) -> HubIdentityProvider:
    auth = HubOAuth(environment, resolver=IdentityResolver(hub), token_in_url="websockets")
    return HubIdentityProvider(environment=environment, auth=auth)


def handler(
    kind: type[RequestHandler] = Page,
    uri: str = f"{PREFIX}lab",
    method: str = "GET",
    https: bool = False,
    **headers: str,
) -> Any:
    context = SimpleNamespace(remote_ip="::1", protocol="https" if https else "http")
    connection = cast("HTTPConnection", SimpleNamespace(context=context, set_close_callback=lambda _: None))
    request = HTTPServerRequest(
        start_line=RequestStartLine(method, uri, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "h", **{name.replace("_", "-"): value for name, value in headers.items()}}),
        connection=connection,
    )
    return kind(Application(), request)


def signed(token: str, name: str = NAME) -> str:
    key = derive_key("secret-of-the-server", "cookies")
    return f"{name}={sign(key, name, f' {token}', time.time())}"


def set_cookies(answer: Any) -> dict[str, Any]:
    return dict(getattr(answer, "_new_cookie", {}))


async def test_token(provider: HubIdentityProvider) -> None:
    for value in ("token a", "Bearer a", "bearer   a"):
        answer = handler(Authorization=value)
        user = await provider.get_user(answer)
        assert user is not None and user.username == "alice"
        assert answer._token_authenticated
        assert set_cookies(answer) == {}, "a token must not become a cookie"


async def test_cookie(provider: HubIdentityProvider) -> None:
    answer = handler(Cookie=signed("a"))
    user = await provider.get_user(answer)
    assert user is not None and user.hub_identity is ALICE
    assert not answer._token_authenticated, "a cookie needs protection against cross-site requests"


async def test_cookie_beside_a_token_of_someone_else(provider: HubIdentityProvider) -> None:
    answer = handler(Cookie=signed("a"), Authorization="Bearer of-an-app-behind-the-server")
    assert await provider.get_user(answer) is not None
    assert not answer._token_authenticated


@pytest.mark.parametrize("cookie", ["", f"{NAME}=a", signed("a", "other"), signed("a") + "x"])
async def test_nobody(provider: HubIdentityProvider, hub: FakeHub, cookie: str) -> None:
    assert await provider.get_user(handler(Cookie=cookie)) is None
    assert hub.asked == [], "only what this server signed is worth a question"


async def test_refused_cookie_is_removed_when_its_owner_signs_in_again(provider: HubIdentityProvider) -> None:
    answer = handler(Cookie=signed("unknown"))
    assert await provider.get_user(answer) is None
    answer.get_login_url()
    assert set_cookies(answer)[NAME].value == ""


def test_cookie_of_jupyters_own_pages_is_removed(provider: HubIdentityProvider) -> None:
    answer = handler(Cookie=signed("a"))
    assert provider.get_cookie_name(answer) == NAME
    provider.clear_login_cookie(answer)
    assert (set_cookies(answer)[NAME].value, set_cookies(answer)[NAME]["path"]) == ("", PREFIX)


async def test_cookie_outlives_a_hub_that_is_away(provider: HubIdentityProvider) -> None:
    answer = handler(Cookie=signed("away"))
    with pytest.raises(HTTPError) as error:
        await provider.get_user(answer)
    assert error.value.status_code == 503
    assert set_cookies(answer) == {}


async def test_no_access(provider: HubIdentityProvider) -> None:
    answer = handler(Authorization="token b")
    with pytest.raises(HTTPError) as error:
        await provider.get_user(answer)
    assert error.value.status_code == 403
    assert error.value.log_message is not None
    assert error.value.log_message % error.value.args == "user bob is not allowed."
    assert answer.current_user is None, "the error page can be shown"


@pytest.mark.parametrize("token", ["b", "away", "unknown"])
async def test_public_page_is_for_everybody(provider: HubIdentityProvider, token: str) -> None:
    assert await provider.get_user(handler(Public, Authorization=f"token {token}")) is None


async def test_token_in_the_address(provider: HubIdentityProvider, environment: ServerEnvironment) -> None:
    assert provider.get_token(handler(uri="/x?token=a")) is None
    assert provider.get_token(handler(WebSocketHandler, uri="/x?token=a")) == "a"
    assert provider.get_token(handler(WebSocketHandler, uri="/x")) is None
    assert provider.get_token(handler(Authorization="Basic YTph")) is None
    for allowed, expected in ((True, "a"), (False, None)):
        own = HubIdentityProvider(environment=replace(environment, allow_token_in_url=allowed))
        assert own.get_token(handler(uri="/x?token=a")) == expected
        assert own.get_token(handler(WebSocketHandler, uri="/x?token=a")) == "a"


async def test_sign_in_begins_only_for_pages(provider: HubIdentityProvider) -> None:
    page = handler(uri=f"{PREFIX}lab/tree/x?y=1")
    await provider.get_user(page)
    assert set_cookies(page) == {}
    location = page.get_login_url()
    assert location.startswith("/hub/api/oauth2/authorize?client_id=jupyterhub-user-alice&")
    (cookie,) = set_cookies(page).values()
    assert cookie.key.startswith(f"{NAME}-oauth-state-")
    assert (cookie["path"], cookie["samesite"], cookie["httponly"], cookie["max-age"]) == (PREFIX, "Lax", True, "600")
    script = handler(Sec_Fetch_Mode="no-cors")
    await provider.get_user(script)
    with pytest.raises(HTTPError) as error:
        script.get_login_url()
    assert error.value.status_code == 403


def test_what_is_a_page() -> None:
    assert is_page(handler())
    assert is_page(handler(method="HEAD", Sec_Fetch_Mode="navigate"))
    assert not is_page(handler(method="POST"))
    assert not is_page(handler(Sec_Fetch_Mode="cors"))
    assert not is_page(handler(WebSocketHandler))
    assert not is_page(APIHandler.__new__(APIHandler))
    assert is_public(handler(Public))
    assert not is_public(handler(Page))


def test_what_the_browser_may_know(provider: HubIdentityProvider) -> None:
    model = provider.identity_model(HubUser.from_identity(ALICE))
    assert model == {
        "username": "alice",
        "name": "alice",
        "display_name": "Al",
        "initials": None,
        "avatar_url": None,
        "color": None,
    }
    json.dumps(model)


def test_cookie_secret_belongs_to_the_token(environment: ServerEnvironment) -> None:
    assert cookie_secret(environment) == cookie_secret(replace(environment, debug=True))
    assert cookie_secret(environment) != cookie_secret(replace(environment, api_token="another"))
    assert len(cookie_secret(environment)) == 32


def test_no_token_of_jupyters_own(environment: ServerEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "door")
    assert HubIdentityProvider(environment=environment).token == ""
