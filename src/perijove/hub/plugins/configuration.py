"""The whole configuration, read and checked: what `perijove.hub.bootstrap` builds a hub from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from traitlets.config import Config, Configurable

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.routes import extra_routes
from perijove.hub.core.scopes import BUILT_IN, Catalogue
from perijove.hub.core.site import Site
from perijove.hub.plugins.discovery import KINDS, Kind, PluginError, registered_classes, resolve
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.proxy import Proxy
from perijove.hub.ports.spawner import Spawner
from perijove.hub.settings.checking import check
from perijove.hub.settings.conflicts import conflicts
from perijove.hub.settings.folders import choose_data_dir
from perijove.hub.settings.groups import GroupSpec, parse_groups
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.loading import Arguments, Loaded
from perijove.hub.settings.loading import load as load_sources
from perijove.hub.settings.metrics import PeriodicMetricsCollector
from perijove.hub.settings.mistakes import ConfigurationError, Mistake
from perijove.hub.settings.roles import RoleSpec, parse_roles
from perijove.hub.settings.scopes import parse_custom_scopes
from perijove.hub.settings.services import ServiceSpec, parse_services
from perijove.hub.settings.tokens import TokenSpec, parse_tokens


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration without mistakes.

    Attributes:
        hub: the hub's own options; its ``data_dir`` is absolute.
        config: what to hand to the plug-ins' constructors.
        authenticator_class: who says who somebody is.
        spawner_class: what starts servers.
        proxy_class: what carries traffic.
        services: programs that use the API.
        tokens: further tokens, of users and services.
        groups: groups to make or join.
        roles: roles to make or change.
        catalogue: all scopes there are.
        config_file: the file that was read, absolute; None if there is none.
        warnings: sentences for the log.
    """

    hub: JupyterHub
    config: Config = field(repr=False)
    authenticator_class: type[Authenticator]
    spawner_class: type[Spawner]
    proxy_class: type[Proxy]
    services: tuple[ServiceSpec, ...] = ()
    tokens: tuple[TokenSpec, ...] = field(default=(), repr=False)
    groups: tuple[GroupSpec, ...] = ()
    roles: tuple[RoleSpec, ...] = ()
    catalogue: Catalogue = BUILT_IN
    config_file: Path | None = None
    warnings: tuple[str, ...] = ()


def load(arguments: Arguments) -> Configuration:
    """Read and check everything.

    Raises:
        ConfigurationError: with every mistake there is.
    """
    loaded = load_sources(arguments)
    mistakes = list(loaded.mistakes)
    chosen: dict[Kind, type[Configurable]] = {}
    for kind in KINDS:
        try:
            chosen[kind] = resolve(kind, _class_value(loaded.config, kind))
        except PluginError as error:
            chosen[kind] = kind.base
            mistakes.append(Mistake(f"c.JupyterHub.{kind.option}: {error}", _place(loaded, kind.option)))
    checked = check(
        loaded.config,
        [JupyterHub, PeriodicMetricsCollector, *chosen.values()],
        others=lambda: [cls for kind in KINDS for cls in registered_classes(kind)],
        places=loaded.places,
    )
    mistakes += checked.mistakes
    hub = JupyterHub(config=_without(loaded.config, checked.wrong))
    hub.data_dir = str(
        choose_data_dir(
            hub.data_dir, loaded.file is not None, folder=arguments.folder, environment=arguments.environment
        )
    )
    mistakes += [Mistake(f"c.JupyterHub.{option}: {text}", _place(loaded, option)) for option, text in conflicts(hub)]
    scopes = parse_custom_scopes(hub.custom_scopes)
    services = parse_services(hub.services, hub.site, scopes.catalogue)
    tokens = [
        parse_tokens("api_tokens", "user", hub.api_tokens),
        parse_tokens("service_tokens", "service", hub.service_tokens),
    ]
    roles = parse_roles(hub.load_roles, _service_names(hub), scopes.catalogue, hub.extra_user_scopes)
    groups = parse_groups(hub.load_groups)
    mistakes += [Mistake(text, _place(loaded, "services")) for text in services.mistakes]
    mistakes += [Mistake(text, _place(loaded, "load_groups")) for text in groups.mistakes]
    mistakes += [Mistake(text, _place(loaded, "custom_scopes")) for text in scopes.mistakes]
    doubts = [text for parsed in tokens for text in parsed.warnings]
    for option, parsed in zip(("api_tokens", "service_tokens"), tokens, strict=True):
        mistakes += [Mistake(text, _place(loaded, option)) for text in parsed.mistakes]
    mistakes += [Mistake(text, _place(loaded, "load_roles")) for text in roles.mistakes]
    mistakes += [Mistake(text, _place(loaded, "extra_user_scopes")) for text in roles.extra_mistakes]
    if mistakes:
        raise ConfigurationError(mistakes)
    authenticator, spawner, proxy = (chosen[kind] for kind in KINDS)
    _check_routes(cast(type[Proxy], proxy), loaded, hub.site)
    return Configuration(
        hub=hub,
        config=loaded.config,
        authenticator_class=cast(type[Authenticator], authenticator),
        spawner_class=cast(type[Spawner], spawner),
        proxy_class=cast(type[Proxy], proxy),
        services=services.services,
        tokens=tuple(token for parsed in tokens for token in parsed.tokens),
        groups=groups.groups,
        roles=roles.roles,
        catalogue=scopes.catalogue,
        config_file=loaded.file,
        warnings=(*loaded.warnings, *checked.warnings, *services.warnings, *doubts),
    )


def _check_routes(proxy: type[Proxy], loaded: Loaded, site: Site) -> None:
    try:
        extra_routes(site, proxy(config=loaded.config).extra_routes)
    except PerijoveError as error:
        place = next((place for (_, option), place in loaded.places.items() if option == "extra_routes"), "")
        raise ConfigurationError([Mistake(f"c.Proxy.extra_routes: {error.message}", place)]) from None


def _class_value(config: Config, kind: Kind) -> str | type:
    """Return what the operator chose, or the default; a value of a wrong type is for the check of the options."""
    value = config.get("JupyterHub", {}).get(kind.option)
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, type) or (isinstance(value, str) and value):
        return value
    return cast(str, JupyterHub.class_traits()[kind.option].default_value)


def _without(config: Config, wrong: Collection[tuple[str, str]]) -> Config:
    """Return the hub's own part of *config* without what is wrong, so that everything else can be checked too."""
    options = config.get("JupyterHub", {})
    return Config({"JupyterHub": {key: value for key, value in options.items() if ("JupyterHub", key) not in wrong}})


def _service_names(hub: JupyterHub) -> Iterator[str]:
    """Yield the names of all services, of those with mistakes too: a role is not wrong because its service is."""
    for item in hub.services:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield item["name"]
    yield from (name for name in hub.service_tokens.values() if isinstance(name, str))


def _place(loaded: Loaded, option: str) -> str:
    return loaded.places.get(("JupyterHub", option), "")
