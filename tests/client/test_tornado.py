from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, authenticated
from tornado.websocket import WebSocketHandler
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from perijove.client.auth import HubAuth, HubOAuth
from perijove.client.environment import ServiceEnvironment
from perijove.client.identity import HubIdentity
from perijove.client.tornado import HubAuthenticated, HubOAuthenticated, sign_in_pages

PREFIX = "/services/whoami/"


class Page(HubOAuthenticated):
    @authenticated
    def get(self) -> None:
        user = self.current_user
        self.write({"user": user and user["name"], "xsrf": self.xsrf_token.decode()})

    def post(self) -> None:
        self.write({"user": self.current_user.name})


class Forgetful(HubOAuthenticated):
    def prepare(self) -> None:
        self.prepared = True

    def get(self) -> None:
        self.write({"user": self.current_user.name, "prepared": self.prepared})


class Slow(Forgetful):
    async def prepare(self) -> None:  # type: ignore[override]
        self.prepared = True


class Everyone(HubAuthenticated):
    allow_all = True

    def get(self) -> None:
        self.write(self.current_user.name)


class Reports(HubAuthenticated):
    hub_scopes = ("custom:report:read",)

    def get(self) -> None:
        self.write(self.current_user.name)


class Admins(HubAuthenticated):
    def may_enter(self, identity: HubIdentity) -> bool:
        return identity.name == "root"

    def get(self) -> None:
        self.write(self.current_user.name)


class Open(HubOAuthenticated):
    hub_optional = True

    def get(self) -> None:
        self.write(self.current_user.name if self.current_user else "stranger")


class Socket(HubOAuthenticated, WebSocketHandler):
    def open(self, *args: str, **kwargs: str) -> None:
        self.write_message(self.current_user.name)


@pytest.fixture
def auth(environment: ServiceEnvironment, hub: Any) -> HubOAuth:
    return HubOAuth(environment, hub=hub)


@pytest.fixture
async def port(auth: HubOAuth) -> AsyncIterator[int]:
    handlers: list[tuple[str, type[RequestHandler]]] = [
        (PREFIX, Page),
        *(
            (PREFIX + kind.__name__.lower(), kind)
            for kind in (Forgetful, Slow, Everyone, Reports, Admins, Open, Socket)
        ),
        *sign_in_pages(PREFIX),
    ]
    server = HTTPServer(Application(handlers, hub_auth=auth, xsrf_cookies=True))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield sockets[0].getsockname()[1]
    server.stop()
    await server.close_all_connections()


@pytest.fixture
async def browser(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, hub: Any, page: str = "") -> httpx.Response:
    begun = await browser.get(PREFIX + page)
    assert begun.status_code == 302, begun.text
    return await browser.get(f"{PREFIX}oauth_callback", params=hub.authorize(begun.headers["location"]))


def token(value: str) -> dict[str, str]:
    return {"Authorization": f"token {value}"}


async def test_signing_in_and_out(browser: httpx.AsyncClient, hub: Any) -> None:
    back = await sign_in(browser, hub, "?x=1")
    assert (back.status_code, back.headers["location"]) == (302, f"{PREFIX}?x=1")
    answer = await browser.get(PREFIX)
    assert answer.json()["user"] == "alice"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert (await browser.get(f"{PREFIX}login")).headers["location"] == PREFIX
    assert (await browser.head(f"{PREFIX}login")).status_code == 302
    out = await browser.get(f"{PREFIX}logout")
    assert (out.headers["location"], out.headers["cache-control"]) == ("/hub/logout", "no-store")
    assert not [cookie for cookie in browser.cookies.jar if cookie.value]
    assert (await browser.get(PREFIX)).status_code == 302


async def test_forms(browser: httpx.AsyncClient, hub: Any) -> None:
    await sign_in(browser, hub)
    page_token = (await browser.get(PREFIX)).json()["xsrf"]
    assert (await browser.post(PREFIX, data={"x": "1"})).status_code == 403
    assert (await browser.post(PREFIX, data={"_xsrf": page_token})).json() == {"user": "alice"}
    assert (await browser.post(PREFIX, headers={"X-XSRFToken": page_token})).json() == {"user": "alice"}
    assert (await browser.post(PREFIX, headers=token(hub.token_for("alice")))).json() == {"user": "alice"}


@pytest.mark.parametrize("path", ["forgetful", "slow"])
async def test_no_handler_can_forget_who_is_there(browser: httpx.AsyncClient, hub: Any, path: str) -> None:
    assert (await browser.get(PREFIX + path)).status_code == 302
    answer = await browser.get(PREFIX + path, headers=token(hub.token_for("alice")))
    assert answer.json() == {"user": "alice", "prepared": True}


async def test_who_may_come_in(browser: httpx.AsyncClient, hub: Any) -> None:
    plain, reader, root = (
        hub.token_for("bob"),
        hub.token_for("reader", "custom:report:read"),
        hub.token_for("root", "x"),
    )
    expected = {"everyone": (200, 200, 200), "reports": (403, 200, 403), "admins": (403, 403, 200)}
    for path, statuses in expected.items():
        for value, status in zip((plain, reader, root), statuses, strict=True):
            assert (await browser.get(PREFIX + path, headers=token(value))).status_code == status, (path, value)
        assert (await browser.get(PREFIX + path, headers={"Accept": "application/json"})).status_code == 403


async def test_a_page_for_strangers_too(browser: httpx.AsyncClient, hub: Any) -> None:
    assert (await browser.get(f"{PREFIX}open")).text == "stranger"
    assert (await browser.get(f"{PREFIX}open", headers=token(hub.token_for("alice")))).text == "alice"
    assert (await browser.get(f"{PREFIX}open", headers=token(hub.token_for("bob")))).status_code == 403
    hub.away = True
    assert (await browser.get(f"{PREFIX}open", headers=token("x"))).text == "stranger"
    away = await browser.get(PREFIX, headers=token("x"))
    assert (away.status_code, away.headers["retry-after"]) == (503, "10")


async def test_cve_2024_28179_websockets_are_no_side_door(port: int, hub: Any) -> None:
    """CVE-2024-28179: what HTTP requests are asked, WebSockets are asked too."""
    url = f"ws://127.0.0.1:{port}{PREFIX}socket"
    value = hub.token_for("alice")
    for bad in (url, f"{url}?token={value}"):
        with pytest.raises(InvalidStatus) as error:
            await connect(bad, proxy=None)
        assert error.value.response.status_code == 403
    async with connect(url, additional_headers=token(value), proxy=None) as socket:
        assert await socket.recv() == "alice"


async def test_an_application_without_the_setting(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for kind, expected in ((Everyone, HubAuth), (Open, HubOAuth)):
        handler = handler_in(kind, Application())
        assert type(handler.hub_auth) is expected
        assert handler.hub_auth is handler.application.settings["hub_auth"]
    with pytest.raises(TypeError, match="must be a HubOAuth"):
        handler_in(Open, Application(hub_auth=HubAuth.from_environ())).hub_oauth  # noqa: B018


def handler_in(kind: type[HubAuthenticated], application: Application) -> Any:
    """Return a handler that answers no request."""
    handler = object.__new__(kind)
    handler.application = application
    return handler
