"""What people choose for a server before it starts: read from forms and addresses, bounded, kept with the server.

They come from outside, also past any form, over the REST API: nothing may be assumed of them but what `stored` checks.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

from perijove.hub.core.errors import invalid
from perijove.hub.core.names import shorten

MAX_LENGTH: Final = 65_536
"""How long the JSON of a server's options may be, in characters."""

MAX_DEPTH: Final = 32
BYTES_MARK: Final = "__jupyterhub_bytes__"
"""Marks an object of JSON that stands for bytes, such as those of an uploaded file; upstream's name."""

QUERY_PREFIX: Final = "opt-"
RESERVED: Final = frozenset({"next", "display_name", "_xsrf"})
"""What stands in the address of a start and is no option."""

_CODE_TAG: Final = re.compile(r"<(script|style)\b(?![^>]*\snonce=)", re.IGNORECASE)


def passthrough(form: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the fields of a form as they came: a list of values for each."""
    return dict(form)


def simple(form: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the fields of a form with single values out of their lists, and ``on`` of a check box as True."""
    return {key: _single(values) for key, values in form.items()}


def _single(values: list[Any]) -> Any:
    if len(values) != 1:
        return values
    return True if values[0] == "on" else values[0]


def from_query(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the options in the query of an address, as a form would give them.

    Where some begin with ``opt-``, those alone are meant, without that prefix; else all that are not `RESERVED`.

    Raises:
        PerijoveError: INVALID, if nothing follows the prefix.
    """
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        if key not in RESERVED:
            found.setdefault(key, []).append(value)
    prefixed = {key.removeprefix(QUERY_PREFIX): value for key, value in found.items() if key.startswith(QUERY_PREFIX)}
    if "" in prefixed:
        raise invalid(f"A name must follow {QUERY_PREFIX!r}")
    return prefixed or found


def stored(options: Any) -> dict[str, Any]:
    """Return *options* fit for JSON, bytes as marked objects.

    Raises:
        PerijoveError: INVALID, if they are no object with text keys, hold what JSON cannot carry, or are too long.
    """
    if not isinstance(options, Mapping):
        raise invalid("user_options must be a JSON object")
    fit: dict[str, Any] = _fit(options, "user_options", 0)
    if len(json.dumps(fit)) > MAX_LENGTH:
        raise invalid(f"user options have at most {MAX_LENGTH} characters, uploaded files included")
    return fit


def _fit(value: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise invalid(f"user options are nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool() | int():
            return value
        case float() if isfinite(value):
            return value
        case str() if "\0" not in value and _encodable(value):
            return value
        case bytes():
            return {BYTES_MARK: True, "data": b64encode(value).decode("ascii")}
        case Mapping():
            return {_key(key, place): _fit(inner, f"{place}[{key!r:.40}]", depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [_fit(inner, place, depth + 1) for inner in value]
    raise invalid(f"{shorten(place)}: a server's options are text, numbers, true, false, null, lists and objects")


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str) or "\0" in key or not _encodable(key):
        raise invalid(f"{shorten(place)}: the names of options are text")
    return key


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def readable(options: Any) -> Any:
    """Return what `stored` gave, with bytes as bytes; what is marked and cannot be read stays as it is."""
    if isinstance(options, Mapping):
        if options.get(BYTES_MARK) is True and isinstance(options.get("data"), str):
            try:
                return b64decode(options["data"])
            except ValueError:
                return dict(options)
        return {key: readable(value) for key, value in options.items()}
    return [readable(value) for value in options] if isinstance(options, list) else options


def as_fields(options: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what of *options* the fields of a form can show again: text, numbers, check boxes, lists of text."""
    fields: dict[str, list[str]] = {}
    for key, value in options.items():
        values = value if isinstance(value, list) else [value]
        if all(isinstance(each, str | int | float) and each is not False for each in values):
            fields[key] = ["on" if each is True else str(each) for each in values]
    return fields


def with_nonce(html: str, nonce: str) -> str:
    """Return *html* with *nonce* on each script and style sheet in it, so that a browser lets them work."""
    return _CODE_TAG.sub(rf'<\1 nonce="{nonce}"', html) if nonce else html
