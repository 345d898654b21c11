"""Limits of single processes, as setrlimit(2) takes them."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Any

_NAMES = sorted(name.removeprefix("RLIMIT_") for name in vars(resource) if name.startswith("RLIMIT_"))


def parse_limits(limits: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return soft and hard limit by name; each is given as a number for both, or as a pair.

    Raises:
        ValueError: one cannot be set; the message says what is wrong.
    """
    parsed: dict[str, tuple[int, int]] = {}
    for name, value in limits.items():
        if name not in _NAMES:
            raise ValueError(f"there is no limit {name!r}; there are {', '.join(_NAMES)}")
        pair = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
        if len(pair) != 2 or any(type(number) is not int or number < -1 for number in pair):
            raise ValueError(f"the limit {name} must be a whole number or a pair of them, -1 for none")
        soft, hard = pair
        if hard != -1 and (soft == -1 or soft > hard):
            raise ValueError(f"the soft limit {name} is above the hard one")
        parsed[name] = (soft, hard)
    return parsed
