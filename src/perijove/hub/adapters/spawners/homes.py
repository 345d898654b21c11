"""Home folders of users who have no account on the machine."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.texts import say

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-.@+")
_LONGEST = 200
"""File systems take 255 bytes; some are left for what people append."""


def file_name(name: str) -> str:
    """Return a file name for the user *name*: no other user's, also where case does not count, and nothing special.

    Lower-case letters, digits and ``_-.@+`` stand for themselves, every other byte of UTF-8 as ``=`` and two
    hexadecimal digits. A long result is cut and ends with ``==`` and a hash, which no short one has.
    """
    raw = name.encode("utf-8", "surrogatepass")
    text = "".join(chr(byte) if byte in _PLAIN else f"={byte:02x}" for byte in raw)
    if text[:1] in {".", "-"}:
        text = f"={raw[0]:02x}{text[1:]}"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 34]}=={hashlib.sha256(raw).hexdigest()[:32]}"


def prepare_home(home: Path) -> None:
    """Make sure that *home* is a folder of ours; missing ones are made, their parents too, for us alone (mode 0700).

    Raises:
        PerijoveError: FAILED, if it cannot be made, is no folder, or belongs to somebody else.
    """
    try:
        for folder in [*reversed(home.parents), home]:
            if not folder.exists() and not folder.is_symlink():
                folder.mkdir(mode=0o700, exist_ok=True)
        found, link = home.stat(), home.lstat()
    except OSError as error:
        raise _failed(
            say(
                "The home folder {home} cannot be used: {reason}. Ask your administrator.",
                home=repr(str(home)),
                reason=error.strerror,
            )
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise _failed(say("The home folder {home} is not a folder. Ask your administrator.", home=repr(str(home))))
    # A link of somebody else could lead into a folder of ours that was never meant to be a home.
    if {found.st_uid, link.st_uid} != {os.geteuid()}:
        raise _failed(
            say(
                "The home folder {home} belongs to another user of this machine. Ask your administrator.",
                home=repr(str(home)),
            )
        )


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
