from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.core.events import AdminChanged, GroupCreated, MembershipChanged
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases.people import BY_AUTHENTICATOR
from perijove.hub.usecases.refreshes import LEFT_ALONE, Refreshes

House = Any
REQUEST = SignInRequest("192.0.2.1")


class Refreshing(FakeAuthenticator):
    """Answers with `answer`, or raises it; waits for `gate` first."""

    def __init__(self, answer: Any = True, **options: Any) -> None:
        super().__init__(allow_all=True, **options)
        self.answer = answer
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[Any, Any]] = []

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:
        self.asked.append((user, handler))
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def ada(house: House) -> Any:
    async with house.store.transaction() as tx:
        return await tx.users.get("ada")


async def refreshing(house: House, answer: Any = True, **options: Any) -> tuple[Refreshing, Refreshes, int]:
    authenticator = Refreshing(answer, **options)
    return authenticator, Refreshes(house.ctx, authenticator), (await ada(house)).id


async def test_it_is_asked_when_the_last_answer_is_old(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, auth_refresh_age=60)
    for _ in range(3):
        assert await refreshes.still_good(user, REQUEST)
    assert [(person.name, handler) for person, handler in authenticator.asked] == [("ada", REQUEST)]
    house.clock.advance(59)
    assert await refreshes.still_good(user)
    assert len(authenticator.asked) == 1
    house.clock.advance(1)
    assert await refreshes.still_good(user)
    assert len(authenticator.asked) == 2


async def test_whoever_has_just_signed_in_is_fresh(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, False)
    refreshes.signed_in(user)
    assert await refreshes.still_good(user)
    assert authenticator.asked == []
    assert not await refreshes.still_good(user, force=True)


async def test_a_refusal_is_remembered_until_the_next_sign_in(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, False)
    for _ in range(3):
        assert not await refreshes.still_good(user)
    assert len(authenticator.asked) == 1
    refreshes.signed_in(user)
    assert await refreshes.still_good(user)


async def test_an_age_of_0_asks_only_where_it_must(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, False, auth_refresh_age=0)
    assert await refreshes.still_good(user)
    assert authenticator.asked == []
    assert not await refreshes.still_good(user, force=True)


async def test_an_authenticator_with_nothing_to_say_is_never_asked(house: House) -> None:
    refreshes = Refreshes(house.ctx, FakeAuthenticator())
    assert not refreshes.enabled
    assert await refreshes.still_good(1, force=True)


async def test_many_requests_at_once_are_one_question(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house)
    authenticator.gate.clear()
    waiting = [asyncio.create_task(refreshes.still_good(user)) for _ in range(20)]
    await house.when(lambda: authenticator.asked)
    waiting[0].cancel()
    authenticator.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 19
    assert len(authenticator.asked) == 1


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("secret"),
        "ada",
        7,
        {"name": "eve"},
        {"name": 7},
        {"admin": "yes"},
        {"groups": ["a"]},
        {"roles": []},
        {"auth_state": "secret"},
        {"auth_state": {"secret": b""}},
    ],
)
async def test_what_is_no_answer_changes_nothing(house: House, answer: Any, before: bool) -> None:
    authenticator, refreshes, user = await refreshing(house, before, enable_auth_state=True)
    refreshes = Refreshes(replace(house.ctx, encryption=FernetEncryption([bytes(32)])), authenticator)
    assert await refreshes.still_good(user) is before
    person = await ada(house)
    authenticator.answer = answer
    with capture_logs() as logs:
        assert await refreshes.still_good(user, force=True) is before
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert await ada(house) == person
    assert house.telemetry.facts == []


async def test_silence_changes_nothing_and_the_authenticator_is_left_alone(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, refresh_timeout=0.1)
    authenticator.gate.clear()
    other = (await house.user("bob")).id
    assert await refreshes.still_good(user)
    assert await refreshes.still_good(other, force=True)
    assert len(authenticator.asked) == 1
    authenticator.gate.set()
    house.clock.advance(LEFT_ALONE)
    assert await refreshes.still_good(other)
    assert len(authenticator.asked) == 2


async def test_a_method_that_blocks_holds_up_nobody(house: House) -> None:
    class Blocking(FakeAuthenticator):
        def refresh_user(self, user: Any, handler: Any = None) -> bool:
            time.sleep(0.5)
            return False

    refreshes = Refreshes(house.ctx, Blocking(refresh_timeout=0.1))
    assert await refreshes.still_good((await ada(house)).id)


async def test_without_the_store_nothing_is_known(house: House) -> None:
    _, refreshes, user = await refreshing(house, False)
    house.store.away = True
    assert await refreshes.still_good(user)


async def test_what_is_told_is_taken_in(house: House) -> None:
    answer = {"admin": True, "groups": ["staff"], "user_info": {"name": "Ada"}, "auth_state": {"token": "new"}}
    authenticator, _, user = await refreshing(house, answer, manage_groups=True)
    ctx = replace(house.ctx, encryption=FernetEncryption([bytes(32)]))
    refreshes = Refreshes(ctx, authenticator)
    assert await refreshes.still_good(user)
    assert house.telemetry.facts == [
        GroupCreated("staff", BY_AUTHENTICATOR),
        MembershipChanged("staff", "ada", True, BY_AUTHENTICATOR),
        AdminChanged("ada", True, BY_AUTHENTICATOR),
    ]
    changed = await ada(house)
    assert (changed.admin, changed.groups, changed.user_info) == (True, ("staff",), {"name": "Ada"})
    assert await refreshes.still_good(user, force=True)
    assert await authenticator.asked[-1][0].get_auth_state() == {"token": "new"}
    assert [group.name for group in authenticator.asked[-1][0].groups] == ["staff"]


async def test_whom_no_rule_lets_in_any_more_must_sign_in_again(house: House) -> None:
    class ByGroup(Refreshing):
        def check_allowed(self, username: str, authentication: Any = None) -> bool:
            return "staff" in (authentication or {}).get("groups", ())

    authenticator = ByGroup({"groups": ["staff"]}, manage_groups=True)
    refreshes, user = Refreshes(house.ctx, authenticator), (await ada(house)).id
    assert await refreshes.still_good(user)
    authenticator.answer = {"groups": []}
    assert not await refreshes.still_good(user, force=True)
    assert (await ada(house)).groups == ("staff",)


async def test_whoever_is_blocked_must_sign_in_again(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, {"user_info": {}})
    authenticator.blocked_users = {"ada"}
    assert not await refreshes.still_good(user)


async def test_nobody_comes_into_being_by_a_refresh(house: House) -> None:
    authenticator, refreshes, user = await refreshing(house, {"user_info": {}})
    authenticator.gate.clear()
    waiting = asyncio.create_task(refreshes.still_good(user))
    await house.when(lambda: authenticator.asked)
    async with house.store.transaction() as tx:
        await tx.users.delete(user)
    authenticator.gate.set()
    assert not await waiting
    assert await ada(house) is None
    assert not await refreshes.still_good(user, force=True)


def test_the_base_class_says_yes() -> None:
    assert Authenticator().refresh_user(None) is True  # type: ignore[arg-type]
