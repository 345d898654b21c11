"""One normaliser and one check for every name, wherever it enters: sign-in, API, configuration, command line."""

from __future__ import annotations

import re
import unicodedata

from perijove.hub.core.errors import invalid

MAX_NAME_LENGTH = 255
MAX_SERVER_NAME = 30
_SERVER_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.~-]{0,253}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_BELOW_A_GROUP = ("/users", "/properties", "/shared")
_ROLE_NAME = re.compile(r"[a-z][a-z0-9\-_~.]{1,253}[a-z0-9]")


def shorten(text: str, limit: int = 80) -> str:
    """Return *text* fit for a log line or a message: printable characters only, at most *limit* of them."""
    visible = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"


def normalize_user_name(name: str) -> str:
    """Return the one spelling under which a user is kept: lower case, Unicode form NFC.

    Raises:
        PerijoveError: INVALID, if the name is empty, longer than 255 characters, has a slash, a control character,
            blanks at an end, or is ``.`` or ``..`` (which a URL cannot carry).
    """
    if len(name) > MAX_NAME_LENGTH:
        raise invalid(f"Invalid user name: longer than {MAX_NAME_LENGTH} characters")
    # A lower-case letter may compose with its accent where the upper-case one does not, hence the second pass.
    normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())
    if not normal or normal != normal.strip() or normal in {".", ".."} or "/" in normal or "\\" in normal:
        raise invalid(f"Invalid user name: {shorten(name)!r}")
    if not all(c.isprintable() for c in normal) or len(normal) > MAX_NAME_LENGTH:
        raise invalid(f"Invalid user name: {shorten(name)!r}")
    return normal


def normalize_group_name(name: str) -> str:
    """Return the one spelling under which a group is kept: Unicode form NFC. Upper and lower case are different.

    Slashes are allowed, because identity providers name groups so (``/staff``); what addresses of the API end with,
    such as ``/users``, is not.

    Raises:
        PerijoveError: INVALID, if the name is empty, longer than 255 characters, has a control character, blanks at an
            end, or is ``.`` or ``..`` (which a URL cannot carry).
    """
    if len(name) > MAX_NAME_LENGTH:
        raise invalid(f"Invalid group name: longer than {MAX_NAME_LENGTH} characters")
    normal = unicodedata.normalize("NFC", name)
    fits = normal and normal == normal.strip() and normal not in {".", ".."} and len(normal) <= MAX_NAME_LENGTH
    if not fits or not all(c.isprintable() for c in normal):
        raise invalid(f"Invalid group name: {shorten(name)!r}")
    if normal.endswith(_BELOW_A_GROUP):
        raise invalid(f"Invalid group name: {shorten(name)!r} ends like an address of the API")
    return normal


def validate_server_name(name: str) -> str:
    """Return *name* if a named server may be called so; the default server's empty name is fine too.

    Raises:
        PerijoveError: INVALID, unless it has 1 to 30 of ``a-z 0-9 -``, starts with a letter, ends with a letter or
            digit and has no two hyphens in a row.
    """
    if name and (not _SERVER_NAME.fullmatch(name) or "--" in name):
        raise invalid(
            f"Invalid server name: {shorten(name)!r}. Use 1 to 30 lower-case letters, digits and single hyphens, "
            "starting with a letter."
        )
    return name


def server_name_for(title: str) -> str:
    """Return the name for a server that a person calls *title*: ``My Thesis`` becomes ``my-thesis``.

    It is such as `validate_server_name` accepts; empty if nothing of *title* can stand in a name.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z0-9]+", plain)).lstrip("-0123456789")[:MAX_SERVER_NAME].rstrip("-")


def validate_service_name(name: str) -> str:
    """Return *name* if a service may be called so.

    Raises:
        PerijoveError: INVALID otherwise.
    """
    if not _SERVICE_NAME.fullmatch(name):
        raise invalid(f"Invalid service name: {shorten(name)!r}")
    return name


def validate_role_name(name: str) -> str:
    """Return *name* if a role may be called so.

    Raises:
        PerijoveError: INVALID otherwise.
    """
    if not _ROLE_NAME.fullmatch(name):
        raise invalid(f"Invalid role name: {shorten(name)!r}")
    return name
