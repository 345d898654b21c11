from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.users import (
    MAX_PASSWORD_LENGTH,
    MIN_PASSWORD_LENGTH,
    Account,
    Session,
    User,
    check_new_password,
)


@given(st.text(max_size=12))
def test_a_password_is_kept_as_it_was_typed_or_refused(password: str) -> None:
    if len(password) >= MIN_PASSWORD_LENGTH:
        assert check_new_password(password) == password
    else:
        with pytest.raises(PerijoveError, match="8 to 1024") as caught:
            check_new_password(password)
        assert caught.value.code is Code.INVALID


@pytest.mark.parametrize("length", [MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH])
def test_the_bounds_belong_to_what_is_allowed(length: int) -> None:
    assert len(check_new_password("x" * length)) == length


@pytest.mark.parametrize("length", [0, MIN_PASSWORD_LENGTH - 1, MAX_PASSWORD_LENGTH + 1])
def test_a_refused_password_is_not_repeated(length: int) -> None:
    with pytest.raises(PerijoveError) as caught:
        check_new_password("x" * length)
    assert "xx" not in caught.value.message


def test_users_accounts_and_sessions_are_values(now: datetime) -> None:
    assert User(1, "alice", admin=False, created=now).last_activity is None
    assert Account("a", "hash", approved=True, created=now) == Account("a", "hash", approved=True, created=now)
    assert hash(Session("k", "s", 1, now, now)) == hash(Session("k", "s", 1, now, now))
