from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.usecases.server_logs import ServerLogs
from perijove.wire.scopes import Scope

House = Any


async def test_the_log_of_a_running_server_is_read_and_of_a_dead_one_what_it_left(house: House) -> None:
    await house.user("ada")
    hub = await house.hub()
    logs = ServerLogs(house.ctx, hub.steps.log_of)
    assert await logs.read(house.admin, "ada", "") == ""
    await hub.start()
    await house.until("ready")
    house.world.log = "first\nsecond"
    assert await logs.read(house.admin, "ada", "") == "first\nsecond"
    house.world.end((await house.row()).id, 1)
    await house.until("failed")
    house.world.log = "of another one"
    assert await logs.read(house.admin, "ada", "") == "first\nsecond"


async def test_whoever_may_use_a_server_or_see_its_state_may_read_it(house: House) -> None:
    await house.user("ada")
    hub = await house.hub()
    logs = ServerLogs(house.ctx, hub.steps.log_of)
    for base in ("access:servers", "admin:server_state"):
        reader = Principal("user", "eve", frozenset({Scope(base, "server", "ada/")}))
        assert await logs.read(reader, "ada", "") == ""
        with pytest.raises(PerijoveError) as caught:
            await logs.read(reader, "ada", "lab")
        assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(PerijoveError) as caught:
        await logs.read(Principal("user", "eve", frozenset({Scope("read:servers")})), "ada", "")
    assert caught.value.code is Code.FORBIDDEN
    with pytest.raises(PerijoveError, match="no server named"):
        await logs.read(house.admin, "ada", "lab")
