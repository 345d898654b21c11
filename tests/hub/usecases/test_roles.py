from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.paging import Window
from perijove.hub.core.principals import Principal
from perijove.hub.usecases.roles import get_role, list_roles
from perijove.wire.scopes import Scope

House = Any


def holder(*scopes: Scope) -> Principal:
    return Principal("user", "eve", frozenset(scopes))


async def test_whoever_may_read_roles_sees_how_many_hold_them_and_who(house: House) -> None:
    for name in ("ada", "bob"):
        await house.user(name)
    await house.user("root", admin=True)
    summaries = {each.role.name: each.holders for each in await list_roles(house.ctx, house.admin)}
    assert list(summaries) == ["admin", "server", "token", "user"]
    assert summaries["user"] == {"user": 3, "group": 0, "service": 0}
    role = await get_role(house.ctx, house.admin, "user", Window(1, 1))
    assert (role.holders["user"].items, role.holders["user"].total) == (["bob"], 3)
    with pytest.raises(PerijoveError) as caught:
        await get_role(house.ctx, house.admin, "nothing", Window())
    assert caught.value.code is Code.NOT_FOUND


async def test_only_holders_of_kinds_that_the_caller_may_see_are_told(house: House) -> None:
    await house.user("ada")
    some = holder(Scope("read:roles:groups"), Scope("read:roles:users", "user", "ada"))
    assert {each.role.name: dict(each.holders) for each in await list_roles(house.ctx, some)}["user"] == {"group": 0}
    assert set((await get_role(house.ctx, some, "user", Window())).holders) == {"group"}
    for nobody in (holder(), holder(Scope("read:roles:users", "user", "ada"))):
        with pytest.raises(PerijoveError) as caught:
            await list_roles(house.ctx, nobody)
        assert caught.value.code is Code.FORBIDDEN
