from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from traitlets.config import Config

from perijove.hub.adapters.proxies.configurable_http_proxy import ConfigurableHTTPProxy
from perijove.hub.ports.proxy import ChangesRoutesAtOnce, Proxy
from perijove.hub.testing.fakes import FakeProxy


@pytest.mark.parametrize(
    "call",
    [
        lambda proxy: proxy.start(),
        lambda proxy: proxy.is_running(),
        lambda proxy: proxy.add_route("/", "http://x", {}),
        lambda proxy: proxy.delete_route("/"),
        lambda proxy: proxy.get_all_routes(),
    ],
)
async def test_one_that_does_not_say_how_says_so(call: Callable[[Proxy], Any]) -> None:
    with pytest.raises(TypeError, match="must override"):
        await call(Proxy())


async def test_a_proxy_that_nobody_started_need_not_be_stopped() -> None:
    await Proxy().stop()


def test_options_of_the_base_reach_every_subclass() -> None:
    assert FakeProxy().should_start
    assert not FakeProxy(config=Config({"Proxy": {"should_start": False}})).should_start


def test_changing_many_routes_at_once_is_an_ability_that_not_all_have() -> None:
    assert isinstance(ConfigurableHTTPProxy(), ChangesRoutesAtOnce)
    assert not isinstance(FakeProxy(), ChangesRoutesAtOnce)
