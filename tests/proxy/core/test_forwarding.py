"""What targets are told of clients, and whom the proxy believes."""

from __future__ import annotations

import pytest

from perijove.proxy.core.forwarding import Peer, counted_as, forwarded_lines, is_trusted, read_networks

CAME = {
    b"x-forwarded-for": b"203.0.113.9",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-port": b"443",
    b"x-forwarded-host": b"hub.tld",
    b"forwarded": b"for=203.0.113.9;proto=https",
}


def test_what_a_trusted_proxy_says_is_kept_and_this_hop_appended() -> None:
    assert forwarded_lines(CAME, b"inside:8000", Peer(b"10.0.0.1", b"http")) == [
        b"X-Forwarded-Port: 443,8000",
        b"X-Forwarded-Proto: https,http",
        b"X-Forwarded-For: 203.0.113.9,10.0.0.1",
        b"X-Forwarded-Host: hub.tld",
        b'Forwarded: for=203.0.113.9;proto=https,for=10.0.0.1;host="inside:8000";proto=http',
    ]


def test_what_a_stranger_says_is_dropped() -> None:
    assert forwarded_lines(CAME, b"hub.tld", Peer(b"2001:db8::1", b"https", trusted=False)) == [
        b"X-Forwarded-Port: 443",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-For: 2001:db8::1",
        b"X-Forwarded-Host: hub.tld",
        b'Forwarded: for="[2001:db8::1]";host=hub.tld;proto=https',
    ]


def test_a_client_without_address_or_host() -> None:
    assert forwarded_lines({}, b"", Peer(b"", b"http")) == [
        b"X-Forwarded-Port: 80",
        b"X-Forwarded-Proto: http",
        b"Forwarded: for=unknown;proto=http",
    ]


@pytest.mark.parametrize(
    ("networks", "address", "trusted"),
    [
        ("private", "127.0.0.1", True),
        ("private", "192.168.3.4", True),
        ("private", "fd00::1", True),
        ("private", "fe80::1%eth0", True),
        ("private", "198.51.100.1", False),
        ("private", "2001:db8::1", False),
        ("198.51.100.0/24, 2001:db8::/32", "198.51.100.1", True),
        ("198.51.100.0/24, 2001:db8::/32", "2001:db8::1", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("198.51.100.7", "127.0.0.1", False),
        ("none", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("all", "198.51.100.1", True),
        ("all", "no address", False),
        ("none", "", True),
    ],
)
def test_who_is_trusted(networks: str, address: str, trusted: bool) -> None:
    assert is_trusted(address, read_networks(networks)) is trusted


def test_networks_must_be_networks() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        read_networks("127.0.0.1,nonsense")


def test_one_subscriber_has_many_addresses_of_version_six() -> None:
    assert counted_as("192.0.2.1") == "192.0.2.1"
    assert counted_as("2001:db8:1:2:3::4") == counted_as("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert counted_as("2001:db8:1:3::9") != counted_as("2001:db8:1:2::9")
    assert counted_as("x:y") == "x:y"
