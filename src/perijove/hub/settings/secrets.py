"""Which values must not be shown, and what is shown in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_SECRET = re.compile(r"secret|token|passw|credential|private|(?:^|_|api|crypt)keys?$", re.IGNORECASE)
_NO_SECRET = re.compile(r"_file$|^ssl_|_scopes$|_class$|_hook$|^allow_", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w://[^:/@\s]*):[^@/\s]+@")
_FLAG_WITH_SECRET = re.compile(r"(--?[\w.-]*(?:secret|token|passw)[\w.-]*=).+", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Say whether what is called *name* holds a secret: an option, a key of a dictionary, an environment variable."""
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def masked(value: Any, name: str = "") -> Any:
    """Return *value* with every secret in it replaced by ``***``.

    Args:
        value: what is to be shown.
        name: what it is called; decides for texts whether they are secret.
    """
    if value and is_secret(name) and isinstance(value, (str, bytes, Mapping, list, tuple, set, frozenset)):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(inner, str(key)) for key, inner in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(masked(inner, name) for inner in value)
    if isinstance(value, str):
        return _FLAG_WITH_SECRET.sub(rf"\g<1>{MASK}", _URL_PASSWORD.sub(rf"\g<1>:{MASK}@", value))
    return value
