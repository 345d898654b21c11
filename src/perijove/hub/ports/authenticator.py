"""What the hub needs from an authenticator: to say who somebody is, and whether they may come in.

Subclass `Authenticator` and override `authenticate`. Name the class in ``c.JupyterHub.authenticator_class`` or register
it as an entry point in the group ``perijove.authenticators``. Methods may be sync (they then run in a thread) or async.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Float, Set, TraitError, Unicode, default, validate
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
        help="A function (authenticator, handler, auth_model) called after a sign-in; it returns the model, or None to "
        "refuse.",
    ).tag(config=True)
    sign_in_timeout = Float(
        60.0, min=1.0, help="Seconds after which a sign-in is given up that the authenticator does not answer."
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
            return authentication["admin"]
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

        Raises:
            PerijoveError: INVALID for what can be no name; what the authenticator raises.
            TypeError: a method gave what it may not give; the message says which and what.
            TimeoutError: it took longer than `sign_in_timeout`.
        """
        async with asyncio.timeout(self.sign_in_timeout):
            model = checked_model(await call_plugin(self.authenticate, handler, data), self._called("authenticate"))
            if model is None:
                return None
            model["name"] = normalize_user_name(self.normalize_username(model["name"]))
            if not await self._may_be_user(model):
                return None
            model["admin"] = await call_plugin(self.is_admin, handler, model)
            model = checked_model(model, self._called("is_admin"))
            if model is None or not await self._is_allowed(model, existing):
                return None
            if self.post_auth_hook is None:
                return model
            model = checked_model(await call_plugin(self.post_auth_hook, self, handler, model), "post_auth_hook")
            if model is None:
                return None
            # The hook may have changed the name after it was checked.
            model["name"] = normalize_user_name(model["name"])
            return model if await self._may_be_user(model) else None

    def _called(self, method: str) -> str:
        return f"{type(self).__name__}.{method}"

    async def _may_be_user(self, model: AuthModel) -> bool:
        name = model["name"]
        return self.validate_username(name) and bool(await call_plugin(self.check_blocked_users, name, model))

    async def _is_allowed(self, model: AuthModel, existing: Callable[[str], Awaitable[bool]]) -> bool:
        name = model["name"]
        return bool(
            model["admin"]
            or name in self.admin_users
            or (self.allow_existing_users and await existing(name))
            or await call_plugin(self.check_allowed, name, model)
        )


def checked_model(answer: Any, source: str) -> AuthModel | None:
    """Return what a plug-in said of who signs in, as a model; None if it said nobody.

    Args:
        answer: a name, a dictionary with a name, or None.
        source: which method said it, for the error.

    Raises:
        TypeError: it is anything else, or one of its values is not what it must be.
    """
    if not answer:
        return None
    if isinstance(answer, str):
        return {"name": answer}
    if not isinstance(answer, Mapping):
        raise TypeError(f"{source} gave a {type(answer).__name__}: it must give a name, a dictionary with one, or None")
    if not isinstance(answer.get("name"), str):
        raise TypeError(f"{source} gave no name: 'name' must be a text, not {type(answer.get('name')).__name__}")
    if not isinstance(answer.get("admin"), bool | None):
        # The text "False" would count as true.
        raise TypeError(f"{source} gave 'admin' as {type(answer['admin']).__name__}: it must be True, False or None")
    return dict(answer)


PasswordCheck = Callable[[str, str], Awaitable[bool]]
"""Says whether a name and a password that the hub keeps belong together; as slow for a name that does not exist."""


@runtime_checkable
class UsesAccounts(Protocol):
    """An authenticator whose names and passwords the hub itself keeps, so that there are pages to sign up."""

    check_password: PasswordCheck
    """Given by the hub before the first sign-in."""
