"""Which fields may come behind a body."""

from __future__ import annotations

import pytest

from perijove.proxy.core.fields import FORWARDED, HOP_BY_HOP, announced, may_trail
from perijove.proxy.core.guard import GUARDED


@pytest.mark.parametrize(
    "name", [b"x-checksum", b"digest", b"grpc-status", b"server-timing", b"etag", b"x-if-content-"]
)
def test_what_decides_nothing_may_trail(name: bytes) -> None:
    assert may_trail(name)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(HOP_BY_HOP | FORWARDED | GUARDED),
        *(b"content-length", b"content-encoding", b"content-type", b"content-range"),
        *(b"host", b"max-forwards", b"x-request-id", b"x-forwarded-prefix"),
        *(b"authorization", b"cookie", b"www-authenticate", b"proxy-authentication-info"),
        *(b"cache-control", b"expect", b"if-match", b"range", b"date", b"location", b"vary", b"expires"),
    ],
)
def test_what_was_decided_before_may_not(name: bytes) -> None:
    assert not may_trail(name)


def test_only_what_may_come_is_announced() -> None:
    names = [b"x-checksum", b"content-length", b"", b"bad name", b"x-named", b"digest"]
    assert announced(names, frozenset((b"x-named",))) == b"x-checksum, digest"
    assert announced([b"host"], frozenset()) == b""
