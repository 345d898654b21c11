"""What the hub needs from a spawner: to start one server, find it again, say whether it runs, and stop it.

Subclass `Spawner` and override `start`, `poll`, `stop`, `get_state` and `load_state`; name the class in
``c.JupyterHub.spawner_class`` or register it as an entry point in the group ``perijove.spawners``. One object belongs
to one server. Methods may be sync (they then run in a thread) or async. Optional abilities are small protocols, in
`ports.abilities`.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Float, Integer, List, TraitError, Unicode, Union, validate
from traitlets import Callable as AnyCallable
from traitlets.config import LoggingConfigurable

from perijove.hub.core.culling import CullRules
from perijove.hub.core.errors import Code, PerijoveError, invalid
from perijove.hub.core.names import shorten
from perijove.hub.core.overrides import merged, parse_overrides
from perijove.hub.core.user_options import passthrough, simple, with_nonce
from perijove.hub.ports.abilities import (
    ChoosesPort,
    HasNeeds,
    KeepsLog,
    MeasuresUsage,
    Prepares,
    SignalsExit,
    WatchesMemory,
)
from perijove.hub.ports.told import AuthStateAccess, HubInfo, SpawnerUser
from perijove.hub.ports.traits import ByteSpecification, Command, NamedFunction, call_plugin
from perijove.wire import environment as names
from perijove.wire.prefixes import server_prefix

__all__ = [
    "AuthStateAccess",
    "ChoosesPort",
    "HasNeeds",
    "HubInfo",
    "KeepsLog",
    "MeasuresUsage",
    "Prepares",
    "SignalsExit",
    "Spawner",
    "SpawnerUser",
    "WatchesMemory",
]


async def _no_checkpoint() -> None:
    """Store nothing: the spawner is not attached to a server of a store."""


class Spawner(LoggingConfigurable):
    """Starts one server. The attributes without ``config`` are set by the hub before anything is called."""

    user: SpawnerUser
    hub: HubInfo
    name: str
    """The server's name; empty for the default server."""
    server_id: int
    """The server's number in the store, for ever the same: a spawner may name durable things after it."""
    api_token: str
    oauth_client_id: str
    oauth_allowed: Sequence[str]
    """What `oauth_client_allowed_scopes` says for this start."""
    user_options: Mapping[str, Any]
    """What was chosen for the server: the last time, while a form is made; for this start, after that."""
    script_nonce: str
    """What a script or style sheet in a form must have as its ``nonce`` to work; texts get it by themselves."""
    durable: dict[str, str]
    """Names of what outlives the server's runs, by kind; see `durable_name`."""
    checkpoint: Callable[[], Awaitable[None]]
    """Await it inside start(), as soon as get_state() tells where the server is: the next hub then finds it."""

    cmd = Command(
        ["perijove-singleuser"], help="The command that starts a single-user server, with its arguments."
    ).tag(config=True)
    args = List(Unicode(), help="Arguments added to cmd.").tag(config=True)
    environment = Dict(
        help="Environment variables added for the server; a value may be a function that takes the spawner."
    ).tag(config=True)
    env_keep = List(
        Unicode(),
        ["JUPYTERHUB_SINGLEUSER_APP"],
        help="Environment variables of the hub that the server gets too.",
    ).tag(config=True)
    ip = Unicode("127.0.0.1", help="The address on which the server listens; empty for all.").tag(config=True)
    port = Integer(0, help="The port on which the server listens; 0 for any that is free.").tag(config=True)
    default_url = Unicode("", help="The page shown first, such as /tree; may hold {username}.").tag(config=True)
    notebook_dir = Unicode("", help="The folder the server shows; may hold {username}.").tag(config=True)
    concurrent_starts = Integer(
        0,
        min=0,
        help="How many servers of this kind may be starting at once, beside c.JupyterHub.concurrent_spawn_limit; the "
        "others wait their turn. 0 for any number.",
    ).tag(config=True)
    queue_timeout = Float(
        None, allow_none=True, min=0, help="Seconds that a start may wait for its turn; any time if None."
    ).tag(config=True)
    start_timeout = Float(60, help="Seconds that start() may take.").tag(config=True)
    http_timeout = Float(30, help="Seconds after start() until the server must answer.").tag(config=True)
    poll_interval = Float(
        30,
        help="Seconds between two looks whether a running server still runs; with 0 or less the hub looks when it "
        "starts, and for the rest relies on a spawner that notices by itself.",
    ).tag(config=True)
    poll_jitter = Float(
        0.1, min=0, max=1, help="The part of poll_interval by which looks are spread, so that they do not coincide."
    ).tag(config=True)
    cull_idle_timeout = Float(
        0,
        min=0,
        help="Seconds without use after which the hub stops a running server; 0 for never. Its owner sees when. "
        "Servers then tell of their use at least three times within these seconds.",
    ).tag(config=True)
    cull_max_age = Float(
        0,
        min=0,
        help="Seconds after its start at which the hub stops a server, used or not; 0 for never. Its owner sees when.",
    ).tag(config=True)
    cull_default_servers = Bool(
        True, help="Whether servers without a name are stopped by cull_idle_timeout and cull_max_age."
    ).tag(config=True)
    cull_named_servers = Bool(
        True, help="Whether named servers are stopped by cull_idle_timeout and cull_max_age."
    ).tag(config=True)
    remove_named_servers = Bool(
        False,
        help="Delete a named server, with what it keeps for itself, that cull_idle_timeout or cull_max_age stops.",
    ).tag(config=True)
    consecutive_failure_limit = Integer(
        0,
        min=0,
        help="After the spawner broke, or hung, over starts of so many different users in a row, the hub ends with "
        "status 1, for a supervisor to start it anew; servers and proxy go on. 0 for never.",
    ).tag(config=True)
    server_token_scopes = Union(
        [List(Unicode()), AnyCallable()],
        default_value=[],
        help="Scopes of the token that a server works with, as far as its owner holds them: a list, or a function of "
        "the spawner that returns one. Those of the role server if empty.",
    ).tag(config=True, wanted="a list of scopes or a function")
    oauth_client_allowed_scopes = Union(
        [List(Unicode()), AnyCallable()],
        default_value=[],
        help="Scopes that a server may ask its visitors for beside the access to it, as far as they hold them: a list, "
        "or a function of the spawner that returns one.",
    ).tag(config=True, wanted="a list of scopes or a function")
    debug = Bool(False, help="Let the server log in detail.").tag(config=True)
    disable_user_config = Bool(False, help="Keep the server from reading its user's configuration files.").tag(
        config=True
    )
    mem_limit = ByteSpecification(
        None, allow_none=True, help="Memory the server is told it may use, in bytes or with the suffix K, M, G or T."
    ).tag(config=True)
    mem_guarantee = ByteSpecification(
        None, allow_none=True, help="Memory the server is told it has for sure, written like mem_limit."
    ).tag(config=True)
    cpu_limit = Float(None, allow_none=True, help="Processors the server is told it may use.").tag(config=True)
    cpu_guarantee = Float(None, allow_none=True, help="Processors the server is told it has for sure.").tag(config=True)
    hub_connect_url = Unicode(
        None, allow_none=True, help="The URL of the hub as its servers reach it, if it is another than the hub's own."
    ).tag(config=True)
    group_overrides = Union(
        [Dict(), AnyCallable()],
        default_value={},
        help='Options that are others for members of groups: {"<key>": {"groups": […], "spawner_override": {…}}}, '
        "taken in the order of the keys, or a function of the spawner that returns this. A value may be a function of "
        "the spawner; dictionaries are merged, and None takes a key away.",
    ).tag(config=True, wanted="a dictionary or a function")
    options_form = Union(
        [Unicode(), AnyCallable()],
        default_value="",
        help="Fields of a form, as HTML, in which people choose options before their server starts: text, or a "
        "function of the spawner that returns it, which must escape what it puts in; may be a coroutine function. No "
        "form if empty.",
    ).tag(config=True, wanted="text or a function")
    options_from_form = NamedFunction(
        "passthrough",
        {"passthrough": passthrough, "simple": simple},
        help="Makes the options of what was sent with the form, a list of values for each field: passthrough (as they "
        "came), simple (single values out of their lists, check boxes as True), or a function of the form, and of the "
        "spawner if it takes an argument of that name.",
    ).tag(config=True, wanted='"passthrough", "simple" or a function')
    apply_user_options = Union(
        [Dict(), AnyCallable()],
        default_value=None,
        allow_none=True,
        help="What becomes of options: an option of the spawner for each that people may choose, as "
        '{"image": "image"}, or a function (spawner, user_options) that checks them and sets what they say, and '
        "nothing else: it is called when a server is asked for and again before it starts. Options may come from "
        "anywhere and be anything.",
    ).tag(config=True, wanted="a dictionary or a function")
    progress_ready_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function (spawner, event) that returns the last event of a start, with which followers are told that "
        "the server is ready; may be a coroutine function.",
    ).tag(config=True)
    auth_state_hook = AnyTrait(
        None,
        allow_none=True,
        help="A function (spawner, auth_state) called before the server starts, with what the authenticator keeps "
        "about its owner, or None; may be a coroutine function.",
    ).tag(config=True)
    pre_spawn_hook = AnyTrait(
        None, allow_none=True, help="A function (spawner) called before the server starts; may be a coroutine function."
    ).tag(config=True)
    post_stop_hook = AnyTrait(
        None, allow_none=True, help="A function (spawner) called after the server stopped; may be a coroutine function."
    ).tag(config=True)

    @validate("group_overrides")
    def _check_overrides(self, proposal: Any) -> Any:
        try:
            if not callable(proposal.value):
                parse_overrides(proposal.value)
        except PerijoveError as error:
            raise TraitError(error.message) from None
        return proposal.value

    @validate("apply_user_options")
    def _names_options(self, proposal: Any) -> Any:
        if isinstance(proposal.value, dict):
            unknown = [
                name for name in proposal.value.values() if not isinstance(name, str) or not self.has_trait(name)
            ]
            if unknown:
                raise TraitError(f"apply_user_options: {type(self).__name__} has no option {unknown[0]!r}")
        return proposal.value

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = ""
        self.server_id = 0
        self.api_token = ""
        self.oauth_client_id = ""
        self.oauth_allowed = ()
        self.user_options = {}
        self.script_nonce = ""
        self.durable = {}
        self.checkpoint = _no_checkpoint

    def start(self) -> Any:
        """Start the server and return where it will listen: a URL, or a pair of address and port; may be a coroutine.

        Raises:
            PerijoveError: FAILED, with a message for the user.
        """
        raise TypeError(f"{type(self).__name__} does not say how to start a server: it must override start()")

    def poll(self) -> Any:
        """Return None if the server runs, else its exit status; may be a coroutine. An exception means: not known."""
        raise TypeError(f"{type(self).__name__} does not say whether a server runs: it must override poll()")

    def stop(self, now: bool = False) -> Any:
        """Stop the server and return when it is gone; may be a coroutine. It is no error if nothing runs.

        Args:
            now: without giving it time to finish.
        """
        raise TypeError(f"{type(self).__name__} does not say how to stop a server: it must override stop()")

    def get_state(self) -> dict[str, Any]:
        """Return what another hub process needs to find the server again, fit for JSON."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what get_state() gave in another process."""

    def clear_state(self) -> None:
        """Forget what belongs to the server that ran."""

    @property
    def stop_timeout(self) -> float:
        """Seconds that stop() may take, after which it is called again."""
        return 60.0

    def delete_forever(self) -> Any:
        """Delete what outlives the server's runs, such as a volume: the server is deleted; may be a coroutine.

        It may be called twice. What raises is tried again, and given up after a few times.
        """

    def durable_name(self, kind: str, name: str) -> str:
        """Return what the thing of that *kind* is called that outlives the server's runs: *name* the first time.

        Stored with the server as soon as `checkpoint` is awaited, and the same ever after: a user or server that is
        renamed keeps its home, its volume or its unit.
        """
        return self.durable.setdefault(kind, name)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Give steps of the start, ``{"progress": per cent, "message": sentence}``, while start() runs."""
        nothing: tuple[dict[str, Any], ...] = ()
        for step in nothing:
            yield step

    @property
    def prefix(self) -> str:
        """The server's URL prefix."""
        return server_prefix(self.hub.base_url, self.user.name, self.name)

    @property
    def callback_url(self) -> str:
        """Where browsers come back from signing in at the hub: a path, or a full URL where the owner has a host."""
        return f"{self.hub.site.server_url(self.user.name, self.name)}oauth_callback"

    def format(self, template: str) -> str:
        """Return *template* with ``{username}`` and ``{base_url}`` filled in."""
        return template.replace("{username}", self.user.name).replace("{base_url}", self.hub.base_url)

    def get_args(self) -> list[str]:
        """Return the arguments that follow cmd."""
        return [self.format(arg) for arg in self.args]

    def get_env(self) -> dict[str, str]:
        """Return the whole environment of the server."""
        env = {key: os.environ[key] for key in self.env_keep if key in os.environ}
        env |= self._identity_env() | self._place_env() | self._limit_env()
        for key, value in self.environment.items():
            env[key] = str(value(self) if callable(value) else value)
        return env

    def _identity_env(self) -> dict[str, str]:
        access = [f"access:servers!server={self.user.name}/{self.name}", f"access:servers!user={self.user.name}"]
        return {
            names.API_TOKEN: self.api_token,
            names.OLD_API_TOKEN: self.api_token,
            names.CLIENT_ID: self.oauth_client_id,
            names.USER: self.user.name,
            names.SERVER_NAME: self.name,
            names.OAUTH_ACCESS_SCOPES: json.dumps(access),
            names.OLD_OAUTH_SCOPES: json.dumps(access),
            names.OAUTH_CLIENT_ALLOWED_SCOPES: json.dumps(list(self.oauth_allowed)),
        }

    def _place_env(self) -> dict[str, str]:
        api_url = (
            f"{self.hub_connect_url.rstrip('/')}{self.hub.base_url}hub/api"
            if self.hub_connect_url
            else self.hub.api_url
        )
        address = f"[{self.ip}]" if ":" in self.ip else self.ip
        env = {
            names.HOST: self.hub.public_host,
            names.API_URL: api_url,
            names.ACTIVITY_URL: f"{api_url}/users/{self.user.escaped_name}/activity",
            names.BASE_URL: self.hub.base_url,
            names.SERVICE_PREFIX: self.prefix,
            names.SERVICE_URL: f"http://{address}:{self.port}{self.prefix}",
            names.OAUTH_CALLBACK_URL: self.callback_url,
            names.COOKIE_HOST_PREFIX_ENABLED: str(int(self.hub.host_cookies)),
            names.PUBLIC_URL: self.hub.site.public_server_url(self.user.name, self.name),
            names.PUBLIC_HUB_URL: f"{self.hub.public_host}{self.hub.site.prefix}" if self.hub.public_host else "",
        }
        if self.notebook_dir:
            env[names.ROOT_DIR] = self.format(self.notebook_dir)
        if self.default_url:
            env[names.DEFAULT_URL] = self.format(self.default_url)
        return env

    def _limit_env(self) -> dict[str, str]:
        env = {}
        if self.debug:
            env[names.DEBUG] = "1"
        if self.disable_user_config:
            env[names.DISABLE_USER_CONFIG] = "1"
        if self.cull_rules.idle_timeout:
            env[names.ACTIVITY_INTERVAL] = f"{self.cull_rules.report_seconds:g}"
        limits = {
            names.MEM_LIMIT: self.mem_limit,
            names.MEM_GUARANTEE: self.mem_guarantee,
            names.CPU_LIMIT: self.cpu_limit,
            names.CPU_GUARANTEE: self.cpu_guarantee,
        }
        return env | {key: str(value) for key, value in limits.items() if value is not None}

    @property
    def cull_rules(self) -> CullRules:
        """When the hub stops the server by itself, by the options."""
        if not (self.cull_named_servers if self.name else self.cull_default_servers):
            return CullRules()
        return CullRules(self.cull_idle_timeout, self.cull_max_age, self.remove_named_servers and bool(self.name))

    async def apply_group_overrides(self) -> None:
        """Set the options that are others for the groups of the server's owner.

        Raises:
            PerijoveError: INVALID, if they are no overrides; FAILED, if one names no option or gives it a wrong value.
        """
        given = self.group_overrides
        groups = {group.name for group in self.user.groups}
        for override in parse_overrides(await call_plugin(given, self) if callable(given) else given):
            if override.meets(groups):
                for option, value in override.changes.items():
                    self._override(option, await call_plugin(value, self) if callable(value) else value, override.key)

    def _override(self, option: str, value: Any, key: str) -> None:
        try:
            if option not in self.traits(config=True):
                raise TraitError(f"{type(self).__name__} has no option {option}")
            before = getattr(self, option)
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            setattr(self, option, merged(before, value) if both else value)
        except TraitError as error:
            raise PerijoveError(
                Code.FAILED, f"The configuration of group_overrides[{key!r}] is wrong: {error}"
            ) from None

    async def get_options_form(self) -> str:
        """Return the fields of the form for options; empty if there are none to choose."""
        if not callable(self.options_form):
            return with_nonce(self.options_form, self.script_nonce)
        return str(await call_plugin(self.options_form, self) or "")

    async def run_options_from_form(self, form: Mapping[str, list[Any]]) -> Any:
        """Return the options that *form* says: lists of values by field, files under ``<field>_file``."""
        given = self.options_from_form
        named = {"spawner": self} if "spawner" in inspect.signature(given).parameters else {}
        return await call_plugin(partial(given, form, **named))

    def options_from_query(self, query: Mapping[str, list[str]]) -> Any:
        """Return the options that the query of an address says, as if a form had said so; may be a coroutine."""
        return self.run_options_from_form(query)

    async def run_apply_user_options(self) -> None:
        """Let `user_options` have their effect on this spawner.

        Raises:
            PerijoveError: INVALID, if one of them does not fit; whatever a function of the configuration raises.
        """
        given = self.apply_user_options
        if callable(given):
            await call_plugin(given, self, self.user_options)
            return
        for name, value in self.user_options.items():
            if option := (given or {}).get(name):
                self._choose(name, option, value)

    def _choose(self, name: str, option: str, value: Any) -> None:
        try:
            try:
                setattr(self, option, value)
            except TraitError:
                if not isinstance(value, str):
                    raise
                setattr(self, option, self.traits()[option].from_string(value))
        except (TraitError, ValueError, SyntaxError):
            wanted = self.traits()[option].info()
            raise invalid(f"The option {shorten(name)!r} must be {wanted}.") from None

    async def run_hook(self, hook: Any) -> None:
        """Call one of the hooks with this spawner, if it is set."""
        if hook is not None:
            await call_plugin(hook, self)

    async def run_auth_state_hook(self) -> None:
        """Call the hook that takes what the authenticator keeps about the owner, if it is set."""
        if self.auth_state_hook is not None:
            await call_plugin(self.auth_state_hook, self, await self.user.get_auth_state())
