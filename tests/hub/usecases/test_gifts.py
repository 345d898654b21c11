from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.usecases.gifts import beyond_reach, is_boundless, require_boundless
from perijove.wire.scopes import Scope

House = Any


async def test_only_administrators_with_all_that_they_may_do_are_without_bounds(house: House) -> None:
    await house.user("root", admin=True)
    for principal, boundless in (
        (house.admin, True),
        (replace(house.admin, admin=False), False),
        (replace(house.admin, scopes=house.admin.scopes - {Scope("shutdown")}), False),
    ):
        async with house.store.transaction() as tx:
            assert await is_boundless(house.ctx, tx, principal) is boundless
            if boundless:
                await require_boundless(house.ctx, tx, principal, "give roles")
            else:
                with pytest.raises(PerijoveError, match="can give roles") as caught:
                    await require_boundless(house.ctx, tx, principal, "give roles")
                assert caught.value.code is Code.FORBIDDEN


async def test_what_goes_beyond_ones_own_rights_is_named(house: House) -> None:
    await house.user("ada")
    async with house.store.transaction() as tx:
        group = await tx.groups.add("physics")
        await tx.groups.add_members(group.id, [(await tx.users.get("ada")).id])
        held = expand(["servers!group=physics"], Holder(user="eve"))
        tutor = Principal("user", "eve", held)

        async def beyond(*raw: str, holder: Holder | None = None) -> list[str]:
            return [str(scope) for scope in await beyond_reach(house.ctx, tx, tutor, raw, holder)]

        assert await beyond("servers!group=physics", "custom:gone", "self") == []
        assert await beyond("servers!user=ada") == []
        assert await beyond("start:servers!user=bob") == ["start:servers!user=bob"]
        assert await beyond("access:servers!user") == []
        assert await beyond("access:servers!user", holder=Holder(user="eve")) == ["access:servers!user=eve"]
