from __future__ import annotations

from collections.abc import Callable

import pytest

from perijove.hub.core.errors import Code, PerijoveError, conflict, forbidden, invalid, not_found


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (invalid, Code.INVALID),
        (not_found, Code.NOT_FOUND),
        (forbidden, Code.FORBIDDEN),
        (conflict, Code.CONFLICT),
    ],
)
def test_each_maker_gives_its_code_and_the_message(make: Callable[[str], PerijoveError], code: Code) -> None:
    error = make("because")
    assert (error.code, error.message, str(error), error.retry_after) == (code, "because", "because", None)


def test_an_error_may_say_when_to_come_back() -> None:
    assert PerijoveError(Code.LIMITED, "later", retry_after=30).retry_after == 30


def test_an_error_shows_its_code_and_message_in_a_traceback() -> None:
    assert repr(PerijoveError(Code.FAILED, "no such image")) == "PerijoveError(failed, 'no such image')"


def test_the_codes_are_a_closed_list() -> None:
    assert {code.value for code in Code} == {
        "invalid",
        "unauthenticated",
        "forbidden",
        "not_found",
        "conflict",
        "not_allowed",
        "limited",
        "unavailable",
        "failed",
    }
