from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.events import ShutdownRequested
from perijove.hub.core.principals import Principal
from perijove.hub.usecases.shutdown import Shutdown

House = Any


@pytest.mark.parametrize(
    ("asked", "servers", "proxy"),
    [({}, True, False), ({"servers": False}, False, False), ({"proxy": True, "servers": True}, True, True)],
)
def test_who_may_ends_the_hub_and_says_what_goes_with_it(
    house: House, asked: dict[str, bool], servers: bool, proxy: bool
) -> None:
    shutdown = Shutdown(house.ctx, servers=True, proxy=False)
    shutdown.ask(house.admin, **asked)
    assert shutdown.wanted.is_set()
    assert (shutdown.servers, shutdown.proxy) == (servers, proxy)
    assert house.telemetry.of(ShutdownRequested) == [ShutdownRequested("hub", servers, proxy, house.admin.name)]


def test_nobody_else_does(house: House) -> None:
    shutdown = Shutdown(house.ctx, servers=True, proxy=True)
    with pytest.raises(PerijoveError):
        shutdown.ask(Principal("user", "eve", frozenset()))
    assert not shutdown.wanted.is_set()


def test_a_hub_that_gives_up_takes_nothing_along(house: House) -> None:
    shutdown = Shutdown(house.ctx, servers=True, proxy=True)
    assert not shutdown.failed
    shutdown.give_up()
    assert shutdown.wanted.is_set()
    assert (shutdown.failed, shutdown.servers, shutdown.proxy) == (True, False, False)
