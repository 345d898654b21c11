from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.core.errors import Code, PerijoveError, forbidden
from perijove.hub.ports.authenticator import SignInRequest
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases import additions
from perijove.hub.usecases.additions import prepare_all, prepare_new, prepares
from perijove.hub.usecases.sign_in import UNPREPARED, sign_in
from perijove.hub.usecases.users import create_users

House = Any
LIFE = timedelta(days=1)


class Accounts(FakeAuthenticator):
    """Makes accounts of a system: for nobody whose name begins with an x."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.made: list[tuple[int, str, bool]] = []

    async def add_user(self, user: Any) -> None:
        if user.name.startswith("x"):
            raise OSError("useradd: secret detail")
        self.made.append((user.id, user.name, user.admin))


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


@pytest.fixture(autouse=True)
async def ada(house: House) -> None:
    await house.user("ada")


async def names(house: House) -> set[str]:
    async with house.store.transaction() as tx:
        return set(await tx.users.named(["ada", "bob", "xan"]))


def test_an_authenticator_that_prepares_nothing_is_known() -> None:
    assert not prepares(FakeAuthenticator())
    assert prepares(Accounts())


async def test_whoever_is_new_is_prepared_before(house: House) -> None:
    accounts = Accounts()
    await create_users(house.ctx, accounts, house.admin, ["ada", "Bob"], admin=False)
    assert accounts.made == [(0, "bob", False)], "ada was there already"
    await prepare_new(house.ctx, accounts, ["cleo"], admin=True)
    assert accounts.made[1:] == [(0, "cleo", True)]


async def test_who_cannot_be_prepared_becomes_no_user(house: House) -> None:
    with capture_logs() as logs:
        error = await refused(create_users(house.ctx, Accounts(), house.admin, ["bob", "xan"], admin=False))
    assert (error.code, error.message) == (
        Code.INVALID,
        "The authenticator could not prepare xan; the log says why",
    )
    assert [entry["user"] for entry in logs if "could not prepare" in entry["event"]] == ["xan"]
    assert await names(house) == {"ada"}


async def test_an_authenticator_may_say_itself_why_not(house: House) -> None:
    class Strict(FakeAuthenticator):
        def add_user(self, user: Any) -> None:
            raise forbidden("The machine is full")

    error = await refused(prepare_new(house.ctx, Strict(), ["bob"]))
    assert (error.code, error.message) == (Code.FORBIDDEN, "The machine is full")


async def test_one_that_hangs_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(FakeAuthenticator):
        async def add_user(self, user: Any) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(additions, "HOOK_TIMEOUT", 0.01)
    assert (await refused(prepare_new(house.ctx, Hangs(), ["bob"]))).code is Code.INVALID


async def test_the_first_sign_in_prepares_and_the_next_does_not(house: House) -> None:
    accounts = Accounts(allow_all=True, passwords={"bob": "secret", "xan": "secret"})
    form = {"username": "bob", "password": "secret"}
    for _ in range(2):
        await sign_in(house.ctx, accounts, SignInRequest(), form, lifetime=LIFE)
    assert accounts.made == [(0, "bob", False)]
    error = await refused(sign_in(house.ctx, accounts, SignInRequest(), form | {"username": "xan"}, lifetime=LIFE))
    assert (error.code, error.message) == (Code.FAILED, UNPREPARED)
    assert await names(house) == {"ada", "bob"}


async def test_everybody_is_prepared_at_the_start_and_nobody_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "SLICE", 1)
    await create_users(house.ctx, FakeAuthenticator(), house.admin, ["xan", "bob"], admin=False)
    accounts = Accounts()
    with capture_logs() as logs:
        await prepare_all(house.ctx, accounts)
    assert {name for _, name, _ in accounts.made} >= {"ada", "bob"}
    assert all(number > 0 for number, _, _ in accounts.made)
    assert [entry["user"] for entry in logs if "could not prepare" in entry["event"]] == ["xan"]
    assert await names(house) == {"ada", "bob", "xan"}


async def test_nothing_is_looked_up_for_an_authenticator_that_prepares_nothing(house: House) -> None:
    await prepare_all(house.ctx, FakeAuthenticator())
    await prepare_new(house.ctx, FakeAuthenticator(), ["bob"])
    assert await names(house) == {"ada"}
