"""One table from error code to HTTP status, and the two forms in which an error is told: JSON and a page."""

from __future__ import annotations

import uuid
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import shorten
from perijove.hub.core.texts import mark
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

log = structlog.get_logger(__name__)

STATUS: Final[dict[Code, int]] = {
    Code.INVALID: 400,
    Code.UNAUTHENTICATED: 403,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.LIMITED: 429,
    Code.UNAVAILABLE: 503,
    Code.FAILED: 500,
}
"""Nobody signed in is 403 and not 401: unchanged clients take only that for "sign in first"."""

RETRY_AFTER: Final = 5
"""Seconds after which a client tries again when something the hub needs is away."""

TITLES: Final[dict[int, str]] = {
    400: mark("That did not work"),
    403: mark("You may not do this"),
    404: mark("Nothing is here"),
    405: mark("That did not work"),
    409: mark("Not now"),
    413: mark("That is too much"),
    424: mark("This server is not running"),
    429: mark("Too much at once"),
    500: mark("Something went wrong"),
    502: mark("The server gave no proper answer"),
    503: mark("Not available at the moment"),
    504: mark("The server took too long"),
}


def is_api(path: str, prefix: str) -> bool:
    """Say whether *path* belongs to the REST API of the hub under *prefix*."""
    return f"{path}/".startswith(f"{prefix}api/")


def wants_json(request: Request, hub: HubState) -> bool:
    """Say whether an error is to be told as JSON: below the API, or where the caller prefers it."""
    path: str = request.scope["path"]
    if is_api(path, hub.settings.prefix):
        return path not in {f"{hub.settings.prefix}api/oauth2/authorize", f"{hub.settings.prefix}api/docs"}
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def error_response(
    request: Request, status: int, message: str, *, retry_after: int | None = None, error_id: str = ""
) -> Response:
    """Return the answer that tells an error to whoever asked."""
    hub: HubState = request.app.state.hub
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    if wants_json(request, hub):
        text = f"{message} (error id {error_id})" if error_id else message
        return JSONResponse({"status": status, "message": text}, status_code=status, headers=headers)
    response = render(
        request,
        "error.html",
        status=status,
        title_text=TITLES.get(status, TITLES[500 if status >= 500 else 400]),
        message=message,
        error_id=error_id,
        action={"url": f"{hub.settings.prefix}home", "text": mark("Go to the home page")},
    )
    response.status_code = status
    response.headers.update(headers)
    return response


async def _expected(request: Request, error: Exception) -> Response:
    if not isinstance(error, PerijoveError):
        raise TypeError(f"not an expected error: {error!r}")
    return expected(request, error)


def expected(request: Request, error: PerijoveError) -> Response:
    """Return the answer that tells an expected error to whoever asked."""
    status = STATUS[error.code]
    if status < 500:
        return error_response(request, status, error.message, retry_after=error.retry_after)
    error_id = new_error_id()
    log.warning("request failed", path=path_of(request), status=status, reason=error.message, error_id=error_id)
    retry_after = RETRY_AFTER if error.code is Code.UNAVAILABLE and error.retry_after is None else error.retry_after
    return error_response(request, status, error.message, retry_after=retry_after, error_id=error_id)


async def _malformed(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"not a malformed request: {error!r}")
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"})
    return error_response(request, 400, shorten(f"{where or 'body'}: {first['msg']}", 300))


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"not an HTTP error: {error!r}")
    hub: HubState = request.app.state.hub
    if error.status_code == 405 and request.method == "OPTIONS" and is_api(request.scope["path"], hub.settings.prefix):
        return Response(status_code=200)
    response = error_response(request, error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def broken(request: Request, error: Exception) -> Response:
    """Return the answer to a request that broke in a way that nobody expected; the log has the details."""
    error_id = new_error_id()
    log.error("request broke", path=path_of(request), error_id=error_id, exc_info=error)
    message = mark("Something went wrong in the hub.")
    try:
        return error_response(request, 500, message, error_id=error_id)
    except Exception:
        log.exception("the error page broke too", error_id=error_id)
        return PlainTextResponse(f"{message} (error id {error_id})", status_code=500)


def path_of(request: Request) -> str:
    """Return the path of *request* for a line of the log."""
    return shorten(request.scope["path"], 200)


def new_error_id() -> str:
    """Return an id that stands in the log and on the page, so that one is found from the other."""
    return uuid.uuid4().hex[:12]


def install(app: FastAPI) -> None:
    """Let *app* tell all expected errors this way; who calls *app* sees to the others with `broken`."""
    app.add_exception_handler(PerijoveError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
