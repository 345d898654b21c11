"""Who am I: the question that every single-user server and service asks for each token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import IDENTIFY_SCOPES, Holder, expand
from perijove.hub.usecases import users
from perijove.hub.web.answers import Mark
from perijove.hub.web.callers import Hub, needs_identity
from perijove.hub.web.models import json_bytes, scope_strings, service_model, user_model
from perijove.hub.web.permissions import Router
from perijove.hub.web.schemas import gives
from perijove.hub.web.state import HubState
from perijove.wire.models import HeldModel, SelfServiceModel, SelfUserModel
from perijove.wire.scopes import Scope

router = Router(tags=["users"])
OWNER = gives(SelfUserModel | SelfServiceModel, "The user or service that the token belongs to")


@router.get("/user", summary="The owner of the token", operation_id="get_self", responses={200: OWNER})
async def self_model(hub: Hub, principal: Annotated[Principal, needs_identity()]) -> Response:
    """Give the model of the user or service that the token belongs to, with what the token allows.

    Unknown tokens get 403: clients take that, and only that, for "sign in first".
    """
    return await self_response(hub, principal)


async def self_response(hub: HubState, principal: Principal) -> Response:
    """Return who *principal* is, as it may know itself; while the database is away, as it was told before.

    Raises:
        PerijoveError: UNAVAILABLE, if it was told nothing before that is right still.
    """
    mark = Mark(hub.ctx.store.generation, hub.activity.written)
    body = hub.answers.get(principal, mark)
    if body is None:
        try:
            body = json_bytes(await _model(hub, principal))
        except PerijoveError as error:
            body = hub.answers.older(principal, mark.generation)
            if error.code is not Code.UNAVAILABLE or body is None:
                raise
        else:
            hub.answers.put(principal, mark, body)
    return Response(body, media_type="application/json")


async def _model(hub: HubState, principal: Principal) -> SelfUserModel | SelfServiceModel:
    held: HeldModel = {
        "token_id": None if principal.token_id is None else f"a{principal.token_id}",
        "session_id": principal.session_id,
        "scopes": scope_strings(principal.scopes),
    }
    if principal.user_id is None:
        own_name = Scope("read:services:name", "service", principal.name)
        seen = await hub.services.get(replace(principal, scopes=principal.scopes | {own_name}), principal.name)
        return {**service_model(seen, hub.settings), **held}
    identify = expand((f"{scope}!user" for scope in IDENTIFY_SCOPES), Holder(user=principal.name))
    seen_as = replace(principal, scopes=principal.scopes | identify)
    view = await users.view_of(hub.ctx, seen_as, principal.user_id)
    return {**user_model(view, seen_as, hub.settings), **held}
