from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from perijove.hub.core.servers import State
from perijove.hub.usecases.counting import count, count_active_users

House = Any


@dataclass
class Told:
    """What was counted."""

    running: int = 0
    users: int = 0
    active: dict[str, int] = field(default_factory=dict)
    states: Mapping[State, int] = field(default_factory=dict)

    def set_running(self, servers: int) -> None:
        self.running = servers

    def set_users(self, users: int) -> None:
        self.users = users

    def set_active_users(self, period: str, users: int) -> None:
        self.active[period] = users

    def look(self, servers: Mapping[State, int]) -> None:
        self.states = servers


async def test_servers_and_users_are_counted(house: House) -> None:
    told = Told()
    for name, state in (("ada", State.READY), ("bob", State.READY), ("cyd", State.STOPPED)):
        user = await house.user(name)
        async with house.store.transaction() as tx:
            server = await tx.servers.add(user.id, "")
        await house.change(server, state=state)
    await count(house.ctx, told, told)
    assert (told.running, told.users) == (2, 3)
    assert dict(told.states) == {State.READY: 2, State.STOPPED: 1}


async def test_users_count_as_active_by_how_long_ago_that_was(house: House) -> None:
    told, now = Told(), house.ctx.clock.now()
    for name, days in (("ada", 0.5), ("bob", 3), ("cyd", 20), ("dan", 50)):
        user = await house.user(name)
        async with house.store.transaction() as tx:
            await tx.activity.record({user.id: now - timedelta(days=days)}, {}, {})
    await house.user("eve")
    await count_active_users(house.ctx, told)
    assert told.active == {"24h": 1, "7d": 2, "30d": 3}
