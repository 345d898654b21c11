"""Sign in, sign up, sign out, the first administrator, change of password."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from perijove.hub.core.errors import Code, PerijoveError, not_found
from perijove.hub.ports.authenticator import SignInRequest
from perijove.hub.usecases import sign_in as use_case
from perijove.hub.usecases.accounts import TAKEN_INVITATION, Accounts, matching
from perijove.hub.web import security
from perijove.hub.web.callers import Hub, find_visitor
from perijove.hub.web.errors import STATUS
from perijove.hub.web.pages.common import FormToken, FormVisitor, PageVisitor, go, next_target
from perijove.hub.web.rendering import render
from perijove.hub.web.state import HubState

router = APIRouter(include_in_schema=False)
MAX_FIELDS = 20
MAX_FIELD_LENGTH = 4096
Text = Annotated[str, Form(max_length=MAX_FIELD_LENGTH)]


def _after_sign_in(request: Request, hub: HubState, target: str | None) -> str:
    return next_target(request, hub, target, default=hub.settings.prefix)


def _accounts(hub: HubState) -> Accounts:
    if hub.accounts is None:
        raise not_found("This hub keeps no passwords of its own.")
    return hub.accounts


def _login_page(request: Request, hub: HubState, *, username: str = "", error: str = "", status: int = 200) -> Response:
    target = next_target(request, hub, request.query_params.get("next"))
    query = f"?{urlencode({'next': target})}" if target else ""
    response = render(
        request,
        "login.html",
        action=f"{hub.settings.prefix}login{query}",
        error=error,
        username=username[:255],
        signup=hub.accounts is not None,
        needs_form=True,
        login_service=hub.authenticator.login_service,
    )
    response.status_code = status
    return response


@router.get("/login")
async def login_page(request: Request, hub: Hub) -> Response:
    """Show the sign-in form, or go on if somebody is signed in already."""
    security.check_page_request(request)
    if await find_visitor(request, hub) is not None:
        return go(_after_sign_in(request, hub, request.query_params.get("next")))
    return _login_page(request, hub)


@router.post("/login")
async def login(request: Request, hub: Hub) -> Response:
    """Sign somebody in."""
    form = await request.form(max_fields=MAX_FIELDS)
    data = {key: value for key, value in form.items() if isinstance(value, str)}
    target = request.query_params.get("next")
    visitor = await find_visitor(request, hub)
    try:
        security.check_form(request, hub.settings, visitor, data.pop("_xsrf", ""))
    except PerijoveError as error:
        # A tab left open from before somebody signed in here is not worth an error.
        if visitor is not None:
            return go(_after_sign_in(request, hub, target))
        return _login_page(request, hub, username=data.get("username", ""), error=error.message, status=403)
    asked = SignInRequest(request.client.host if request.client else "", dict(request.headers))
    try:
        session = await use_case.sign_in(
            hub.ctx, hub.authenticator, asked, data, lifetime=hub.settings.session_lifetime
        )
    except PerijoveError as error:
        status = STATUS[error.code]
        return _login_page(request, hub, username=data.get("username", ""), error=error.message, status=status)
    response = go(_after_sign_in(request, hub, target))
    response.status_code = 302
    security.begin(request, hub.settings, response, session)
    return response


@router.get("/logout")
async def logout(request: Request, hub: Hub) -> Response:
    """Sign out, here and in all servers."""
    visitor = await find_visitor(request, hub)
    if visitor is not None:
        # Another site must not be able to sign people out with a mere link or picture.
        security.check_origin(request, hub.settings)
        await use_case.sign_out(hub.ctx, visitor)
    response = go(f"{hub.settings.prefix}login")
    response.status_code = 302
    security.end(hub.settings, response)
    return response


@router.get("/signup")
async def signup_page(request: Request, hub: Hub) -> Response:
    """Show the form with which people ask for an account."""
    security.check_page_request(request)
    _accounts(hub)
    await find_visitor(request, hub)
    return render(request, "signup.html", error="", username="", done=False)


@router.post("/signup")
async def signup(
    request: Request, hub: Hub, xsrf: FormToken = "", username: Text = "", password: Text = "", password_again: Text = ""
) -> Response:
    """Keep a name and password until an administrator approves."""
    accounts = _accounts(hub)
    try:
        security.check_form(request, hub.settings, await find_visitor(request, hub), xsrf)
        await accounts.sign_up(username, matching(password, password_again))
    except PerijoveError as error:
        return _again(request, error, "signup.html", username=username[:255], done=False)
    return render(request, "signup.html", error="", username=username, done=True)


def _again(request: Request, error: PerijoveError, template: str, **context: Any) -> Response:
    """Show a form again with what was wrong, nothing typed lost but passwords."""
    response = render(request, template, error=error.message, **context)
    response.status_code = STATUS[error.code]
    return response


@router.get("/setup")
async def setup_page(request: Request, hub: Hub, code: str = "") -> Response:
    """Show the form that makes the first administrator, to whoever has the one-time link."""
    security.check_page_request(request)
    valid = await _accounts(hub).invitation_valid(code[:MAX_FIELD_LENGTH])
    await find_visitor(request, hub)
    response = render(request, "setup.html", code=code, username="", error="", valid=valid)
    response.status_code = 200 if valid else 403
    return response


@router.post("/setup")
async def setup(
    request: Request,
    hub: Hub,
    xsrf: FormToken = "",
    code: Text = "",
    username: Text = "",
    password: Text = "",
    password_again: Text = "",
) -> Response:
    """Make the first administrator and sign them in."""
    accounts = _accounts(hub)
    try:
        security.check_form(request, hub.settings, await find_visitor(request, hub), xsrf)
        session = await accounts.set_up_administrator(
            code, username, matching(password, password_again), hub.settings.session_lifetime
        )
    except PerijoveError as error:
        used_up = error.code is Code.FORBIDDEN and error.message == TAKEN_INVITATION
        return _again(request, error, "setup.html", code=code, username=username[:255], valid=not used_up)
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
    response = render(request, "account.html", error="", done=True)
    security.begin(request, hub.settings, response, session)
    return response
