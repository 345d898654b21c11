from __future__ import annotations

from perijove.hub.settings.mistakes import ConfigurationError, Mistake, did_you_mean, in_order, nearest, shown


def test_a_mistake_reads_as_one_line_with_its_place() -> None:
    assert str(Mistake("wrong", "a.py:3")) == "a.py:3: wrong"
    assert str(Mistake("wrong")) == "wrong"


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest("Allowed_User", ["allowed_users", "blocked_users"]) == "allowed_users"
    assert nearest("xyz", ["allowed_users"]) is None
    assert did_you_mean("agrs", ["args"], "c.Spawner.") == "; did you mean c.Spawner.args?"
    assert did_you_mean("xyz", ["args"]) == ""


def test_mistakes_come_in_the_order_of_the_lines_and_once() -> None:
    late, early, twice = Mistake("x", "a.py:10"), Mistake("y", "a.py:9"), Mistake("x", "a.py:10")
    assert in_order([late, early, twice]) == [early, late]
    assert str(ConfigurationError([late, early])) == "a.py:9: y; a.py:10: x"


def test_a_shown_value_is_short_and_without_secrets() -> None:
    assert len(shown("x" * 1000)) == 80
    assert shown("abc", "api_token") == "'***'"
    assert shown("a\nb") == r"'a\nb'"
