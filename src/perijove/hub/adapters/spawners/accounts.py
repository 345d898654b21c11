"""Accounts of this machine: whom a server runs as."""

from __future__ import annotations

import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perijove.hub.adapters.inherited import shell
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import shorten
from perijove.wire.launching import Identity

_NAME: Final = re.compile(r"(?!-)(?!\d+$)(?!\.{1,2}$)[\w.@+\\-]+\$?", re.ASCII)
"""useradd(8) takes fewer, directories of companies more. Digits alone would be taken for a number by some programs."""
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class Account:
    """An account.

    Attributes:
        name: its name.
        identity: user, group and all supplementary groups, as numbers; None for those of the hub.
        home: its home folder.
        shell: a shell for terminals; never one that lets nobody in.
    """

    name: str
    identity: Identity | None
    home: Path
    shell: str


def account_of(name: str, lowest_uid: int) -> Account:
    """Return the account called *name*, with all groups of that moment. Blocks: a directory service may be asked.

    Args:
        name: the user's name.
        lowest_uid: accounts with lower numbers belong to the system; they get no servers.

    Raises:
        PerijoveError: FAILED, if there is none, or none that may have a server.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise _failed(f"{shorten(name, 100)!r} cannot be the name of an account of this machine.")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise _failed(
            f"This machine has no account {name!r}. Ask your administrator to make one (useradd --create-home)."
        ) from None
    if entry.pw_name != name:
        # Two names of one account would be two users of the hub with the same files.
        raise _failed(f"The account is called {entry.pw_name!r} on this machine; sign in with that name.")
    if entry.pw_uid == 0 or entry.pw_uid < lowest_uid:
        raise _failed(
            f"The account {name!r} belongs to the system (number {entry.pw_uid}) and gets no server. An administrator "
            "can set c.LocalProcessSpawner.lowest_uid."
        )
    groups = tuple(sorted(set(os.getgrouplist(name, entry.pw_gid))))
    return Account(name, Identity(entry.pw_uid, entry.pw_gid, groups), Path(entry.pw_dir), shell(entry.pw_uid))


def check_home(account: Account) -> None:
    """Make sure that the account has a home folder that is its own.

    Raises:
        PerijoveError: FAILED, saying what is wrong with it.
    """
    home, identity = account.home, account.identity
    try:
        found = home.stat()
    except FileNotFoundError:
        raise _failed(
            f"The home folder {str(home)!r} does not exist. Ask your administrator to make it (mkhomedir_helper)."
        ) from None
    except PermissionError:
        return  # a file server that does not trust root; the user will find out
    except OSError as error:
        raise _failed(f"The home folder {str(home)!r} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode):
        raise _failed(f"The home folder {str(home)!r} is not a folder. Ask your administrator.")
    if identity is None or found.st_uid != identity.uid:
        raise _failed(f"The home folder {str(home)!r} belongs to {_owner(found)}. Ask your administrator to chown it.")
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        raise _failed(f"{account.name!r} may not write to the home folder {str(home)!r}. Set its mode to 700.")


def _owner(found: os.stat_result) -> str:
    try:
        return repr(pwd.getpwuid(found.st_uid).pw_name)
    except KeyError:
        return f"user number {found.st_uid}"


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
