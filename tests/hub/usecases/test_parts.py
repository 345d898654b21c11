from __future__ import annotations

from perijove.hub.testing.running import running_hub


async def test_the_parts_of_a_hub_know_each_other() -> None:
    async with running_hub() as hub:
        await hub.add_user("ada")
        visitor = await hub.state.identities.by_session((await hub.session("ada")).key)
        assert visitor is not None
        server = await hub.parts.servers.start(visitor.principal, "ada", "")
        assert (await hub.parts.servers.settle(server, 10)).ready
        assert any("/user/ada/" in spec for spec in await hub.parts.routes.observed())
