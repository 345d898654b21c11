"""What an authenticator tells of a person, checked: what it may not tell is refused before anything of it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import normalize_group_name, shorten

AuthModel = dict[str, Any]
"""``name`` and, as far as the authenticator knows: ``admin`` (True, False or None for "as before"), ``groups`` (names),
``roles`` (dictionaries as in load_roles), ``auth_state`` (what JSON can hold), ``user_info`` (see `INFO_FIELDS`)."""

INFO_FIELDS: Final = ("name", "display_name", "initials", "avatar_url", "color")
"""What ``user_info`` tells everybody who may know the user."""

MAX_INFO_TEXT: Final = 255
MAX_AVATAR_URL: Final = 2048
MAX_AUTH_STATE: Final = 256 * 1024
"""How many bytes of JSON the authenticator may keep about one person."""

MAX_GROUPS: Final = 5_000
MAX_ROLES: Final = 500
_AVATAR_URL: Final = re.compile(r"https?://[^\s\"'<>\\]+|data:image/[^\s\"'<>\\]+", re.IGNORECASE)
_KINDS: Final[tuple[tuple[str, tuple[type, ...], str], ...]] = (
    # The text "False" would count as true, and a text is a list of letters.
    ("admin", (bool,), "True, False or None"),
    ("groups", (list, tuple, set, frozenset), "a list of names"),
    ("roles", (list, tuple), "a list of roles"),
    ("auth_state", (Mapping,), "a dictionary"),
    ("user_info", (Mapping,), "a dictionary"),
)


def checked_model(answer: Any, source: str) -> AuthModel | None:
    """Return what a plug-in said of a person, as a model; None if it said nobody.

    Args:
        answer: a name, a dictionary with a name, or None.
        source: which method said it, for the error.

    Raises:
        TypeError: it is anything else, or one of its values is not what it must be.
    """
    if not answer:
        return None
    if isinstance(answer, str):
        return {"name": answer}
    if not isinstance(answer, Mapping):
        raise TypeError(f"{source} gave a {type(answer).__name__}: it must give a name, a dictionary with one, or None")
    if not isinstance(answer.get("name"), str):
        raise TypeError(f"{source} gave no name: 'name' must be a text, not {type(answer.get('name')).__name__}")
    for key, kinds, wanted in _KINDS:
        if (value := answer.get(key)) is not None and not isinstance(value, kinds):
            raise TypeError(f"{source} gave {key!r} as {type(value).__name__}: it must be {wanted}")
    return dict(answer)


def groups_of(model: AuthModel, source: str, *, managed: bool, required: bool) -> tuple[str, ...] | None:
    """Return the names of the groups in *model*, normalised and sorted; None to leave memberships as they are.

    Names under which no group can be kept are left out: they are the identity provider's, not the person's fault.

    Args:
        model: what the authenticator told.
        source: which method told it, for the error.
        managed: whether the authenticator manages groups.
        required: whether it must then tell them.

    Raises:
        TypeError: groups although they are not managed, none although they are, or what is no list of names.
        ValueError: too many.
    """
    names = model.get("groups")
    if not managed:
        if names is not None:
            raise TypeError(f"{source} gave 'groups': set c.Authenticator.manage_groups = True, or do not give them")
        return None
    if required and "groups" not in model:
        raise TypeError(f"{source} gave no 'groups', which c.Authenticator.manage_groups asks for: does it know them?")
    if names is None:
        return None
    if len(names) > MAX_GROUPS:
        raise ValueError(f"{source} gave {len(names)} groups: there may be {MAX_GROUPS}")
    found = set()
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{source} gave a group as {type(name).__name__}: it must be a name")
        try:
            found.add(normalize_group_name(name))
        except PerijoveError:
            continue
    return tuple(sorted(found))


def roles_of(model: AuthModel, source: str, *, managed: bool) -> list[Any] | None:
    """Return the roles in *model* as they were told; None to leave them as they are.

    Raises:
        TypeError: roles although the authenticator does not manage them.
        ValueError: too many.
    """
    roles = model.get("roles")
    if roles is None:
        return None
    if not managed:
        raise TypeError(f"{source} gave 'roles': set c.Authenticator.manage_roles = True, or do not give them")
    if len(roles) > MAX_ROLES:
        raise ValueError(f"{source} gave {len(roles)} roles: there may be {MAX_ROLES}")
    return [{"name": role} if isinstance(role, str) else role for role in roles]


def info_of(model: AuthModel) -> dict[str, str] | None:
    """Return what may be told about a person, bounded; None to leave it as it is.

    Other fields, other types and addresses of pictures that are none are left out: nobody is kept out for these.
    """
    info = model.get("user_info")
    if info is None:
        return None
    found = {}
    for field in INFO_FIELDS:
        value = info.get(field)
        if not isinstance(value, str) or not value:
            continue
        if field != "avatar_url":
            found[field] = shorten(value, MAX_INFO_TEXT)
        elif len(value) <= MAX_AVATAR_URL and _AVATAR_URL.fullmatch(value):
            found[field] = value
    return found


def state_bytes(state: Mapping[str, Any]) -> bytes:
    """Return what the authenticator keeps about a person as JSON.

    Raises:
        TypeError: it is no dictionary, or holds what JSON cannot. The message holds nothing of it.
        ValueError: it is too long, or too deep.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"auth_state must be a dictionary, not {type(state).__name__}")
    try:
        text = json.dumps(dict(state), allow_nan=False).encode()
    except TypeError:
        raise TypeError("auth_state holds what JSON cannot") from None
    except (ValueError, RecursionError):
        raise ValueError("auth_state holds what JSON cannot") from None
    if len(text) > MAX_AUTH_STATE:
        raise ValueError(f"auth_state has {len(text)} bytes: {MAX_AUTH_STATE} are allowed")
    return text
