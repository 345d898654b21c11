from __future__ import annotations

import pytest

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.testing.authenticator_contract import AuthenticatorContract, PasswordContract, sign_in


class TestWithoutPassword(AuthenticatorContract):
    @pytest.fixture
    def authenticator(self) -> Authenticator:
        return DummyAuthenticator()

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        return {"username": "alice", "password": "anything"}


class TestWithPassword(PasswordContract):
    @pytest.fixture
    def authenticator(self) -> Authenticator:
        return DummyAuthenticator(password="nöt very secret", allowed_users={"alice"})

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        return {"username": "alice", "password": "nöt very secret"}

    async def test_an_unknown_or_impossible_name_is_refused(  # type: ignore[override]
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        assert await sign_in(authenticator, credentials | {"username": "bob"}) is None


def test_everybody_is_allowed_unless_some_are_named() -> None:
    assert DummyAuthenticator().allow_all
    assert not DummyAuthenticator(allowed_users={"alice"}).allow_all
    assert DummyAuthenticator(allowed_users={"alice"}, allow_all=True).allow_all
