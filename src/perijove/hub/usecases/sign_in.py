"""Signing in and out with a browser."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from msgspec import Struct

from perijove.hub.core.auth_models import AuthModel, checked_model
from perijove.hub.core.errors import Code, PerijoveError, forbidden
from perijove.hub.core.events import SignedIn, SignedOut, SignInRefused
from perijove.hub.core.names import normalize_user_name, shorten
from perijove.hub.core.principals import Principal
from perijove.hub.core.texts import mark
from perijove.hub.core.tokens import hash_token
from perijove.hub.core.users import Session, User
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.store import Transaction
from perijove.hub.usecases.additions import prepare_new
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.identity import Visitor, of_user
from perijove.hub.usecases.people import take_in, understood
from perijove.hub.usecases.tokens import new_secret

log = structlog.get_logger(__name__)

REFUSED = mark("Invalid username or password")
NOT_LET_IN = mark("Signing in did not work, or you may not sign in here.")
"""What is said in place of it where nobody typed anything."""

UNPREPARED = "What you need to work here could not be prepared. Tell whoever runs this hub."


class NewSession(Struct, frozen=True):
    """A session just begun, and the secret for its cookie, which is told only here."""

    key: str
    session: Session
    user: User


async def sign_in(
    ctx: Context,
    authenticator: Authenticator,
    request: SignInRequest,
    data: Mapping[str, Any],
    *,
    lifetime: timedelta,
    refused: str = REFUSED,
) -> NewSession:
    """Let somebody in whom the authenticator recognises.

    Args:
        ctx: ports.
        authenticator: says who it is.
        request: what is known of the request.
        data: the fields of the sign-in form, or what a handler completed it with.
        lifetime: how long the session lasts.
        refused: what is said to whoever is not let in, whatever the reason.

    Raises:
        PerijoveError: see `identify`; FAILED, if the authenticator cannot prepare a new user.
    """
    model = await identify(ctx, authenticator, request, data, refused)
    try:
        told = await understood(ctx, authenticator, model)
    except PerijoveError:
        raise
    except Exception as error:
        raise broken(authenticator, error) from None
    try:
        await prepare_new(ctx, authenticator, [told.name], admin=told.admin)
    except PerijoveError as error:
        if error.code is Code.INVALID:
            raise PerijoveError(Code.FAILED, UNPREPARED) from error
        raise
    async with ctx.store.transaction() as tx:
        user, facts = await take_in(ctx, tx, told)
        session = await begin_session(ctx, tx, user, lifetime)
    for fact in (*facts, SignedIn(user.name)):
        ctx.telemetry.emit(fact)
    return session


async def by_credentials(
    ctx: Context, authenticator: Authenticator, request: SignInRequest, data: Mapping[str, str]
) -> Principal:
    """Return who the authenticator says it is, without a session; nobody becomes a user by this.

    Raises:
        PerijoveError: see `identify`.
    """
    model = await identify(ctx, authenticator, request, data)
    async with ctx.store.transaction() as tx:
        user = await tx.users.get(model["name"])
        if user is None:
            raise forbidden(REFUSED)
        return await of_user(ctx, tx, user)


async def identify(
    ctx: Context,
    authenticator: Authenticator,
    request: SignInRequest,
    data: Mapping[str, Any],
    refused: str = REFUSED,
) -> AuthModel:
    """Return whom the authenticator recognises and lets in; the name in its one spelling.

    Raises:
        PerijoveError: FORBIDDEN, always with the message *refused* unless the authenticator has one of its own;
            UNAVAILABLE, if the authenticator broke, lied or did not answer.
    """
    given = data.get("username")
    typed = shorten(given) if isinstance(given, str) else ""

    async def existing(name: str) -> bool:
        async with ctx.store.transaction() as tx:
            return await tx.users.get(name) is not None

    try:
        answer = await authenticator.get_authenticated_user(request, data, existing=existing)
        # Checked once more: a plug-in may have replaced the method that does it.
        model = checked_model(answer, f"{type(authenticator).__name__}.get_authenticated_user")
        if model is not None:
            model["name"] = normalize_user_name(model["name"])
    except PerijoveError as error:
        ctx.telemetry.emit(SignInRefused(typed, error.message))
        # A name that cannot exist is told apart from a wrong password by nobody.
        raise forbidden(refused) if error.code is Code.INVALID else error from None
    except Exception as error:
        raise broken(authenticator, error) from None
    if model is not None and model["name"] not in authenticator.blocked_users:
        return model
    ctx.telemetry.emit(SignInRefused(typed, "not recognised or not allowed"))
    raise forbidden(refused)


def broken(authenticator: Authenticator, error: Exception) -> PerijoveError:
    """Log what the authenticator did wrong; return what the visitor is told."""
    silent = isinstance(error, TimeoutError)
    log.error(
        "the authenticator did not answer in time" if silent else "the authenticator failed",
        authenticator=type(authenticator).__name__,
        exc_info=error,
    )
    return PerijoveError(Code.UNAVAILABLE, "Signing in does not work at the moment. Try again later.")


async def begin_session(ctx: Context, tx: Transaction, user: User, lifetime: timedelta) -> NewSession:
    """Begin a session of *user* that lasts for *lifetime*."""
    key = new_secret()
    now = ctx.clock.now()
    session = Session(hash_token(key), uuid.uuid4().hex, user.id, now, now + lifetime)
    await tx.sessions.add(session)
    return NewSession(key, session, user)


async def sign_out(ctx: Context, visitor: Visitor) -> None:
    """End the session on the server, with every token that was issued in it."""
    async with ctx.store.transaction() as tx:
        await tx.sessions.delete(visitor.session.session_id)
    ctx.telemetry.emit(SignedOut(visitor.user.name))
