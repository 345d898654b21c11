"""The file that keeps the cookie secret."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from perijove.hub.core.errors import Code, PerijoveError

SECRET_BYTES = 32


def load_cookie_secret(path: Path) -> bytes:
    """Return the secret in the file at *path*, made if there is none.

    Raises:
        PerijoveError: INVALID, if others can read or write the file or it holds no secret; UNAVAILABLE, if it cannot be
            read or made.
    """
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise PerijoveError(Code.UNAVAILABLE, f"The cookie secret in {path} cannot be used: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise PerijoveError(Code.INVALID, f"Others can read or write {path}. Make it private with: chmod 600 {path}")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise PerijoveError(
            Code.INVALID,
            f"{path} does not hold {SECRET_BYTES} bytes in hexadecimal. Delete it; everybody signs in again then.",
        )
    return secret


def _make(path: Path) -> None:
    """Write a new secret whole or not at all, readable for nobody else at any moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
