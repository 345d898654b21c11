from __future__ import annotations

from perijove.hub.core.history import Gauges
from perijove.hub.testing.running import running_hub


async def test_a_hub_has_all_that_looking_after_it_needs() -> None:
    async with running_hub() as hub:
        administration = hub.state.administration
        user = await hub.add_user("root", admin=True)
        assert {option.section for option in administration.options} == {"FakeAuthenticator", "FakeProxy"}
        hub.history.look({})
        (point,) = administration.history.points(hub.clock.now(), 1, 1)
        assert isinstance(point.gauges, Gauges)
        assert user.admin
