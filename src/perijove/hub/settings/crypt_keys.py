"""``JUPYTERHUB_CRYPT_KEY``: the keys under which the state of authenticators is stored."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from perijove.hub.core.errors import invalid

VARIABLE: Final = "JUPYTERHUB_CRYPT_KEY"
KEY_BYTES: Final = 32
ADVICE: Final = (
    f"Write one or more keys into the environment variable {VARIABLE}, separated by semicolons, the newest first. "
    "Make a key with: openssl rand -hex 32"
)


def parse_crypt_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys in *text*, separated by semicolons: 32 bytes each, in hexadecimal or base64.

    Raises:
        PerijoveError: INVALID, if there is none, or one is no key; the message holds no part of any.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise invalid(f"c.Authenticator.enable_auth_state needs a key. {ADVICE}")
    keys = []
    for number, part in enumerate(parts, start=1):
        key = _key(part)
        if key is None:
            raise invalid(f"Key {number} in {VARIABLE} is not {KEY_BYTES} bytes in hexadecimal or base64. {ADVICE}")
        keys.append(key)
    return tuple(keys)


def _key(text: str) -> bytes | None:
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        return None
    return key if len(key) == KEY_BYTES else None
