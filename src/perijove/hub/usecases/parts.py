"""The use cases of one hub process, made to work together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from perijove.hub.ports.programs import Programs
from perijove.hub.ports.spawner import HubInfo
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.culling import Culler
from perijove.hub.usecases.keeping import Keeper
from perijove.hub.usecases.lifecycle import Lifecycle
from perijove.hub.usecases.refreshes import Refreshes
from perijove.hub.usecases.removal import Removal
from perijove.hub.usecases.routes import Routes
from perijove.hub.usecases.servers import ServerRules, Servers
from perijove.hub.usecases.services import Services
from perijove.hub.usecases.signals import Signals
from perijove.hub.usecases.spawners import Spawners
from perijove.hub.usecases.steps import Plugins, Steps
from perijove.hub.usecases.strays import Strays
from perijove.hub.usecases.tasks import Tasks
from perijove.hub.usecases.usages import Usages


class Parts(NamedTuple):
    """What knows of each other in one hub process."""

    tasks: Tasks
    activity: Activity
    lifecycle: Lifecycle
    steps: Steps
    refreshes: Refreshes
    removal: Removal
    servers: Servers
    routes: Routes
    keeper: Keeper
    services: Services
    strays: Strays
    culler: Culler
    usages: Usages


def assemble(
    ctx: Context,
    plugins: Plugins,
    rules: ServerRules,
    *,
    programs: Programs,
    specs: Sequence[ServiceSpec],
    hub: HubInfo,
    hub_url: str,
    owner: str,
) -> Parts:
    """Return the parts of a hub process, nothing of it started.

    Args:
        ctx: ports.
        plugins: what starts servers, signs people in and carries traffic.
        rules: what the configuration says about servers.
        programs: runs the services that the hub runs itself.
        specs: the services of the configuration.
        hub: where services find everything.
        hub_url: where the proxy finds the hub.
        owner: names this process in leases.
    """
    signals, tasks, site = Signals(), Tasks(), rules.site
    activity = Activity(ctx, signals)
    lifecycle = Lifecycle(ctx, signals, tasks, owner=owner)
    steps = Steps(ctx, lifecycle, signals, plugins=plugins, limits=rules.limits, site=site)
    refreshes = Refreshes(ctx, plugins.authenticator)
    routes = Routes(ctx, plugins.proxy, activity, site=site, hub_url=hub_url)
    keeper = Keeper(ctx, programs, plugins.probe, specs=specs, hub=hub, owner=owner)
    servers = Servers(ctx, lifecycle, signals, rules, refreshes, Spawners(ctx, plugins.new_spawner))
    return Parts(
        tasks,
        activity,
        lifecycle,
        steps,
        refreshes,
        Removal(ctx, plugins.authenticator, signals, steps.spawner),
        servers,
        routes,
        keeper,
        Services(ctx, routes, keeper, site=site),
        Strays(ctx, plugins.new_spawner),
        Culler(ctx, servers, activity, routes, new_spawner=plugins.new_spawner, owner=owner),
        Usages(ctx.clock, tasks, steps.spawner_to_ask),
    )
