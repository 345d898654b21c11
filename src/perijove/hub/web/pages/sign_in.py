"""Sign in, sign up, sign out, the first administrator, change of password."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from perijove.hub.core.errors import Code, PerijoveError, forbidden, not_found
from perijove.hub.core.guessing import Try
from perijove.hub.core.texts import mark
from perijove.hub.usecases import sign_in as use_case
from perijove.hub.usecases.accounts import TAKEN_INVITATION, Accounts, matching
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, address_of, as_asked, find_visitor, hub_of
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import (
    EarlierForm,
    FormToken,
    FormVisitor,
    HeldForm,
    PageVisitor,
    go,
    next_target,
    parameters_as,
    with_next,
)
from perijove.hub.web.permissions import Router, public
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)
BEFORE = public("It is for whoever is not signed in yet, or no longer")
MAX_FIELDS = 20
MAX_FIELD_LENGTH = 4096
MAX_SHOWN = 255
MAX_HELD = 65_536
"""How long what was typed may be, sealed, to be kept over a sign-in."""

STALE = mark("You were signed out meanwhile. Sign in and try again.")
Text = Annotated[str, Form(max_length=MAX_FIELD_LENGTH)]


def _after_sign_in(request: Request, hub: HubState, target: str | None) -> str:
    return next_target(request, hub, target, default=hub.settings.prefix)


def _accounts(hub: HubState) -> Accounts:
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    return hub.accounts


def _form(request: Request, hub: HubState) -> dict[str, Any]:
    """Return what the sign-in form is made of, whatever was typed into it."""
    target = next_target(request, hub, request.query_params.get("next"))
    return {
        "action": with_next(f"{hub.settings.prefix}login", target),
        "signup": hub.accounts is not None,
        "needs_form": True,
        "login_service": hub.authenticator.login_service,
    }


@router.get("/login", dependencies=[BEFORE])
async def login_page(request: Request, hub: Hub) -> Response:
    """Show the sign-in form, or go on if somebody is signed in already."""
    security.check_page_request(request)
    if await find_visitor(request, hub) is not None:
        return go(_after_sign_in(request, hub, request.query_params.get("next")))
    return render(request, "login.html", error="", username="", held="", **_form(request, hub))


async def to_go_on(request: Request, error: Exception) -> Response:
    """Answer EarlierForm: let somebody sign in again if need be, then go on with what they had typed."""
    if not isinstance(error, EarlierForm):
        raise TypeError(f"not a form from before: {error!r}")
    hub = hub_of(request)
    visitor = await find_visitor(request, hub)
    if visitor is not None:
        return _go_on(request, error.held, visitor)
    action = f"{hub.settings.prefix}login?next={quote(f'{hub.settings.prefix}home', safe='')}"
    sealed = security.seal(hub.settings, json.dumps([error.owner, error.held.action, error.held.fields]))
    held = sealed if len(sealed) <= MAX_HELD else ""
    context = _form(request, hub) | {"action": action, "held": held}
    return render(request, "login.html", error="" if held else STALE, username="", **context)


def _go_on(request: Request, held: HeldForm, visitor: Visitor) -> Response:
    """Ask whether what was typed earlier is still to be done: a person presses the button, or does not."""
    return render(request, "resume.html", visitor=visitor, action=held.action, fields=held.fields)


async def _held_for(hub: HubState, session: use_case.NewSession, sealed: str) -> tuple[HeldForm, Visitor] | None:
    """Return what the person who has just signed in had typed before, if it was them."""
    text = security.unseal(hub.settings, sealed)
    visitor = await hub.identities.by_session(session.key) if text else None
    if text is None or visitor is None:
        return None
    owner, action, fields = json.loads(text)
    if owner != visitor.user.id:
        return None
    return HeldForm(action, tuple((name, value) for name, value in fields)), visitor


@router.post("/login", dependencies=[BEFORE])
async def login(request: Request, hub: Hub) -> Response:
    """Sign somebody in."""
    async with request.form(max_fields=MAX_FIELDS, max_files=MAX_FIELDS) as form:
        data = {key: value for key, value in form.items() if isinstance(value, str)}
    typed = data.get("username", "")
    sealed = data.pop("held", "")[:MAX_HELD]
    target = request.query_params.get("next")
    visitor = await find_visitor(request, hub)
    try:
        security.check_form(request, hub.settings, visitor, data.pop(security.FORM_FIELD, ""))
        if any(len(value) > MAX_FIELD_LENGTH for value in data.values()):
            raise forbidden(use_case.REFUSED)
        asked = as_asked(request)
        attempt = Try("sign-in", typed, asked.address, security.known_device(request, hub.settings, typed))
        async with hub.guard.guarding(attempt):
            session = await use_case.sign_in(
                hub.ctx, hub.authenticator, asked, data, lifetime=hub.settings.session_lifetime
            )
    except PerijoveError as error:
        # A tab left open from before somebody signed in here is not worth an error.
        if visitor is not None:
            return go(_after_sign_in(request, hub, target))
        return _again(request, error, "login.html", username=typed[:MAX_SHOWN], held=sealed, **_form(request, hub))
    hub.refreshes.signed_in(session.user.id)
    found = await _held_for(hub, session, sealed)
    response = (
        RedirectResponse(_after_sign_in(request, hub, target), status_code=302)
        if found is None
        else _go_on(request, *found)
    )
    security.begin(request, hub.settings, response, session)
    security.remember_device(request, hub.settings, response, session.user.name)
    return response


def _shown_in_form(error: PerijoveError) -> int:
    """Return the status of the form that tells *error*; what is not the visitor's doing gets a page of its own."""
    status = STATUS[error.code]
    if status >= 500:
        raise error
    return status


@router.get("/logout", dependencies=[BEFORE])
async def logout(request: Request, hub: Hub) -> Response:
    """Sign out, here and in all servers. A link on another site does nothing: it leads home, where the button is."""
    security.check_page_request(request)
    visitor = await find_visitor(request, hub)
    if visitor is not None:
        if not security.is_led_here(request, hub.settings):
            return RedirectResponse(f"{hub.settings.prefix}home", status_code=302)
        if hub.settings.landing.stop_servers:
            await hub.servers.stop_all_of(visitor.principal, visitor.user)
        await use_case.sign_out(hub.ctx, visitor)
    response = RedirectResponse(f"{hub.settings.prefix}login", status_code=302)
    security.end(request, hub.settings, response)
    return response


@router.get("/signup", dependencies=[BEFORE])
async def signup_page(request: Request, hub: Hub) -> Response:
    """Show the form with which people ask for an account."""
    security.check_page_request(request)
    _accounts(hub)
    await find_visitor(request, hub)
    return render(request, "signup.html", error="", username="", done=False)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The form in which somebody chooses a name and a password."""

    xsrf: FormToken = ""
    username: Text = ""
    password: Text = ""
    password_again: Text = ""
    code: Text = ""

    @property
    def chosen_password(self) -> str:
        """The password, if it was typed the same twice. Raises PerijoveError INVALID."""
        return matching(self.password, self.password_again)


NewAccountForm = Annotated[NewAccount, parameters_as(NewAccount)]


async def _check_new_account(request: Request, hub: HubState, form: NewAccount) -> None:
    """Return if *form* was ours and not too many came from there. Raises PerijoveError FORBIDDEN or LIMITED."""
    security.check_form(request, hub.settings, await find_visitor(request, hub), form.xsrf)
    await hub.guard.count(Try("sign-up", form.username, address_of(request)))


@router.post("/signup", dependencies=[BEFORE])
async def signup(request: Request, hub: Hub, form: NewAccountForm) -> Response:
    """Keep a name and password until an administrator approves."""
    accounts = _accounts(hub)
    try:
        await _check_new_account(request, hub, form)
        await accounts.sign_up(form.username, form.chosen_password)
    except PerijoveError as error:
        return _again(request, error, "signup.html", username=form.username[:MAX_SHOWN], done=False)
    return render(request, "signup.html", error="", username=form.username, done=True)


def _again(request: Request, error: PerijoveError, template: str, **context: Any) -> Response:
    """Show a form again with what was wrong, nothing typed lost but passwords."""
    status = _shown_in_form(error)
    response = render(request, template, error=error.message, **context)
    response.status_code = status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


@router.get("/setup", dependencies=[BEFORE])
async def setup_page(request: Request, hub: Hub, code: str = "") -> Response:
    """Show the form that makes the first administrator, to whoever has the one-time link."""
    security.check_page_request(request)
    valid = await _accounts(hub).invitation_valid(code[:MAX_FIELD_LENGTH])
    await find_visitor(request, hub)
    response = render(request, "setup.html", code=code, username="", error="", valid=valid)
    response.status_code = 200 if valid else 403
    return response


@router.post("/setup", dependencies=[BEFORE])
async def setup(request: Request, hub: Hub, form: NewAccountForm) -> Response:
    """Make the first administrator and sign them in."""
    accounts = _accounts(hub)
    try:
        await _check_new_account(request, hub, form)
        session = await accounts.set_up_administrator(
            form.code, form.username, form.chosen_password, hub.settings.session_lifetime
        )
    except PerijoveError as error:
        used_up = error.code is Code.FORBIDDEN and error.message == TAKEN_INVITATION
        shown = form.username[:MAX_SHOWN]
        return _again(request, error, "setup.html", code=form.code, username=shown, valid=not used_up)
    response = go(f"{hub.settings.prefix}home")
    security.begin(request, hub.settings, response, session)
    return response


@router.get("/account")
async def account_page(request: Request, hub: Hub, visitor: PageVisitor) -> Response:
    """Show the form to change one's password."""
    _accounts(hub)
    return render(request, "account.html", visitor=visitor, error="", done=False)


@router.post("/account")
async def account(
    request: Request,
    hub: Hub,
    visitor: FormVisitor,
    old_password: Text = "",
    password: Text = "",
    password_again: Text = "",
) -> Response:
    """Change one's password; other sessions end."""
    try:
        session = await _accounts(hub).change_password(
            visitor, old_password, matching(password, password_again), hub.settings.session_lifetime
        )
    except PerijoveError as error:
        return _again(request, error, "account.html", done=False)
    renewed = replace(visitor, session=session.session)
    response = render(request, "account.html", visitor=renewed, error="", done=True)
    security.begin(request, hub.settings, response, session)
    return response
