"""Sign in, sign up, sign out, the first administrator, change of password."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError, forbidden, not_found
from perijove.hub.core.guessing import Try
from perijove.hub.core.texts import mark
from perijove.hub.ports.sign_in import PART_FIELD, WayKind
from perijove.hub.usecases import sign_in as use_case
from perijove.hub.usecases.accounts import TAKEN_INVITATION, Accounts, matching
from perijove.hub.usecases.entrance import check_takes_form, ways_of
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.tokens import new_secret
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, address_of, as_asked, find_visitor, hub_of
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import (
    ASK,
    EarlierForm,
    FormToken,
    FormVisitor,
    HeldForm,
    PageVisitor,
    go,
    parameters_as,
    with_next,
)
from perijove.hub.web.pages.gate import (
    ATTEMPT,
    NO_COOKIES,
    after_sign_in,
    asked_target,
    let_in,
    show_login,
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


def _accounts(hub: HubState) -> Accounts:
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    return hub.accounts


@router.get("/login", dependencies=[BEFORE])
async def login_page(request: Request, hub: Hub) -> Response:
    """Show how to sign in, or do it where that needs nobody's hand; go on if somebody is signed in already."""
    security.check_page_request(request)
    target = asked_target(request, hub)
    if await find_visitor(request, hub) is not None:
        return go(target or hub.settings.prefix)
    # With two sessions in one browser, one of which somebody planted, nobody is signed in by signing in.
    if ASK not in request.query_params and not getattr(request.state, "planted", False):
        way = _way_without_a_hand(hub, target)
        if way is WayKind.LINK:
            return RedirectResponse(with_next(hub.entrance.login_url, target), status_code=302)
        if way is WayKind.REQUEST:
            return await _by_request(request, hub, target)
    return await show_login(request, hub, target)


def _way_without_a_hand(hub: HubState, target: str) -> WayKind | None:
    """Return how somebody who wants to go to *target* signs in without doing anything; None if they have to."""
    authenticator, prefix = hub.authenticator, hub.settings.prefix
    authorizes = authenticator.auto_login_oauth2_authorize and urlsplit(target).path == f"{prefix}api/oauth2/authorize"
    if hub.entrance.login_url != f"{prefix}login":
        return WayKind.LINK if authenticator.auto_login or authorizes else None
    return WayKind.REQUEST if authenticator.auto_login else None


async def _by_request(request: Request, hub: HubState, target: str) -> Response:
    """Sign in whoever the request itself says it is; first make sure that the browser would keep the session."""
    browser = security.sign_in_browser(request, hub.settings)
    if not browser:
        if ATTEMPT in request.query_params:
            return await show_login(request, hub, target, forbidden(NO_COOKIES))
        again = RedirectResponse(with_next(f"{hub.settings.prefix}login", target, **{ATTEMPT: "2"}), status_code=302)
        security.know_sign_in_browser(request, hub.settings, again, new_secret())
        return again
    asked = as_asked(request)
    try:
        async with hub.guard.guarding(Try("sign-in", "", asked.address)):
            session = await use_case.sign_in(
                hub.ctx,
                hub.authenticator,
                asked,
                {},
                lifetime=hub.settings.session_lifetime,
                refused=use_case.NOT_LET_IN,
            )
    except PerijoveError as error:
        return await show_login(request, hub, target, error)
    return let_in(request, hub, session, target=target)


async def to_go_on(request: Request, error: Exception) -> Response:
    """Answer EarlierForm: let somebody sign in again if need be, then go on with what they had typed."""
    if not isinstance(error, EarlierForm):
        raise TypeError(f"not a form from before: {error!r}")
    hub = hub_of(request)
    visitor = await find_visitor(request, hub)
    if visitor is not None:
        return _go_on(request, error.held, visitor)
    sealed = security.seal(hub.settings, json.dumps([error.owner, error.held.action, error.held.fields]))
    held = sealed if len(sealed) <= MAX_HELD else ""
    response = await show_login(
        request, hub, f"{hub.settings.prefix}home", None if held else forbidden(STALE), held=held
    )
    response.status_code = 200
    return response


def _go_on(request: Request, held: HeldForm, visitor: Visitor) -> Response:
    """Ask whether what was typed earlier is still to be done: a person presses the button, or does not."""
    return render(request, "resume.html", visitor=visitor, action=held.action, fields=held.fields)


def _held_for(hub: HubState, visitor: Visitor | None, sealed: str) -> HeldForm | None:
    """Return what *visitor* had typed before they signed in again, if it was them."""
    text = security.unseal(hub.settings, sealed)
    if text is None or visitor is None:
        return None
    owner, action, fields = json.loads(text)
    return HeldForm(action, tuple((name, value) for name, value in fields)) if owner == visitor.user.id else None


@router.post("/login", dependencies=[BEFORE])
async def login(request: Request, hub: Hub) -> Response:
    """Sign somebody in."""
    async with request.form(max_fields=MAX_FIELDS, max_files=MAX_FIELDS) as form:
        data = {key: value for key, value in form.items() if isinstance(value, str)}
    typed = data.get("username", "")
    sealed = data.pop("held", "")[:MAX_HELD]
    target = request.query_params.get("next")
    visitor = await find_visitor(request, hub)
    if (waiting := _held_for(hub, visitor, sealed)) is not None and visitor is not None:
        # Signed in meanwhile, in another tab: nothing is done before a person presses the button.
        return _go_on(request, waiting, visitor)
    try:
        security.check_form(request, hub.settings, visitor, data.pop(security.FORM_FIELD, ""))
        check_takes_form(await ways_of(hub.authenticator, hub.settings.site))
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
            return go(after_sign_in(request, hub, target))
        return await show_login(
            request,
            hub,
            asked_target(request, hub),
            error,
            username=typed[:MAX_SHOWN],
            part=data.get(PART_FIELD, ""),
            held=sealed,
        )
    person = await hub.identities.by_session(session.key) if sealed else None
    found = _held_for(hub, person, sealed)
    response = None if found is None or person is None else _go_on(request, found, person)
    response = let_in(request, hub, session, response, target=target)
    security.remember_device(request, hub.settings, response, typed)
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
    return await signed_out(request, hub, await find_visitor(request, hub))


async def signed_out(request: Request, hub: HubState, visitor: Visitor | None, url: str = "") -> Response:
    """Sign *visitor* out and lead them to *url*, judged; without one to a page that signs nobody in by itself."""
    if visitor is not None:
        if not security.is_led_here(request, hub.settings):
            return RedirectResponse(f"{hub.settings.prefix}home", status_code=302)
        # First of all: whatever becomes of the servers, nobody stays signed in who does not want to.
        await use_case.sign_out(hub.ctx, visitor)
        if hub.settings.landing.stop_servers:
            await hub.servers.stop_all_of(visitor.principal, visitor.user)
        request.state.visitor = None
    if hub.authenticator.auto_login and not url:
        response: Response = render(request, "logout.html", login_service=hub.authenticator.login_service)
    else:
        response = RedirectResponse(url or f"{hub.settings.prefix}login", status_code=302)
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
