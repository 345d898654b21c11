"""Paths, hosts and redirects as an operator wants them changed."""

from __future__ import annotations

import pytest

from perijove.proxy.core.rewriting import NO_REWRITING, Rewriting, location, read_field, target_path
from perijove.proxy.core.targets import Target, parse_target


def target(url: str) -> Target:
    parsed = parse_target(url)
    assert isinstance(parsed, Target)
    return parsed


@pytest.mark.parametrize(
    ("asked", "prefix", "include", "prepend", "wanted"),
    [
        (b"/user/a/lab?x=1", "/user/a", True, True, b"/base/user/a/lab?x=1"),
        (b"/user/a/lab?x=1", "/user/a", True, False, b"/user/a/lab?x=1"),
        (b"/user/a/lab?x=1", "/user/a", False, True, b"/base/lab?x=1"),
        (b"/user/a%2Fb/lab", "/user/a%2Fb", False, False, b"/lab"),
        (b"/user/%61/lab", "/user/a", False, False, b"/lab"),
        (b"/user/a", "/user/a", False, False, b"/"),
        (b"/user/a/", "/user/a", False, False, b"/"),
        (b"/user/a?x=/y/z", "/user/a", False, False, b"/?x=/y/z"),
        (b"/lab//x", "/", False, False, b"/lab//x"),
        (b"*", "/", False, True, b"*"),
    ],
)
def test_the_path_that_a_target_sees(asked: bytes, prefix: str, include: bool, prepend: bool, wanted: bytes) -> None:
    rewriting = Rewriting(include_prefix=include, prepend_path=prepend)
    assert target_path(asked, target("http://h:81/base/"), prefix, rewriting) == wanted


AUTO = Rewriting(auto_rewrite=True)
HTTPS = Rewriting(protocol_rewrite="https")


@pytest.mark.parametrize(
    ("value", "status", "rewriting", "wanted"),
    [
        (b"http://h:81/x?y#z", 302, AUTO, b"http://public:8000/x?y#z"),
        (b"HTTP://H:81", 307, AUTO, b"http://public:8000"),
        (b"http://h:81/x", 201, HTTPS, b"https://h:81/x"),
        (b"http://h:81/x", 302, Rewriting(auto_rewrite=True, protocol_rewrite="https"), b"https://public:8000/x"),
        (b"http://h:81/x", 302, NO_REWRITING, b"http://h:81/x"),
        (b"http://h:81/x", 200, AUTO, b"http://h:81/x"),
        (b"http://h:82/x", 302, AUTO, b"http://h:82/x"),
        (b"http://other:81/x", 302, AUTO, b"http://other:81/x"),
        (b"http://h:81.evil/x", 302, AUTO, b"http://h:81.evil/x"),
        (b"/x", 302, AUTO, b"/x"),
        (b"//h:81/x", 302, AUTO, b"//h:81/x"),
    ],
)
def test_only_redirects_to_the_target_itself_are_changed(
    value: bytes, status: int, rewriting: Rewriting, wanted: bytes
) -> None:
    assert location(value, status, target("http://h:81"), b"public:8000", rewriting) == wanted


def test_a_default_port_may_stand_or_not() -> None:
    assert location(b"http://h:80/x", 302, target("http://h"), b"p", AUTO) == b"http://p/x"
    assert location(b"https://h/x", 302, target("https://h:443"), b"p", AUTO) == b"https://p/x"
    assert location(b"http://h/x", 302, target("https://h"), b"p", AUTO) == b"http://h/x"
    assert location(b"http://h/x", 302, target("http://h"), b"", AUTO) == b"http://h/x"


def test_fields_for_targets() -> None:
    assert read_field(" X-From : a: b ") == ("X-From", "a: b")
    assert read_field("Host:inside") == ("Host", "inside")
    assert Rewriting(fields=((b"X-From", b"a"),)).field_names == {b"x-from"}
    for bad in ("", "no colon", ":x", "a b:c", "x:\r\ny: z", "Connection:close", "content-length:1", "ü:1", "x:\0"):
        with pytest.raises(ValueError, match="field"):
            read_field(bad)
