"""Several authenticators on one hub, each with its own form or button, options and user names.

A *part* is one of them. Its users' names begin with its prefix, ``github:`` say, so that ``ada`` of one provider is not
``ada`` of another, and tells whose they are for ever. A part knows them without it, and decides by its own rules who
may come in. One part may do without a prefix; its users' names must not begin with that of another.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from traitlets import Any as AnyTrait
from traitlets import List, TraitError, validate
from traitlets.config import Config

from perijove.hub.core.auth_models import AuthModel, checked_model
from perijove.hub.core.errors import PerijoveError, invalid
from perijove.hub.core.names import normalize_user_name, shorten
from perijove.hub.core.site import Site
from perijove.hub.plugins.discovery import AUTHENTICATOR, PluginError, resolve
from perijove.hub.ports.authenticator import Authenticator, SignInRequest, UsesAccounts
from perijove.hub.ports.sign_in import (
    PART_FIELD,
    BeginAgain,
    Outcome,
    SignInExchange,
    SignInHandler,
    SignInWay,
    WayKind,
)
from perijove.hub.ports.spawner import SpawnerUser
from perijove.hub.ports.traits import call_plugin
from perijove.hub.settings.checking import check

_SCOPE: Final = re.compile(r"/[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_KEYS: Final = ("authenticator_class", "url_prefix", "config", "username_prefix")
_OF_ALL: Final = ("manage_groups", "manage_roles", "enable_auth_state", "refresh_pre_spawn", "refresh_pre_stop")
"""Options that hold for all parts as soon as one of them has it."""


class Part(Struct, frozen=True):
    """One authenticator of several.

    Attributes:
        name: in addresses and forms.
        prefix: what the names of its users begin with; may be empty.
        authenticator: the authenticator itself.
    """

    name: str
    prefix: str
    authenticator: Authenticator

    @property
    def takes_forms(self) -> bool:
        """Whether its sign-in is by a form of the hub's page."""
        made = self.authenticator
        own_html = type(made).get_custom_html is not Authenticator.get_custom_html
        return made.login_url("/") == "/login" or own_html or bool(made.custom_html)

    def user(self, user: SpawnerUser) -> SpawnerUser:
        """Return *user* as this part knows them."""
        return dataclasses.replace(user, name=user.name.removeprefix(self.prefix))


def parse_parts(entries: Iterable[Any]) -> tuple[Part, ...]:
    """Return the parts that *entries* of the configuration describe.

    Raises:
        PerijoveError: INVALID; the message says what is wrong and holds no value of an option.
    """
    parts: list[Part] = []
    for number, entry in enumerate(entries, 1):
        part = _part(entry, f"number {number}")
        for other in parts:
            if part.name == other.name:
                raise invalid(f"two have the url_prefix /{part.name}")
            if part.prefix == other.prefix or (part.prefix and other.prefix and _overlap(part.prefix, other.prefix)):
                raise invalid(
                    f"the users of /{other.name} and /{part.name} could have the same names: let no username_prefix "
                    "begin with another, and only one be empty"
                )
        parts.append(part)
    return tuple(parts)


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _part(entry: Any, which: str) -> Part:
    if isinstance(entry, (tuple, list)) and len(entry) == 3:
        entry = dict(zip(_KEYS, entry, strict=False))
    if not isinstance(entry, Mapping) or not {"authenticator_class", "url_prefix"} <= entry.keys() <= set(_KEYS):
        raise invalid(f"{which} must be a dictionary with authenticator_class, url_prefix, config and username_prefix")
    scope, options = entry["url_prefix"], entry.get("config", {})
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        raise invalid(f"{which}: url_prefix must be like '/github', of lower-case letters, digits and hyphens")
    if not isinstance(options, Mapping):
        raise invalid(f"{which}: config must be a dictionary of options")
    name, prefix = scope[1:], entry.get("username_prefix", f"{scope[1:]}:")
    if not isinstance(prefix, str) or (prefix and _normal(f"{prefix}x") != f"{prefix}x"):
        raise invalid(f"{which}: username_prefix must be text that a user name may begin with, in lower case")
    return Part(name, prefix, _made(entry["authenticator_class"], options, prefix, scope))


def _normal(name: str) -> str:
    try:
        return normalize_user_name(name)
    except PerijoveError:
        return ""


def _made(named: Any, options: Mapping[str, Any], prefix: str, scope: str) -> Authenticator:
    if not isinstance(named, (str, type)):
        raise invalid(f"{scope}: authenticator_class must be a class or the name of one")
    try:
        cls = resolve(AUTHENTICATOR, named)
    except PluginError as error:
        raise invalid(f"{scope}: {error}") from None
    # Only these options: what c.Authenticator says, of admin_users say, is about whole names.
    config = Config({cls.__name__: Config(options)})
    if mistakes := check(config, [cls]).mistakes:
        raise invalid(f"{scope}: {'; '.join(mistake.text for mistake in mistakes)}")
    try:
        made = cls(config=config)
    except TraitError as error:
        raise invalid(f"{scope}: {shorten(str(error), 200)}") from None
    if not isinstance(made, Authenticator) or isinstance(made, MultiAuthenticator):
        raise invalid(f"{scope}: a MultiAuthenticator cannot be part of another")
    if made.auto_login or made.auto_login_oauth2_authorize:
        raise invalid(f"{scope}: with several ways to sign in a person has to choose one; remove auto_login")
    if isinstance(made, UsesAccounts) and prefix:
        raise invalid(f'{scope}: accounts of the hub itself have their names as they are; write "username_prefix": ""')
    return made


class MultiAuthenticator(Authenticator):
    """Signs people in with one of several authenticators, which they choose on the sign-in page."""

    authenticators = List(
        AnyTrait(),
        help="The authenticators: dictionaries with authenticator_class, url_prefix ('/github'), config, which are its "
        "options, and username_prefix, what its users' names begin with ('github:' if not given); or tuples of the "
        "first three.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._parts = parse_parts(self.authenticators)
        for part in self._parts:
            made = part.authenticator
            for option in ("admin_users", "allowed_users", "blocked_users"):
                names = {f"{part.prefix}{name}" for name in getattr(made, option)}
                self.set_trait(option, getattr(self, option) | names)
            for option in _OF_ALL:
                self.set_trait(option, getattr(self, option) or getattr(made, option))

    @validate("authenticators")
    def _check_authenticators(self, proposal: Any) -> Any:
        parse_parts(proposal.value)
        return proposal.value

    # Of the parent's name, whose place it takes.
    @validate("admin_users", "allowed_users", "blocked_users")
    def _normalize_names(self, proposal: Any) -> set[str]:
        names = {normalize_user_name(name) for name in proposal.value}
        return self._left_to_parts(names) if proposal.trait.name == "allowed_users" else names

    @validate("allow_all", "allow_existing_users")
    def _allow_by_part(self, proposal: Any) -> Any:
        return self._left_to_parts(proposal.value)

    def _left_to_parts(self, value: Any) -> Any:
        """Return *value* if the hub set it, of what its parts say. Raises PerijoveError INVALID if the operator did."""
        if value and not hasattr(self, "_parts"):
            raise invalid("is for each authenticator to say, in the config of its entry in c.MultiAuthenticator")
        return value

    @validate("auto_login", "auto_login_oauth2_authorize")
    def _no_auto_login(self, proposal: Any) -> Any:
        if proposal.value:
            raise invalid("with several ways to sign in a person has to choose one; remove it")
        return proposal.value

    @property
    def any_allow_config(self) -> bool:
        """Whether any rule of any part lets anybody in."""
        return any(part.authenticator.any_allow_config for part in self._parts)

    def parts(self) -> Sequence[Authenticator]:
        """Return the authenticators."""
        return [part.authenticator for part in self._parts]

    def part_of(self, name: str) -> Part | None:
        """Return whose user *name* is; None if nobody's."""
        longest = sorted(self._parts, key=lambda part: -len(part.prefix))
        return next((part for part in longest if name.startswith(part.prefix) and name != part.prefix), None)

    def get_handlers(self, app: Site) -> Iterable[tuple[str, SignInHandler]]:
        """Return the handlers of all parts, each below its part's name."""
        for part in self._parts:
            for path, handler in part.authenticator.get_handlers(app):
                # What cannot be called is told of by whoever asks for handlers.
                yield f"/{part.name}{path}", _scoped(part, handler) if _is_function(handler) else handler

    def sign_in_ways(self, base_url: str) -> Sequence[SignInWay]:
        """Return what all parts offer."""
        found = []
        for part in self._parts:
            own = f"{base_url}{part.name}/"
            for way in part.authenticator.sign_in_ways(own):
                url = f"{base_url}login" if way.url == f"{own}login" else way.url
                service = way.service or (part.name if way.kind is WayKind.LINK else "")
                found.append(dataclasses.replace(way, url=url, service=service, part=part.name))
        return found

    async def get_authenticated_user(
        self, handler: SignInRequest, data: Mapping[str, Any], *, existing: Callable[[str], Awaitable[bool]]
    ) -> AuthModel | None:
        """Return who signs in by the rules of one part, under their whole name, or None. Raises what that raises."""
        part = self._chosen(handler, data)
        if part is None:
            return None

        async def known(name: str) -> bool:
            return await existing(f"{part.prefix}{name}")

        request = replace(handler, completed_by=handler.completed_by.removeprefix(f"/{part.name}"))
        fields = data if handler.completed_by else {key: data[key] for key in data if key != PART_FIELD}
        answer = await part.authenticator.get_authenticated_user(request, fields, existing=known)
        model = checked_model(answer, f"{type(part.authenticator).__name__}.get_authenticated_user")
        if model is None:
            return None
        model = self._whole(part, model)
        if self.part_of(model["name"]) is not part or not await self._may_be_user(model):
            return None
        if model["name"] in self.admin_users:
            model["admin"] = True
        return await self._hooked(handler, model)

    def _chosen(self, handler: SignInRequest, data: Mapping[str, Any]) -> Part | None:
        """Return whose sign-in it is; a form is no way into a part that has handlers for that."""
        if handler.completed_by:
            name = handler.completed_by.split("/")[1]
            return next((part for part in self._parts if part.name == name), None)
        with_forms = [part for part in self._parts if part.takes_forms]
        named = data.get(PART_FIELD, with_forms[0].name if len(with_forms) == 1 else "")
        return next((part for part in with_forms if part.name == named), None)

    def _whole(self, part: Part, model: AuthModel) -> AuthModel:
        """Return what *part* told of somebody as the hub takes it."""
        told = {**model, "name": normalize_user_name(f"{part.prefix}{model['name']}")}
        if self.manage_groups and not part.authenticator.manage_groups:
            told["groups"] = None
        if not part.authenticator.enable_auth_state:
            told.pop("auth_state", None)
        return told

    def check_allowed(self, username: str, authentication: AuthModel | None = None) -> bool:
        """Return True: the part has decided."""
        return True

    def validate_username(self, username: str) -> bool:
        """Say whether *username* fits the pattern, and that of its part."""
        part = self.part_of(username)
        inner = part is None or part.authenticator.validate_username(username.removeprefix(part.prefix))
        return inner and super().validate_username(username)

    async def refresh_user(self, user: SpawnerUser, handler: SignInRequest | None = None) -> Any:
        """Return what the part says whose user it is; True for nobody's."""
        part = self.part_of(user.name)
        if part is None:
            return True
        answer = await part.authenticator.get_refreshed_user(part.user(user), handler)
        return answer if isinstance(answer, bool) else self._whole(part, answer)

    async def load_managed_roles(self) -> Any:
        """Return the roles of all parts, with the whole names of their users."""
        found = []
        for part in self._parts:
            for role in await call_plugin(part.authenticator.load_managed_roles) or []:
                users = [f"{part.prefix}{name}" for name in role.get("users", ())]
                found.append({**role, **({"users": users} if "users" in role else {})})
        return found

    async def pre_spawn_start(self, user: SpawnerUser, spawner: Any) -> Any:
        """Let the part prepare."""
        if (part := self.part_of(user.name)) is not None:
            await call_plugin(part.authenticator.pre_spawn_start, part.user(user), spawner)

    async def post_spawn_stop(self, user: SpawnerUser, spawner: Any) -> Any:
        """Let the part clean up."""
        if (part := self.part_of(user.name)) is not None:
            await call_plugin(part.authenticator.post_spawn_stop, part.user(user), spawner)

    async def add_user(self, user: SpawnerUser) -> Any:
        """Let the part prepare a new user."""
        if (part := self.part_of(user.name)) is not None:
            await call_plugin(part.authenticator.add_user, part.user(user))

    async def delete_user(self, user: SpawnerUser) -> Any:
        """Let the part clean up after one."""
        if (part := self.part_of(user.name)) is not None:
            await call_plugin(part.authenticator.delete_user, part.user(user))


def _is_function(handler: Any) -> bool:
    return callable(handler) and not isinstance(handler, type)


def _scoped(part: Part, handler: SignInHandler) -> SignInHandler:
    """Return *handler*, below the address of its part, and resuming nothing that another part began."""

    async def answer(exchange: SignInExchange) -> Outcome:
        async def begin(data: Mapping[str, Any]) -> str:
            return await exchange.begin({"part": part.name, "data": data})

        async def resume(state: str) -> dict[str, Any] | None:
            kept = await exchange.resume(state)
            return dict(kept["data"]) if kept is not None and kept.get("part") == part.name else None

        place = f"{exchange.place}/{part.name}"
        path = exchange.request.completed_by.removeprefix(f"/{part.name}")
        inner = replace(
            exchange, place=place, begin=begin, resume=resume, request=replace(exchange.request, completed_by=path)
        )
        outcome: Outcome = await call_plugin(handler, inner)
        if isinstance(outcome, BeginAgain) and not outcome.url and not part.takes_forms:
            return BeginAgain(part.authenticator.login_url(f"{place}/"))
        return outcome

    return answer
