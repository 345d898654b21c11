from __future__ import annotations

import json

import pytest

from perijove.wire.launching import LENGTH, MAX_REQUEST, Identity, LaunchError, LaunchRequest

REQUEST = LaunchRequest(
    ("server", "--flag"),
    {"TOKEN": "hush", "NAME": "Ada é"},
    "/home/ada",
    Identity(1000, 1001, (1001, 27)),
    {"NOFILE": (10, 20)},
    ("/sys/fs/cgroup/ada/cgroup.procs",),
)


def test_a_request_comes_through_as_it_was() -> None:
    sent = REQUEST.encode()
    (length,) = LENGTH.unpack(sent[: LENGTH.size])
    assert length == len(sent) - LENGTH.size
    assert LaunchRequest.decode(sent[LENGTH.size :]) == REQUEST
    plain = LaunchRequest(("server",), {}, "/")
    assert LaunchRequest.decode(plain.encode()[LENGTH.size :]) == plain


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(LaunchError, match=str(MAX_REQUEST)):
        LaunchRequest(("server",), {"X": "x" * MAX_REQUEST}, "/").encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        json.dumps({"argv": [], "env": [], "cwd": "/", "identity": None, "limits": {}, "cgroup_files": []}).encode(),
        json.dumps({"argv": [], "env": {}, "cwd": "/", "identity": {}, "limits": {}, "cgroup_files": []}).encode(),
        json.dumps(
            {"argv": [], "env": {}, "cwd": "/", "identity": None, "limits": {"A": 1}, "cgroup_files": []}
        ).encode(),
    ],
)
def test_what_is_no_request_is_refused_without_repeating_it(body: bytes) -> None:
    with pytest.raises(LaunchError) as caught:
        LaunchRequest.decode(body)
    assert "hush" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(REQUEST)
