from __future__ import annotations

import pytest

from perijove.hub.core.principals import Principal
from perijove.hub.core.scopes import CATALOGUE, Holder, expand
from perijove.hub.core.visibility import USER_FIELDS, user_fields


def seen(*raw: str, of: str = "alice") -> frozenset[str]:
    return user_fields(Principal("user", "alice", expand(raw, Holder(user="alice"))), of)


def test_every_scope_that_shows_fields_is_known_and_shows_whose_they_are() -> None:
    assert set(USER_FIELDS) <= set(CATALOGUE)
    assert all({"kind", "name"} <= set(fields) for fields in USER_FIELDS.values())


@pytest.mark.parametrize("scope", USER_FIELDS)
@pytest.mark.parametrize("limit", ["", "!user=alice"])
def test_a_scope_shows_its_fields(scope: str, limit: str) -> None:
    assert seen(scope + limit) >= set(USER_FIELDS[scope])


@pytest.mark.parametrize("raw", ["self", "read:users!user", "admin:users!group=g", "tokens", "read:users!server=bob/"])
def test_nothing_of_others_is_seen_without_a_scope_for_them(raw: str) -> None:
    assert seen(raw, of="bob") == frozenset()


def test_the_name_alone_can_be_shown() -> None:
    assert seen("list:users") == {"kind", "name", "admin", "user_info"}
    assert seen("read:users:activity", of="bob") == {"kind", "name", "last_activity"}


def test_what_authentication_keeps_is_for_administrators_only() -> None:
    assert "auth_state" not in seen("self", "users", "admin:servers")
    assert "auth_state" in seen("admin:users")
