"""One table from error code to HTTP status, and the two forms in which an error is told: JSON and a page."""

from __future__ import annotations

import uuid
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

log = structlog.get_logger(__name__)

STATUS: Final[dict[Code, int]] = {
    Code.INVALID: 400,
    Code.UNAUTHENTICATED: 403,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.LIMITED: 429,
    Code.UNAVAILABLE: 503,
    Code.FAILED: 500,
}
"""Nobody signed in is 403 and not 401: unchanged clients take only that for "sign in first"."""

TITLES: Final[dict[int, str]] = {
    400: "That did not work",
    403: "You may not do this",
    404: "Nothing is here",
    405: "That did not work",
    409: "Not now",
    424: "This server is not running",
    429: "Too much at once",
    500: "Something went wrong",
    502: "The server gave no proper answer",
    503: "Not available at the moment",
    504: "The server took too long",
}


def wants_json(request: Request, hub: HubState) -> bool:
    """Say whether an error is to be told as JSON: below the API, or where the caller prefers it."""
    if request.url.path.startswith(f"{hub.settings.prefix}api"):
        return "/oauth2/authorize" not in request.url.path and not request.url.path.endswith("/api/docs")
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
        action={"url": f"{hub.settings.prefix}home", "text": "Go to the home page"},
    )
    response.status_code = status
    response.headers.update(headers)
    return response


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, PerijoveError)
    status = STATUS[error.code]
    if status < 500:
        return error_response(request, status, error.message, retry_after=error.retry_after)
    error_id = new_error_id()
    log.warning("request failed", path=request.url.path[:200], status=status, reason=error.message, error_id=error_id)
    return error_response(request, status, error.message, retry_after=error.retry_after or 5, error_id=error_id)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return error_response(request, 400, "Invalid JSON in body of request")
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return error_response(request, 400, f"{where or 'body'}: {first['msg']}"[:300])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(request, error.status_code, str(error.detail))


async def _unexpected(request: Request, error: Exception) -> Response:
    error_id = new_error_id()
    log.error("request broke", path=request.url.path[:200], error_id=error_id, exc_info=error)
    return error_response(request, 500, "Something went wrong in the hub.", error_id=error_id)


def new_error_id() -> str:
    """Return an id that stands in the log and on the page, so that one is found from the other."""
    return uuid.uuid4().hex[:12]


def install(app: FastAPI) -> None:
    """Let *app* tell all errors this way."""
    app.add_exception_handler(PerijoveError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
