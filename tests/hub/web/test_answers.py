from __future__ import annotations

from dataclasses import replace

from perijove.hub.core.principals import Principal
from perijove.hub.web.answers import Answers
from perijove.wire.scopes import Scope

ADA = Principal("user", "ada", frozenset({Scope("read:users")}), user_id=1, token_id=7)


def test_an_answer_is_kept_until_the_mark_is_another_one() -> None:
    answers = Answers()
    answers.put(ADA, 1, b"ada")

    assert answers.get(ADA, 1) == b"ada"
    assert answers.get(replace(ADA), 1) == b"ada"
    assert answers.get(ADA, 2) is None


def test_nobody_gets_an_answer_made_for_other_rights_or_another_token() -> None:
    answers = Answers()
    answers.put(ADA, 1, b"ada")

    assert answers.get(replace(ADA, scopes=frozenset()), 1) is None
    assert answers.get(replace(ADA, token_id=8), 1) is None
    assert answers.get(replace(ADA, user_id=2), 1) is None
    assert answers.get(Principal("service", "ada", ADA.scopes, service_id=1, token_id=7), 1) is None
