from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.settings.tokens import TokenSpec, parse_tokens, wrong_token

GOOD = "0123456789abcdef" * 2


def test_tokens_are_read_with_the_one_spelling_of_names() -> None:
    parsed = parse_tokens("api_tokens", "user", {GOOD: "Ada"})
    assert (parsed.tokens, parsed.mistakes, parsed.warnings) == ((TokenSpec("user", "ada", GOOD),), (), ())
    assert GOOD not in repr(parsed)
    assert parse_tokens("service_tokens", "service", {GOOD: "culler"}).tokens[0].owner_kind == "service"


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        ("user", {GOOD: "a/b"}, "Invalid user name"),
        ("service", {GOOD: "a b"}, "Invalid service name"),
        ("user", {GOOD: 7}, "write {"),
        ("user", {77777: "ada"}, "write {"),
        ("user", {"short": "ada"}, "must have 8 or more"),
        ("user", {"with a blank in it": "ada"}, "without blanks"),
    ],
)
def test_mistakes_are_named_and_repeat_no_token(kind: Any, value: dict[Any, Any], complaint: str) -> None:
    parsed = parse_tokens("api_tokens", kind, value)
    assert parsed.tokens == ()
    (mistake,) = parsed.mistakes
    assert mistake.startswith("c.JupyterHub.api_tokens, entry 1")
    assert complaint in mistake
    for token in value:
        assert str(token) not in mistake


def test_a_short_token_is_doubtful() -> None:
    parsed = parse_tokens("api_tokens", "user", {"12345678": "ada"})
    assert len(parsed.tokens) == 1
    assert "could be guessed" in parsed.warnings[0]


@pytest.mark.parametrize("token", ["1234567", "tökentöken", "1234 5678", "12345678\n"])
def test_what_can_be_no_token(token: str) -> None:
    assert wrong_token(token) is not None
    assert wrong_token(GOOD) is None
