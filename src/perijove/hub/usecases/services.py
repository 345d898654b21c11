"""Services: listed, shown, made and deleted while the hub runs, and shown to those who may use them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from perijove.hub.core.errors import Code, PerijoveError, conflict, forbidden, invalid, not_found
from perijove.hub.core.events import ServiceCreated, ServiceDeleted
from perijove.hub.core.names import shorten, validate_service_name
from perijove.hub.core.principals import Principal
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.scopes import Holder
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import Token, hash_token
from perijove.hub.core.visibility import READ_SERVICE, service_fields
from perijove.hub.ports.store import Transaction
from perijove.hub.settings.services import MANAGED_KEYS, ServiceSpec, read_service
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.gifts import beyond_reach, is_boundless
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.oauth import put_service_client
from perijove.hub.usecases.routes import Routes

log = structlog.get_logger(__name__)
MAX_TEXT = 1023
MAX_INFO = 64 * 1024
TOKEN_NOTE = "Given when the service was made"


class ServiceView(Struct, frozen=True):
    """A service with what is shown beside it; *fields* names what the caller may see of it."""

    service: Service
    roles: Sequence[str]
    pid: int
    fields: frozenset[str]


class ServiceLink(Struct, frozen=True):
    """A service as somebody who may use it finds it: its name, and its address as `Site.service_url` has it."""

    name: str
    url: str


class Services:
    """What can be done with services.

    Args:
        ctx: ports.
        routes: the proxy's table, put right when a service comes or goes.
        keeper: knows which of them run.
        site: where browsers find them.
    """

    def __init__(self, ctx: Context, routes: Routes, keeper: Keeper, *, site: Site) -> None:
        self._ctx = ctx
        self._routes = routes
        self._keeper = keeper
        self._site = site
        self._shown: tuple[Service, ...] = ()
        self._shown_at: Hashable = None

    async def list(self, principal: Principal) -> Sequence[ServiceView]:
        """Return the services that the caller may list, by name. Raises PerijoveError FORBIDDEN."""
        limits = principal.limits("list:services", "service")
        async with self._ctx.store.reading() as tx:
            services = [
                service for service in await tx.services.list() if limits is None or service.name in limits["service"]
            ]
            return await self._views(tx, principal, services)

    async def get(self, principal: Principal, name: str) -> ServiceView:
        """Return one service. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
        async with self._ctx.store.reading() as tx:
            service = await _reached(tx, principal, *READ_SERVICE, name=name)
            return (await self._views(tx, principal, [service]))[0]

    async def _views(self, tx: Transaction, principal: Principal, services: Sequence[Service]) -> Sequence[ServiceView]:
        roles = await tx.roles.names_of("service", [service.id for service in services])
        return [
            ServiceView(
                service,
                roles.get(service.id, ()),
                self._keeper.pid_of(service.name),
                service_fields(principal, service.name),
            )
            for service in services
        ]

    async def create(self, principal: Principal, name: str, wanted: Mapping[str, Any]) -> ServiceView:
        """Make a service that lasts until it is deleted.

        Args:
            principal: whoever asks.
            name: its name.
            wanted: what it shall be, with keys like those of the configuration.

        Raises:
            PerijoveError: FORBIDDEN or NOT_FOUND; INVALID with everything that is wrong, for a service that the hub
                would have to run, and for more than the caller may do; CONFLICT if there is one of that name, or of
                that token or client id.
        """
        principal.require("admin:services", service=validate_service_name(name))
        spec = self._read(name, wanted)
        async with self._ctx.store.transaction() as tx:
            boundless = await is_boundless(self._ctx, tx, principal)
            if spec.admin and not boundless:
                raise forbidden("Only who may do all that administrators may can make services administrators")
            await self._check_scopes(tx, principal, spec, boundless)
            if await tx.services.get(name) is not None:
                raise conflict(f"Service {name} already exists")
            service = await self._add(tx, spec)
            view = (await self._views(tx, principal, [service]))[0]
        self._ctx.telemetry.emit(ServiceCreated(name, spec.admin, service.url, principal.name))
        if service.url:
            await self._mend_routes()
            self._keeper.expect(service)
        return view

    def _read(self, name: str, wanted: Mapping[str, Any]) -> ServiceSpec:
        if wanted.get("name", name) != name:
            raise invalid(f"The body is about another service than {name}")
        if wanted.get("command"):
            raise invalid("command: services that the hub runs stand in its configuration only")
        if idle := [key for key in MANAGED_KEYS if wanted.get(key)]:
            raise invalid(f"{', '.join(idle)}: only for services that the hub runs, which its configuration has")
        spec, wrong = read_service({**wanted, "name": name}, self._site, self._ctx.catalogue)
        if spec is None:
            mistakes = "; ".join(wrong)
            raise invalid(mistakes)
        long = [key for key in ("oauth_client_id", "oauth_redirect_uri") if len(getattr(spec, key)) > MAX_TEXT]
        if long or len(json.dumps(dict(spec.info))) > MAX_INFO:
            raise invalid(f"{', '.join(long) or 'info'}: too long")
        return spec

    async def _check_scopes(self, tx: Transaction, principal: Principal, spec: ServiceSpec, boundless: bool) -> None:
        """Refuse a client that may ask its visitors for more than whoever makes it may do: they could be misled."""
        raw = spec.oauth_client_allowed_scopes
        holder = Holder(user=principal.name if principal.kind == "user" else "", service=spec.name)
        missing = await beyond_reach(self._ctx, tx, principal, raw, holder)
        if missing or ("inherit" in raw and not boundless):
            names = ", ".join(map(str, missing[:5])) or "inherit"
            raise invalid(f"oauth_client_allowed_scopes: {names}: you may not do this yourself")

    async def _add(self, tx: Transaction, spec: ServiceSpec) -> Service:
        service = await tx.services.add(spec.as_service(from_config=False))
        if spec.admin:
            await tx.roles.assign(DEFAULT_ROLES["admin"].name, "service", service.id)
        if spec.api_token:
            await tx.tokens.add(
                Token(
                    id=0,
                    token_hash=hash_token(spec.api_token),
                    owner_kind="service",
                    owner_id=service.id,
                    owner_name=service.name,
                    scopes=("inherit",),
                    created=self._ctx.clock.now(),
                    note=TOKEN_NOTE,
                )
            )
        if spec.has_client:
            await put_service_client(self._ctx, tx, service, secret=spec.api_token, site=self._site)
        return service

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a service with its tokens, its client and its route.

        Raises:
            PerijoveError: FORBIDDEN or NOT_FOUND; NOT_ALLOWED for one that the configuration has.
        """
        async with self._ctx.store.transaction() as tx:
            service = await _reached(tx, principal, "admin:services", name=name)
            if service.from_config:
                raise PerijoveError(
                    Code.NOT_ALLOWED, f"Service {service.name} stands in the configuration of the hub; remove it there"
                )
            await tx.services.delete(service.id)
        self._ctx.telemetry.emit(ServiceDeleted(service.name, principal.name))
        if service.url:
            await self._mend_routes()

    async def _mend_routes(self) -> None:
        try:
            await self._routes.reconcile()
        except PerijoveError as error:
            # What is stored is what counts: the next look at the proxy finds it.
            log.warning("the proxy does not know of a change of services yet", reason=error.message)

    async def visible_to(self, principal: Principal) -> Sequence[ServiceLink]:
        """Return the services with pages that the caller may use, by name, as far as they are to be shown.

        While the store is away these are the ones that were there before.
        """
        try:
            await self._remember()
        except PerijoveError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
        return [
            ServiceLink(service.name, self._site.service_url(service.name))
            for service in self._shown
            if principal.may("access:services", service=service.name)
        ]

    async def host_of(self, name: str) -> str:
        """Return the origin of a service that has pages, if that is another than the hub's; empty otherwise."""
        if not self._site.has_hosts:
            return ""
        async with self._ctx.store.transaction() as tx:
            service = await tx.services.get(name)
        return self._site.origin_of("service", name) if service is not None and service.url else ""

    async def _remember(self) -> None:
        # Before anything is read, so that what changes meanwhile is looked up again the next time.
        generation = self._ctx.store.generation
        if generation == self._shown_at:
            return
        async with self._ctx.store.transaction() as tx:
            services = await tx.services.list()
        self._shown = tuple(service for service in services if service.url and service.display)
        self._shown_at = generation


async def _reached(tx: Transaction, principal: Principal, *bases: str, name: str) -> Service:
    """Return the service called *name* if the caller holds any of *bases* for it.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND, if there is no such service or the scopes do not reach it.
    """
    principal.require(*bases, service=name)
    service = await tx.services.get(name)
    if service is None:
        raise not_found(f"There is no service {shorten(name)!r}")
    return service
