from __future__ import annotations

import pytest

from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.testing.authenticator_contract import PasswordContract
from perijove.hub.testing.fakes import FakeAuthenticator

ALICE = {"username": "alice", "password": "hunter2"}


class TestFakeAuthenticator(PasswordContract):
    @pytest.fixture
    def authenticator(self) -> Authenticator:
        return FakeAuthenticator({"alice": "hunter2"}, allow_all=True)

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        return ALICE


class LetsEverybodyIn(Authenticator):
    async def authenticate(self, handler: SignInRequest, data: object) -> dict[str, object]:
        return {"name": "alice", "admin": True}


async def test_the_suite_finds_one_that_lets_everybody_in() -> None:
    suite, bad = PasswordContract(), LetsEverybodyIn(allow_all=True)
    with pytest.raises(AssertionError):
        await suite.test_a_wrong_password_is_refused(bad, ALICE, "wrong")
    with pytest.raises(AssertionError):
        await suite.test_an_empty_form_is_refused_without_an_error(bad)
    with pytest.raises(AssertionError):
        await suite.test_nobody_is_administrator_unless_said_so(bad, ALICE)


async def test_administrators_by_the_authenticators_word() -> None:
    authenticator = FakeAuthenticator({"alice": "hunter2"}, allow_all=True)
    authenticator.admins = {"alice"}

    async def existing(name: str) -> bool:
        return False

    model = await authenticator.get_authenticated_user(SignInRequest(), ALICE, existing=existing)
    assert model == {"name": "alice", "admin": True}
    authenticator.failure = OSError("the directory is away")
    with pytest.raises(OSError, match="away"):
        await authenticator.get_authenticated_user(SignInRequest(), ALICE, existing=existing)
