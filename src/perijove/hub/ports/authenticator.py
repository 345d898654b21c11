"""What the hub needs from an authenticator: to say who somebody is, and whether they may come in.

Subclass `Authenticator` and override `authenticate`. Name the class in ``c.JupyterHub.authenticator_class`` or register
it as an entry point in the group ``perijove.authenticators``. Methods may be sync (they then run in a thread) or async.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Float, Integer, Set, TraitError, Unicode, Union, default, validate
from traitlets import Callable as CallableTrait
from traitlets.config import LoggingConfigurable

from perijove.hub.core.auth_models import AuthModel, checked_model
from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import normalize_user_name
from perijove.hub.core.site import Site
from perijove.hub.ports.sign_in import SignInHandler, SignInRequest, SignInWay, WayKind
from perijove.hub.ports.spawner import SpawnerUser
from perijove.hub.ports.traits import call_plugin

__all__ = ["Authenticator", "PasswordCheck", "SignInRequest", "UsesAccounts"]


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
    username_map = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="The user name to take in place of the one the authenticator gives.",
    ).tag(config=True)
    username_pattern = Unicode("", help="A regular expression that the whole of every user name must match.").tag(
        config=True
    )
    login_service = Unicode("", help="The name of what users sign in with, shown on the sign-in button.").tag(
        config=True
    )
    custom_html = Union(
        [Unicode(), CallableTrait()],
        default_value="",
        help="HTML in place of the sign-in form, or a function of the hub's prefix that returns it: a template in "
        "which next, login_url, authenticator_login_url, username, login_error and xsrf are known.",
    ).tag(config=True)
    auto_login = Bool(
        False,
        help="Sign in without a press of a button: by the authenticator's own page if it has one (login_url), "
        "otherwise by what the request itself says. After signing out, and after a failure, there is a button.",
    ).tag(config=True)
    auto_login_oauth2_authorize = Bool(
        False, help="The same, only for those who come from a server or service and want to go back to it."
    ).tag(config=True)
    post_auth_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function (authenticator, handler, auth_model) called after a sign-in; it returns the model, or None to "
        "refuse.",
    ).tag(config=True)
    manage_groups = Bool(
        False,
        help="Let the authenticator say in which groups people are, at each sign-in and refresh; it must tell all of "
        "them then. What the API changes holds until the next time.",
    ).tag(config=True)
    manage_roles = Bool(
        False,
        help="Let the authenticator give roles, at the start of the hub, at each sign-in and refresh. Roles given "
        "otherwise stay.",
    ).tag(config=True)
    reset_managed_roles_on_startup = Bool(
        False,
        help="Forget at the start of the hub every role, and who has it, that came from the authenticator and that its "
        "load_managed_roles() does not give again.",
    ).tag(config=True)
    enable_auth_state = Bool(
        False,
        help="Keep what the authenticator wants to remember of people, such as their tokens, encrypted in the "
        "database. Needs a key in the environment variable JUPYTERHUB_CRYPT_KEY.",
    ).tag(config=True)
    reconcile_auth_state_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function (authenticator, auth_model, existing_auth_state) that returns the state to keep at a sign-in "
        "or refresh.",
    ).tag(config=True)
    auth_refresh_age = Integer(
        300,
        min=0,
        help="Seconds after which the authenticator is asked, with the next request, whether somebody is still who "
        "they were; 0 to ask only where refresh_pre_spawn and refresh_pre_stop say so.",
    ).tag(config=True)
    auth_refresh_strict = Bool(
        False,
        help="Refuse tokens too, and starts of servers by others, while the authenticator says that somebody must "
        "sign in again; otherwise only their sessions with the hub end.",
    ).tag(config=True)
    refresh_pre_spawn = Bool(
        False, help="Ask the authenticator before each start of a server; who must sign in again starts none."
    ).tag(config=True)
    refresh_pre_stop = Bool(
        False, help="Ask the authenticator before each stop of a server. It is stopped whatever the answer is."
    ).tag(config=True)
    refresh_timeout = Float(
        10.0,
        min=0.1,
        help="Seconds after which a refresh is given up that the authenticator does not answer; who is signed in stays "
        "so.",
    ).tag(config=True)
    delete_invalid_users = Bool(
        False,
        help="Delete at the start of the hub users whose name the authenticator does not allow (username_pattern), "
        "with all of theirs.",
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

    @validate("username_map")
    def _normalize_map(self, proposal: Any) -> dict[str, str]:
        try:
            return {normalize_user_name(given): normalize_user_name(name) for given, name in proposal.value.items()}
        except PerijoveError as error:
            raise TraitError(f"username_map: {error.message}") from None

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
        rules = [name for name in self.trait_names() if name.startswith("allow")]
        return any(getattr(self, name) for name in (*rules, "admin_users"))

    def login_url(self, base_url: str) -> str:
        """Return where a sign-in begins: the hub's own page, or a handler of `get_handlers`.

        Args:
            base_url: the prefix of the hub, with a slash at both ends.
        """
        return f"{base_url}login"

    def logout_url(self, base_url: str) -> str:
        """Return where people sign out: the hub's own page, or a handler of `get_handlers`. *base_url* as above."""
        return f"{base_url}logout"

    def get_custom_html(self, base_url: str) -> str:
        """Return what the sign-in page shows in place of the form or button; empty for these. *base_url* as above."""
        return str(self.custom_html(base_url) if callable(self.custom_html) else self.custom_html)

    def get_handlers(self, app: Site) -> Iterable[tuple[str, SignInHandler]]:
        """Return pairs of a path below the hub's prefix, such as ``/oauth_callback``, and the method that answers it.

        Called once, when the hub starts. See `perijove.hub.ports.sign_in` for what such a method is given and returns.

        Args:
            app: where browsers find the hub.
        """
        return []

    def parts(self) -> Sequence[Authenticator]:
        """Return the authenticators of which this one is made: itself, unless it is several."""
        return [self]

    def sign_in_ways(self, base_url: str) -> Sequence[SignInWay]:
        """Return what the sign-in page offers. *base_url* as above."""
        if html := self.get_custom_html(base_url):
            return [SignInWay(WayKind.HTML, f"{base_url}login", html=html)]
        url, own = self.login_url(base_url), f"{base_url}login"
        kind = WayKind.LINK if url != own else WayKind.REQUEST if self.auto_login else WayKind.FORM
        return [SignInWay(kind, url, self.login_service)]

    def authenticate(self, handler: SignInRequest, data: Mapping[str, str]) -> Any:
        """Return a name, an `AuthModel`, or None if the credentials are wrong; may be a coroutine.

        Args:
            handler: what is known of the request.
            data: the fields of the sign-in form, ``username`` and ``password`` among them; what a handler completed
                the sign-in with (then ``handler.completed_by`` is its path); nothing where the request says who it is.
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

    def refresh_user(self, user: SpawnerUser, handler: SignInRequest | None = None) -> Any:
        """Return True if *user* is still who they were, False if they must sign in again; may be a coroutine.

        An `AuthModel` is taken in like one of a sign-in; what it does not say stays. An exception means: not known,
        and changes nothing.

        Args:
            user: whom; ``await user.get_auth_state()`` gives what is kept about them.
            handler: the request that made the hub ask; None if it was none of theirs.
        """
        return True

    def load_managed_roles(self) -> Any:
        """Return roles as in load_roles, made and given at the start of the hub; may be a coroutine."""
        return []

    def pre_spawn_start(self, user: Any, spawner: Any) -> Any:
        """Prepare what *user* needs before the server starts; may be a coroutine."""

    def post_spawn_stop(self, user: Any, spawner: Any) -> Any:
        """Clean up after a server has stopped; may be a coroutine."""

    def add_user(self, user: SpawnerUser) -> Any:
        """Prepare what *user* needs outside of the hub; may be a coroutine. Raise, and they become no user.

        Called before somebody becomes a user, who has no number yet then (``user.id`` is 0), and for everybody at the
        start of the hub: what is prepared already is no error.
        """

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
            return await self._hooked(handler, model)

    async def get_refreshed_user(self, user: SpawnerUser, handler: SignInRequest | None) -> AuthModel | bool:
        """Return True if *user* may go on, False if they must sign in again, or what is told of them now.

        Whoever is blocked, or whom no rule lets in any more by what is told now, must sign in again.

        Raises:
            TypeError: `refresh_user` gave what it may not give, or somebody else.
            TimeoutError: it took longer than `refresh_timeout`.
        """
        source = self._called("refresh_user")
        async with asyncio.timeout(self.refresh_timeout):
            answer = await call_plugin(self.refresh_user, user, handler)
            if not answer or answer is True:
                return bool(answer)
            if not isinstance(answer, Mapping):
                raise TypeError(f"{source} gave a {type(answer).__name__}: it must give True, False or a dictionary")
            model = checked_model({"name": user.name, **answer}, source)
            if model is None or (model["name"] != user.name and self.normalize_username(model["name"]) != user.name):
                raise TypeError(f"{source} gave somebody else than {user.name}")
            model["name"] = user.name
            model.setdefault("admin", None)
            if not await call_plugin(self.check_blocked_users, user.name, model):
                return False

            async def existing(name: str) -> bool:
                return True

            return model if user.admin or await self._is_allowed(model, existing) else False

    async def _hooked(self, handler: SignInRequest, model: AuthModel) -> AuthModel | None:
        """Return what `post_auth_hook` makes of *model*."""
        if self.post_auth_hook is None:
            return model
        hooked = checked_model(await call_plugin(self.post_auth_hook, self, handler, model), "post_auth_hook")
        if hooked is None:
            return None
        # The hook may have changed the name after it was checked.
        hooked["name"] = normalize_user_name(hooked["name"])
        return hooked if await self._may_be_user(hooked) else None

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


PasswordCheck = Callable[[str, str], Awaitable[bool]]
"""Says whether a name and a password that the hub keeps belong together; as slow for a name that does not exist."""


@runtime_checkable
class UsesAccounts(Protocol):
    """An authenticator whose names and passwords the hub itself keeps, so that there are pages to sign up."""

    check_password: PasswordCheck
    """Given by the hub before the first sign-in."""
