"""Every redirect target that a caller may influence passes through `local_target`."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

MAX_TARGET_LENGTH = 4096
_LABELS = re.compile(r"[a-z0-9_.-]+")


def local_target(target: str | None, *, base_url: str, default: str, origin: str = "", hosts: bool = False) -> str:
    """Return *target* as a path on our own origin, or *default* if it leads anywhere else.

    Args:
        target: what the caller asked for: a path with query and fragment, or a full URL of our own origin.
        base_url: the prefix in which a target must lie.
        default: the answer for anything that is not safe.
        origin: ``scheme://host[:port]`` under which the request came; full URLs must start with it.
        hosts: whether users have hosts below that of *origin*: a URL of one is fine then. Its path is returned too, as
            the hub knows on which host a path is.
    """
    if not target or len(target) > MAX_TARGET_LENGTH:
        return default
    # Browsers read a backslash as a slash and skip control characters and blanks inside a URL.
    if "\\" in target or any(not _may_stand_in_url(c) for c in target):
        return default
    try:
        parts = urlsplit(target)
    except ValueError:
        return default
    if (parts.scheme or parts.netloc) and not _is_ours(f"{parts.scheme}://{parts.netloc}".lower(), origin, hosts):
        return default
    path = parts.path
    # Browsers take %2e for a dot, and a program on the way may take %2f and %5c for slashes.
    read = unquote(path).replace("\\", "/")
    if not path.startswith("/") or read.startswith("//") or not {".", ".."}.isdisjoint(read.split("/")):
        return default
    if not f"{path}/".startswith(base_url):
        return default
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def outside_target(target: str) -> str:
    """Return *target* if a browser may be led there: a full URL of HTTP or HTTPS.

    It is for what the hub's own plug-ins name, such as the page of an identity provider; a caller's wishes are judged
    by `local_target`.

    Raises:
        ValueError: it is anything else; the message does not tell it, for there may be a secret in it.
    """
    parts = urlsplit(target) if all(_may_stand_in_url(c) for c in target) and "\\" not in target else urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a browser is led to full URLs of HTTP or HTTPS only, without a name or password in them")
    return target


def _is_ours(asked: str, origin: str, hosts: bool) -> bool:
    if not origin or asked == origin.lower():
        return bool(origin)
    scheme, _, host = origin.lower().partition("://")
    below = asked.removeprefix(f"{scheme}://").removesuffix(f".{host}")
    return hosts and asked == f"{scheme}://{below}.{host}" and _LABELS.fullmatch(below) is not None


def _may_stand_in_url(character: str) -> bool:
    """Say whether *character* is neither a control character, nor a blank, nor half of a surrogate pair."""
    return character > " " and character != "\x7f" and not "\ud800" <= character <= "\udfff"
