from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import HasTraits, TraitError

from perijove.hub.ports.traits import ByteSpecification, call_plugin


class Holder(HasTraits):
    size = ByteSpecification(None, allow_none=True)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (None, None),
        (0, 0),
        (1.9, 1),
        ("512", 512),
        ("1K", 1024),
        ("1.5 G", 3 * 2**29),
        (" 2M ", 2**21),
        ("1T", 2**40),
    ],
)
def test_sizes(written: Any, size: int | None) -> None:
    assert Holder(size=written).size == size


@pytest.mark.parametrize("written", ["", "G", "1 GB", "-1", "1,5G", "1g", [], {}])
def test_what_is_no_size_is_refused(written: Any) -> None:
    with pytest.raises(TraitError):
        Holder(size=written)


@given(st.integers(0, 2**20), st.sampled_from("KMGT"))
def test_suffixes_are_powers_of_1024(number: int, suffix: str) -> None:
    assert Holder(size=f"{number}{suffix}").size == number * 1024 ** (" KMGT".index(suffix))


async def test_a_coroutine_function_runs_here() -> None:
    async def method(a: int, *, b: int) -> tuple[int, int]:
        assert threading.current_thread() is threading.main_thread()
        return a, b

    assert await call_plugin(method, 1, b=2) == (1, 2)


async def test_a_plain_function_runs_in_a_thread() -> None:
    def method(a: int, *, b: int) -> tuple[int, int]:
        assert threading.current_thread() is not threading.main_thread()
        return a, b

    assert await call_plugin(method, 1, b=2) == (1, 2)


async def test_a_plain_function_may_give_an_awaitable() -> None:
    async def answer(value: int) -> int:
        return value

    assert await call_plugin(lambda: answer(42)) == 42


async def test_errors_come_through() -> None:
    def method() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await call_plugin(method)


async def test_one_that_hangs_is_given_up() -> None:
    release = threading.Event()
    try:
        for method in (release.wait, asyncio.Event().wait):
            with pytest.raises(TimeoutError):
                await call_plugin(method, timeout=0.01)
    finally:
        release.set()
