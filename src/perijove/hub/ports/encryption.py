"""What keeps secrets at rest unreadable for whoever gets hold of the database."""

from __future__ import annotations

from typing import Protocol


class Encryption(Protocol):
    """Encrypts with the newest key, decrypts with any."""

    def encrypt(self, clear: bytes) -> bytes:
        """Return *clear* encrypted and authenticated."""
        ...

    def decrypt(self, sealed: bytes) -> tuple[bytes, bool]:
        """Return what was encrypted, and whether that was with an older key.

        Raises:
            ValueError: none of the keys fits, or it was changed.
        """
        ...
