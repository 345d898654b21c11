"""The page behind the link with a share code: who shares what, and whether the visitor wants it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request, Response

from perijove.hub.core.guessing import Try
from perijove.hub.core.scopes import Catalogue
from perijove.hub.core.shares import ShareCode
from perijove.hub.usecases import shares
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.shares import CodeView
from perijove.hub.web.callers import Hub, address_of
from perijove.hub.web.pages.common import FormVisitor, PageVisitor, go, next_target, server_view
from perijove.hub.web.permissions import Router
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

ShownCode = Annotated[str, Query(description="The share code")]

WORDS: Final = {
    "access:servers": "Open it, and see and change everything in it",
    "read:servers": "See whether it runs",
    "servers": "Start and stop it",
    "start:servers": "Start it",
    "delete:servers": "Stop and delete it",
    "shares": "Open it, and share it with others",
    "read:shares": "See with whom it is shared",
}
"""What the usual scopes of a share allow, said of "the server"."""


@router.get("/accept-share")
async def ask(request: Request, hub: Hub, visitor: PageVisitor, code: ShownCode = "") -> Response:
    """Say who shares which server, and what that allows; nothing changes before the visitor says yes."""
    offer = await _offer(request, hub, visitor, code)
    return render(
        request,
        "accept_share.html",
        server=server_view(hub, offer.server),
        allows=described(offer.code, hub.ctx.catalogue),
    )


@router.post("/accept-share")
async def accept(request: Request, hub: Hub, visitor: FormVisitor, code: ShownCode = "") -> Response:
    """Give the visitor what the code gives, and lead to the server."""
    await _offer(request, hub, visitor, code)
    view = await shares.accept(hub.ctx, visitor.user, code)
    return go(next_target(request, hub, request.query_params.get("next"), hub.servers.url(view.server)))


async def _offer(request: Request, hub: HubState, visitor: Visitor, code: str) -> CodeView:
    """Return what *code* gives. Raises PerijoveError NOT_FOUND; FORBIDDEN for one's own; LIMITED for who guesses."""
    async with hub.guard.guarding(Try("share-code", visitor.user.name, address_of(request))):
        offer = await shares.offered(hub.ctx, code)
    shares.check_not_own(visitor.user, offer)
    return offer


def described(code: ShareCode, catalogue: Catalogue) -> list[str]:
    """Return in words what *code* gives; scopes that are none here any more give nothing."""
    return [WORDS.get(base, catalogue.definitions[base].description) for base in code.scopes if base in catalogue]
