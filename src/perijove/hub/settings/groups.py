"""``c.JupyterHub.load_groups``: groups and members that are there from each start on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from perijove.hub.core.names import normalize_group_name, normalize_user_name, shorten
from perijove.hub.settings.mistakes import did_you_mean, refusals, shown, wrong_texts

OPTION: Final = "c.JupyterHub.load_groups"
KEYS: Final = ("users", "properties")


class GroupSpec(Struct, frozen=True):
    """One group of the configuration.

    Attributes:
        name: its name, normalised.
        users: who joins it, by normalised name; nobody leaves.
        properties: in place of all that it has; None to leave these as they are.
    """

    name: str
    users: tuple[str, ...] = ()
    properties: Mapping[str, object] | None = None


class ParsedGroups(Struct, frozen=True):
    """What was understood and what was wrong; sentences begin with the option."""

    groups: tuple[GroupSpec, ...]
    mistakes: tuple[str, ...]


def parse_groups(value: Mapping[Any, Any]) -> ParsedGroups:
    """Return what ``c.JupyterHub.load_groups`` says, with every mistake in it.

    Args:
        value: the option: names of groups with a dictionary, or with a list of users as in old configurations.
    """
    groups: dict[str, GroupSpec] = {}
    mistakes: list[str] = []
    for name, given in value.items():
        item = given if isinstance(given, Mapping) else {"users": given}
        wrong = list(_mistakes(name, item))
        if not wrong:
            group = _group(name, item)
            if group.name in groups:
                wrong.append("there is another group of that name; put both into one")
            groups[group.name] = group
        place = f"{OPTION}[{shown(name)}]"
        mistakes += [f"{place}: {text}" for text in wrong]
    return ParsedGroups(tuple(groups.values()), tuple(mistakes))


def _group(name: str, item: Mapping[str, Any]) -> GroupSpec:
    users = dict.fromkeys(map(normalize_user_name, item.get("users") or ()))
    properties = item.get("properties")
    return GroupSpec(normalize_group_name(name), tuple(users), None if properties is None else dict(properties))


def _mistakes(name: Any, item: Mapping[Any, Any]) -> Iterable[str]:
    if isinstance(name, str):
        yield from refusals(normalize_group_name, name)
    else:
        yield f"a group's name must be a text, not {type(name).__name__}"
    for key in item:
        if key not in KEYS:
            yield f"there is no key {shown(key)}{did_you_mean(str(key), KEYS)}"
    yield from wrong_texts(item, "users", lambda user: refusals(normalize_user_name, user))
    properties = item.get("properties")
    if properties is None:
        return
    if not isinstance(properties, Mapping):
        yield f"properties must be a dictionary, not {shown(properties)}"
        return
    try:
        json.dumps(dict(properties), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        yield f"properties must be such that JSON can hold them: {shorten(str(error))}"
