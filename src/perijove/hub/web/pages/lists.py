"""Pages of long lists: which part is shown, and where the others are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query

from perijove.hub.core.paging import MAX_OFFSET, Page, Window, clamp
from perijove.hub.web.state import HubState

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 50
"""How many rows a page of a list has at most: it stays below 100 KB."""

Offset = Annotated[int, Query(le=MAX_OFFSET)]


def window_of(offset: int, limit: int | None) -> Window:
    """Return the part of a list that a page shows."""
    return clamp(offset, limit, default=DEFAULT_LIMIT, maximum=MAX_LIMIT)


def address(hub: HubState, path: str, params: Mapping[str, object] | None = None) -> str:
    """Return the address of a page below the hub's prefix, with those of *params* that say something."""
    told = {key: value for key, value in (params or {}).items() if value not in {"", None}}
    return f"{hub.settings.prefix}{path}{'?' if told else ''}{urlencode(told)}"


def paging(
    hub: HubState, page: Page[Any], path: str, params: Mapping[str, object], key: str = "offset"
) -> dict[str, object]:
    """Return what the template shows of the place of *page* in its list.

    Args:
        hub: where the page is.
        page: the part of the list that is shown.
        path: below the hub's prefix.
        params: what else the address says.
        key: the parameter that says where the part begins.
    """

    def url(window: Window | None) -> str:
        if window is None:
            return ""
        limit = window.limit if window.limit != DEFAULT_LIMIT else ""
        return address(hub, path, {key: window.offset, "limit": limit} | dict(params))

    offset, limit = page.window.offset, page.window.limit
    previous = Window(max(0, offset - limit), limit) if offset else None
    return {
        "first": offset + 1,
        "last": offset + len(page.items),
        "total": page.total,
        "next_url": url(page.next),
        "previous_url": url(previous),
    }
