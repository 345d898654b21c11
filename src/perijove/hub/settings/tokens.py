"""Tokens that the configuration gives: ``api_tokens`` to users, ``service_tokens`` to services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import Struct

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.names import normalize_user_name, validate_service_name
from perijove.hub.core.tokens import MIN_TOKEN_LENGTH

GOOD_TOKEN_LENGTH: Final = 32
SHORT: Final = f"is short and could be guessed; use {GOOD_TOKEN_LENGTH} characters or more (openssl rand -hex 32)"
"""What is said of a token that is allowed and should be longer."""
_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {"user": normalize_user_name, "service": validate_service_name}


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """One token of the configuration, and whose it is."""

    owner_kind: Literal["user", "service"]
    owner_name: str
    token: str = field(repr=False)


class ParsedTokens(Struct, frozen=True):
    """What was understood, what was wrong and what is doubtful; sentences begin with the option."""

    tokens: tuple[TokenSpec, ...]
    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_tokens(option: str, owner_kind: Literal["user", "service"], value: Mapping[Any, Any]) -> ParsedTokens:
    """Return what ``c.JupyterHub.<option>``, a dictionary of owners by token, says; no sentence repeats a token."""
    tokens: list[TokenSpec] = []
    mistakes: list[str] = []
    warnings: list[str] = []
    for number, (token, owner) in enumerate(value.items(), 1):
        place = f"c.JupyterHub.{option}, entry {number}"
        if not isinstance(owner, str) or not isinstance(token, str):
            mistakes.append(f'{place}: write {{"<token>": "<name of the {owner_kind}>"}}')
            continue
        try:
            name = _CHECKS[owner_kind](owner)
        except PerijoveError as error:
            mistakes.append(f"{place}: {error.message}")
            continue
        if (wrong := wrong_token(token)) is not None:
            mistakes.append(f"{place} ({name}): the token {wrong}")
            continue
        if len(token) < GOOD_TOKEN_LENGTH:
            warnings.append(f"{place} ({name}): the token {SHORT}")
        tokens.append(TokenSpec(owner_kind, name, token))
    return ParsedTokens(tuple(tokens), tuple(mistakes), tuple(warnings))


def wrong_token(token: str) -> str | None:
    """Return why *token* can be none; None if it can be one."""
    if len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        return f"must have {MIN_TOKEN_LENGTH} or more letters, digits and signs, without blanks"
    return None
