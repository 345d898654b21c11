"""The composition root: the one place where ports meet adapters, and where the hub starts and stops.

Order of a start: folders and secrets, store, what the configuration says must exist, web server, proxy with its routes,
then every server that is not at rest goes on from where its row says it is, and services are started. A stop goes the
other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import hmac
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import structlog
import uvloop
from msgspec import Struct
from msgspec.structs import replace
from traitlets.config import Configurable

import perijove
from perijove.hub.adapters.clock import SystemClock
from perijove.hub.adapters.cookie_secret import load_cookie_secret
from perijove.hub.adapters.passwords import Argon2PasswordHasher
from perijove.hub.adapters.probe import HttpProbe
from perijove.hub.adapters.programs import LocalPrograms
from perijove.hub.adapters.run_files import make_folders, pid_file
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.adapters.supervisor import LET_GO, Leash
from perijove.hub.adapters.telemetry.audit import AuditLog
from perijove.hub.adapters.telemetry.audit_search import AuditSearch
from perijove.hub.adapters.telemetry.event_loop import watch_event_loop
from perijove.hub.adapters.telemetry.fan_out import FanOut
from perijove.hub.adapters.telemetry.history import HistoryWriter
from perijove.hub.adapters.telemetry.logs import configure_logging
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.adapters.web_server import web_server
from perijove.hub.core.admission import Limits, tightest
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.servers import Server
from perijove.hub.core.supervision import CRASHED, FAILED
from perijove.hub.plugins.configuration import Configuration
from perijove.hub.plugins.needs import spawner_caveats
from perijove.hub.ports.authenticator import Authenticator, UsesAccounts
from perijove.hub.ports.encryption import Encryption
from perijove.hub.ports.proxy import Proxy, ProxySetting
from perijove.hub.ports.spawner import HubInfo, Prepares, Spawner, SpawnerUser
from perijove.hub.settings.crypt_keys import VARIABLE, parse_crypt_keys
from perijove.hub.settings.effective import effective
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.metrics import PeriodicMetricsCollector
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.usecases import counting, pending_sign_ins, shares, startup, tokens
from perijove.hub.usecases.accounts import Accounts
from perijove.hub.usecases.additions import prepare_all
from perijove.hub.usecases.administration import Administration
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.entrance import entrance_of
from perijove.hub.usecases.guessing import Guard
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.parts import Parts, assemble
from perijove.hub.usecases.servers import ServerRules
from perijove.hub.usecases.shutdown import Shutdown
from perijove.hub.usecases.spawners import SpawnerFactory
from perijove.hub.usecases.steps import Plugins
from perijove.hub.web.app import create_app
from perijove.hub.web.permissions import load_what_routes_need
from perijove.hub.web.state import HubState, Logo, PluginInfo, WebSettings
from perijove.hub.web.templating import Templates
from perijove.wire.prefixes import hub_prefix

log = structlog.get_logger(__name__)
PURGE_INTERVAL = 3600.0
COUNT_INTERVAL = 15.0
SIGN_IN_PURGE_INTERVAL = 60.0
NOBODY_ALLOWED = (
    "no rule lets anybody sign in: set c.Authenticator.allowed_users, allow_existing_users, admin_users, or allow_all"
)
STOP_ALL_TIMEOUT = 30.0


class Hub(Struct, frozen=True):
    """A hub put together, with the parts that are needed to start and stop it."""

    options: JupyterHub
    store: SqlStore
    state: HubState
    parts: Parts
    proxy: Proxy
    metrics: Metrics
    history: HistoryWriter
    audit: AuditLog | None
    services: Sequence[ServiceSpec]


def run(configuration: Configuration, leash: Leash | None = None) -> int:
    """Run the hub until it is told to stop; return the exit status of the process.

    With a *leash*, an exception that nobody expected is a status, too: whoever holds it starts another hub.
    """
    options = configuration.hub
    configure_logging(options.log_level, options.log_level == "DEBUG")
    # What the hub makes is for its own user only.
    os.umask(0o077)
    for warning in configuration.warnings:
        log.warning(warning)
    load_what_routes_need()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(configuration, leash))
    except PerijoveError as error:
        log.critical("the hub cannot start", reason=error.message)
        return FAILED
    except Exception:
        if leash is None:
            raise
        log.critical("the hub broke", exc_info=True)
        return CRASHED


async def _serve(configuration: Configuration, leash: Leash | None) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(configuration, leash.holder if leash else None) as hub:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, hub.state.shutdown.wanted.set)
        if leash is not None:
            loop.add_signal_handler(LET_GO, hub.state.shutdown.let_go)
            leash.up()
        if stop.is_set():
            hub.state.shutdown.wanted.set()
        for line in await announcement(hub):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        # The collector need not look through everything that was loaded again and again: each look is a stall.
        gc.freeze()
        await hub.state.shutdown.wanted.wait()
        log.info("stopping")
    log.info("stopped")
    return int(hub.state.shutdown.failed)


@contextlib.asynccontextmanager
async def running(configuration: Configuration, pid: int | None = None) -> AsyncIterator[Hub]:
    """Start a hub with everything it needs, and stop it again at the end of the block.

    Args:
        configuration: what it is like.
        pid: the process that takes signals for it; this one, unless there is another.

    Raises:
        PerijoveError: it cannot start; the message says why. Nothing is left running then.
    """
    options = configuration.hub
    make_folders(options.data_path)
    async with contextlib.AsyncExitStack() as stack:
        store = await SqlStore.open(options.database_url)
        stack.push_async_callback(store.close)
        if options.pid_path is not None:
            stack.enter_context(pid_file(options.pid_path, pid or os.getpid()))
        for caveat in await asyncio.to_thread(spawner_caveats, configuration):
            log.warning(caveat)
        hub = compose(configuration, store)
        if hub.audit is not None:
            hub.audit.start()
            stack.push_async_callback(asyncio.to_thread, hub.audit.close)
        stack.push_async_callback(hub.state.routes.close)
        stack.push_async_callback(_flush_activity, hub)
        stack.push_async_callback(hub.parts.tasks.close)
        collector = PeriodicMetricsCollector(config=configuration.config)
        _watch_event_loop(hub, collector)
        hub.parts.keeper.check()
        await startup.apply_configuration(
            hub.state.ctx,
            hub.state.authenticator,
            hub.services,
            configuration.roles,
            configuration.tokens,
            configuration.groups,
            site=options.site,
        )
        if not hub.state.authenticator.any_allow_config:
            log.warning(NOBODY_ALLOWED, authenticator=type(hub.state.authenticator).__name__)
        await stack.enter_async_context(web_server(create_app(hub.state), options, hub.parts.tasks))
        proxy_is_ours = await hub.state.routes.start(hub.parts.tasks, check_interval=options.last_activity_interval)
        try:
            await _take_up_servers(hub)
            _begin_periodic_work(hub)
            _measure_periodically(hub, collector)
            hub.parts.tasks.spawn(_prepare_spawner(configuration), "prepare the spawner")
            hub.parts.tasks.spawn(prepare_all(hub.state.ctx, hub.state.authenticator), "prepare the users")
        except BaseException:
            # A hub that did not come up stops nobody's server, and no proxy but the one it has just started.
            await _let_go(hub)
            if proxy_is_ours:
                await hub.state.routes.stop()
            raise
        stack.push_async_callback(_stop, hub)
        stack.push_async_callback(hub.parts.keeper.close)
        hub.parts.keeper.begin(check_interval=options.service_check_interval, shared=not hub.store.alone)
        yield hub


def compose(configuration: Configuration, store: SqlStore) -> Hub:
    """Return a hub made of its parts, nothing of it started."""
    options = configuration.hub
    metrics = Metrics()
    clock = SystemClock()
    audit = _audit_log(options, clock, metrics)
    history = HistoryWriter(clock)
    authenticator = configuration.authenticator_class(config=configuration.config)
    ctx = Context(
        store,
        clock,
        FanOut(metrics, history, *([] if audit is None else [audit])),
        configuration.catalogue,
        _encryption(authenticator),
    )
    secret = options.cookie_secret or load_cookie_secret(options.cookie_secret_path)
    accounts = _accounts(ctx, authenticator)
    proxy = configuration.proxy_class(config=configuration.config)
    proxy.setting = _proxy_setting(options, secret)
    rules = ServerRules(
        options.site, options.allow_named_servers, options.named_server_limit_per_user, _limits(configuration)
    )
    services = [spec.with_token(secret) for spec in configuration.services]
    parts = assemble(
        ctx,
        Plugins(_spawner_factory(configuration, secret), authenticator, proxy, HttpProbe()),
        rules,
        programs=LocalPrograms(secret, str(options.data_path)),
        specs=services,
        hub=replace(_hub_info(options), api_url=options.local_api_url),
        hub_url=options.hub_url,
        owner=uuid.uuid4().hex,
    )
    state = HubState(
        ctx=ctx,
        settings=_web_settings(options, secret),
        activity=parts.activity,
        identities=Identities(ctx, parts.activity),
        accounts=accounts,
        guard=Guard(ctx, options.guess_limits),
        authenticator=authenticator,
        entrance=entrance_of(authenticator, options.site),
        removal=parts.removal,
        refreshes=parts.refreshes,
        servers=parts.servers,
        culler=parts.culler,
        usages=parts.usages,
        routes=parts.routes,
        services=parts.services,
        shutdown=Shutdown(ctx, servers=options.cleanup_servers, proxy=options.cleanup_proxy),
        templates=Templates(options.template_folders, options.data_path / "compiled-templates"),
        template_vars=options.template_vars,
        logo=Logo.read(options.path(options.logo_file)) if options.logo_file else None,
        metrics=metrics,
        authenticator_info=PluginInfo.of(configuration.authenticator_class),
        spawner_info=PluginInfo.of(configuration.spawner_class),
        ready=store.ping,
        administration=_administration(configuration, ctx, parts, audit, history),
    )
    parts.steps.failures.give_up = state.shutdown.give_up
    return Hub(options, store, state, parts, proxy, metrics, history, audit, services)


def _administration(
    configuration: Configuration, ctx: Context, parts: Parts, audit: AuditLog | None, history: HistoryWriter
) -> Administration:
    plugins = parts.steps.plugins
    in_use: list[Configurable | type[Configurable]] = [
        configuration.hub,
        plugins.authenticator,
        configuration.spawner_class,
        plugins.proxy,
    ]
    return Administration.made(
        ctx,
        parts,
        audit=None if audit is None else AuditSearch(audit.path),
        history=history.history,
        options=effective(configuration.config, in_use),
        roles=configuration.roles,
    )


def _audit_log(options: JupyterHub, clock: SystemClock, metrics: Metrics) -> AuditLog | None:
    path = options.audit_log_path
    return None if path is None else AuditLog(path, clock, metrics.audit_failed)


def _encryption(authenticator: Authenticator) -> Encryption | None:
    """Return what encrypts with the keys in the environment, if needed. Raises PerijoveError INVALID without a key."""
    if not authenticator.enable_auth_state:
        return None
    from perijove.hub.adapters.encryption import FernetEncryption

    return FernetEncryption(parse_crypt_keys(os.environ.get(VARIABLE, "")))


def _limits(configuration: Configuration) -> Limits:
    spawner = configuration.spawner_class(config=configuration.config)
    starts = tightest(configuration.hub.concurrent_spawn_limit, spawner.concurrent_starts)
    broken = spawner.consecutive_failure_limit
    return Limits(starts, configuration.hub.active_server_limit, spawner.queue_timeout, broken)


def _accounts(ctx: Context, authenticator: Authenticator) -> Accounts | None:
    keeper = next((part for part in authenticator.parts() if isinstance(part, UsesAccounts)), None)
    if keeper is None:
        return None
    accounts = Accounts(ctx, Argon2PasswordHasher(), authenticator)
    keeper.check_password = accounts.check_password
    return accounts


def _proxy_setting(options: JupyterHub, secret: bytes) -> ProxySetting:
    # Derived, so that a hub that was started anew can go on talking to the proxy of the one before.
    token = hmac.new(secret, b"proxy admin api", hashlib.sha256).hexdigest()
    return ProxySetting(
        bind_url=options.bind_url,
        hub_url=options.hub_url,
        hub_prefix=hub_prefix(options.base_url),
        data_dir=str(options.data_path),
        default_token=token,
        host_routing=options.site.has_hosts,
        ssl_key=options.ssl_key_path,
        ssl_cert=options.ssl_cert_path,
    )


def _web_settings(options: JupyterHub, secret: bytes) -> WebSettings:
    return WebSettings(
        site=options.site,
        host_cookies=options.cookie_host_prefix_enabled,
        cookie_secret=secret,
        session_lifetime=timedelta(days=options.cookie_max_age_days),
        require_pkce=options.oauth_require_pkce,
        oauth_lifetime=timedelta(seconds=options.oauth_token_expires_in),
        token_maximum=options.token_expires_in_max_seconds,
        page_default=options.api_page_default_limit,
        page_maximum=options.api_page_max_limit,
        slow_start=options.slow_spawn_timeout,
        slow_stop=options.slow_stop_timeout,
        metrics_need_scope=options.authenticate_prometheus,
        landing=options.landing,
    )


def _spawner_factory(configuration: Configuration, secret: bytes) -> SpawnerFactory:
    # Of the database too: whoever takes another one by mistake must not lose what runs for the right one.
    installation = hmac.new(secret, f"servers of {configuration.hub.database_url}".encode(), hashlib.sha256)
    info = replace(_hub_info(configuration.hub), installation=installation.hexdigest()[:32])

    def make(server: Server) -> Spawner:
        spawner = configuration.spawner_class(config=configuration.config)
        spawner.user = SpawnerUser(server.user_id, server.user_name, admin=False)
        spawner.hub = info
        spawner.name = server.name
        spawner.server_id = server.id
        return spawner

    return make


def _hub_info(options: JupyterHub) -> HubInfo:
    return HubInfo(options.site, options.hub_api_url, str(options.data_path), options.cookie_host_prefix_enabled)


async def _prepare_spawner(configuration: Configuration) -> None:
    """Let the spawner get ready what it may have to; servers start without it, too."""
    spawner = configuration.spawner_class(config=configuration.config)
    if isinstance(spawner, Prepares):
        await spawner.prepare()


async def _take_up_servers(hub: Hub) -> None:
    """Go on with every server that is not at rest; with those of other hubs, when these let go of them."""
    hub.parts.lifecycle.begin(
        hub.parts.steps.table(), hub.parts.steps.forget, hub.state.removal.server, shared=not hub.store.alone
    )
    if hub.store.alone:
        async with hub.store.transaction() as tx:
            await tx.servers.release_all()
    if count := await hub.parts.lifecycle.sweep():
        log.info("going on with servers of an earlier hub process", servers=count)
    await hub.state.removal.sweep()
    hub.parts.strays.begin(hub.parts.tasks)


def _measure_periodically(hub: Hub, options: PeriodicMetricsCollector) -> None:
    async def count() -> None:
        await counting.count(hub.state.ctx, hub.metrics, hub.history)

    async def count_active() -> None:
        await counting.count_active_users(hub.state.ctx, hub.metrics)

    hub.parts.tasks.spawn(count(), "count users and servers at first")
    hub.parts.tasks.every(COUNT_INTERVAL, count, "count users and servers")
    if options.active_users_enabled:
        hub.parts.tasks.spawn(count_active(), "count active users at first")
        hub.parts.tasks.every(options.active_users_update_interval, count_active, "count active users")


def _watch_event_loop(hub: Hub, options: PeriodicMetricsCollector) -> None:
    if options.event_loop_interval_enabled:
        hub.parts.tasks.spawn(
            watch_event_loop(
                hub.metrics.observe_event_loop,
                resolution=options.event_loop_interval_resolution,
                warn_from=options.event_loop_interval_log_threshold,
                tell_where=options.event_loop_interval_log_stack,
            ),
            "watch the event loop",
        )


def _begin_periodic_work(hub: Hub) -> None:
    ctx, every = hub.state.ctx, hub.parts.tasks.every
    every(max(hub.options.activity_resolution, 1.0), hub.state.activity.flush, "write activity")
    every(PURGE_INTERVAL, lambda: tokens.purge(ctx), "delete what has expired")
    every(PURGE_INTERVAL, lambda: shares.purge(ctx), "end what was shared for a time")
    every(PURGE_INTERVAL, hub.state.guard.purge, "forget tries that failed long ago")
    every(SIGN_IN_PURGE_INTERVAL, lambda: pending_sign_ins.purge(ctx), "forget sign-ins that nobody went on with")
    hub.parts.culler.begin(hub.parts.tasks, every=hub.options.cull_every, at_once=hub.options.cull_concurrency)


async def _stop(hub: Hub) -> None:
    """Stop servers and proxy, or leave them to the next hub process, as the configuration says."""
    try:
        if hub.state.shutdown.servers:
            await _stop_servers(hub)
    except PerijoveError as error:
        log.warning("servers are left running; the next start of the hub goes on with them", reason=error.message)
    finally:
        await _let_go(hub)
        if hub.state.shutdown.proxy:
            await hub.state.routes.stop()


async def _stop_servers(hub: Hub) -> None:
    async with hub.store.transaction() as tx:
        active = await tx.servers.list_active()
    if not active:
        return
    log.info("stopping servers", servers=len(active))
    stopped = await asyncio.gather(
        *(hub.state.servers.stopped_within(server, STOP_ALL_TIMEOUT) for server in active), return_exceptions=True
    )
    if left := sum(result is not True for result in stopped):
        log.warning("servers are still stopping; the next start of the hub goes on with them", servers=left)


async def _let_go(hub: Hub) -> None:
    """Let the servers go as they are; without the store, their leases end by themselves."""
    try:
        await hub.parts.lifecycle.close()
    except PerijoveError as error:
        log.warning("leases are left to expire", reason=error.message)


async def _flush_activity(hub: Hub) -> None:
    try:
        await hub.state.activity.flush()
    except PerijoveError as error:
        log.warning("the latest activity is not stored", reason=error.message)


async def announcement(hub: Hub) -> list[str]:
    """Return what to tell the person at the terminal: what runs where, how to stop it, how to become administrator."""
    options = hub.options
    public = f"{options.public_host}{options.base_url}" if options.public_host else options.bind_url
    url = public.replace("://:", "://127.0.0.1:")
    lines = [
        f"Perijove {perijove.__version__} is running at {url}",
        f"The hub listens on {options.hub_url}; its database, logs and homes are in {options.data_path}",
        "Press Ctrl-C to stop it. Everything is found again at the next start.",
    ]
    if hub.state.accounts is not None and (code := await hub.state.accounts.invite_first_administrator()) is not None:
        lines.append(
            f"To become the first administrator, open this link (good for one use): "
            f"{url.rstrip('/')}/hub/setup?code={code}"
        )
    return lines
