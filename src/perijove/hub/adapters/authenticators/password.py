"""Sign-in with names and passwords that the hub itself keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perijove.hub.core.auth_models import AuthModel
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import MAX_NAME_LENGTH, normalize_user_name
from perijove.hub.ports.authenticator import Authenticator, PasswordCheck, SignInRequest

MAX_PASSWORD_LENGTH = 1024
"""Longer ones are refused unread: hashing them would be work for nothing."""


async def _no_accounts(name: str, password: str) -> bool:
    """Know nobody: the hub has not yet said where accounts are kept."""
    return False


class PasswordAuthenticator(Authenticator):
    """Lets in whoever knows the password of an approved account. People sign up, an administrator approves."""

    check_password: PasswordCheck

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check_password = _no_accounts

    @property
    def any_allow_config(self) -> bool:
        """True: the approval of an account is the rule that lets somebody in."""
        return True

    async def authenticate(self, handler: SignInRequest, data: Mapping[str, str]) -> str | None:
        """Return the name, in its one spelling, if it has an approved account with that password."""
        typed, password = data.get("username", ""), data.get("password", "")
        if not typed or len(typed) > MAX_NAME_LENGTH or not password or len(password) > MAX_PASSWORD_LENGTH:
            return None
        try:
            name = normalize_user_name(typed)
        except PerijoveError:
            return None
        return name if await self.check_password(name, password) else None

    def check_allowed(self, username: str, authentication: AuthModel | None = None) -> bool:
        """Return True: `authenticate` names only those whose account was approved."""
        return True
