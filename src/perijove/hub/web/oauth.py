"""The OAuth 2 provider's two endpoints, and what standard clients read to find them."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from perijove.hub.core.errors import PerijoveError, not_found
from perijove.hub.core.guessing import Try
from perijove.hub.core.oauth import MAX_SCOPES, AuthorizeRequest, OAuthClient, OAuthError, metadata, origin_of
from perijove.hub.core.scopes import METASCOPES, Catalogue
from perijove.hub.core.texts import mark
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH
from perijove.hub.usecases import oauth
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.oauth import Consent
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, address_of, find_visitor
from perijove.hub.web.pages.common import go, login_url, raw_path, raw_query
from perijove.hub.web.permissions import Router, public
from perijove.hub.web.rendering import render
from perijove.hub.web.schemas import gives
from perijove.hub.web.state import HubState
from perijove.wire.models import AccessTokenModel, OAuthErrorModel
from perijove.wire.prefixes import normalize_base_url
from perijove.wire.scopes import parse_scope

router = Router(tags=["oauth"])
well_known = Router(include_in_schema=False)
DESCRIBES = public("Clients read it before they have anything to show")
WELL_KNOWN = "/.well-known/oauth-authorization-server"
SHOWS_SECRET = public("The client shows its own credentials in the form")
SIGNS_IN = public("Whoever is not signed in is led to the sign-in page, and back")
MAX_FORM_LENGTH = 16_384
PAGE_TYPE = "text/html"
FORM_TYPE = "application/x-www-form-urlencoded"
EVERYTHING: Final = frozenset({"inherit", "self"})
CONSENT: Final = {
    "inherit": mark("Do everything here that you may do"),
    "self": mark("Do everything with what is your own: your servers, your tokens, your name"),
    "read:users:name!user": mark("Know your user name"),
    "read:users:groups!user": mark("Know which groups you are in"),
    "read:users!user": mark("Know your name, your groups and when you were last active"),
    "read:servers!user": mark("See your servers and whether they run"),
    "servers!user": mark("Start and stop your servers"),
    "access:servers!user": mark("Open your servers and use everything in them"),
    "tokens!user": mark("Make and revoke tokens of yours"),
    "shares!user": mark("Share your servers with others"),
    "users:activity!user": mark("Report when you are active"),
}
"""What usual scopes allow, said to the person who is asked."""

LETS_IN: Final = {
    "access:servers": mark("Let you in and recognise you when you come back"),
    "access:services": mark("Let you in and recognise you when you come back"),
}
"""What is said of the scope that every client has: use of itself."""

AUTHORIZE: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": name in {"client_id", "response_type"}, "schema": {"type": "string"}}
        for name in (
            "client_id",
            "response_type",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
        )
    ]
}
TOKEN: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "code", "client_id", "client_secret"],
                    "properties": {
                        name: {"type": "string"}
                        for name in (
                            "grant_type",
                            "code",
                            "client_id",
                            "client_secret",
                            "redirect_uri",
                            "code_verifier",
                        )
                    },
                }
            }
        },
    }
}
AUTHORIZE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: gives(str, "A page that asks the person first", PAGE_TYPE),
    302: {"description": "To the client with a code or an error, or to the sign-in page"},
    400: gives(str, "No such client, or another redirect URI than its own: a page that says so", PAGE_TYPE),
    403: gives(str, "The person may not use this server: a page that says so", PAGE_TYPE),
    "default": gives(str, "Any other error: a page that says so", PAGE_TYPE),
}
TOKEN_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: gives(AccessTokenModel, "The token"),
    400: gives(OAuthErrorModel, "An error of RFC 6749, section 5.2"),
    401: gives(OAuthErrorModel, "The client or its secret is wrong"),
}


@router.get(
    "/oauth2/authorize",
    dependencies=[SIGNS_IN],
    summary="Ask for an authorization code",
    response_class=HTMLResponse,
    openapi_extra=AUTHORIZE,
    responses=AUTHORIZE_ANSWERS,
)
async def authorize(request: Request, hub: Hub) -> Response:
    """Send the signed-in person back to the client with a code (RFC 6749, 4.1.1); ask them first where need be."""
    security.check_page_request(request)
    visitor = await find_visitor(request, hub)
    if visitor is None:
        return RedirectResponse(login_url(hub, request), status_code=302)
    return await _authorize(request, hub, visitor)


@router.post("/oauth2/authorize", dependencies=[SIGNS_IN], include_in_schema=False)
async def consent(
    request: Request,
    hub: Hub,
    xsrf: Annotated[str, Form(alias="_xsrf")] = "",
    scopes: Annotated[list[str], Form(max_length=MAX_SCOPES)] = [],  # noqa: B006 - FastAPI makes a new one each time
) -> Response:
    """Take the consent of a person and send them back to the client with a code."""
    visitor = await find_visitor(request, hub)
    if visitor is None:
        return RedirectResponse(login_url(hub, request, again=True), status_code=302)
    try:
        security.check_form(request, hub.settings, visitor, xsrf)
    except PerijoveError:
        security.check_origin(request, hub.settings)
        if security.form_owner(hub.settings, xsrf) != visitor.user.id:
            raise
        # The person's own, from an earlier sign-in: they are asked again.
        return go(f"{raw_path(request)}{raw_query(request)}")
    return await _authorize(request, hub, visitor, shown=scopes)


async def _authorize(request: Request, hub: HubState, visitor: Visitor, *, shown: list[str] | None = None) -> Response:
    query = request.query_params
    asked = AuthorizeRequest(
        client_id=query.get("client_id", ""),
        redirect_uri=query.get("redirect_uri", ""),
        response_type=query.get("response_type", ""),
        scope=query.get("scope", ""),
        state=query.get("state", ""),
        code_challenge=query.get("code_challenge", ""),
        code_challenge_method=query.get("code_challenge_method", ""),
    )
    answer = await oauth.authorize(
        hub.ctx,
        visitor,
        asked,
        consented=shown is not None,
        shown=shown,
        require_pkce=hub.settings.require_pkce,
    )
    if isinstance(answer, Consent):
        client = answer.client
        page = render(
            request,
            "oauth.html",
            client=client,
            owner=client.server_name.partition("/")[0],
            server=client.server_name.partition("/")[2],
            leads_to=origin_of(client.redirect_uri).partition("://")[2],
            scopes=[described(text, client, hub.ctx.catalogue) for text in answer.scopes],
        )
        page.headers["Content-Security-Policy"] = security.page_policy(
            hub.settings.site, origin_of(client.redirect_uri)
        )
        return page
    return RedirectResponse(answer, status_code=302, headers={"Cache-Control": "no-store"})


def described(text: str, client: OAuthClient, catalogue: Catalogue) -> dict[str, Any]:
    """Return what a raw scope allows *client*, in words, to whom that is limited, and whether it is everything."""
    if text in CONSENT:
        return {"scope": text, "description": CONSENT[text], "limit": "", "much": text in EVERYTHING}
    scope = parse_scope(text)
    itself = {"server": client.server_name, "service": client.service_name}.get(scope.kind, "")
    target = scope.value or itself
    if scope.base in LETS_IN and itself and target == itself:
        return {"scope": text, "description": LETS_IN[scope.base], "limit": "", "much": False}
    words = catalogue.definitions[scope.base].description
    return {"scope": text, "description": words, "limit": target.rstrip("/"), "much": False}


@router.post(
    "/oauth2/token",
    dependencies=[SHOWS_SECRET],
    summary="Trade a code for a token",
    openapi_extra=TOKEN,
    responses=TOKEN_ANSWERS,
)
async def exchange_code(request: Request, hub: Hub) -> Response:
    """Give an access token for an authorization code (RFC 6749, 4.1.3); credentials stand in the form body."""
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    body = await request.body()
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        if len(body) > MAX_FORM_LENGTH:
            raise OAuthError("invalid_request", "The form is too long.")
        client_id = form.get("client_id", "")[:MAX_TOKEN_LENGTH]
        # By client and address: guesses from elsewhere must not keep a client out.
        async with hub.guard.guarding(Try("oauth-client", address=address_of(request), apart=client_id)):
            granted = await oauth.exchange(hub.ctx, form, lifetime=hub.settings.oauth_lifetime)
    except OAuthError as error:
        content = {"error": error.error}
        if error.description:
            content["error_description"] = error.description
        if error.error == "invalid_client":
            headers["WWW-Authenticate"] = 'Bearer error="invalid_client"'
        return JSONResponse(content, status_code=401 if error.error == "invalid_client" else 400, headers=headers)
    return JSONResponse(
        {
            "access_token": granted.access_token,
            "expires_in": granted.expires_in,
            "token_type": "Bearer",
            "scope": " ".join(granted.scopes),
        },
        headers=headers,
    )


@well_known.get(WELL_KNOWN, dependencies=[DESCRIBES])
@well_known.get(f"{WELL_KNOWN}/{{rest:path}}", dependencies=[DESCRIBES])
async def description(request: Request, hub: Hub, rest: str = "") -> Response:
    """Describe the provider (RFC 8414), at the root of the host with the prefix behind, or within the prefix."""
    settings = hub.settings
    if normalize_base_url(rest) not in {"/", settings.base_url}:
        raise not_found("There is no authorization server of that name.")
    origin = security.own_origin(request, settings)
    told = metadata(
        issuer=f"{origin}{settings.base_url.rstrip('/')}",
        endpoints=f"{origin}{settings.prefix}api/oauth2",
        scopes=hub.ctx.catalogue.definitions.keys() - METASCOPES,
    )
    return JSONResponse(told, headers={"Access-Control-Allow-Origin": "*"})
