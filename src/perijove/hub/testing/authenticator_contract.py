"""What every authenticator that takes a name and a password must do.

Subclass `AuthenticatorContract` in a test module, override its fixtures, and pytest runs the suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perijove.hub.ports.authenticator import Authenticator, SignInRequest

REQUEST = SignInRequest(address="192.0.2.7")


async def sign_in(authenticator: Authenticator, data: Mapping[str, str]) -> dict[str, Any] | None:
    """Return who signs in with *data*, where nobody is a user yet."""

    async def existing(name: str) -> bool:
        return False

    return await authenticator.get_authenticated_user(REQUEST, data, existing=existing)


class AuthenticatorContract:
    """The suite. Override `authenticator` and `credentials`."""

    @pytest.fixture
    def authenticator(self) -> Authenticator:
        """Return the authenticator under test, configured so that `credentials` let somebody in."""
        pytest.fail("override the fixture 'authenticator'")

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        """Return a form, ``username`` and ``password``, that lets somebody in; the name in its one spelling."""
        pytest.fail("override the fixture 'credentials'")

    async def test_right_credentials_give_the_name(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert model["name"] == credentials["username"]

    async def test_spelling_of_the_name_does_not_make_another_user(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials | {"username": credentials["username"].upper()})
        assert model is None or model["name"] == credentials["username"]

    async def test_nobody_is_administrator_unless_said_so(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert not model["admin"]

    async def test_configured_administrators_are_administrators(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        authenticator.admin_users = {credentials["username"]}
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert model["admin"] is True

    async def test_blocked_beats_everything(self, authenticator: Authenticator, credentials: dict[str, str]) -> None:
        authenticator.admin_users = authenticator.blocked_users = {credentials["username"]}
        assert await sign_in(authenticator, credentials) is None

    @pytest.mark.parametrize("missing", [{"username": ""}, {"username": "", "password": ""}])
    async def test_without_a_name_nobody_signs_in(
        self, authenticator: Authenticator, credentials: dict[str, str], missing: dict[str, str]
    ) -> None:
        assert await sign_in(authenticator, credentials | missing) is None

    async def test_an_empty_form_is_refused_without_an_error(self, authenticator: Authenticator) -> None:
        assert await sign_in(authenticator, {}) is None


class PasswordContract(AuthenticatorContract):
    """The suite for authenticators that check passwords."""

    @pytest.mark.parametrize("password", ["", "wrong", "x" * 100_000, "\0", "naïve ☃"])
    async def test_a_wrong_password_is_refused(
        self, authenticator: Authenticator, credentials: dict[str, str], password: str
    ) -> None:
        assert await sign_in(authenticator, credentials | {"password": password}) is None

    @pytest.mark.parametrize("name", ["nobody-of-that-name", "x" * 100_000, "a/b", "\0", ".."])
    async def test_an_unknown_or_impossible_name_is_refused(
        self, authenticator: Authenticator, credentials: dict[str, str], name: str
    ) -> None:
        assert await sign_in(authenticator, credentials | {"username": name}) is None
