from __future__ import annotations

from dataclasses import replace

from perijove.hub.core.principals import Principal
from perijove.hub.ports.store import Unsure
from perijove.hub.web.answers import Answers, Mark
from perijove.wire.scopes import Scope

ADA = Principal("user", "ada", frozenset({Scope("read:users")}), user_id=1, token_id=7)
FIRST = Mark(1, 1)


def test_an_answer_is_kept_until_the_mark_is_another_one() -> None:
    answers = Answers()
    answers.put(ADA, FIRST, b"ada")

    assert answers.get(ADA, FIRST) == b"ada"
    assert answers.get(replace(ADA), FIRST) == b"ada"
    assert answers.get(ADA, Mark(2, 1)) is None


def test_nobody_gets_an_answer_made_for_other_rights_or_another_token() -> None:
    answers = Answers()
    answers.put(ADA, FIRST, b"ada")

    assert answers.get(replace(ADA, scopes=frozenset()), FIRST) is None
    assert answers.get(replace(ADA, token_id=8), FIRST) is None
    assert answers.get(replace(ADA, user_id=2), FIRST) is None
    assert answers.get(Principal("service", "ada", ADA.scopes, service_id=1, token_id=7), FIRST) is None


def test_an_answer_whose_times_alone_are_old_can_be_had() -> None:
    answers = Answers()
    assert answers.older(ADA, 1) is None
    answers.put(ADA, FIRST, b"ada")

    assert answers.get(ADA, Mark(1, 2)) is None
    assert answers.older(ADA, 1) == b"ada"
    assert answers.older(ADA, Unsure(1)) == b"ada"
    assert answers.older(ADA, 2) is None
    assert answers.older(ADA, Unsure(2)) is None
    assert answers.get(ADA, Mark(Unsure(1), 1)) is None
    assert answers.older(replace(ADA, scopes=frozenset()), 1) is None
