"""Services: how they are; those that the configuration does not have are made and removed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import Form, Request, Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.usecases.identity import Visitor
from perijove.hub.usecases.services import ServiceView
from perijove.hub.web import security
from perijove.hub.web.callers import Hub
from perijove.hub.web.pages.admin_frame import Field, back, done_with, seen_with, show, told
from perijove.hub.web.pages.common import parameters_as
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

PAGE: Final = "admin/services"

Reader = Annotated[Visitor, seen_with("list:services")]
Maker = Annotated[Visitor, done_with("admin:services")]
Text = Annotated[str, Form(max_length=4096)]


@dataclass(frozen=True, slots=True)
class NewService:
    """The form in which somebody says what a new service shall be.

    Attributes:
        name: its name.
        url: where it listens; empty if nothing of it is proxied.
        admin: whether it may do all that administrators may.
        token: whether it shall have a token of the API.
        display: whether people find it in the navigation.
        oauth_redirect_uri: where the hub sends those who signed in; empty for the usual place.
        oauth_scopes: what it may ask its visitors for, with blanks between.
        oauth_no_confirm: whether these are spared the question.
        number: makes this form differ from all others.
    """

    name: Field = ""
    url: Text = ""
    admin: Field = ""
    token: Field = ""
    display: Field = ""
    oauth_redirect_uri: Text = ""
    oauth_scopes: Text = ""
    oauth_no_confirm: Field = ""
    number: Annotated[str, Form(max_length=64)] = ""

    def wanted(self, token: str) -> dict[str, Any]:
        """Return what is asked for, with the keys of the configuration and this *token*, if any."""
        told = {
            "url": self.url.strip(),
            "api_token": token,
            "oauth_redirect_uri": self.oauth_redirect_uri.strip(),
            "oauth_client_allowed_scopes": self.oauth_scopes.split(),
        }
        flags = {"admin": self.admin, "display": self.display, "oauth_no_confirm": self.oauth_no_confirm}
        return {key: value for key, value in told.items() if value} | {key: bool(on) for key, on in flags.items()}


@router.get("/admin/services")
async def services_page(request: Request, hub: Hub, visitor: Reader) -> Response:
    """Show services."""
    return await _page(request, hub, visitor)


async def _page(
    request: Request, hub: HubState, visitor: Visitor, *, typed: dict[str, Any] | None = None, **context: Any
) -> Response:
    views = await hub.services.list(visitor.principal)
    return show(
        request,
        visitor,
        "admin/services.html",
        "services",
        services=[_service(hub, visitor, view) for view in views],
        may_make=visitor.principal.may("admin:services"),
        number=security.form_number(),
        typed=asdict(NewService(token="on", display="on")) | (typed or {}),
        **context,
    )


@router.post("/admin/services")
async def add_service(
    request: Request, hub: Hub, visitor: Maker, form: Annotated[NewService, parameters_as(NewService)]
) -> Response:
    """Make a service and show its token; a form that comes twice makes one service and shows the same token."""
    name = form.name.strip()
    token = security.once(hub.settings, visitor, "service", repr(form)) if form.token else ""

    async def work() -> Response:
        try:
            await hub.services.create(visitor.principal, name, form.wanted(token))
        except PerijoveError as error:
            if error.code is not Code.CONFLICT or not await _is_of(hub, token, name):
                raise
        if not token:
            return back(request, hub, "", "service-added", default=PAGE)
        return await _page(request, hub, visitor, made={"name": name, "token": token})

    async def page(error: str) -> Response:
        return await _page(request, hub, visitor, error=error, typed=asdict(form))

    return await told(work(), page)


async def _is_of(hub: HubState, token: str, name: str) -> bool:
    """Say whether *token* is one of the service called *name*."""
    holder = await hub.identities.by_token(token) if token else None
    return holder is not None and (holder.kind, holder.name) == ("service", name)


@router.post("/admin/services/delete")
async def delete_service(request: Request, hub: Hub, visitor: Maker, name: Field = "") -> Response:
    """Remove a service; one that is gone already is no error."""

    async def work() -> Response:
        try:
            await hub.services.delete(visitor.principal, name)
        except PerijoveError as error:
            if error.code is not Code.NOT_FOUND:
                raise
        return back(request, hub, "", "service-deleted", default=PAGE)

    async def page(error: str) -> Response:
        return await _page(request, hub, visitor, error=error)

    return await told(work(), page)


def _service(hub: HubState, visitor: Visitor, view: ServiceView) -> dict[str, Any]:
    service = view.service
    if "pid" not in view.fields:
        state = "unknown"
    elif service.command:
        state = "running" if view.pid else "stopped"
    elif service.url:
        answers = hub.administration.health.answers(service.name)
        state = "unknown" if answers is None else "answering" if answers else "silent"
    else:
        state = "elsewhere"
    has_pages = bool(service.url) and visitor.principal.may("access:services", service=service.name)
    return {
        "name": service.name,
        "admin": service.admin,
        "state": state,
        "pid": view.pid,
        "open_url": hub.settings.site.service_url(service.name) if has_pages else "",
        "url": service.url if "url" in view.fields else "",
        "command": " ".join(service.command) if "command" in view.fields else "",
        "roles": view.roles if "roles" in view.fields else (),
        "from_config": service.from_config,
        "may_delete": not service.from_config and visitor.principal.may("admin:services", service=service.name),
    }
