from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket

from perijove.client.asgi import HubMiddleware, visitor_of, web_request
from perijove.client.auth import HubAuth, HubOAuth
from perijove.client.environment import ServiceEnvironment

PREFIX = "/services/whoami/"
ORIGIN = "http://service"
SESSION = {"jupyterhub-session-id": "s"}


def application() -> FastAPI:
    app = FastAPI()

    @app.get(f"{PREFIX}{{path:path}}")
    def page(request: Request, path: str) -> dict[str, Any]:
        try:
            return {"path": path, "user": visitor_of(request.scope).identity.name}
        except LookupError as error:
            return {"path": path, "error": str(error)}

    @app.post(PREFIX)
    async def change(request: Request) -> dict[str, Any]:
        return {"user": request.user.name, "body": (await request.body()).decode()}

    @app.websocket(f"{PREFIX}socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(visitor_of(websocket.scope).identity.name)
        await websocket.close()

    return app


@pytest.fixture
def auth(environment: ServiceEnvironment, hub: Any) -> HubOAuth:
    return HubOAuth(environment, hub=hub)


@pytest.fixture
def app(auth: HubOAuth) -> HubMiddleware:
    return HubMiddleware(application(), auth, public=("health", "static/"))


@pytest.fixture
async def browser(app: HubMiddleware) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=SESSION) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, hub: Any, page: str = "") -> httpx.Response:
    begun = await browser.get(PREFIX + page)
    assert begun.status_code == 302, begun.text
    return await browser.get(f"{PREFIX}oauth_callback", params=hub.authorize(begun.headers["location"]))


async def test_signing_in_and_out(browser: httpx.AsyncClient, hub: Any) -> None:
    back = await sign_in(browser, hub, "a%20page?x=1")
    assert (back.status_code, back.headers["location"]) == (302, f"{PREFIX}a%20page?x=1")
    assert back.headers["cache-control"] == "no-store"
    assert "HttpOnly" in back.headers["set-cookie"]
    answer = await browser.get(f"{PREFIX}page")
    assert answer.json() == {"path": "page", "user": "alice"}
    assert (await browser.get(f"{PREFIX}login?next=//evil")).headers["location"] == PREFIX
    out = await browser.get(f"{PREFIX}logout")
    assert out.headers["location"] == "/hub/logout"
    assert (await browser.get(PREFIX)).status_code == 302


async def test_tokens_and_refusals(browser: httpx.AsyncClient, hub: Any) -> None:
    for token, status in ((hub.token_for("alice"), 200), (hub.token_for("bob"), 403), ("made-up", 302)):
        answer = await browser.get(PREFIX, headers={"Authorization": f"token {token}"})
        assert answer.status_code == status
    answer = await browser.post(PREFIX)
    assert (answer.status_code, answer.text) == (403, "Missing or invalid credentials.")
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_the_hub_is_away(browser: httpx.AsyncClient, hub: Any) -> None:
    hub.away = True
    answer = await browser.get(PREFIX, headers={"Authorization": "token x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


@pytest.mark.parametrize(
    ("path", "status"), [("health", 200), ("static/a.css", 200), ("healthy", 302), ("static", 302)]
)
async def test_public_paths(browser: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await browser.get(PREFIX + path)
    assert answer.status_code == status
    if status == 200:
        assert "this path is public" in answer.json()["error"]


@pytest.mark.parametrize("path", ["static/../secret", "static/%2e%2e/secret", "static/..%5csecret"])
async def test_dots_do_not_lead_out_of_a_public_folder(auth: HubOAuth, path: str) -> None:
    status = await raw(HubMiddleware(application(), auth, public=("static/",)), path)
    assert status == 302


async def raw(app: HubMiddleware, path: str, query: bytes = b"") -> int:
    """Return the status of a request whose path no client has tidied up."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    target = PREFIX + path
    decoded = target.replace("%2e", ".").replace("%5c", "\\")
    raw_path = target.encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": decoded,
        "raw_path": raw_path,
        "headers": [],
        "query_string": query,
    }
    await app(scope, nothing, send)
    return int(sent[0]["status"])


async def nothing() -> Any:
    raise AssertionError("nobody asks for a body here")


async def test_forms(browser: httpx.AsyncClient, auth: HubOAuth, hub: Any) -> None:
    await sign_in(browser, hub)
    token = auth.xsrf_token(visitor_of({"perijove.visitor": await auth.identify(request_of(browser))}))
    headers = {"Origin": ORIGIN}
    assert (await browser.post(PREFIX, headers=headers, data={"x": "1"})).status_code == 403
    assert (await browser.post(PREFIX, headers=headers, data={"_xsrf": "wrong"})).status_code == 403
    answer = await browser.post(PREFIX, headers=headers, data={"x": "1", "_xsrf": token})
    assert answer.json() == {"user": "alice", "body": f"x=1&_xsrf={token}"}, "the application reads the body as it came"
    answer = await browser.post(PREFIX, headers={**headers, "X-XSRFToken": token}, json={"x": 1})
    assert answer.json() == {"user": "alice", "body": '{"x":1}'}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.post(PREFIX, headers=form, content=endless())).status_code == 403
    assert (
        await browser.post(PREFIX, headers={**headers, "Origin": "http://evil"}, data={"_xsrf": token})
    ).status_code == 403


def request_of(browser: httpx.AsyncClient) -> Any:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = [(b"cookie", cookie.encode())]
    return web_request({"type": "http", "method": "GET", "path": PREFIX, "headers": headers})


async def test_pages_stay_to_themselves(browser: httpx.AsyncClient, hub: Any) -> None:
    await sign_in(browser, hub)
    answer = await browser.get(PREFIX)
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    assert (await browser.get(PREFIX, headers=script)).status_code == 403


async def websocket(app: HubMiddleware, headers: dict[str, str], query: str = "", **more: object) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": f"{PREFIX}socket",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **more,
    }
    await app(scope, receive, send)
    return sent


async def test_cve_2024_28179_websockets_are_no_side_door(app: HubMiddleware, hub: Any) -> None:
    """CVE-2024-28179: what HTTP requests are asked, WebSockets are asked too."""
    (refused,) = await websocket(app, {})
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
    token = hub.token_for("alice")
    assert (await websocket(app, {}, f"token={token}"))[0]["type"] == "websocket.close", "nobody opted in"
    accepted = await websocket(app, {"authorization": f"token {token}"})
    assert [message.get("text") for message in accepted[:2]] == [None, "alice"]


async def test_a_websocket_hears_why(app: HubMiddleware, hub: Any) -> None:
    hub.away = True
    able: dict[str, object] = {"websocket.http.response": {}}
    start, body = await websocket(app, {"authorization": "token x"}, extensions=able)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert (b"retry-after", b"10") in start["headers"]
    assert body["type"] == "websocket.http.response.body"


async def test_the_hub_decides_where_browsers_come_back_to(environment: ServiceEnvironment, hub: Any) -> None:
    elsewhere = replace(environment, callback_url=f"https://service.example{PREFIX}back")
    app = HubMiddleware(application(), HubOAuth(elsewhere, hub=hub))
    assert await raw(app, "back", b"state=a-third-attempt.3") == 400
    assert await raw(app, "oauth_callback", b"state=a-third-attempt.3") == 302


async def test_a_service_for_tokens_alone_has_no_pages_to_sign_in(environment: ServiceEnvironment, hub: Any) -> None:
    app = HubMiddleware(application(), HubAuth(environment, hub=hub))
    assert await raw(app, "") == 403
    assert await raw(app, "oauth_callback") == 403


async def test_what_is_neither_http_nor_a_websocket_passes(auth: HubOAuth) -> None:
    seen = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await HubMiddleware(inner, auth)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_headers_that_come_twice() -> None:
    headers = [(b"Cookie", b"a=1"), (b"cookie", b"b=2"), (b"Accept", b"x"), (b"accept", b"y")]
    request = web_request({"type": "http", "method": "GET", "path": "/ä", "query_string": b"x=1", "headers": headers})
    assert request.all_cookies() == [("a", "1"), ("b", "2")]
    assert (request.headers["accept"], request.target) == ("x, y", "/%C3%A4?x=1")
