from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError, forbidden
from perijove.hub.core.events import GuessingSlowed
from perijove.hub.core.guessing import GuessLimits, Try
from perijove.hub.core.oauth import OAuthError
from perijove.hub.usecases.guessing import Guard

House = Any
LIMITS = GuessLimits(per_name=3, per_address=5, window=timedelta(minutes=10))
pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture
def guard(house: House) -> Guard:
    return Guard(house.ctx, LIMITS)


async def outcome(guard: Guard, attempt: Try, error: Exception | None = None) -> str:
    """Return what came of *attempt*: limited, failed or done."""
    entered = False
    try:
        async with guard.guarding(attempt):
            entered = True
            if error is not None:
                raise error
    except (PerijoveError, OAuthError):
        return "failed" if entered else "limited"
    return "done"


async def fail(guard: Guard, name: str = "ada", address: str = "192.0.2.1", device: str = "") -> str:
    return await outcome(guard, Try("sign-in", name, address, device), forbidden("no"))


async def succeed(guard: Guard, name: str = "ada", address: str = "192.0.2.1", device: str = "") -> str:
    return await outcome(guard, Try("sign-in", name, address, device))


async def test_a_name_is_guessed_a_few_times_only(house: House, guard: Guard) -> None:
    outcomes = [await fail(guard, address=f"192.0.2.{number}") for number in range(6)]
    assert outcomes == ["failed"] * 3 + ["limited"] * 3
    assert await succeed(guard, address="198.51.100.1") == "limited"
    assert house.telemetry.of(GuessingSlowed) == [GuessingSlowed("ada", "name", 600)]
    house.clock.advance(600)
    assert await succeed(guard) == "done"


async def test_names_that_do_not_exist_are_treated_alike(guard: Guard) -> None:
    existing = [await fail(guard, "ada", f"192.0.2.{number}") for number in range(5)]
    unknown = [await fail(guard, "nobody", f"198.51.100.{number}") for number in range(5)]
    assert existing == unknown


async def test_an_address_guesses_a_few_times_only_under_whatever_names(house: House, guard: Guard) -> None:
    outcomes = [await fail(guard, f"user{number}") for number in range(7)]
    assert outcomes == ["failed"] * 5 + ["limited"] * 2
    assert await succeed(guard, "ada", "192.0.2.2") == "done"
    assert [fact.counted_by for fact in house.telemetry.of(GuessingSlowed)] == ["address"]


async def test_success_forgives_the_name_but_not_the_address(guard: Guard) -> None:
    for round_ in range(5):
        outcomes = [await fail(guard, "victim"), await succeed(guard, "mallory")]
        expected = ["failed", "done"] if round_ < 3 else ["limited", "done"]
        assert outcomes == expected
    for name in ("one", "two"):
        assert await fail(guard, name) == "failed"
    assert await succeed(guard, "mallory") == "limited"


async def test_many_may_sign_in_from_one_address(guard: Guard) -> None:
    assert {await succeed(guard, f"student{number}") for number in range(30)} == {"done"}


async def test_the_owner_is_not_kept_out_of_a_browser_they_know(guard: Guard) -> None:
    for number in range(9):
        await fail(guard, "ada", f"192.0.2.{number}")
    assert await succeed(guard, "ada", "198.51.100.1") == "limited"
    assert await succeed(guard, "ada", "198.51.100.1", device="known") == "done"
    assert [await fail(guard, "ada", "198.51.100.2", "known") for _ in range(4)] == ["failed"] * 3 + ["limited"]


async def test_many_tries_at_once_are_no_way_round(guard: Guard) -> None:
    outcomes = await asyncio.gather(*(fail(guard, address=f"192.0.2.{number}") for number in range(20)))
    assert sorted(outcomes) == ["failed"] * 3 + ["limited"] * 17


async def test_hubs_count_together(house: House) -> None:
    one, other = Guard(house.ctx, LIMITS), Guard(house.ctx, LIMITS)
    for number in range(3):
        await fail(one if number % 2 else other, address=f"192.0.2.{number}")
    assert await fail(other, address="198.51.100.1") == "limited"


async def test_a_failure_that_is_nobodys_fault_does_not_count_under_the_address(guard: Guard) -> None:
    away = PerijoveError(Code.UNAVAILABLE, "The directory is away.")
    for number in range(9):
        await outcome(guard, Try("sign-in", f"user{number}", "192.0.2.1"), away)
    assert await succeed(guard) == "done"


async def test_wrong_secrets_of_clients_count(guard: Guard) -> None:
    attempt = Try("oauth-client", address="192.0.2.1", apart="service-x")
    outcomes = [await outcome(guard, attempt, OAuthError("invalid_client")) for _ in range(6)]
    assert outcomes == ["failed"] * 5 + ["limited"]
    assert await outcome(guard, Try("oauth-client", address="192.0.2.1", apart="service-y")) == "done"


async def test_what_is_done_from_an_address_is_counted(house: House, guard: Guard) -> None:
    attempt = Try("sign-up", "bob", "192.0.2.1")
    for _ in range(5):
        await guard.count(attempt)
    for _ in range(3):
        with pytest.raises(PerijoveError) as caught:
            await guard.count(attempt)
        assert (caught.value.code, caught.value.retry_after) == (Code.LIMITED, 600)
    assert len(house.telemetry.of(GuessingSlowed)) == 1


async def test_no_limit_is_no_limit(house: House) -> None:
    free = Guard(house.ctx, GuessLimits(0, 0))
    assert {await fail(free) for _ in range(30)} == {"failed"}
    for _ in range(30):
        await free.count(Try("sign-up", "bob", "192.0.2.1"))
    assert house.telemetry.of(GuessingSlowed) == []


async def test_counts_do_not_stay_for_ever(house: House, guard: Guard) -> None:
    for number in range(4):
        await fail(guard, f"user{number}", f"192.0.2.{number}")
    assert await guard.purge() == 0
    house.clock.advance(601)
    assert await guard.purge() == 8
