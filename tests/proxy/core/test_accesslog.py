"""Lines of the access log."""

from __future__ import annotations

import json

import pytest

from perijove.proxy.core.accesslog import MAX_PATH, Exchange, access_line, shown_target

EXCHANGE = Exchange(
    ended=1767225600.25,
    seconds=1.23456789,
    first_byte=0.5,
    address="192.0.2.1",
    method="GET",
    target="/user/a/lab?token=abc&x=1",
    version="HTTP/1.1",
    host="hub.tld",
    agent="Firefox" * 100,
    status=200,
    received=3,
    sent=1000,
    kind="user",
    upstream="http://127.0.0.1:81",
    request_id="id-1",
    tunnel=False,
    fault="",
)


def test_json() -> None:
    assert json.loads(access_line(EXCHANGE, "json", query=False)) == {
        "time": "2026-01-01T00:00:00.250Z",
        "request_id": "id-1",
        "address": "192.0.2.1",
        "method": "GET",
        "host": "hub.tld",
        "path": "/user/a/lab",
        "status": 200,
        "seconds": 1.234568,
        "first_byte": 0.5,
        "received": 3,
        "sent": 1000,
        "kind": "user",
        "target": "http://127.0.0.1:81",
        "agent": ("Firefox" * 100)[:200],
    }
    line = json.loads(access_line(EXCHANGE._replace(tunnel=True, fault="too_slow", status=0), "json", query=False))
    assert (line["tunnel"], line["fault"], line["status"]) == (True, "too_slow", 499)


def test_common() -> None:
    line = access_line(EXCHANGE, "common", query=False)
    assert line == '192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /user/a/lab HTTP/1.1" 200 1000'
    odd = access_line(EXCHANGE._replace(address="", target='/a"b\n\x7fü'), "common", query=False)
    assert odd == r'- - - [01/Jan/2026:00:00:00 +0000] "GET /a\"b\n\x7f\xfc HTTP/1.1" 200 1000'


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/x?a=1&b=2", "/x?a=1&b=2"),
        ("/x?token=abc&b=2", "/x?token=[redacted]&b=2"),
        ("/x?access_token=abc;b=2", "/x?access_token=[redacted];b=2"),
        ("/hub/oauth_callback?code=1&state=2", "/hub/oauth_callback?code=[redacted]&state=[redacted]"),
        ("/x?%74oken=abc", "/x?%74oken=[redacted]"),
        ("/hub/login?next=%2Fuser%2Fx%3Ftoken%3Dabc", "/hub/login?next=[redacted]"),
        ("/hub/login?next=%252Fuser%253Fcode%253Dabc", "/hub/login?next=[redacted]"),
        ("/hub/login?next=%2Fhub%2Ftoken", "/hub/login?next=%2Fhub%2Ftoken"),
        ("/x?plain", "/x?plain"),
        ("/x", "/x"),
    ],
)
def test_queries_only_where_asked_for_and_without_secrets(target: str, shown: str) -> None:
    assert shown_target(target, query=True) == shown
    assert shown_target(target, query=False) == target.partition("?")[0]


def test_a_path_is_bounded() -> None:
    assert len(shown_target("/" + "x" * 10000 + "?y=1", query=True)) == MAX_PATH
