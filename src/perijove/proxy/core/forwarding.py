"""What a target is told of the connection a request came on: X-Forwarded-* and Forwarded (RFC 7239).

What a client itself says there is believed only of a trusted one: another proxy, which tells of the client before it.
What comes from anybody else is dropped, or a stranger could write any address into the logs and limits behind us.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Network = IPv4Network | IPv6Network

# A proxy in front of this one is nearly always a neighbour: on the same machine, or on the same private network.
_NEIGHBOURS: tuple[Network, ...] = (
    *map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")),
    IPv4Network("100.64.0.0/10"),
    *map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")),
)
_EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_WORDS: dict[str, tuple[Network, ...]] = {"private": _NEIGHBOURS, "all": _EVERYBODY, "none": ()}


class Peer(NamedTuple):
    """The other end of a client's connection. ``address`` is empty for a client on a socket file."""

    address: bytes
    proto: bytes
    trusted: bool = True


def read_networks(text: str) -> tuple[Network, ...]:
    """Read networks separated by commas; ``private``, ``all`` and ``none`` are words for some. Raises ValueError."""
    found: list[Network] = []
    for item in (part.strip() for part in text.split(",")):
        if item in _WORDS:
            found += _WORDS[item]
        elif item:
            found.append(ip_network(item, strict=False))
    return tuple(found)


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_trusted(address: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a client at *address* is in one of *networks*; one on a socket file (no address) always is."""
    if not address:
        return True
    found = _address(address)
    return found is not None and any(found in network for network in networks if network.version == found.version)


def counted_as(address: str) -> str:
    """Return what connections from *address* are counted under: a whole /64 of IPv6, which is one subscriber."""
    if ":" not in address:
        return address
    found = _address(address)
    return address if found is None else str(ip_network((int(found) >> 64 << 64, 64)))


def _appended(came: dict[bytes, bytes], name: bytes, value: bytes) -> bytes:
    before = came.get(name, b"")
    return before + b"," + value if before and value else before or value


def _port(host: bytes, peer: Peer) -> bytes:
    name, colon, port = host.rpartition(b":")
    if colon and port.isdigit() and name:
        return port
    return b"443" if peer.proto == b"https" else b"80"


def _element(host: bytes, peer: Peer) -> bytes:
    """Return one element of Forwarded (RFC 7239 4); what is no token has to be quoted."""
    client = peer.address or b"unknown"
    parts = [b'for="[%b]"' % client if b":" in client else b"for=" + client]
    if host:
        parts.append((b'host="%b"' if b":" in host else b"host=%b") % host)
    parts.append(b"proto=" + peer.proto)
    return b";".join(parts)


def forwarded_lines(came: dict[bytes, bytes], host: bytes, peer: Peer) -> list[bytes]:
    """Return the fields that tell of *peer*, behind what *came* (by lower-case name) if the peer is trusted.

    *host* is the request's Host. The first host named stays, as configurable-http-proxy has it.
    """
    if not peer.trusted:
        came = {}
    lines = [
        b"X-Forwarded-Port: " + _appended(came, b"x-forwarded-port", _port(host, peer)),
        b"X-Forwarded-Proto: " + _appended(came, b"x-forwarded-proto", peer.proto),
    ]
    address = _appended(came, b"x-forwarded-for", peer.address)
    if address:
        lines.append(b"X-Forwarded-For: " + address)
    named = came.get(b"x-forwarded-host") or host
    if named:
        lines.append(b"X-Forwarded-Host: " + named)
    lines.append(b"Forwarded: " + _appended(came, b"forwarded", _element(host, peer)))
    return lines
