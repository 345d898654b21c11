"""``c.JupyterHub.services``: programs beside the hub that use its API, sign people in by it, or are run by it.

The same checks are made of what the API is asked to make: `read_service`.
"""

from __future__ import annotations

import json
import pwd
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from traitlets import TraitError

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import shorten, validate_service_name
from perijove.hub.core.oauth import service_client
from perijove.hub.core.scopes import Catalogue
from perijove.hub.core.services import Service, derived_token
from perijove.hub.core.site import Site
from perijove.hub.settings.addresses import check_http_url
from perijove.hub.settings.mistakes import did_you_mean, shown
from perijove.hub.settings.scopes import wrong_scope
from perijove.hub.settings.tokens import GOOD_TOKEN_LENGTH, SHORT, wrong_token

DEFAULT_TIMEOUT: Final = 30.0
MAX_URL: Final = 2047
MAX_HOST: Final = 253
OAUTH_KEYS: Final = ("oauth_client_id", "oauth_redirect_uri", "oauth_client_allowed_scopes", "oauth_no_confirm")
MANAGED_KEYS: Final = ("cwd", "environment", "user")
"""What is said of the process of a service that the hub runs, beside its command."""
OLD_KEYS: Final = {
    "oauth_roles": "is not available any more: write the scopes of these roles in oauth_client_allowed_scopes",
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*\.?")
_TO_BE_RUN = "x" * GOOD_TOKEN_LENGTH


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service as somebody wrote it down.

    Attributes:
        name: its name.
        api_token: its token; empty if it has none, or is given one by the hub that runs it.
        admin: whether it holds the role admin.
        url: where it listens; empty if nothing of it is proxied.
        command: what the hub runs for it; empty if somebody else runs it.
        cwd: where that command is run; empty for the folder of the hub, or the home of another user.
        environment: variables added for it.
        user: as which user of the system; empty for the hub's own.
        timeout: seconds until it should answer at its URL.
        info: what its operator says about it.
        display: whether pages list it.
        oauth_client_id: the id of its OAuth client; empty for ``service-<name>``.
        oauth_redirect_uri: where codes are sent; empty for ``oauth_callback`` below its prefix.
        oauth_client_allowed_scopes: raw scopes that it may ask its visitors for.
        oauth_no_confirm: whether people are spared the consent page.
    """

    name: str
    api_token: str = field(default="", repr=False)
    admin: bool = False
    url: str = ""
    command: tuple[str, ...] = ()
    cwd: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    timeout: float = DEFAULT_TIMEOUT
    info: Mapping[str, Any] = field(default_factory=dict)
    display: bool = True
    oauth_client_id: str = ""
    oauth_redirect_uri: str = ""
    oauth_client_allowed_scopes: tuple[str, ...] = ()
    oauth_no_confirm: bool = False

    @property
    def managed(self) -> bool:
        """Whether the hub runs it."""
        return bool(self.command)

    @property
    def wants_client(self) -> bool:
        """Whether anything is said of its OAuth client."""
        return any(getattr(self, key) for key in OAUTH_KEYS)

    @property
    def has_client(self) -> bool:
        """Whether its visitors sign in at the hub: it has pages, or says so, and a token."""
        return self.wants_client or bool(self.url and (self.api_token or self.managed))

    @property
    def client_id(self) -> str:
        """The id of its OAuth client, if it has one."""
        return self.as_service(from_config=True).client_id

    def with_token(self, secret: bytes) -> ServiceSpec:
        """Return it with a token made of *secret*, if the hub runs it and its operator gave it none."""
        return (
            replace(self, api_token=derived_token(secret, self.name)) if self.managed and not self.api_token else self
        )

    def as_service(self, *, from_config: bool) -> Service:
        """Return what of it is stored."""
        return Service(
            id=0,
            name=self.name,
            admin=self.admin,
            url=self.url,
            command=self.command,
            info=self.info,
            display=self.display,
            oauth_client_id=self.oauth_client_id,
            oauth_redirect_uri=self.oauth_redirect_uri,
            oauth_client_allowed_scopes=self.oauth_client_allowed_scopes,
            oauth_no_confirm=self.oauth_no_confirm,
            from_config=from_config,
        )


class ParsedServices(Struct, frozen=True):
    """What was understood, what was wrong and what is doubtful; sentences begin with the option."""

    services: tuple[ServiceSpec, ...]
    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_services(value: Sequence[Any], site: Site, catalogue: Catalogue) -> ParsedServices:
    """Return what ``c.JupyterHub.services`` says, with every mistake in it.

    Args:
        value: the value of the option.
        site: where browsers will find the services.
        catalogue: all scopes there are.
    """
    services: list[ServiceSpec] = []
    mistakes: list[str] = []
    warnings: list[str] = []
    for index, item in enumerate(value):
        spec, wrong = read_service(item, site, catalogue)
        if spec is not None:
            wrong += _clashes(spec, services)
            services.append(spec)
            warnings += [f"{_place(index, item)}: {text}" for text in _doubts(spec)]
        mistakes += [f"{_place(index, item)}: {text}" for text in wrong]
    return ParsedServices(tuple(services), tuple(mistakes), tuple(warnings))


def read_service(item: Any, site: Site, catalogue: Catalogue) -> tuple[ServiceSpec | None, list[str]]:
    """Return the service that *item* describes, None if it cannot be understood, and everything that is wrong with it.

    Sentences begin with the key; none repeats a token or a variable of the environment.
    """
    if not isinstance(item, Mapping):
        return None, [f'a service is a dictionary such as {{"name": "ops", "url": "…"}}, not {type(item).__name__}']
    given = {key: value for key, value in item.items() if value is not None}
    wrong = [*_wrong_keys(given), *_wrong_types(given)]
    if wrong:
        return None, wrong
    values = {key: _READ[key](value) if key in _READ else value for key, value in given.items()}
    spec = ServiceSpec(**values)
    wrong = list(_wrong_values(spec, site, catalogue))
    return (None if wrong else spec), wrong


def _place(index: int, item: Any) -> str:
    name = item.get("name") if isinstance(item, Mapping) else None
    return f"c.JupyterHub.services[{index}]" + (f" ({shorten(name)})" if isinstance(name, str) else "")


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value)


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "command": _words,
    "oauth_client_allowed_scopes": tuple,
    "environment": lambda value: {key: str(each) for key, each in value.items()},
    "timeout": float,
}
"""How a value of the right type is kept."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(_is_text(word) and word for word in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_environment(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _is_text(key) and key and "=" not in key and (_is_text(each) or isinstance(each, (int, float)))
        for key, each in value.items()
    )


def _is_json_object(value: Any) -> bool:
    try:
        return isinstance(value, Mapping) and json.dumps(dict(value), allow_nan=False) != ""
    except (TypeError, ValueError, RecursionError):
        return False


_A_TEXT: Final = (_is_text, "a text")
_A_FLAG: Final = (lambda value: isinstance(value, bool), "True or False")

KEYS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "name": _A_TEXT,
    "api_token": _A_TEXT,
    "admin": _A_FLAG,
    "url": _A_TEXT,
    "command": (lambda value: _is_text(value) or _are_texts(value), "a list of words"),
    "cwd": _A_TEXT,
    "environment": (_is_environment, "a dictionary of texts by the names of variables"),
    "user": _A_TEXT,
    "timeout": (_is_number, "a number of seconds above 0"),
    "info": (_is_json_object, "a dictionary that JSON can hold"),
    "display": _A_FLAG,
    "oauth_client_id": _A_TEXT,
    "oauth_redirect_uri": _A_TEXT,
    "oauth_client_allowed_scopes": (_are_texts, "a list of scopes"),
    "oauth_no_confirm": _A_FLAG,
}
"""Every key, whether a value is of its type, and that type in words."""

_KEPT_SECRET: Final = frozenset({"api_token", "environment"})


def _wrong_keys(given: Mapping[Any, Any]) -> Iterable[str]:
    for key in given:
        if key in OLD_KEYS:
            yield f"{key}: {OLD_KEYS[key]}"
        elif key not in KEYS:
            yield f"there is no key {shown(key)}{did_you_mean(str(key), KEYS)}"


def _wrong_types(given: Mapping[Any, Any]) -> Iterable[str]:
    if "name" not in given:
        yield "it has no name"
    for key, (fits, wanted) in KEYS.items():
        if key in given and not fits(given[key]):
            what = type(given[key]).__name__ if key in _KEPT_SECRET else shown(given[key])
            yield f"{key} must be {wanted}, not {what}"


def _wrong_values(spec: ServiceSpec, site: Site, catalogue: Catalogue) -> Iterable[str]:
    try:
        validate_service_name(spec.name)
    except PerijoveError as error:
        yield error.message
        return
    if spec.api_token and (wrong := wrong_token(spec.api_token)) is not None:
        yield f"api_token {wrong}"
        return
    if spec.url:
        yield from _wrong_url(spec.url)
    if spec.user:
        yield from _wrong_user(spec.user)
    scopes = [text for scope in spec.oauth_client_allowed_scopes for text in wrong_scope(scope, catalogue)]
    yield from (f"oauth_client_allowed_scopes: {text}" for text in scopes)
    if spec.has_client and not scopes:
        secret = spec.api_token or (_TO_BE_RUN if spec.managed else "")
        try:
            service_client(spec.as_service(from_config=True), secret, site, catalogue)
        except PerijoveError as error:
            yield error.message


def _wrong_url(url: str) -> Iterable[str]:
    try:
        check_http_url(url)
    except TraitError as error:
        yield f"url: {error}"
        return
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        yield f"url: it must have letters, digits and signs only, {MAX_URL} at most"
    # A proxy refuses what it cannot read as an address, and might refuse all other routes with it.
    elif not _is_host(urlsplit(url).hostname or "") or urlsplit(url).port == 0:
        yield "url: it must name a host, or an address, and a port above 0"


def _is_host(name: str) -> bool:
    try:
        return ip_address(name).version in {4, 6} and "%" not in name
    except ValueError:
        return len(name) <= MAX_HOST and _HOST.fullmatch(name) is not None


def _wrong_user(user: str) -> Iterable[str]:
    try:
        pwd.getpwnam(user)
    except KeyError:
        yield f"user: this machine knows no user {shown(user)}"


def _doubts(spec: ServiceSpec) -> Iterable[str]:
    if 0 < len(spec.api_token) < GOOD_TOKEN_LENGTH:
        yield f"api_token {SHORT}"
    if not spec.managed and (idle := [key for key in MANAGED_KEYS if getattr(spec, key)]):
        yield f"{', '.join(idle)}: of no effect without a command, as the hub does not start this service"


def _clashes(spec: ServiceSpec, others: Iterable[ServiceSpec]) -> Iterable[str]:
    for other in others:
        if other.name == spec.name:
            yield "there is another service of that name"
            continue
        if spec.api_token and other.api_token == spec.api_token:
            yield f"the service {other.name} has the same api_token"
        if spec.has_client and other.has_client and spec.client_id == other.client_id:
            yield f"the service {other.name} has the same oauth_client_id"
