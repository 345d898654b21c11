"""Accounts of this machine: whom a server runs as."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import Final

from msgspec import Struct

from perijove.hub.adapters.inherited import shell
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import shorten
from perijove.hub.core.texts import say
from perijove.wire.launching import Identity

_NAME: Final = re.compile(r"(?!-)(?!\d+$)(?!\.{1,2}$)[\w.@+\\-]+\$?", re.ASCII)
"""useradd(8) takes fewer, directories of companies more. Digits alone would be taken for a number by some programs."""
_LONGEST: Final = 255


class Account(Struct, frozen=True):
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
        raise _failed(say("{name} cannot be the name of an account of this machine.", name=repr(shorten(name, 100))))
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise _failed(
            say(
                "This machine has no account {name}. Ask your administrator to make one (useradd --create-home).",
                name=repr(name),
            )
        ) from None
    if entry.pw_name != name:
        # Two names of one account would be two users of the hub with the same files.
        raise _failed(
            say("The account is called {name} on this machine; sign in with that name.", name=repr(entry.pw_name))
        )
    if entry.pw_uid == 0 or entry.pw_uid < lowest_uid:
        raise _failed(
            say(
                "The account {name} belongs to the system (number {number}) and gets no server. An administrator can "
                "set c.LocalProcessSpawner.lowest_uid.",
                name=repr(name),
                number=entry.pw_uid,
            )
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
            say(
                "The home folder {home} does not exist. Ask your administrator to make it (mkhomedir_helper).",
                home=repr(str(home)),
            )
        ) from None
    except PermissionError:
        return  # a file server that does not trust root; the user will find out
    except OSError as error:
        raise _failed(
            say("The home folder {home} cannot be used: {reason}.", home=repr(str(home)), reason=error.strerror)
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise _failed(say("The home folder {home} is not a folder. Ask your administrator.", home=repr(str(home))))
    if identity is None or found.st_uid != identity.uid:
        raise _failed(
            say(
                "The home folder {home} belongs to {owner}. Ask your administrator to chown it.",
                home=repr(str(home)),
                owner=_owner(found),
            )
        )
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        raise _failed(
            say(
                "{name} may not write to the home folder {home}. Set its mode to 700.",
                name=repr(account.name),
                home=repr(str(home)),
            )
        )


def _owner(found: os.stat_result) -> str:
    try:
        return repr(pwd.getpwuid(found.st_uid).pw_name)
    except KeyError:
        return say("user number {number}", number=found.st_uid)


def _failed(message: str) -> PerijoveError:
    return PerijoveError(Code.FAILED, message)
