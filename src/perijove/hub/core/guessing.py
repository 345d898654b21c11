"""How many tries may fail, and by what they are told apart."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from msgspec import Struct

from perijove.hub.core.attempts import AttemptKey, Tally
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.names import normalize_user_name

_HOME_NETWORK: Final = 64
"""How many bits of an IPv6 address belong to one customer of a provider at least."""


class GuessLimits(Struct, frozen=True):
    """How many tries may fail within *window*; 0 for any number.

    Attributes:
        per_name: under one name, from browsers in which nobody of that name has signed in before.
        per_address: from one address, under whatever names.
        window: from the first of them on.
    """

    per_name: int = 10
    per_address: int = 100
    window: timedelta = timedelta(minutes=10)


class Try(Struct, frozen=True):
    """Somebody tries to prove who they are.

    Attributes:
        what: one word for what is tried, ``sign-in`` say; at most 20 characters.
        name: under which name, as typed; empty if tries have none.
        address: from where.
        device: what this browser is known by, if that name has signed in with it before; else empty.
        apart: what else tries from one address are told apart by, an OAuth client say.
    """

    what: str
    name: str = ""
    address: str = ""
    device: str = ""
    apart: str = ""

    @property
    def by_name(self) -> AttemptKey | None:
        """What the tries under one name are counted under; None for what can be no name.

        Browsers in which that name has signed in before are counted each on its own, so that who guesses from
        elsewhere does not keep the owner out.
        """
        if self.device:
            return _key(f"{self.what}-device", self.device)
        try:
            return _key(f"{self.what}-name", normalize_user_name(self.name))
        except PerijoveError:
            return None

    @property
    def by_address(self) -> AttemptKey:
        """What the tries from one address are counted under."""
        return _key(f"{self.what}-address", f"{network_of(self.address)} {self.apart}")


def network_of(address: str) -> str:
    """Return what stands for *address* in counting: an IPv4 address itself, of an IPv6 address the first 64 bits."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(IPv6Address(int(ip) >> _HOME_NETWORK << _HOME_NETWORK))
    return str(ip)


def _key(kind: str, text: str) -> AttemptKey:
    return AttemptKey(kind, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())


def too_many(tally: Tally, window: timedelta, now: datetime) -> PerijoveError:
    """Return the error for somebody who tried too often, with the seconds until they may try again."""
    seconds = max(1, ceil((tally.since + window - now).total_seconds()))
    wait = f"{seconds} seconds" if seconds < 120 else f"{(seconds + 59) // 60} minutes"
    return PerijoveError(Code.LIMITED, f"Too many failed attempts. Try again in {wait}.", retry_after=seconds)
