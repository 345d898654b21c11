"""Lists that are given in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from perijove.hub.core.paging import MAX_OFFSET, Page, Window, clamp
from perijove.hub.web.callers import Hub
from perijove.hub.web.models import json_bytes
from perijove.hub.web.schemas import PAGINATION_TYPE
from perijove.hub.web.security import own_origin
from perijove.hub.web.state import WebSettings

LIMIT = "How many to give; the sign does not count, and the hub has a limit of its own"


def wants_pagination(request: Request) -> bool:
    """Say whether the caller asked for the paginated form."""
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    return PAGINATION_TYPE in accepted


async def page_window(
    request: Request,
    hub: Hub,
    offset: Annotated[int, Query(le=MAX_OFFSET, description="How many to leave out; none if negative")] = 0,
    limit: Annotated[int | None, Query(description=LIMIT)] = None,
) -> Window:
    """Return which part of a list is asked for: smaller by default where the caller can ask for the next one."""
    default = hub.settings.page_default if wants_pagination(request) else hub.settings.page_maximum
    return clamp(offset, limit, default=default, maximum=hub.settings.page_maximum)


def page_response(
    request: Request, page: Page[Any], models: Sequence[Any], settings: WebSettings, *, always: bool = False
) -> Response:
    """Return a list, in the paginated form if the caller asked for it, or *always*."""
    return text_page_response(request, page, [json_bytes(model) for model in models], settings, always=always)


def text_page_response(
    request: Request, page: Page[Any], texts: Iterable[bytes], settings: WebSettings, *, always: bool = False
) -> Response:
    """Return a list as `page_response` does, the JSON of each of its items given."""
    body, wanted = b"[" + b",".join(texts) + b"]", wants_pagination(request)
    if wanted or always:
        body = b'{"items":' + body + b',"_pagination":' + json_bytes(pagination(request, page, settings)) + b"}"
    return Response(body, media_type=PAGINATION_TYPE if wanted else "application/json")


def pagination(request: Request, page: Page[Any], settings: WebSettings) -> dict[str, Any]:
    """Return which part of a list *page* is, and where the next one is."""
    following = None
    if page.next is not None:
        query = dict(request.query_params) | {"offset": str(page.next.offset), "limit": str(page.next.limit)}
        url = f"{own_origin(request, settings)}{request.scope['path']}?{urlencode(query)}"
        following = {"offset": page.next.offset, "limit": page.next.limit, "url": url}
    return {"offset": page.window.offset, "limit": page.window.limit, "total": page.total, "next": following}
