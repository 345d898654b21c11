"""Pages from templates, with what every page has."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

import perijove
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import security
from perijove.hub.web.state import HubState


def render(request: Request, template: str, *, visitor: Visitor | None = None, **context: Any) -> HTMLResponse:
    """Return the page that *template* makes of *context*.

    Args:
        request: the request; a visitor found for it earlier is used if none is given.
        template: the name of the template.
        visitor: who sees the page.
        context: what the template shows.
    """
    hub: HubState = request.app.state.hub
    visitor = visitor or getattr(request.state, "visitor", None)
    token, cookie = security.form_token(request, hub.settings, visitor)
    user = None
    if visitor is not None:
        user = {
            "name": visitor.user.name,
            "admin": visitor.principal.may("admin-ui"),
            "has_account": hub.accounts is not None,
        }
    page = hub.templates.get_template(template).render(
        prefix=hub.settings.prefix,
        base_url=hub.settings.base_url,
        version=perijove.__version__,
        user=user,
        services=getattr(request.state, "services", ()),
        xsrf_token=token,
        now=hub.ctx.clock.now(),
        **context,
    )
    response = HTMLResponse(page, headers={"Cache-Control": "no-store"})
    if cookie:
        security.set_form_cookie(request, hub.settings, response, token)
    return response
