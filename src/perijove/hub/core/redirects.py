"""Every redirect target that a caller may influence passes through `local_target`."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

MAX_TARGET_LENGTH = 4096


def local_target(target: str | None, *, base_url: str, default: str, origin: str = "") -> str:
    """Return *target* as a path on our own origin, or *default* if it leads anywhere else.

    Args:
        target: what the caller asked for: a path with query and fragment, or a full URL of our own origin.
        base_url: the prefix in which a target must lie.
        default: the answer for anything that is not safe.
        origin: ``scheme://host[:port]`` under which the request came; full URLs must start with it.
    """
    if not target or len(target) > MAX_TARGET_LENGTH:
        return default
    # Browsers read a backslash as a slash and skip control characters and blanks inside a URL.
    if "\\" in target or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in target):
        return default
    try:
        parts = urlsplit(target)
    except ValueError:
        return default
    if parts.scheme or parts.netloc:
        if not origin or f"{parts.scheme}://{parts.netloc}".lower() != origin.lower():
            return default
    path = parts.path
    if not path.startswith("/") or path.startswith("//") or ".." in path.split("/"):
        return default
    if not (path + "/").startswith(base_url) and not path.startswith(base_url):
        return default
    return urlunsplit(("", "", path, parts.query, parts.fragment))
