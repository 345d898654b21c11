from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from perijove.hub.core.principals import Principal
from perijove.hub.core.servers import Server
from perijove.hub.core.users import User
from perijove.hub.ports.store import Unsure
from perijove.hub.usecases.users import UserView
from perijove.hub.web.answers import Answers, Mark, UserTexts
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


def test_the_text_of_a_user_is_kept_while_nothing_of_it_changes() -> None:
    texts, written = UserTexts(), []

    def write(view: UserView) -> bytes:
        written.append(view)
        return f"{len(written)}".encode()

    user = User(1, "ada", False, datetime(2026, 1, 1, tzinfo=UTC))
    view = UserView(user, ("user",), (), frozenset({"name"}))
    assert [texts.text_of(each, write) for each in (view, view._replace(user=replace(user)))] == [b"1", b"1"]
    changes: tuple[dict[str, Any], ...] = (
        {"user": replace(user, groups=("team",))},
        {"roles": ()},
        {"fields": frozenset({"name", "roles"})},
        {"user": replace(user, id=2)},
    )
    for number, change in enumerate(changes, 2):
        assert texts.text_of(view._replace(**change), write) == str(number).encode()


def test_what_depends_on_more_than_the_user_is_not_kept() -> None:
    texts = UserTexts()
    user = User(1, "ada", False, datetime(2026, 1, 1, tzinfo=UTC))
    view = UserView(user, (), (), frozenset())
    for other in (view._replace(servers=(Server(1, 1, "ada", ""),)), view._replace(auth_state={})):
        assert texts.text_of(other, lambda _: b"one") == b"one"
        assert texts.text_of(other, lambda _: b"two") == b"two"
    assert texts.text_of(view, lambda _: b"without") == b"without"
