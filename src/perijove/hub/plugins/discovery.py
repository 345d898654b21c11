"""From what the operator wrote in ``c.JupyterHub.…_class`` to a class that fits its port."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from msgspec import Struct
from traitlets.config import Configurable

import perijove
from perijove.hub.core.names import shorten
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.proxy import Proxy
from perijove.hub.ports.spawner import Spawner
from perijove.hub.settings import unavailable
from perijove.hub.settings.mistakes import did_you_mean, shown

_UPSTREAM = frozenset(
    {
        "batchspawner",
        "dockerspawner",
        "firstuseauthenticator",
        "jupyterhub",
        "jupyterhub_traefik_proxy",
        "kubespawner",
        "ldapauthenticator",
        "ltiauthenticator",
        "multiauthenticator",
        "nativeauthenticator",
        "oauthenticator",
        "sudospawner",
        "systemdspawner",
        "tmpauthenticator",
        "wrapspawner",
    }
)
"""Packages whose plug-ins are made for JupyterHub."""


class Kind(Struct, frozen=True, eq=False):
    """One kind of plug-in.

    Attributes:
        name: what it is called in messages.
        group: the entry points' group.
        base: the class from which each must be derived.
        lacking: what the upstream project has and this version lacks, by class and short name, with advice.
    """

    name: str
    group: str
    base: type[Configurable]
    lacking: Mapping[str, str]

    @property
    def option(self) -> str:
        """The option of ``c.JupyterHub`` that chooses one."""
        return f"{self.name}_class"


AUTHENTICATOR = Kind("authenticator", "perijove.authenticators", Authenticator, unavailable.AUTHENTICATORS)
SPAWNER = Kind("spawner", "perijove.spawners", Spawner, unavailable.SPAWNERS)
PROXY = Kind("proxy", "perijove.proxies", Proxy, unavailable.PROXIES)
KINDS = (AUTHENTICATOR, SPAWNER, PROXY)


class PluginError(Exception):
    """A plug-in cannot be used; the message says why."""


@cache
def _everything() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of all packages by group. What is installed later is for the next process."""
    found = entry_points()  # for all at once: each question looks through everything that is installed
    return {kind.group: tuple(found.select(group=kind.group)) for kind in KINDS}


def load_ours() -> None:
    """Load the plug-ins that come with Perijove, so that a process forked later need not."""
    for kind in KINDS:
        for points in registered(kind).values():
            for point in points:
                if point.module.partition(".")[0] == perijove.__name__:
                    with suppress(PluginError):
                        _load(kind, point)


def registered(kind: Kind) -> dict[str, list[EntryPoint]]:
    """Return the entry points of *kind* by name; more than one for a name is a mistake when that name is chosen."""
    found: dict[str, list[EntryPoint]] = {}
    for point in _everything()[kind.group]:
        others = found.setdefault(point.name, [])
        if all(point.value != other.value for other in others):
            others.append(point)
    return found


def registered_classes(kind: Kind) -> list[type[Configurable]]:
    """Return the classes of all entry points of *kind* that can be loaded, by name."""
    classes = []
    for _, (point, *_others) in sorted(registered(kind).items()):
        # Whoever chooses a broken plug-in is told by resolve; all others do not care.
        with suppress(PluginError):
            classes.append(_fitting(kind, _load(kind, point), point.name))
    return classes


def resolve(kind: Kind, value: str | type) -> type[Configurable]:
    """Return the class that *value* names.

    Args:
        kind: which kind of plug-in is wanted.
        value: the name of an entry point, an import path ``package.module.Class``, or a class.

    Raises:
        PluginError: there is none, it cannot be loaded, or it does not fit.
    """
    if isinstance(value, type):
        return _fitting(kind, value, value.__name__)
    points = registered(kind).get(value, [])
    if len(points) > 1:
        where = " and ".join(shorten(point.value) for point in points)
        raise PluginError(
            f"there are two {kind.name}s called {shown(value)}: {where}; write the import path of one of them"
        )
    if points:
        return _fitting(kind, _load(kind, points[0]), value)
    module, _, name = value.replace(":", ".").rpartition(".")
    advice = kind.lacking.get(name or value)
    if advice and (not module or module.partition(".")[0] in _UPSTREAM):
        raise PluginError(f"the {kind.name} {shown(value)} {advice}")
    if not module:
        names = sorted(registered(kind))
        there = (
            f"; there are {', '.join(names)}"
            if names
            else "; none is registered, so Perijove is not installed properly"
        )
        guess = did_you_mean(value, names) or there
        raise PluginError(f"there is no {kind.name} {shown(value)}{guess}")
    return _fitting(kind, _import(kind, module, name), value)


def _load(kind: Kind, point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        source = f" of the package {point.dist.name}" if point.dist else ""
        raise PluginError(f"the {kind.name} {shown(point.name)}{source} cannot be loaded: {_reason(error)}") from error


def _import(kind: Kind, module: str, name: str) -> object:
    path = f"{module}.{name}"
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise PluginError(f"the {kind.name} {shown(path)} cannot be imported: {_reason(error)}") from error
    if not hasattr(found, name):
        classes = [key for key, item in vars(found).items() if isinstance(item, type)]
        raise PluginError(f"the module {shown(module)} has no class {shown(name)}{did_you_mean(name, classes)}")
    return getattr(found, name)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 200)}"


def _fitting(kind: Kind, cls: object, name: str) -> type[Configurable]:
    if not isinstance(cls, type):
        raise PluginError(f"the {kind.name} {shown(name)} is no class but {shown(cls)}")
    if not issubclass(cls, kind.base):
        own = f"{kind.base.__module__}.{kind.base.__name__}"
        if any(base.__module__.partition(".")[0] == "jupyterhub" for base in cls.__mro__):
            raise PluginError(
                f"the {kind.name} {shown(name)} is made for JupyterHub; it must be derived from {own} instead"
            )
        raise PluginError(f"the {kind.name} {shown(name)} must be a class derived from {own}")
    return cls
