from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.usecases.activity import MAX_AHEAD, Activity

House = Any
MINUTE = timedelta(minutes=1)
ME = Principal("user", "ada", expand(["self"], Holder(user="ada")))


async def refused(work: Any) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await work
    return caught.value


async def stored(house: House) -> tuple[Any, Any]:
    """Return the last activity of ada and of her server."""
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        server = await tx.servers.get(user.id, "")
    return user.last_activity, server.last_activity if server else None


@pytest.fixture
async def server(house: House) -> Any:
    user = await house.user()
    async with house.store.transaction() as tx:
        return await tx.servers.add(user.id, "")


async def test_reports_are_written_together_and_never_back(house: House, server: Any) -> None:
    activity, now = Activity(house.ctx), house.clock.now()
    await activity.report(ME, "ada", now, {"": now + MINUTE})
    await activity.report(ME, "ada", now - MINUTE, {"": now})
    assert await stored(house) == (None, None)
    await activity.flush()
    assert await stored(house) == (now, now + MINUTE)
    await activity.report(ME, "ada", now - MINUTE, {"": now})
    await activity.flush()
    assert await stored(house) == (now, now + MINUTE)


async def test_the_future_is_bounded(house: House, server: Any) -> None:
    activity, latest = Activity(house.ctx), house.clock.now() + MAX_AHEAD
    await activity.report(ME, "ada", latest, {})
    for at, servers in ((latest + timedelta(seconds=1), {}), (None, {"": latest + MINUTE})):
        assert (await refused(activity.report(ME, "ada", at, servers))).code is Code.INVALID


async def test_a_time_without_a_zone_is_refused(house: House, server: Any) -> None:
    naive = house.clock.now().replace(tzinfo=None)
    assert (await refused(Activity(house.ctx).report(ME, "ada", naive, {}))).code is Code.INVALID


async def test_only_who_may_reports_and_only_of_what_exists(house: House, server: Any) -> None:
    activity, now = Activity(house.ctx), house.clock.now()
    eve = Principal("user", "eve", expand(["self"], Holder(user="eve")))
    assert (await refused(activity.report(eve, "ada", now, {}))).code is Code.NOT_FOUND
    assert (await refused(activity.report(house.admin, "nobody", now, {}))).code is Code.NOT_FOUND
    error = await refused(activity.report(ME, "ada", now, {"x" * 500: now}))
    assert error.code is Code.INVALID
    assert len(error.message) < 150
    await activity.flush()
    assert await stored(house) == (None, None)


async def test_what_cannot_be_written_is_kept(house: House, server: Any) -> None:
    activity, now = Activity(house.ctx), house.clock.now()
    await activity.report(ME, "ada", now, {"": now})
    house.store.away = True
    assert (await refused(activity.flush())).code is Code.UNAVAILABLE
    house.clock.advance(5)
    activity.user_active(server.user_id)
    house.store.away = False
    await activity.flush()
    assert await stored(house) == (house.clock.now(), now)


async def test_what_comes_while_a_flush_fails_is_not_moved_back(house: House, server: Any) -> None:
    activity = Activity(house.ctx)
    activity.user_active(server.user_id)
    house.clock.advance(60)

    def used_and_away() -> None:
        activity.user_active(server.user_id)
        raise PerijoveError(Code.UNAVAILABLE, "away")

    house.store._check = used_and_away
    assert (await refused(activity.flush())).code is Code.UNAVAILABLE
    house.store._check = lambda: None
    await activity.flush()
    assert (await stored(house))[0] == house.clock.now()


async def test_nothing_is_written_when_there_is_nothing(house: House) -> None:
    house.store.away = True
    await Activity(house.ctx).flush()
    assert house.store.refused == 0


async def test_traffic_counts_for_server_and_owner(house: House, server: Any) -> None:
    activity, now = Activity(house.ctx), house.clock.now()
    activity.server_used(server.id, server.user_id, now)
    activity.token_used(1, None)
    await activity.flush()
    assert await stored(house) == (now, now)
