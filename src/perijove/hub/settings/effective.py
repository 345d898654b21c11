"""The configuration in effect, for those who look after the hub: every option with its value, secrets left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from perijove.hub.settings.checking import sections_of
from perijove.hub.settings.secrets import masked

LONGEST: Final = 2000
"""How many characters of a value are shown."""


class OptionValue(Struct, frozen=True):
    """One option.

    Attributes:
        section: the class after whose name the configuration file calls it.
        name: of the option.
        value: its value as Python writes it, secrets in it replaced by ``***``.
        is_set: whether the configuration sets it.
        help: what it is for.
    """

    section: str
    name: str
    value: str
    is_set: bool
    help: str


def effective(config: Config, parts: Sequence[Configurable | type[Configurable]]) -> Sequence[OptionValue]:
    """Return the options of *parts*, in that order, each part's by name.

    Args:
        config: what the operator set.
        parts: the objects in use, or their classes where there is an object for each server: then options that are not
            set have the default of the class.
    """
    return [option for part in parts for option in _options(config, part)]


def _options(config: Config, part: Configurable | type[Configurable]) -> Iterator[OptionValue]:
    cls = part if isinstance(part, type) else type(part)
    sections = [base.__name__ for base in sections_of(cls)]
    for name, trait in sorted(cls.class_traits(config=True).items()):
        places = [section for section in sections if section in config and name in config[section]]
        if isinstance(part, type):
            value = config[places[0]][name] if places else trait.default_value
            shown = _shown(value, name)
        else:
            shown = _value_of(part, name)
        yield OptionValue(cls.__name__, name, shown, bool(places), (trait.help or "").strip())


def _value_of(part: Configurable, name: str) -> str:
    try:
        return _shown(getattr(part, name), name)
    except Exception as error:  # a plug-in's own default may fail in any way
        return f"({type(error).__name__})"


def _shown(value: Any, name: str) -> str:
    if isinstance(value, LazyConfigValue):
        value = value.to_dict()
    elif isinstance(value, DeferredConfig):
        value = str(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    text = repr(masked(value, name))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
