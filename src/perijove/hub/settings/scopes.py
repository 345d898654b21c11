"""``c.JupyterHub.custom_scopes``: scopes that services and extensions of servers define for themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from perijove.hub.core.names import shorten
from perijove.hub.core.scopes import BUILT_IN, CUSTOM_PREFIX, Catalogue, Definition
from perijove.hub.settings.mistakes import did_you_mean, shown
from perijove.wire.scopes import ScopeSyntaxError, parse_scope

OPTION: Final = "c.JupyterHub.custom_scopes"
KEYS: Final = ("description", "subscopes")
MAX_LENGTH: Final = 255
_NAME: Final = re.compile(rf"{CUSTOM_PREFIX}[a-z0-9][a-z0-9_\-*:]+[a-z0-9_*]")


class ParsedScopes(Struct, frozen=True):
    """What was understood and what was wrong; sentences begin with the option."""

    catalogue: Catalogue
    mistakes: tuple[str, ...]


def parse_custom_scopes(value: Mapping[Any, Any]) -> ParsedScopes:
    """Return the scopes of a hub with those of ``c.JupyterHub.custom_scopes``, and every mistake in that option."""
    mistakes: list[str] = []
    custom: dict[str, Definition] = {}
    for name, item in value.items():
        wrong = [*_wrong_name(name), *_wrong_item(item, value)]
        mistakes += [f"{OPTION}[{shown(name)}]: {text}" for text in wrong]
        if not wrong:
            custom[name] = Definition(item["description"], tuple(item.get("subscopes", ())))
    mistakes += [f"{OPTION}[{name!r}]: it contains itself" for name in custom if _contains_itself(name, custom)]
    return ParsedScopes(BUILT_IN if mistakes else Catalogue({**BUILT_IN.definitions, **custom}), tuple(mistakes))


def wrong_scope(text: str, catalogue: Catalogue) -> Iterable[str]:
    """Yield why *text* is no scope of *catalogue*, with the nearest one that is; nothing if it is one."""
    try:
        scope = parse_scope(text)
    except ScopeSyntaxError as error:
        yield shorten(str(error), 200)
        return
    if scope.base not in catalogue:
        where = " in c.JupyterHub.custom_scopes" if scope.base.startswith(CUSTOM_PREFIX) else ""
        yield f"there is no scope {shown(scope.base)}{where}{did_you_mean(scope.base, catalogue.definitions)}"
    elif not catalogue.known([text]):
        yield f"the scope {scope.base!r} takes no filter"


def _wrong_name(name: Any) -> Iterable[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_LENGTH:
        yield (
            f"a name is {CUSTOM_PREFIX} and then at least three of a-z 0-9 _ - : *, a letter or digit first and no - "
            f"or : last; at most {MAX_LENGTH} characters"
        )


def _wrong_item(item: Any, all_of_them: Mapping[Any, Any]) -> Iterable[str]:
    if not isinstance(item, Mapping):
        yield f'a scope is a dictionary such as {{"description": "…", "subscopes": […]}}, not {type(item).__name__}'
        return
    for key in item:
        if key not in KEYS:
            yield f"there is no key {shown(key)}{did_you_mean(str(key), KEYS)}"
    description = item.get("description")
    if not isinstance(description, str) or not description.strip():
        yield "it needs a description: people read it when a program asks them for this permission"
    subscopes = item.get("subscopes", [])
    if not isinstance(subscopes, (list, tuple)) or not all(isinstance(name, str) for name in subscopes):
        yield f"subscopes must be a list of texts, not {shown(subscopes)}"
        return
    for name in subscopes:
        if name in BUILT_IN:
            yield f"subscopes: {name!r} is no custom scope; a custom scope contains custom scopes only"
        elif name not in all_of_them:
            yield f"subscopes: there is no scope {shown(name)}{did_you_mean(name, filter(_is_text, all_of_them))}"


def _is_text(name: Any) -> bool:
    return isinstance(name, str)


def _contains_itself(name: str, custom: Mapping[str, Definition]) -> bool:
    seen: set[str] = set()
    waiting = list(custom[name].contains)
    while waiting:
        current = waiting.pop()
        if current == name:
            return True
        if current not in seen:
            seen.add(current)
            waiting += custom[current].contains if current in custom else ()
    return False
