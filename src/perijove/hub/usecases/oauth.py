"""The OAuth 2 provider: authorize, and trade a code for a token."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from datetime import timedelta

from msgspec import Struct

from perijove.hub.core.errors import conflict, forbidden
from perijove.hub.core.events import ServerAccessed, TokenCreated, TokenRevoked
from perijove.hub.core.oauth import (
    CODE_LIFETIME,
    AuthorizeRequest,
    Grantor,
    OAuthClient,
    OAuthCode,
    OAuthError,
    answer_uri,
    check_client,
    check_code,
    check_request,
    grant,
    service_client,
    token_for,
)
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import MAX_TOKEN_LENGTH, Token, expired, hash_token
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.tokens import new_secret


class Consent(Struct, frozen=True):
    """What a person must be asked before a code is given.

    Attributes:
        client: whoever asks.
        scopes: raw scopes that it would get.
    """

    client: OAuthClient
    scopes: tuple[str, ...]


class Granted(Struct, frozen=True):
    """An access token as told to the client; *expires_in* in seconds."""

    access_token: str
    expires_in: int
    scopes: tuple[str, ...]


async def authorize(
    ctx: Context,
    visitor: Visitor,
    request: AuthorizeRequest,
    *,
    consented: bool,
    shown: Collection[str] | None = None,
    require_pkce: bool = False,
) -> str | Consent:
    """Return the URI to send the browser to, or what to ask the person first.

    Args:
        ctx: ports.
        visitor: whoever is asked.
        request: what the browser brought.
        consented: whether they consented.
        shown: to which raw scopes; None for all.
        require_pkce: whether clients must use PKCE.

    Nobody is asked for their own server, nor twice while they hold a token of that client that allows as much.

    Raises:
        PerijoveError: INVALID for an unknown client or redirect URI; FORBIDDEN without access to the server.
    """
    async with ctx.store.transaction() as tx:
        client = check_client(await tx.oauth.client(request.client_id[:MAX_TOKEN_LENGTH]), request)
        try:
            check_request(request, require_pkce=require_pkce)
            roles = {role.name: role.scopes for role in await tx.roles.list()} if request.scope else {}
            scopes = grant(client, request, Grantor(visitor.user.name, visitor.principal.scopes, roles, ctx.catalogue))
            if shown is not None:
                scopes = tuple(scope for scope in scopes if scope in shown or scope in client.required_scopes)
        except OAuthError as error:
            return answer_uri(
                client.redirect_uri, error=error.error, error_description=error.description, state=request.state[:2048]
            )
        owner = client.server_name.partition("/")[0]
        if not _may_access(visitor, client):
            raise forbidden(f"You do not have permission to access {client.description}")
        own = client.service_id is None and owner == visitor.user.name
        if not (own or consented or await _asked_before(ctx, tx, visitor, client, scopes)):
            return Consent(client, scopes)
        value = new_secret()
        await tx.oauth.add_code(
            OAuthCode(
                code_hash=hash_token(value),
                client_id=client.client_id,
                user_id=visitor.user.id,
                session_id=visitor.session.session_id,
                scopes=scopes,
                redirect_uri=client.redirect_uri,
                expires_at=ctx.clock.now() + CODE_LIFETIME,
                code_challenge=request.code_challenge,
                code_challenge_method=request.code_challenge_method,
            )
        )
    if not own and client.service_id is None:
        ctx.telemetry.emit(ServerAccessed(client.server_name, visitor.user.name))
    return answer_uri(client.redirect_uri, code=value, state=request.state)


def _may_access(visitor: Visitor, client: OAuthClient) -> bool:
    if client.service_id is not None:
        return visitor.principal.may("access:services", service=client.service_name)
    owner, _, server_name = client.server_name.partition("/")
    return visitor.principal.may("access:servers", user=owner, server=server_name)


async def _asked_before(
    ctx: Context, tx: Transaction, visitor: Visitor, client: OAuthClient, scopes: tuple[str, ...]
) -> bool:
    if client.service_id is not None:
        service = await tx.services.by_id(client.service_id)
        if service is not None and service.oauth_no_confirm:
            return True
    now = ctx.clock.now()
    held = {
        scope
        for token in await tx.tokens.list_of("user", visitor.user.id)
        if token.client_id == client.client_id and not expired(token.expires_at, now)
        for scope in token.scopes
    }
    return held.issuperset(scopes)


async def exchange(ctx: Context, form: Mapping[str, str], *, lifetime: timedelta) -> Granted:
    """Trade an authorization code for an access token.

    Args:
        ctx: ports.
        form: the fields of the request (RFC 6749, section 4.1.3), client credentials among them.
        lifetime: how long the token is good for.

    Raises:
        OAuthError: an error of RFC 6749, section 5.2.
    """
    if "grant_type" not in form:
        raise OAuthError("unsupported_grant_type")
    async with ctx.store.transaction() as tx:
        client = await tx.oauth.client(form.get("client_id", "")[:MAX_TOKEN_LENGTH])
        secret = hash_token(form.get("client_secret", "")[:MAX_TOKEN_LENGTH])
        if client is None or not hmac.compare_digest(client.secret_hash, secret):
            raise OAuthError("invalid_client")
        match form.get("grant_type", ""):
            case "authorization_code":
                pass
            case "refresh_token":
                raise OAuthError("unauthorized_client")
            case _:
                raise OAuthError("unsupported_grant_type")
        # One transaction, so that a sign-out comes before or after and leaves nothing; committed even if the code is
        # refused: a code is for one try.
        taken = await tx.oauth.take_code(hash_token(form.get("code", "")[:MAX_TOKEN_LENGTH]))
        revoked = await _revoke_earlier(tx, client, form) if taken is None else None
        outcome: tuple[Token, Granted] | OAuthError
        try:
            outcome = await _token_for(ctx, tx, client, taken, form, lifetime)
        except OAuthError as refused:
            outcome = refused
    if revoked is not None:
        ctx.telemetry.emit(TokenRevoked(revoked.owner_name, client.client_id, revoked.api_id, client.client_id))
    if isinstance(outcome, OAuthError):
        raise outcome
    token, granted = outcome
    ctx.telemetry.emit(TokenCreated(token.owner_name, token.owner_name, token.api_id, client.client_id))
    return granted


async def _revoke_earlier(tx: Transaction, client: OAuthClient, form: Mapping[str, str]) -> Token | None:
    """Revoke and return the token that a code was traded for before: somebody else may have it."""
    token = await tx.tokens.by_hash(hash_token(_value(form)))
    if token is None or token.client_id != client.client_id:
        return None
    await tx.tokens.delete(token.id)
    return token


def _value(form: Mapping[str, str]) -> str:
    return token_for(form.get("code", "")[:MAX_TOKEN_LENGTH], form.get("client_secret", "")[:MAX_TOKEN_LENGTH])


async def _token_for(
    ctx: Context,
    tx: Transaction,
    client: OAuthClient,
    taken: OAuthCode | None,
    form: Mapping[str, str],
    lifetime: timedelta,
) -> tuple[Token, Granted]:
    now = ctx.clock.now()
    code = check_code(taken, client, form.get("redirect_uri", client.redirect_uri), form.get("code_verifier", ""), now)
    user = await tx.users.by_id(code.user_id)
    if user is None:
        raise OAuthError("invalid_grant")
    value = _value(form)
    token = await tx.tokens.add(
        Token(
            id=0,
            token_hash=hash_token(value),
            owner_kind="user",
            owner_id=user.id,
            owner_name=user.name,
            scopes=code.scopes,
            created=now,
            client_id=client.client_id,
            session_id=code.session_id,
            expires_at=now + lifetime,
        )
    )
    return token, Granted(value, int(lifetime.total_seconds()), code.scopes)


async def put_service_client(
    ctx: Context, tx: Transaction, service: Service, *, secret: str, site: Site
) -> OAuthClient:
    """Store the OAuth client of a service that is stored already, in place of the one it had.

    Args:
        ctx: ports.
        tx: the transaction in which the service was stored.
        service: the service.
        secret: its token, which is the client's secret too.
        site: where browsers find it.

    Raises:
        PerijoveError: INVALID, naming the option that is wrong; CONFLICT, if another service has that client id.
    """
    client = service_client(service, secret, site, ctx.catalogue)
    other = await tx.oauth.client(client.client_id)
    if other is not None and other.service_id != service.id:
        raise conflict(f"oauth_client_id: {client.client_id} belongs to another service")
    await tx.oauth.put_client(client)
    return client
