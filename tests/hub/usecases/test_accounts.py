from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import (
    AccountApproved,
    AccountRefused,
    AdminChanged,
    PasswordChanged,
    SignedUp,
    UserCreated,
)
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.testing.fakes import FakeAuthenticator, PlainPasswordHasher
from perijove.hub.usecases import accounts as module
from perijove.hub.usecases.accounts import TAKEN_INVITATION, WAITING, Accounts, matching
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.users import delete_user

House = Any
GOOD = "correct horse battery"
OTHER = "another long password"
LIFE = timedelta(days=1)


@pytest.fixture
def accounts(house: House) -> Accounts:
    return Accounts(house.ctx, PlainPasswordHasher(), FakeAuthenticator(admin_users={"boss"}))


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def test_signing_up_waits_for_approval(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("Bob", GOOD)
    assert [account.name for account in await accounts.waiting(house.admin)] == ["bob"]
    assert (await refused(accounts.check_password("bob", GOOD))).message == WAITING
    assert not await accounts.check_password("bob", OTHER)
    await accounts.approve(house.admin, "bob")
    assert await accounts.check_password("BOB", GOOD)
    assert await accounts.waiting(house.admin) == []
    assert house.telemetry.of(UserCreated) == [UserCreated("bob", "root")]


async def test_names_that_may_not_sign_in_may_not_sign_up(house: House) -> None:
    accounts = Accounts(house.ctx, PlainPasswordHasher(), FakeAuthenticator(username_pattern="bob"))
    await accounts.sign_up("Bob", GOOD)
    assert (await refused(accounts.sign_up("eve", GOOD))).code is Code.INVALID
    code = await accounts.invite_first_administrator()
    assert (await refused(accounts.set_up_administrator(str(code), "eve", GOOD, LIFE))).code is Code.INVALID
    assert [account.name for account in await accounts.waiting(house.admin)] == ["bob"]


async def test_who_cannot_be_prepared_waits_on(house: House) -> None:
    class Prepares(FakeAuthenticator):
        def add_user(self, user: Any) -> None:
            if user.name != "bob":
                raise OSError("no account of the system")

    accounts = Accounts(house.ctx, PlainPasswordHasher(), Prepares())
    for name in ("bob", "eve"):
        await accounts.sign_up(name, GOOD)
    await accounts.approve(house.admin, "bob")
    assert "could not prepare eve" in (await refused(accounts.approve(house.admin, "eve"))).message
    assert [account.name for account in await accounts.waiting(house.admin)] == ["eve"]
    code = str(await accounts.invite_first_administrator())
    assert (await refused(accounts.set_up_administrator(code, "root", GOOD, LIFE))).code is Code.INVALID
    assert await accounts.invitation_valid(code)


async def test_what_happens_to_accounts_is_told(house: House, accounts: Accounts) -> None:
    for name in ("bob", "eve"):
        await accounts.sign_up(name, GOOD)
    await accounts.sign_up("bob", OTHER)
    await accounts.approve(house.admin, "bob")
    await accounts.refuse(house.admin, "eve")
    await accounts.change_password(await house.visitor("bob"), GOOD, OTHER, LIFE)
    assert house.telemetry.of(SignedUp) == [SignedUp("bob"), SignedUp("eve")]
    assert house.telemetry.of(AccountApproved) == [AccountApproved("bob", "root")]
    assert house.telemetry.of(AccountRefused) == [AccountRefused("eve", "root")]
    assert house.telemetry.of(PasswordChanged) == [PasswordChanged("bob", "bob")]
    code = await accounts.invite_first_administrator()
    await accounts.set_up_administrator(str(code), "chief", GOOD, LIFE)
    assert house.telemetry.of(AdminChanged) == [AdminChanged("chief", True, "chief")]


async def test_a_refused_sign_up_is_forgotten(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    await accounts.refuse(house.admin, "bob")
    async with house.store.transaction() as tx:
        assert await tx.accounts.get("bob") is None
    assert (await refused(accounts.refuse(house.admin, "bob"))).code is Code.NOT_FOUND


async def test_only_waiting_accounts_are_approved_or_refused(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    await accounts.approve(house.admin, "bob")
    for decide in (accounts.approve, accounts.refuse):
        assert (await refused(decide(house.admin, "bob"))).code is Code.NOT_FOUND
        assert (await refused(decide(house.admin, "nobody"))).code is Code.NOT_FOUND
    assert await accounts.check_password("bob", GOOD)


async def test_only_administrators_of_users_decide(accounts: Accounts) -> None:
    ada = Principal("user", "ada", expand(["self", "read:users"], Holder(user="ada")))
    for work in (accounts.waiting(ada), accounts.approve(ada, "bob"), accounts.refuse(ada, "bob")):
        assert (await refused(work)).code is Code.FORBIDDEN


async def test_signing_up_never_tells_whether_a_name_exists(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    await accounts.approve(house.admin, "bob")
    await house.user("root", admin=True)
    for name in ("bob", "boss", "root", "free"):
        assert await accounts.sign_up(name, OTHER) is None  # type: ignore[func-returns-value]
    assert [account.name for account in await accounts.waiting(house.admin)] == ["free"]
    assert await accounts.check_password("bob", GOOD)
    assert not await accounts.check_password("bob", OTHER)


async def test_strangers_cannot_sign_up_as_an_administrator(house: House, accounts: Accounts) -> None:
    await house.user("root", admin=True)
    for name in ("boss", "BOSS", "root"):
        await accounts.sign_up(name, GOOD)
        async with house.store.transaction() as tx:
            assert await tx.accounts.get(name.lower()) is None


async def test_a_user_made_beforehand_signs_up_and_waits(house: House, accounts: Accounts) -> None:
    await house.user("bob")
    await accounts.sign_up("bob", GOOD)
    assert (await refused(accounts.check_password("bob", GOOD))).message == WAITING
    await accounts.approve(house.admin, "bob")
    assert await accounts.check_password("bob", GOOD)
    assert house.telemetry.of(UserCreated) == []


@pytest.mark.parametrize(("one", "other"), [("José", "Jose\u0301"), ("BOB", "bob")])
async def test_two_spellings_are_one_name_ghsa_5xvc_vgmp_jgc3(
    house: House, accounts: Accounts, one: str, other: str
) -> None:
    await accounts.sign_up(one, GOOD)
    await accounts.sign_up(other, OTHER)
    (account,) = await accounts.waiting(house.admin)
    await accounts.approve(house.admin, account.name)
    assert await accounts.check_password(other, GOOD)
    assert not await accounts.check_password(other, OTHER)


@pytest.mark.parametrize(("name", "password"), [("a/b", GOOD), (" x", GOOD), ("", GOOD), ("bob", "short"), ("bob", "")])
async def test_impossible_names_and_weak_passwords_are_told(accounts: Accounts, name: str, password: str) -> None:
    assert (await refused(accounts.sign_up(name, password))).code is Code.INVALID


async def test_only_so_many_may_wait(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    await accounts.sign_up("bob", GOOD)
    assert (await refused(accounts.sign_up("eve", GOOD))).code is Code.LIMITED


async def test_the_first_administrators_link_works_once(house: House, accounts: Accounts) -> None:
    code = await accounts.invite_first_administrator()
    assert code is not None
    assert await accounts.invitation_valid(code)
    session = await accounts.set_up_administrator(code, "Grace", GOOD, LIFE)
    visitor = await Identities(house.ctx, Activity(house.ctx)).by_session(session.key)
    assert visitor is not None
    assert (visitor.user.name, visitor.user.admin, visitor.principal.admin) == ("grace", True, True)
    assert await accounts.check_password("grace", GOOD)
    assert not await accounts.invitation_valid(code)
    assert (await refused(accounts.set_up_administrator(code, "eve", GOOD, LIFE))).message == TAKEN_INVITATION
    assert await accounts.invite_first_administrator() is None


async def test_a_new_link_replaces_the_one_before(accounts: Accounts) -> None:
    old, new = await accounts.invite_first_administrator(), await accounts.invite_first_administrator()
    assert old is not None
    assert new is not None
    assert (await refused(accounts.set_up_administrator(old, "eve", GOOD, LIFE))).code is Code.FORBIDDEN
    assert await accounts.invitation_valid(new)


async def test_an_administrator_without_a_password_leaves_the_link_open(house: House, accounts: Accounts) -> None:
    """One whom only the configuration names cannot sign in: without a link, nobody ever could."""
    await house.user("boss", admin=True)
    code = await accounts.invite_first_administrator()
    assert code is not None
    session = await accounts.set_up_administrator(code, "boss", GOOD, LIFE)
    assert session.user.admin
    assert await accounts.invite_first_administrator() is None


async def test_a_mistake_in_the_form_does_not_use_the_link_up(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    code = await accounts.invite_first_administrator()
    assert code is not None
    assert (await refused(accounts.set_up_administrator(code, "a/b", GOOD, LIFE))).code is Code.INVALID
    assert (await refused(accounts.set_up_administrator(code, "grace", "short", LIFE))).code is Code.INVALID
    assert (await refused(accounts.set_up_administrator(code, "bob", GOOD, LIFE))).code is Code.CONFLICT
    assert await accounts.invitation_valid(code)


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_of_two_who_race_for_the_link_one_wins(house: House, accounts: Accounts) -> None:
    code = await accounts.invite_first_administrator()
    assert code is not None
    answers = await asyncio.gather(
        *(accounts.set_up_administrator(code, name, GOOD, LIFE) for name in ("grace", "eve")), return_exceptions=True
    )
    (lost,) = [answer for answer in answers if isinstance(answer, PerijoveError)]
    assert lost.message == TAKEN_INVITATION
    async with house.store.transaction() as tx:
        made = [name for name in ("grace", "eve") if await tx.users.get(name) is not None]
        assert len(made) == 1
        assert sum([await tx.accounts.get(name) is not None for name in ("grace", "eve")]) == 1


async def test_a_changed_password_ends_every_other_session(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    await accounts.approve(house.admin, "bob")
    here, elsewhere = await house.visitor("bob"), await house.visitor("bob")
    assert (await refused(accounts.change_password(here, OTHER, OTHER, LIFE))).code is Code.FORBIDDEN
    assert (await refused(accounts.change_password(here, GOOD, "short", LIFE))).code is Code.INVALID
    session = await accounts.change_password(here, GOOD, OTHER, LIFE)
    assert await Identities(house.ctx, Activity(house.ctx)).by_session(session.key) is not None
    async with house.store.transaction() as tx:
        for old in (here, elsewhere):
            assert await tx.sessions.get(old.session.key_hash) is None
    assert await accounts.check_password("bob", OTHER)


async def test_who_has_no_account_changes_no_password(house: House, accounts: Accounts) -> None:
    visitor = await house.visitor("ada")
    assert (await refused(accounts.change_password(visitor, "", GOOD, LIFE))).code is Code.FORBIDDEN


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_deleting_a_user_deletes_the_account(house: House, accounts: Accounts) -> None:
    await accounts.sign_up("bob", GOOD)
    await accounts.approve(house.admin, "bob")

    async def stop(server: Any) -> bool:
        return True

    await delete_user(house.ctx, house.process().removal, house.admin, "bob", stop_server=stop)
    assert not await accounts.check_password("bob", GOOD)
    await accounts.sign_up("bob", OTHER)
    assert (await refused(accounts.check_password("bob", OTHER))).message == WAITING


def test_a_password_typed_twice_must_match() -> None:
    assert matching(GOOD, GOOD) == GOOD
    with pytest.raises(PerijoveError, match="differ"):
        matching(GOOD, OTHER)
