"""The edge to ASGI: a middleware for FastAPI, Starlette, Quart and any other application of that interface.

Everything that is not named public is for visitors whom the hub lets in, WebSockets included. The application finds
them with `visitor_of`. Neither FastAPI nor Starlette is needed here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote, urlsplit

from perijove.client.auth import HubAuth, HubOAuth, Visitor
from perijove.client.messages import PAGE_HEADERS, SAFE_METHODS, WebAnswer, WebRequest, form_field
from perijove.client.xsrf import FIELD, sent_token

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

VISITOR = "perijove.visitor"
MAX_FORM = 1024 * 1024
"""Bytes of a form in which the token against forgery is looked for."""
FORM_TYPE = "application/x-www-form-urlencoded"
REFUSED_WEBSOCKET = 1008
"""The close code for a violated policy (RFC 6455 section 7.4.1), where the server has no other way to refuse."""


def visitor_of(scope: Scope) -> Visitor:
    """Return who makes the request with this ASGI *scope*.

    Raises:
        LookupError: nobody was asked for, because the path is public or `HubMiddleware` is not in place.
    """
    visitor = scope.get(VISITOR)
    if not isinstance(visitor, Visitor):
        raise LookupError(  # noqa: TRY004  # what is missing is the visitor
            "nobody was identified: this path is public, or HubMiddleware is not installed"
        )
    return visitor


class HubMiddleware:
    """Lets requests through to an ASGI application for visitors whom the hub lets in.

    With a `HubOAuth` it also answers ``login``, ``oauth_callback`` and ``logout`` below the service's prefix.
    """

    def __init__(self, app: App, auth: HubAuth, *, public: Iterable[str] = ()) -> None:
        """Stand before *app*.

        *public* are paths for everybody, below the service's prefix: ``"health"`` is that path alone, ``"static/"``
        all paths that begin so. Scripts and images that pages load belong there: see `perijove.client.xsrf`.
        """
        self._app = app
        self._auth = auth
        prefix = auth.environment.prefix
        paths = [prefix + path.removeprefix("/") for path in public]
        self._public_paths = frozenset(path for path in paths if not path.endswith("/"))
        self._public_prefixes = tuple(path for path in paths if path.endswith("/"))
        self._pages: dict[str, Callable[[WebRequest], Awaitable[WebAnswer]]] = {}
        if isinstance(auth, HubOAuth):
            self._pages = {
                f"{prefix}login": auth.login,
                urlsplit(auth.environment.callback_url).path: auth.finish,
                f"{prefix}logout": _soon(auth.sign_out),
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if self._is_public(path):
            await self._app({**scope, VISITOR: None}, receive, send)
            return
        request = web_request(scope)
        page = None if request.websocket or request.method not in {"GET", "HEAD"} else self._pages.get(path)
        if page is not None:
            await _answer(await page(request), scope, send)
            return
        form, receive = await _form_token(request, receive)
        outcome = await self._auth.enter(request, form_token=form)
        if isinstance(outcome, WebAnswer):
            await _answer(outcome, scope, send)
        else:
            scope = {**scope, VISITOR: outcome, "user": outcome.identity}
            await self._app(scope, receive, send if request.websocket else _with_page_headers(send))

    def _is_public(self, path: str) -> bool:
        # An application may resolve dots, and then mean another path than the one that was looked at here.
        if not {".", ".."}.isdisjoint(path.replace("\\", "/").split("/")):
            return False
        return path in self._public_paths or any(path.startswith(prefix) for prefix in self._public_prefixes)


def web_request(scope: Scope) -> WebRequest:
    """Return what the ASGI *scope* of an HTTP request or a WebSocket says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").partition("?")[0]
    query = scope.get("query_string", b"").decode("latin-1")
    return WebRequest(
        method=scope.get("method", "GET"),
        target=f"{path}?{query}" if query else path,
        headers=headers,
        scheme=scope.get("scheme", "http"),
        websocket=scope["type"] == "websocket",
    )


def _soon(page: Callable[[WebRequest], WebAnswer]) -> Callable[[WebRequest], Awaitable[WebAnswer]]:
    async def answer(request: WebRequest) -> WebAnswer:
        return page(request)

    return answer


async def _answer(answer: WebAnswer, scope: Scope, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": REFUSED_WEBSOCKET, "reason": answer.message})
            return
    body = answer.message.encode()
    pairs = [*answer.headers(), *(("Set-Cookie", cookie.header()) for cookie in answer.cookies)]
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in pairs]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})


def _with_page_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            given = {name.lower() for name, _ in headers}
            wanted = {name.lower().encode(): value.encode() for name, value in PAGE_HEADERS.items()}
            headers += [(name, value) for name, value in wanted.items() if name not in given]
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _form_token(request: WebRequest, receive: Receive) -> tuple[str, Receive]:
    """Return the token in the body of a form, and a *receive* that tells the application of the body once more."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.websocket or request.method in SAFE_METHODS or kind != FORM_TYPE or sent_token(request):
        return "", receive
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= MAX_FORM:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    body = b"".join(message.get("body", b"") for message in messages) if size <= MAX_FORM else b""
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return form_field(body.decode("utf-8", "replace"), FIELD), again
