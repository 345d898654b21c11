"""Every option there is, in words: the source of the help, the generated configuration file and the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from traitlets.config import Configurable

from perijove.hub.plugins.discovery import KINDS, registered_classes
from perijove.hub.settings.checking import Trait, is_part, sections_of, wanted
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.metrics import PeriodicMetricsCollector

FOLLOWS = "see the meaning"
"""The default of an option whose help says what it follows from."""


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        name: its name, without the section.
        kind: in words, which values it takes.
        value: the default as Python, as far as it is a fixed one.
        default: the default in words, if it follows from something else; else empty.
        help: one or two sentences.
    """

    name: str
    kind: str
    value: str
    default: str
    help: str


class Section(Struct, frozen=True):
    """The options of one class that its parents do not have, or have with another default."""

    name: str
    parent: str
    summary: str
    options: tuple[Option, ...]


def sections(*, own_only: bool = False) -> list[Section]:
    """Return the sections of the hub and of all plug-ins that are installed.

    Args:
        own_only: leave out plug-ins of other packages.
    """
    classes: list[type[Configurable]] = [JupyterHub, PeriodicMetricsCollector]
    for kind in KINDS:
        classes.append(kind.base)
        for cls in registered_classes(kind):
            parents = [base for base in reversed(sections_of(cls)) if base not in classes]
            classes += parents or [cls]
    unique = dict.fromkeys(classes)
    return [_section(cls) for cls in unique if not own_only or cls.__module__.partition(".")[0] == "perijove"]


def _section(cls: type[Configurable]) -> Section:
    own = {
        name: trait
        for base in cls.__mro__
        if issubclass(base, Configurable) and (base is cls or is_part(base))
        for name, trait in base.class_own_traits(config=True).items()
    }
    parents = [base.__name__ for base in sections_of(cls) if base is not cls]
    summary = " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split())
    options = sorted(own.items())
    return Section(
        cls.__name__,
        parents[0] if parents else "",
        summary,
        tuple(_option(cls, name, trait) for name, trait in options),
    )


def _option(cls: type[Configurable], name: str, trait: Trait) -> Option:
    text = str(trait.metadata.get("default_text", ""))
    if not text and name in _computed(cls):
        text = FOLLOWS
    return Option(name, wanted(trait), trait.default_value_repr(), text, " ".join(str(trait.help).split()))


def _computed(cls: type[Configurable]) -> Iterator[str]:
    """Yield the options whose default a method makes."""
    for base in cls.__mro__:
        yield from base.__dict__.get("_trait_default_generators", {})
