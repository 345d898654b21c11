"""Holding a configuration against the classes it is for: unknown sections and options, wrong types, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from math import isfinite
from typing import Any

from msgspec import Struct
from traitlets import (
    Bool,
    Bytes,
    Container,
    Dict,
    Float,
    Integer,
    List,
    Set,
    TraitError,
    TraitType,
    Tuple,
    Unicode,
    Union,
)
from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import shorten
from perijove.hub.settings.mistakes import Mistake, nearest, shown
from perijove.hub.settings.secrets import MASK, is_secret
from perijove.hub.settings.unavailable import OPTIONS, SECTIONS

Trait = TraitType[Any, Any]
Classes = Sequence[type[Configurable]]

_KINDS: tuple[tuple[type[Any], str, str], ...] = (
    (Bool, "True or False", "True or False"),
    (Integer, "a whole number", "whole numbers"),
    (Float, "a number", "numbers"),
    (Unicode, "a text", "texts"),
    (Bytes, "bytes", "bytes"),
    (List, "a list", "lists"),
    (Set, "a set", "sets"),
    (Tuple, "a tuple", "tuples"),
    (Dict, "a dictionary", "dictionaries"),
)


class Checked(Struct, frozen=True):
    """What the check found.

    Attributes:
        mistakes: what is wrong.
        warnings: what is right but has no effect.
        wrong: the (section, option) pairs with a mistake.
    """

    mistakes: tuple[Mistake, ...]
    warnings: tuple[str, ...] = ()
    wrong: frozenset[tuple[str, str]] = frozenset()


def check(
    config: Config,
    classes: Classes,
    *,
    others: Callable[[], Classes] = tuple,
    places: Mapping[tuple[str, str], str] | None = None,
) -> Checked:
    """Return every mistake in *config*.

    Args:
        config: what the operator set.
        classes: the hub's options and the plug-ins in use; their parents' sections are valid too.
        others: returns plug-ins that could be in use; options for them have no effect. Asked only where *classes* do
            not explain everything, because it takes loading them.
        places: where each (section, option) was set.
    """
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    wrong: set[tuple[str, str]] = set()
    places = places or {}
    for section, options in config.items():
        if not isinstance(options, Config):
            mistakes.append(Mistake(f"c.{section} is not a section with options; options are set as c.JupyterHub.…"))
            continue
        used = with_section(section, classes)
        known = used or with_section(section, others())
        first = next((places[section, option] for option in options if (section, option) in places), "")
        if not known:
            mistakes.append(Mistake(_unknown_section(section, options, [*classes, *others()]), first))
            continue
        for option, value in options.items():
            place = places.get((section, option), "")
            traits = _traits(option, known)
            found = {_wrong(section, option, value, trait, owner) for owner, trait in traits}
            if not traits:
                found = {_unknown_option(section, option, value, known, [*classes, *others()])}
            texts = sorted(filter(None, found))
            mistakes += [Mistake(text, place) for text in texts]
            wrong |= {(section, option)} if texts else set()
        if not used:
            warnings.append(f"{first}: c.{section} has no effect: {section} is not in use".removeprefix(": "))
    return Checked(tuple(mistakes), tuple(warnings), frozenset(wrong))


def sections_of(cls: type[Configurable]) -> list[type[Configurable]]:
    """Return *cls* and its parents as far as options can be set for them, *cls* first."""
    return [
        base
        for base in cls.__mro__
        if issubclass(base, Configurable) and base.class_trait_names(config=True) and not is_part(base)
    ]


def is_part(cls: type) -> bool:
    """Say whether the options of *cls* belong to the section of its subclass, and *cls* has none of its own."""
    return bool(vars(cls).get("PART_OF_A_SECTION"))


def with_section(section: str, classes: Iterable[type[Configurable]]) -> list[type[Configurable]]:
    """Return those of *classes* that take options from ``c.<section>``."""
    return [cls for cls in classes if any(base.__name__ == section for base in sections_of(cls))]


def _names(classes: Classes) -> list[str]:
    return list(dict.fromkeys(base.__name__ for cls in classes for base in sections_of(cls)))


def _traits(option: str, classes: Classes) -> list[tuple[type[Configurable], Trait]]:
    found = ((cls, cls.class_traits(config=True).get(option)) for cls in classes)
    return [(cls, trait) for cls, trait in found if trait is not None]


def _options(classes: Iterable[type[Configurable]]) -> dict[str, str]:
    """Return for each option the section in which it is best written: the most general one."""
    found: dict[str, str] = {}
    for cls in classes:
        for base in sections_of(cls):
            found |= dict.fromkeys(base.class_trait_names(config=True), base.__name__)
    return found


def _unknown_section(section: str, options: Config, classes: Classes) -> str:
    if section in SECTIONS:
        return f"c.{section} {SECTIONS[section]}"
    names = _names(classes)
    set_here = ", ".join(f"c.{section}.{option}" for option in list(options)[:3])
    right = nearest(section, [*names, *SECTIONS])
    if right in SECTIONS:
        guess = f"; if c.{right} is meant: it {SECTIONS[right]}"
    else:
        guess = f"; did you mean c.{right}?" if right else f"; known are {', '.join(names)}"
    return f"c.{section} is not known here ({set_here or 'empty'}){guess}"


def _unknown_option(section: str, option: str, value: Any, known: Classes, classes: Classes) -> str:
    for name in (section, *(base.__name__ for cls in known for base in sections_of(cls))):
        if option in OPTIONS.get(name, {}):
            return f"c.{section}.{option} {OPTIONS[name][option]}"
    what = "" if isinstance(value, LazyConfigValue) else f" (set to {shown(_plain(value), option)})"
    if isinstance(value, Config):
        return f"c.{section}.{option}: sections are not nested here; write c.{option}"
    text = f"there is no option c.{section}.{option}{what}"
    right = nearest(option, _options(known))
    if right:
        return f"{text}; did you mean c.{section}.{right}?"
    everywhere = _options(classes)
    right = option if option in everywhere else nearest(option, everywhere)
    return f"{text}; did you mean c.{everywhere[right]}.{right}?" if right else text


def _plain(value: Any) -> Any:
    if isinstance(value, DeferredConfig):
        texts = [str(value)] if isinstance(value, str) else list(value) if isinstance(value, list) else []
        return texts[0] if len(texts) == 1 else texts
    return value


def _wrong(section: str, option: str, value: Any, trait: Trait, owner: type[Configurable]) -> str | None:
    """Return what is wrong with the value of one option, or None."""
    name = f"c.{section}.{option}"
    try:
        # An object whose constructor did not run: its traits work, and nothing else happens.
        bare = owner.__new__(owner)
        if isinstance(value, LazyConfigValue):
            initial = getattr(bare, option)
            unfit = _unfit_change(value, initial)
            if unfit:
                return f"{name}: {unfit}, but it is {wanted(trait)}"
            value = deepcopy(value).get_value(initial)
        elif isinstance(value, DeferredConfig):
            value = value.get_value(trait)
        if trait._validate(bare, value) is None:
            trait._cross_validate(bare, None)  # which is left out above, but not when the option is set
    except TraitError as error:
        return f"{name}: {_told(error, trait, option, value)}"
    except PerijoveError as error:
        return f"{name}: {error.message}"
    except Exception as error:  # a plug-in's own check may fail in any way
        text = str(error) or type(error).__name__
        return f"{name}: {_without(text, value, option)}"
    return None


def _told(error: TraitError, trait: Trait, option: str, value: Any) -> str:
    text = " ".join(str(error).split())
    if f"'{trait.name}' trait" in text or not text:
        kind = type(_plain(value)).__name__
        return f"must be {wanted(trait)}, but is {shown(_plain(value), option)} ({kind})"
    if "Cannot" in text and isinstance(value, DeferredConfig):
        return f"must be {wanted(trait)}"
    what = "" if is_secret(option) else f" (set to {shown(_plain(value), option)})"
    return _without(text, value, option) + what


def _without(text: str, value: Any, option: str) -> str:
    """Return *text*, bounded, and without *value* if that is a secret."""
    if is_secret(option):
        for spelling in (repr(value), str(value)):
            text = text.replace(spelling, MASK) if spelling else text
    return shorten(text, 200)


def _unfit_change(value: LazyConfigValue, initial: Any) -> str | None:
    changes = value.to_dict()
    if {"extend", "prepend", "inserts"} & set(changes) and not isinstance(initial, list):
        return "is changed like a list (append, extend, insert)"
    if "update" in changes and type(changes["update"]) is not type(initial):
        return f"is changed like a {type(changes['update']).__name__} (update, add)"
    return None


def wanted(trait: Trait, *, many: bool = False) -> str:
    """Return in words which values *trait* takes."""
    if "wanted" in trait.metadata:
        return str(trait.metadata["wanted"])
    if isinstance(trait, Union):
        return " or ".join(dict.fromkeys(wanted(inner, many=many) for inner in trait.trait_types))
    for kind, one, several in _KINDS:
        if isinstance(trait, kind):
            text = several if many else one
            break
    else:
        return str(trait.info())
    inner = getattr(trait, "_trait", None) if isinstance(trait, Container) else getattr(trait, "_value_trait", None)
    if isinstance(inner, TraitType) and any(isinstance(inner, kind) for kind, _, _ in _KINDS):
        text += f" of {wanted(inner, many=True)}"
    text += "".join(_bounds(trait))
    return f"{text} or None" if trait.allow_none and not many else text


def _bounds(trait: Trait) -> Iterator[str]:
    low, high = (getattr(trait, name, None) for name in ("min", "max"))
    has_low, has_high = (bound is not None and isfinite(bound) for bound in (low, high))
    if has_low:
        yield f" from {low} to {high}" if has_high else f" of at least {low}"
    elif has_high:
        yield f" of at most {high}"
