"""Tells visitors who they are: a page for browsers, and the same as JSON for programs with a token."""

from __future__ import annotations

from html import escape
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

from perijove.client.asgi import HubMiddleware, visitor_of
from perijove.client.auth import HubOAuth

PAGE = """<!doctype html>
<html lang="en">
<title>Who am I?</title>
<h1>You are {name}</h1>
<p>Your groups: {groups}</p>
<form method="post" action="{prefix}greetings">
  <input type="hidden" name="_xsrf" value="{xsrf}">
  <button>Greet everybody</button> {greetings} so far
</form>
<p><a href="{prefix}logout">Sign out</a></p>
</html>
"""


def make_app(auth: HubOAuth) -> HubMiddleware:
    """Return the application: everything but `health` is for visitors whom the hub lets in."""
    prefix = auth.environment.prefix
    router = APIRouter(prefix=prefix.rstrip("/"))
    greetings = 0

    @router.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/", response_class=HTMLResponse)
    def page(request: Request) -> str:
        visitor = visitor_of(request.scope)
        return PAGE.format(
            name=escape(visitor.identity.name),
            groups=escape(", ".join(visitor.identity.groups) or "none"),
            greetings=greetings,
            prefix=escape(prefix),
            xsrf=auth.xsrf_token(visitor),
        )

    @router.get("/api/me")
    def me(request: Request) -> dict[str, Any]:
        identity = visitor_of(request.scope).identity
        return {"name": identity.name, "kind": identity.kind, "scopes": sorted(identity.scopes)}

    # A form: the middleware has compared its field `_xsrf` before this runs.
    @router.post("/greetings", response_class=HTMLResponse)
    def greet(request: Request) -> str:
        nonlocal greetings
        greetings += 1
        return page(request)

    app = FastAPI(title="Who am I?", docs_url=None, redoc_url=None, openapi_url=f"{prefix}openapi.json")
    app.include_router(router)
    return HubMiddleware(app, auth, public=("health",))


def main() -> None:
    """Serve where the hub expects it, and on port 10101 if the hub did not say."""
    auth = HubOAuth.from_environ()
    bind = auth.environment.bind
    uvicorn.run(make_app(auth), host=bind.ip if bind else "127.0.0.1", port=bind.port if bind else 10101)


if __name__ == "__main__":
    main()
