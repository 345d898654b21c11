"""``c.JupyterHub.services``: programs that use the hub's API with a token of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import shorten, validate_service_name
from perijove.hub.settings.mistakes import did_you_mean, shown
from perijove.hub.settings.tokens import GOOD_TOKEN_LENGTH, SHORT, wrong_token

KEYS = ("name", "api_token", "admin")
UNAVAILABLE_KEYS = frozenset(
    {
        "url",
        "command",
        "cwd",
        "environment",
        "user",
        "timeout",
        "info",
        "display",
        "oauth_no_confirm",
        "oauth_client_id",
        "oauth_redirect_uri",
        "oauth_client_allowed_scopes",
        "oauth_roles",
    }
)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service of the configuration.

    Attributes:
        name: its name.
        api_token: its token; empty if it has none.
        admin: whether it holds the role admin.
    """

    name: str
    api_token: str = field(default="", repr=False)
    admin: bool = False


@dataclass(frozen=True, slots=True)
class ParsedServices:
    """What was understood, what was wrong and what is doubtful; sentences begin with the option."""

    services: tuple[ServiceSpec, ...]
    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_services(value: Sequence[Any]) -> ParsedServices:
    """Return what ``c.JupyterHub.services`` says, with every mistake in it."""
    services: list[ServiceSpec] = []
    mistakes: list[str] = []
    warnings: list[str] = []
    for index, item in enumerate(value):
        wrong = list(_mistakes(item))
        if not wrong:
            spec = ServiceSpec(item["name"], item.get("api_token") or "", bool(item.get("admin", False)))
            wrong += _clashes(spec, services)
            services.append(spec)
            if 0 < len(spec.api_token) < GOOD_TOKEN_LENGTH:
                warnings.append(f"{_place(index, item)}: api_token {SHORT}")
        mistakes += [f"{_place(index, item)}: {text}" for text in wrong]
    return ParsedServices(tuple(services), tuple(mistakes), tuple(warnings))


def _place(index: int, item: Any) -> str:
    name = item.get("name") if isinstance(item, Mapping) else None
    return f"c.JupyterHub.services[{index}]" + (f" ({shorten(name)})" if isinstance(name, str) else "")


def _mistakes(item: Any) -> Iterable[str]:
    if not isinstance(item, Mapping):
        yield f'a service is a dictionary such as {{"name": "ops", "api_token": "…"}}, not {type(item).__name__}'
        return
    for key in item:
        if key in UNAVAILABLE_KEYS:
            yield f"{key}: proxied and managed services are not available in this version; use {', '.join(KEYS)} only"
        elif key not in KEYS:
            yield f"there is no key {shown(key)}{did_you_mean(str(key), KEYS)}"
    yield from _wrong_name(item)
    token = item.get("api_token")
    if token is not None and not isinstance(token, str):
        yield f"api_token must be a text, not {type(token).__name__}"
    elif token and (wrong := wrong_token(token)) is not None:
        yield f"api_token {wrong}"
    if not isinstance(item.get("admin", False), bool):
        yield f"admin must be True or False, not {shown(item['admin'])}"


def _wrong_name(item: Mapping[str, Any]) -> Iterable[str]:
    name = item.get("name")
    if not isinstance(name, str):
        yield "it has no name" if name is None else f"name must be a text, not {type(name).__name__}"
        return
    try:
        validate_service_name(name)
    except PerijoveError as error:
        yield error.message


def _clashes(spec: ServiceSpec, others: Iterable[ServiceSpec]) -> Iterable[str]:
    for other in others:
        if other.name == spec.name:
            yield "there is another service of that name"
        if spec.api_token and other.api_token == spec.api_token:
            yield f"the service {other.name} has the same api_token"
