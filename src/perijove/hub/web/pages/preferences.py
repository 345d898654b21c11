"""The choices in the footer of every page: its language, and light or dark."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response

from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.languages import LANGUAGES
from perijove.hub.web.pages.common import go, next_target
from perijove.hub.web.permissions import Router, public
from perijove.hub.web.rendering import THEMES

router = Router(include_in_schema=False)
LOOKS = public("It changes how pages look in this browser, and nothing else")
Wish = Annotated[str | None, Form(max_length=20)]


@router.post("/preferences", dependencies=[LOOKS])
async def choose(
    request: Request,
    hub: Hub,
    language: Wish = None,
    theme: Wish = None,
    target: Annotated[str, Form(alias="next", max_length=8192)] = "",
) -> Response:
    """Keep the choice in a cookie and go back; one that is unknown, such as "auto", leaves it to the browser again."""
    security.check_origin(request, hub.settings)
    # Not from the form: some addresses hold a secret, which belongs in no page.
    back = target or request.headers.get("referer", "")
    response = go(next_target(request, hub, back, default=f"{hub.settings.prefix}home"))
    for name, wish, known in (
        (security.LANGUAGE_COOKIE, language, LANGUAGES),
        (security.THEME_COOKIE, theme, THEMES),
    ):
        if wish is not None:
            security.remember_choice(request, hub.settings, response, name, wish if wish in known else "")
    return response
