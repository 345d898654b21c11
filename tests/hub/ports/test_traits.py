from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import HasTraits, TraitError

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.traits import MAX_TOLD, ByteSpecification, Command, NamedFunction, call_plugin, told_by


class Holder(HasTraits):
    size = ByteSpecification(None, allow_none=True)
    cmd = Command(["default"])
    key = NamedFunction("len", {"len": len, "min": min})


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


def test_a_command_may_be_one_word() -> None:
    assert Holder().cmd == ["default"]
    assert Holder(cmd="jupyter-labhub").cmd == ["jupyter-labhub"]
    assert Holder(cmd=["a", "b"]).cmd == ["a", "b"]
    with pytest.raises(TraitError):
        Holder(cmd=[1])


def test_a_function_may_go_by_a_name() -> None:
    assert Holder().key is len
    assert Holder(key="min").key is min
    assert Holder(key=max).key is max
    for wrong in ("max", None, 5):
        with pytest.raises(TraitError, match="one of 'len', 'min'"):
            Holder(key=wrong)


class Foreign(Exception):
    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args)
        self.__dict__ |= attributes


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PerijoveError(Code.FAILED, "No more places."), "No more places."),
        (Foreign(jupyterhub_message="Choose another image."), "Choose another image."),
        (Foreign(status_code=400, log_message="No such image"), "No such image"),
        (Foreign("x", status_code=403, log_message="Not for %s"), "Not for x"),
        (Foreign(status_code=400, log_message="100 %d"), "100 %d"),
        (Foreign(status_code=422, detail="Too many"), "Too many"),
        (Foreign(status_code=400, reason="Odd"), "Odd"),
        (Foreign(status_code=400, detail={"a": 1}), ""),
        (Foreign(status_code=500, log_message="inner life"), ""),
        (Foreign(status_code="400", log_message="inner life"), ""),
        (Foreign(jupyterhub_message=5), ""),
        (ValueError("inner life"), ""),
    ],
)
def test_what_an_error_of_a_plugin_says_to_people(error: Exception, text: str) -> None:
    assert told_by(error) == text


def test_what_people_are_shown_is_bounded() -> None:
    assert len(told_by(Foreign(jupyterhub_message="x\n" * 5000))) == MAX_TOLD
