from __future__ import annotations

import socket
from collections import deque

import pytest

from perijove.hub.adapters.spawners import ports
from perijove.hub.adapters.spawners.ports import REMEMBERED, free_port
from perijove.hub.core.errors import Code, PerijoveError


def test_no_two_servers_that_start_get_the_same_port() -> None:
    assert len({free_port("127.0.0.1") for _ in range(REMEMBERED)}) == REMEMBERED


def test_a_port_that_was_given_a_moment_ago_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([7001, 7001, 7001, 7002])
    monkeypatch.setattr(ports, "_given", deque(maxlen=2))
    monkeypatch.setattr(ports, "_any", lambda *_: next(answers))
    assert [free_port("127.0.0.1"), free_port("127.0.0.1")] == [7001, 7002]


def test_it_is_given_again_after_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([7001, 7002, 7003, 7001])
    monkeypatch.setattr(ports, "_given", deque(maxlen=2))
    monkeypatch.setattr(ports, "_any", lambda *_: next(answers))
    assert [free_port("") for _ in range(4)] == [7001, 7002, 7003, 7001]


def test_where_there_is_none_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PerijoveError, match=r"No port is free on '192\.0\.2\.1': Cannot assign") as error:
        free_port("192.0.2.1")
    assert error.value.code is Code.FAILED
    monkeypatch.setattr(ports, "_given", deque([7001], maxlen=2))
    monkeypatch.setattr(ports, "_any", lambda *_: 7001)
    with pytest.raises(PerijoveError, match="too many servers start"):
        free_port("127.0.0.1")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_of_version_6_has_ports_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    assert free_port("::1") > 0
