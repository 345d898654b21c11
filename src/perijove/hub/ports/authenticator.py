"""What the hub needs from an authenticator: to say who somebody is, and whether they may come in.

Subclass `Authenticator` and override `authenticate`. Name the class in ``c.JupyterHub.authenticator_class`` or register
it as an entry point in the group ``perijove.authenticators``. Methods may be sync (they then run in a thread) or async.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Set, TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from perijove.hub.core.names import normalize_user_name
from perijove.hub.ports.traits import call_plugin

AuthModel = dict[str, Any]
"""``name`` and, if the authenticator knows, ``admin`` (True, False or None for "as before")."""


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What an authenticator may know of the request: handed to it as *handler*.

    Attributes:
        address: the browser's address.
        headers: request headers, names in lower case.
    """

    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Authenticator(LoggingConfigurable):
    """Says who somebody is. Nobody gets in unless an allow rule says so; blocked beats allowed; admins are allowed."""

    admin_users = Set(Unicode(), help="Names of users who become administrators when the hub starts.").tag(config=True)
    allowed_users = Set(Unicode(), help="Names of users who may sign in. They exist from the start of the hub on.").tag(
        config=True
    )
    blocked_users = Set(Unicode(), help="Names of users who may not sign in, whatever else allows them.").tag(
        config=True
    )
    allow_all = Bool(False, help="Let everybody in whom the authenticator recognises.").tag(config=True)
    allow_existing_users = Bool(
        help="Let everybody in who is a user already. On by default where allowed_users is set, so that users made "
        "by an administrator may sign in."
    ).tag(config=True)
    username_map = Dict(Unicode(), help="The user name to take in place of the one the authenticator gives.").tag(
        config=True
    )
    username_pattern = Unicode("", help="A regular expression that the whole of every user name must match.").tag(
        config=True
    )
    login_service = Unicode("", help="The name of what users sign in with, shown on the sign-in button.").tag(
        config=True
    )
    post_auth_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function (authenticator, handler, auth_model) called after a sign-in; it returns the model.",
    ).tag(config=True)

    @default("allow_existing_users")
    def _allow_existing_users_default(self) -> bool:
        return bool(self.allowed_users)

    @validate("admin_users", "allowed_users", "blocked_users")
    def _normalize_names(self, proposal: Any) -> set[str]:
        return {normalize_user_name(name) for name in proposal.value}

    @validate("username_pattern")
    def _compile_pattern(self, proposal: Any) -> str:
        pattern = str(proposal.value)
        try:
            re.compile(pattern)
        except re.error as error:
            raise TraitError(f"username_pattern is not a regular expression: {error}") from None
        return pattern

    @property
    def any_allow_config(self) -> bool:
        """Whether any rule lets anybody in."""
        return self.allow_all or self.allow_existing_users or bool(self.allowed_users) or bool(self.admin_users)

    def authenticate(self, handler: SignInRequest, data: Mapping[str, str]) -> Any:
        """Return a name, an `AuthModel`, or None if the credentials are wrong; may be a coroutine.

        Args:
            handler: what is known of the request.
            data: the fields of the sign-in form, ``username`` and ``password`` among them.
        """
        raise TypeError(f"{type(self).__name__} does not say how to authenticate: it must override authenticate()")

    def normalize_username(self, username: str) -> str:
        """Return the one spelling of *username*; raises PerijoveError INVALID for what can be no name."""
        name = normalize_user_name(username)
        return normalize_user_name(self.username_map.get(name, name))

    def validate_username(self, username: str) -> bool:
        """Say whether *username*, normalised, fits the pattern."""
        return not self.username_pattern or re.fullmatch(self.username_pattern, username) is not None

    def check_blocked_users(self, username: str, authentication: AuthModel | None = None) -> Any:
        """Return False if *username* is blocked."""
        return username not in self.blocked_users

    def check_allowed(self, username: str, authentication: AuthModel | None = None) -> Any:
        """Return whether *username* may come in by the authenticator's own rules."""
        return self.allow_all or username in self.allowed_users

    def is_admin(self, handler: SignInRequest, authentication: AuthModel) -> Any:
        """Return True if the user is an administrator, None to leave it as it is."""
        if authentication.get("admin") is not None:
            return bool(authentication["admin"])
        return True if authentication["name"] in self.admin_users else None

    def pre_spawn_start(self, user: Any, spawner: Any) -> Any:
        """Prepare what *user* needs before the server starts; may be a coroutine."""

    def post_spawn_stop(self, user: Any, spawner: Any) -> Any:
        """Clean up after a server has stopped; may be a coroutine."""

    def delete_user(self, user: Any) -> Any:
        """Clean up after a user was deleted; may be a coroutine."""

    async def get_authenticated_user(
        self, handler: SignInRequest, data: Mapping[str, str], *, existing: Callable[[str], Awaitable[bool]]
    ) -> AuthModel | None:
        """Return who signs in, or None.

        The order: authenticate, normalise, validate, blocked, allowed, admin, hook.

        Args:
            handler: what is known of the request.
            data: the form.
            existing: tells whether a user of that name exists.
        """
        answer = await call_plugin(self.authenticate, handler, data)
        if not answer:
            return None
        model: AuthModel = {"name": answer} if isinstance(answer, str) else dict(answer)
        name = model["name"] = self.normalize_username(model["name"])
        if not self.validate_username(name) or not await call_plugin(self.check_blocked_users, name, model):
            return None
        model["admin"] = await call_plugin(self.is_admin, handler, model)
        allowed = (
            model["admin"]
            or name in self.admin_users
            or (self.allow_existing_users and await existing(name))
            or await call_plugin(self.check_allowed, name, model)
        )
        if not allowed:
            return None
        if self.post_auth_hook is not None:
            return dict(await call_plugin(self.post_auth_hook, self, handler, model))
        return model


PasswordCheck = Callable[[str, str], Awaitable[bool]]
"""Says whether a name and a password that the hub keeps belong together; as slow for a name that does not exist."""


@runtime_checkable
class UsesAccounts(Protocol):
    """An authenticator whose names and passwords the hub itself keeps, so that there are pages to sign up."""

    check_password: PasswordCheck
    """Given by the hub before the first sign-in."""
