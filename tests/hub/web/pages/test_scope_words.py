from __future__ import annotations

import pytest

from perijove.hub.core.scopes import parse_known
from perijove.hub.web.pages.scope_words import ROLE_WORDS, WORDS, parted


@pytest.mark.parametrize("text", [*WORDS, "self"])
def test_every_scope_with_words_is_one(text: str) -> None:
    assert parse_known(text).kind in {"", "user"}


def test_a_role_has_what_is_its_holders_own_by_one_tick() -> None:
    assert "self" in ROLE_WORDS
    assert [scope for scope in ROLE_WORDS if "!" in scope] == []


def test_scopes_that_are_not_offered_are_written_down() -> None:
    assert parted(("servers!group=x", "self", "read:users")) == (["self"], ["servers!group=x", "read:users"])
