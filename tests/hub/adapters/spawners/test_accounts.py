from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.accounts import AS_ROOT, Accounts

from perijove.hub.adapters.spawners.accounts import Account, account_of, check_home
from perijove.hub.core.errors import Code, PerijoveError
from perijove.wire.launching import Identity


def refusal(name: str, lowest: int = 1000) -> str:
    with pytest.raises(PerijoveError) as error:
        account_of(name, lowest)
    assert error.value.code is Code.FAILED
    return error.value.message


@AS_ROOT
def test_an_account_comes_with_all_its_groups(accounts: Accounts) -> None:
    import grp

    account = account_of(accounts.ada, 1000)
    entry = pwd.getpwnam(accounts.ada)
    shared = grp.getgrnam(accounts.group).gr_gid
    assert account.identity == Identity(entry.pw_uid, entry.pw_gid, tuple(sorted({entry.pw_gid, shared})))
    assert (account.home, account.shell) == (accounts.homes / accounts.ada, "/bin/bash")
    check_home(account)


@pytest.mark.parametrize(
    "name",
    ["", "a:b", "a/b", "-root", "..", ".", "1000", "a b", "a\nb", "a\0b", "ådå", "x" * 256, "a;id", "$(id)"],
)
def test_what_cannot_be_a_name_is_not_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pytest.fail(f"{name} was looked up"))
    assert "cannot be the name of an account" in refusal(name)
    assert len(refusal(name)) < 300


@pytest.mark.parametrize("name", ["ada", "ada.l", "ada_l-2", "CORP\\ada", "ada@example.org", "host$"])
def test_names_of_directories_are_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd((name, "x", 1234, 1234, "", "/home/x", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {name: entry}.__getitem__)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 7, gid])
    assert account_of(name, 1000).identity == Identity(1234, 1234, (7, 1234))


def test_somebody_without_an_account_is_told_so() -> None:
    assert "has no account 'nobody-of-that-name'" in refusal("nobody-of-that-name")


def test_root_and_accounts_of_the_system_get_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "belongs to the system (number 0)" in refusal("root")
    assert "belongs to the system (number 0)" in refusal("root", 0)
    assert "c.LocalProcessSpawner.lowest_uid" in refusal("daemon")


def test_two_names_of_one_account_are_not_two_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some directories find an account whatever the case of its name is."""
    entry = pwd.struct_passwd(("ada", "x", 1234, 1234, "", "/home/ada", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: entry)
    assert "is called 'ada'" in refusal("ADA")


@pytest.fixture
def mine(tmp_path: Path) -> Account:
    """An account whose home is an existing folder of this user's."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Account("ada", Identity(os.geteuid(), os.getegid(), ()), home, "/bin/sh")


def wrong_home(account: Account, **changes: Any) -> str:
    with pytest.raises(PerijoveError) as error:
        check_home(replace(account, **changes))
    return error.value.message


def test_a_home_that_will_not_do_says_why(mine: Account, tmp_path: Path) -> None:
    check_home(mine)
    (tmp_path / "file").touch()
    assert "does not exist" in wrong_home(mine, home=tmp_path / "none")
    assert "is not a folder" in wrong_home(mine, home=tmp_path / "file")
    assert "cannot be used: Not a directory" in wrong_home(mine, home=tmp_path / "file" / "home")
    assert "belongs to" in wrong_home(mine, identity=Identity(4321, 4321, ()))
    mine.home.chmod(0o500)
    assert "may not write to the home folder" in wrong_home(mine)


def test_the_owner_of_a_home_is_named(mine: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert f"belongs to '{name}'" in wrong_home(mine, identity=Identity(4321, 4321, ()))

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert "belongs to user number" in wrong_home(mine, identity=Identity(4321, 4321, ()))


def test_a_home_that_root_may_not_look_at_is_left_to_the_user(mine: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    check_home(mine)
