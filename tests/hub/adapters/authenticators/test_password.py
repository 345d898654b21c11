from __future__ import annotations

import pytest

from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.ports.authenticator import Authenticator, UsesAccounts
from perijove.hub.testing.authenticator_contract import PasswordContract, sign_in

ALICE = {"username": "alice", "password": "hunter2"}


class Accounts:
    """One account, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def check(self, name: str, password: str) -> bool:
        self.asked.append((name, password))
        return (name, password) == ("alice", "hunter2")


def with_accounts(accounts: Accounts) -> PasswordAuthenticator:
    authenticator = PasswordAuthenticator()
    authenticator.check_password = accounts.check
    return authenticator


class TestPasswordAuthenticator(PasswordContract):
    @pytest.fixture
    def authenticator(self) -> Authenticator:
        return with_accounts(Accounts())

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        return ALICE


async def test_nobody_gets_in_before_the_hub_said_where_accounts_are() -> None:
    authenticator = PasswordAuthenticator()
    assert isinstance(authenticator, UsesAccounts)
    assert await sign_in(authenticator, ALICE) is None


async def test_the_name_is_looked_up_in_its_one_spelling() -> None:
    accounts = Accounts()
    assert await sign_in(with_accounts(accounts), ALICE | {"username": "ALICE"}) == {"name": "alice", "admin": None}
    assert accounts.asked == [("alice", "hunter2")]


@pytest.mark.parametrize(
    "data", [{"password": "x" * 1025}, {"username": "x" * 256}, {"username": "a/b"}, {"password": ""}]
)
async def test_what_cannot_be_right_is_not_looked_up(data: dict[str, str]) -> None:
    accounts = Accounts()
    assert await sign_in(with_accounts(accounts), ALICE | data) is None
    assert accounts.asked == []


async def test_longest_credentials_are_looked_up() -> None:
    accounts = Accounts()
    await sign_in(with_accounts(accounts), {"username": "x" * 255, "password": "y" * 1024})
    assert len(accounts.asked) == 1


def test_there_is_a_rule_that_lets_people_in() -> None:
    assert PasswordAuthenticator().any_allow_config
