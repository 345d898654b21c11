"""Encryption with Fernet: AES-128-CBC and HMAC-SHA256, in the format of JupyterHub's database."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class FernetEncryption:
    """Encrypts with the first key, decrypts with all."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take the keys, 32 bytes each, the newest first. Raises ValueError for none, or one of another length."""
        fernets = [Fernet(base64.urlsafe_b64encode(key)) for key in keys]
        self._all = MultiFernet(fernets)
        self._newest = fernets[0]

    def encrypt(self, clear: bytes) -> bytes:
        """Return *clear* encrypted with the newest key."""
        return self._newest.encrypt(clear)

    def decrypt(self, sealed: bytes) -> tuple[bytes, bool]:
        """Return what was encrypted, and whether that was with an older key. Raises ValueError if no key fits."""
        try:
            return self._newest.decrypt(sealed), False
        except InvalidToken:
            pass
        try:
            return self._all.decrypt(sealed), True
        except InvalidToken:
            raise ValueError("none of the keys fits") from None
