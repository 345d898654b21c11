from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.usecases.reach import reached, reached_group
from perijove.wire.scopes import parse_scope

House = Any


def holding(*scopes: str) -> Principal:
    return Principal("service", "ops", frozenset(map(parse_scope, scopes)), service_id=1)


async def member(house: House, name: str, group: str) -> None:
    user = await house.user(name)
    async with house.store.transaction() as tx:
        found = await tx.groups.get(group) or await tx.groups.add(group)
        await tx.groups.add_members(found.id, [user.id])


async def test_a_filter_by_group_reaches_members_only(house: House) -> None:
    await member(house, "ada", "staff")
    await house.user("eve")
    async with house.store.transaction() as tx:
        assert (await reached(tx, holding("tokens!group=staff"), "tokens", name="ada")).groups == ("staff",)
        assert (await reached(tx, holding("servers!group=staff"), "servers", name="ada", server="lab")).name == "ada"
        with pytest.raises(PerijoveError, match="No access to resources") as caught:
            await reached(tx, holding("tokens!group=staff"), "tokens", name="eve")
        assert caught.value.code is Code.NOT_FOUND


async def test_whoever_is_not_reached_looks_like_nobody(house: House) -> None:
    await house.user("eve")
    messages = set()
    async with house.store.transaction() as tx:
        for name in ("eve", "nobody"):
            with pytest.raises(PerijoveError) as caught:
                await reached(tx, holding("tokens!user=ada"), "tokens", name=name)
            messages.add((caught.value.code, caught.value.message))
    assert len(messages) == 1


async def test_whoever_may_all_is_told_that_there_is_nobody(house: House) -> None:
    async with house.store.transaction() as tx:
        with pytest.raises(PerijoveError, match="No such user") as caught:
            await reached(tx, holding("tokens"), "tokens", name="nobody")
    assert caught.value.code is Code.NOT_FOUND


async def test_without_the_scope_it_is_forbidden(house: House) -> None:
    async with house.store.transaction() as tx:
        with pytest.raises(PerijoveError, match="requires any of") as caught:
            await reached(tx, holding("read:tokens"), "tokens", name="nobody")
    assert caught.value.code is Code.FORBIDDEN


async def test_a_group_that_is_out_of_reach_looks_like_none(house: House) -> None:
    await member(house, "ada", "/staff")
    async with house.store.transaction() as tx:
        assert (await reached_group(tx, holding("groups!group=/staff"), "groups", name="/staff")).name == "/staff"
        for scope, name, code in (
            ("groups!group=other", "/staff", Code.NOT_FOUND),
            ("groups", "none", Code.NOT_FOUND),
            ("groups!group=none", "none", Code.NOT_FOUND),
            ("tokens", "/staff", Code.FORBIDDEN),
            ("groups", " ", Code.INVALID),
        ):
            with pytest.raises(PerijoveError) as caught:
                await reached_group(tx, holding(scope), "groups", name=name)
            assert caught.value.code is code, (scope, name)
