"""Keeps the services going that the hub runs, and looks whether all that have a URL answer there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Final

import structlog

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.oauth import redirect_uri_of
from perijove.hub.core.services import Service, next_pause
from perijove.hub.ports.probe import Probe
from perijove.hub.ports.programs import Program, Programs
from perijove.hub.ports.spawner import HubInfo
from perijove.hub.settings.services import DEFAULT_TIMEOUT, ServiceSpec
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.leases import Lease, release
from perijove.hub.usecases.tasks import Tasks
from perijove.wire import environment as names
from perijove.wire.prefixes import service_prefix

LOOKS_AT_ONCE: Final = 10
LOOK_SECONDS: Final = 10.0
FIRST_LOOK: Final = 0.1
LONGEST_LOOK: Final = 2.0

log = structlog.get_logger(__name__)


def environment(spec: ServiceSpec, hub: HubInfo) -> dict[str, str]:
    """Return the variables that tell a service which the hub runs where everything is; its operator's come last."""
    service, site = spec.as_service(from_config=True), hub.site
    access = json.dumps(["access:services", f"access:services!service={spec.name}"])
    env = {
        names.API_TOKEN: spec.api_token,
        names.OLD_API_TOKEN: spec.api_token,
        names.CLIENT_ID: service.client_id,
        names.USER: spec.user,
        names.SERVER_NAME: "",
        names.SERVICE_NAME: spec.name,
        names.API_URL: hub.api_url,
        names.BASE_URL: hub.base_url,
        names.HOST: hub.public_host,
        names.OAUTH_CALLBACK_URL: redirect_uri_of(service, site),
        names.OAUTH_ACCESS_SCOPES: access,
        names.OLD_OAUTH_SCOPES: access,
        names.OAUTH_CLIENT_ALLOWED_SCOPES: json.dumps(list(spec.oauth_client_allowed_scopes)),
        names.COOKIE_HOST_PREFIX_ENABLED: str(int(hub.host_cookies)),
        names.PUBLIC_HUB_URL: f"{hub.public_host}{site.prefix}" if hub.public_host else "",
    }
    if spec.url:
        env[names.SERVICE_URL] = spec.url
        env[names.SERVICE_PREFIX] = service_prefix(hub.base_url, spec.name)
        env[names.PUBLIC_URL] = site.public_service_url(spec.name)
    return env | dict(spec.environment)


class Keeper:
    """The services of one hub process, as far as it runs them and looks after them.

    Args:
        ctx: ports.
        programs: runs commands.
        probe: asks whether a service answers.
        specs: the services of the configuration; those with a command have a token.
        hub: where everything is.
        owner: names this hub process in leases.
    """

    def __init__(
        self,
        ctx: Context,
        programs: Programs,
        probe: Probe,
        *,
        specs: Sequence[ServiceSpec],
        hub: HubInfo,
        owner: str = "",
    ) -> None:
        self._ctx = ctx
        self._programs = programs
        self._probe = probe
        self._hub = hub
        self._owner = owner
        self._specs = {spec.name: spec for spec in specs}
        self._pids: dict[str, int] = {}
        self._answering: dict[str, bool] = {}
        self._at_once = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._tasks = Tasks()
        self._began = self._shared = False

    def pid_of(self, name: str) -> int:
        """Return the process of a service that this hub runs; 0 if there is none now."""
        return self._pids.get(name, 0)

    def answers(self, name: str) -> bool | None:
        """Say whether a service with a URL answered the last time it was asked; None if it was not asked yet."""
        return self._answering.get(name)

    def check(self) -> None:
        """Return if all services can be run. Raises PerijoveError INVALID, naming the one that this hub never can."""
        for spec in self._managed:
            try:
                self._programs.check(self._program(spec))
            except PerijoveError as error:
                raise PerijoveError(error.code, f"c.JupyterHub.services ({spec.name}): {error.message}") from error

    @property
    def _managed(self) -> list[ServiceSpec]:
        return [spec for spec in self._specs.values() if spec.managed]

    def _program(self, spec: ServiceSpec) -> Program:
        return Program(spec.name, spec.command, environment(spec, self._hub), spec.cwd, spec.user)

    def begin(self, *, check_interval: float, shared: bool = False) -> None:
        """Start in the background what is to run, and look after it.

        Args:
            check_interval: seconds between two looks.
            shared: whether other hub processes are on the same store; of all of them one runs a service.
        """
        self._began, self._shared = True, shared
        self._tasks.spawn(self._begin(), "start the services")
        self._tasks.every(check_interval, self.look, "look whether the services answer")

    async def _begin(self) -> None:
        try:
            if left := await self._programs.end_all():
                log.warning("services that an earlier hub process had left were ended", services=left)
        except OSError:
            log.exception("services of an earlier hub process cannot be looked for")
        for spec in self._managed:
            run = self._share if self._shared else self._run
            self._tasks.spawn(run(spec), f"run the service {spec.name}")
        for spec in self._specs.values():
            if spec.url and not spec.managed:
                self.expect(spec.as_service(from_config=True), spec.timeout)

    async def _share(self, spec: ServiceSpec) -> None:
        """Run a service while no other hub process does."""
        lease = Lease(self._ctx, f"service {spec.name}", self._owner)
        while True:
            await lease.granted()
            running = self._tasks.spawn(self._run(spec), f"run the service {spec.name} under a lease")
            try:
                await lease.lost()
            finally:
                running.cancel()
                await asyncio.wait({running})
            log.warning("another hub process has taken the service over", service=spec.name)
            await self._end(spec)

    async def _end(self, spec: ServiceSpec) -> None:
        try:
            await self._programs.end(spec.name)
        except PerijoveError as error:
            log.warning("the service cannot be ended", service=spec.name, reason=error.message)
        except OSError:
            log.exception("the service cannot be ended", service=spec.name)

    async def _run(self, spec: ServiceSpec) -> None:
        """Run a service, again and again."""
        clock, pause = self._ctx.clock, 0.0
        while True:
            began = clock.monotonic()
            try:
                await self._run_once(spec)
            except PerijoveError as error:
                log.warning("the service cannot be started", service=spec.name, reason=error.message)
            except OSError:
                log.exception("the service cannot be started", service=spec.name)
            pause = next_pause(pause, clock.monotonic() - began)
            log.info("the service is started again", service=spec.name, in_seconds=pause)
            await asyncio.sleep(pause)

    async def _run_once(self, spec: ServiceSpec) -> None:
        running = await self._programs.start(self._program(spec))
        log.info("the service was started", service=spec.name, pid=running.pid)
        self._pids[spec.name] = running.pid
        waiting = self.expect(spec.as_service(from_config=True), spec.timeout) if spec.url else None
        try:
            status = await running.ended()
        finally:
            del self._pids[spec.name]
            if waiting is not None:
                waiting.cancel()
        log.warning("the service ended by itself", service=spec.name, exit_status=status)

    def expect(self, service: Service, timeout: float = DEFAULT_TIMEOUT) -> asyncio.Task[None]:
        """Wait in the background for a service to answer, and log whether it did within *timeout* seconds."""
        return self._tasks.spawn(self._expect(service, timeout), f"wait for the service {service.name}")

    async def _expect(self, service: Service, timeout: float) -> None:
        began, pause = self._ctx.clock.monotonic(), FIRST_LOOK
        try:
            async with asyncio.timeout(timeout):
                while not await self._answers(service):
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_LOOK, 2 * pause)
        except TimeoutError:
            self._note(service, False)
            return
        log.info("the service answers", service=service.name, seconds=round(self._ctx.clock.monotonic() - began, 1))
        self._answering[service.name] = True

    async def _answers(self, service: Service) -> bool:
        url = f"{service.target}{service_prefix(self._hub.base_url, service.name)}"
        async with self._at_once:
            # One that answers byte by byte keeps the others waiting no longer.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._probe.answers(url)
        return False

    async def look(self) -> None:
        """Ask every service with a URL whether it answers; the log tells what is not as it was before."""
        async with self._ctx.store.transaction() as tx:
            services = [service for service in await tx.services.list() if service.url]
        answers = await asyncio.gather(*map(self._answers, services))
        self._answering = {service.name: self._answering.get(service.name, True) for service in services}
        for service, answered in zip(services, answers, strict=True):
            self._note(service, answered)

    def _note(self, service: Service, answers: bool) -> None:
        before = self._answering.get(service.name, True)
        self._answering[service.name] = answers
        if before and not answers:
            log.warning("the service does not answer", service=service.name, url=service.url)
        elif answers and not before:
            log.info("the service answers again", service=service.name)

    async def close(self) -> None:
        """End all services that this hub runs."""
        if not self._began:
            return
        await self._tasks.close()
        if not self._managed:
            return
        try:
            log.info("the services were ended", services=await self._programs.end_all())
        except OSError:
            log.exception("services are left running; the next start of the hub ends them")
            return
        if self._shared:
            try:
                await release(self._ctx, self._owner)
            except PerijoveError as error:
                log.warning("other hubs take the services over in a while", reason=error.message)
