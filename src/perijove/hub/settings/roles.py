"""``c.JupyterHub.load_roles``: roles made or changed at each start, and who gets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from perijove.hub.core.names import normalize_group_name, normalize_user_name, shorten, validate_role_name
from perijove.hub.core.roles import ADMIN_SCOPES, DEFAULT_ROLES
from perijove.hub.core.scopes import BUILT_IN, Catalogue
from perijove.hub.settings.mistakes import did_you_mean, refusals, shown, wrong_texts
from perijove.hub.settings.scopes import wrong_scope

OPTION = "c.JupyterHub.load_roles"
EXTRA = "c.JupyterHub.extra_user_scopes"
USER = DEFAULT_ROLES["user"]
KEYS = ("name", "description", "scopes", "users", "groups", "services")
MANAGED = "managed_by_auth"


class RoleSpec(Struct, frozen=True):
    """One role of the configuration.

    Attributes:
        name: its name.
        description: what it is for; None to leave it as it is.
        scopes: what it allows; None to leave it as it is.
        users: who gets it and nobody else, by normalised name; None to leave it as it is.
        groups: whose members have it and nobody else's; None to leave it as it is.
        services: which services get it and no others; None to leave it as it is.
    """

    name: str
    description: str | None = None
    scopes: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    services: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None


class ParsedRoles(Struct, frozen=True):
    """What was understood and what was wrong; sentences begin with the option.

    Attributes:
        roles: all roles to make or change.
        mistakes: what is wrong with ``load_roles``.
        extra_mistakes: what is wrong with ``extra_user_scopes``.
    """

    roles: tuple[RoleSpec, ...]
    mistakes: tuple[str, ...]
    extra_mistakes: tuple[str, ...] = ()


def parse_roles(
    value: Sequence[Any],
    services: Iterable[str],
    catalogue: Catalogue = BUILT_IN,
    extra_user_scopes: Iterable[str] = (),
    *,
    option: str = OPTION,
    managed: bool = False,
) -> ParsedRoles:
    """Return what ``c.JupyterHub.load_roles`` and ``extra_user_scopes`` say, with every mistake in them.

    What an authenticator says of roles has the same form.

    Args:
        value: the option.
        services: the names of all services.
        catalogue: all scopes there are.
        extra_user_scopes: what the role user has beside its usual scopes.
        option: what *value* is called in mistakes.
        managed: whether it came from the authenticator, which may say so of each role.
    """
    services = frozenset(services)
    roles: list[RoleSpec] = []
    mistakes: list[str] = []
    for index, item in enumerate(value):
        wrong = list(_mistakes(item, services, catalogue, managed))
        if not wrong:
            role = _role(item)
            if any(other.name == role.name for other in roles):
                wrong.append("there is another role of that name; put both into one")
            roles.append(role)
        name = item.get("name") if isinstance(item, Mapping) else None
        place = f"{option}[{index}]" + (f" ({shorten(name)})" if isinstance(name, str) else "")
        mistakes += [f"{place}: {text}" for text in wrong]
    extra = tuple(sorted(extra_user_scopes))
    wrong_extra = [f"{EXTRA}: {text}" for scope in extra for text in wrong_scope(scope, catalogue)]
    user = next((role for role in roles if role.name == USER.name), RoleSpec(USER.name))
    if extra and user.scopes is not None:
        wrong_extra.append(f"{EXTRA}: c.JupyterHub.load_roles says what the role user has; write all of it there")
    elif extra:
        others = [role for role in roles if role.name != USER.name]
        roles = [*others, replace(user, scopes=tuple(dict.fromkeys((*USER.scopes, *extra))))]
    return ParsedRoles(tuple(roles), tuple(mistakes), tuple(wrong_extra))


def _role(item: Mapping[str, Any]) -> RoleSpec:
    scopes, users, services, groups = (item.get(key) for key in ("scopes", "users", "services", "groups"))
    return RoleSpec(
        item["name"],
        item.get("description"),
        None if scopes is None else tuple(dict.fromkeys(scopes)),
        None if users is None else tuple(dict.fromkeys(map(normalize_user_name, users))),
        None if services is None else tuple(dict.fromkeys(services)),
        None if groups is None else tuple(dict.fromkeys(map(normalize_group_name, groups))),
    )


def _mistakes(item: Any, services: frozenset[str], catalogue: Catalogue, managed: bool) -> Iterable[str]:
    if not isinstance(item, Mapping):
        yield f'a role is a dictionary such as {{"name": "ops", "scopes": […]}}, not {type(item).__name__}'
        return
    for key in item:
        if key == MANAGED and not managed:
            yield f"{key} is set by the hub for what load_managed_roles() of the authenticator gives; remove it"
        elif key not in (*KEYS, MANAGED):
            yield f"there is no key {shown(key)}{did_you_mean(str(key), KEYS)}"
    name = item.get("name")
    if isinstance(name, str):
        yield from refusals(validate_role_name, name)
    else:
        yield "it has no name" if name is None else f"name must be a text, not {type(name).__name__}"
    if not isinstance(item.get("description") or "", str):
        yield f"description must be a text, not {type(item['description']).__name__}"
    yield from _wrong_scopes(item, catalogue)
    yield from wrong_texts(item, "users", lambda user: refusals(normalize_user_name, user))
    yield from wrong_texts(item, "groups", lambda group: refusals(normalize_group_name, group))
    yield from wrong_texts(item, "services", lambda service: _unknown_service(service, services))


def _wrong_scopes(item: Mapping[str, Any], catalogue: Catalogue) -> Iterable[str]:
    wrong = list(wrong_texts(item, "scopes", lambda text: wrong_scope(text, catalogue)))
    yield from wrong
    changed = not wrong and item.get("scopes") is not None and set(item["scopes"]) != set(ADMIN_SCOPES)
    if item.get("name") == "admin" and changed:
        yield "the scopes of the role admin cannot be changed; leave scopes out, or give the role another name"


def _unknown_service(name: str, services: frozenset[str]) -> Iterable[str]:
    if name not in services:
        yield f"there is no service {shown(name)} in c.JupyterHub.services{did_you_mean(name, services)}"
