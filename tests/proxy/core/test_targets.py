"""Reading the URL of a target."""

from __future__ import annotations

import pytest

from perijove.proxy.core.targets import BadTarget, Endpoint, Target, parse_target


@pytest.mark.parametrize(
    ("url", "endpoint", "base"),
    [
        ("http://127.0.0.1:8081", Endpoint(False, "127.0.0.1", 8081), b""),
        ("http://127.0.0.1:8081/", Endpoint(False, "127.0.0.1", 8081), b""),
        ("http://host/base/path/", Endpoint(False, "host", 80), b"/base/path"),
        ("https://host", Endpoint(True, "host", 443), b""),
        ("http://[::1]:80", Endpoint(False, "::1", 80), b""),
        ("unix+http://%2Frun%2Fa.sock/x", Endpoint(False, "", 0, "/run/a.sock"), b"/x"),
        ("http+unix://%2Frun%2Fa.sock", Endpoint(False, "", 0, "/run/a.sock"), b""),
    ],
)
def test_targets(url: str, endpoint: Endpoint, base: bytes) -> None:
    target = parse_target(url)
    assert isinstance(target, Target)
    assert (target.endpoint, target.base, target.url) == (endpoint, base, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8081",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://host:99999",
        "http://host:x",
        "http://user:secret@host",
        "http://host/?a",
        "http://host/#a",
        "http://host/a\r\nX: y",
        "http://hôst",
        "http://[::1",
        "unix+http://relative",
        "unix+http://%2Frun%00",
        "http://host/" + "a" * 3000,
    ],
)
def test_refused_targets(url: str) -> None:
    refused = parse_target(url)
    assert isinstance(refused, BadTarget)
    assert refused.reason
    assert "secret" not in refused.reason
