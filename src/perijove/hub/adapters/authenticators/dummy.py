"""Sign-in without proof, for tests and demonstrations."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from traitlets import Unicode, default

from perijove.hub.ports.authenticator import Authenticator, SignInRequest


class DummyAuthenticator(Authenticator):
    """Believes every name. With `password` set, everybody must know that one password. Not for real use."""

    password = Unicode("", help="The one password of everybody; empty to take any.").tag(config=True)

    @default("allow_all")
    def _allow_all_default(self) -> bool:
        return not self.allowed_users

    async def authenticate(self, handler: SignInRequest, data: Mapping[str, str]) -> str | None:
        """Return the name that was typed in, None if there is none or the password is not the one that is set."""
        name, password = data.get("username", ""), data.get("password", "")
        if self.password and not secrets.compare_digest(password.encode(), self.password.encode()):
            return None
        return name or None
