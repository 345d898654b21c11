"""Settings that groups change for the servers of their members: ``c.Spawner.group_overrides``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct

from perijove.hub.core.errors import invalid
from perijove.hub.core.names import shorten

GROUPS, CHANGES = "groups", "spawner_override"
FORM: Final = f'{{"{GROUPS}": […], "{CHANGES}": {{…}}}}'


class Override(Struct, frozen=True):
    """What to change for members of any of these groups.

    Attributes:
        key: what it is called; decides about the order.
        groups: names of groups.
        changes: values by option; functions of the spawner among them.
    """

    key: str
    groups: frozenset[str]
    changes: Mapping[str, Any]

    def meets(self, groups: Collection[str]) -> bool:
        """Say whether somebody in *groups* is meant."""
        return not self.groups.isdisjoint(groups)


def parse_overrides(value: Any) -> tuple[Override, ...]:
    """Return the overrides in *value* in the order of their keys. Raises PerijoveError INVALID with all mistakes."""
    if not isinstance(value, Mapping):
        raise invalid(f"group_overrides must be a dictionary, not {type(value).__name__}")
    found, mistakes = [], []
    for key in sorted(value, key=str):
        item, place = value[key], f"group_overrides[{shorten(repr(key))}]"
        if not isinstance(item, Mapping) or set(item) != {GROUPS, CHANGES}:
            mistakes.append(f"{place} must be {FORM}")
            continue
        groups, changes = item[GROUPS], item[CHANGES]
        names = isinstance(groups, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in groups)
        if not names:
            mistakes.append(f"{place}: {GROUPS} must be a list of names")
        if not isinstance(changes, Mapping) or not all(isinstance(option, str) for option in changes):
            mistakes.append(f"{place}: {CHANGES} must be a dictionary of options")
        elif names:
            found.append(Override(str(key), frozenset(groups), changes))
    if mistakes:
        raise invalid("; ".join(mistakes))
    return tuple(found)


def merged(base: Mapping[Any, Any], changes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return *base* with *changes*: dictionaries are merged at every depth, None takes a key away."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[key] = value
    return result
