"""The cookie secret, as it may be written."""

from __future__ import annotations

from traitlets import TraitError

SECRET_BYTES = 32
_WANTED = (
    f"it must be at least {SECRET_BYTES} bytes, or as many in hexadecimal digits (openssl rand -hex {SECRET_BYTES})"
)


def parse_cookie_secret(value: bytes | str) -> bytes:
    """Return the secret that *value* stands for: bytes are taken as they are, text is hexadecimal.

    Raises:
        TraitError: it is too short, or not hexadecimal; the message does not repeat it.
    """
    if isinstance(value, str):
        try:
            value = bytes.fromhex(value.strip())
        except ValueError:
            raise TraitError(_WANTED) from None
    if len(value) < SECRET_BYTES:
        raise TraitError(_WANTED)
    return value
