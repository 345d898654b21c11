from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.settings.services import ServiceSpec, parse_services

TOKEN = "a-token-of-at-least-thirty-two-characters"


def test_a_service_is_understood() -> None:
    parsed = parse_services([{"name": "ops", "api_token": TOKEN, "admin": True}, {"name": "plain"}])
    assert parsed.services == (ServiceSpec("ops", TOKEN, admin=True), ServiceSpec("plain"))
    assert parsed.mistakes == parsed.warnings == ()


def test_a_token_never_stands_in_a_repr() -> None:
    assert TOKEN not in repr(ServiceSpec("ops", TOKEN))


def test_a_short_token_is_warned_of() -> None:
    parsed = parse_services([{"name": "ops", "api_token": "x" * 31}])
    assert parsed.mistakes == ()
    assert "c.JupyterHub.services[0] (ops): api_token is short" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (3, "a service is a dictionary"),
        ({}, "it has no name"),
        ({"name": 3}, "name must be a text"),
        ({"name": "a/b"}, "Invalid service name"),
        ({"name": "ops", "api_tokn": TOKEN}, "there is no key 'api_tokn'; did you mean api_token?"),
        ({"name": "ops", "url": "http://x"}, "url: proxied and managed services are not available"),
        ({"name": "ops", "command": []}, "command: proxied and managed services are not available"),
        ({"name": "ops", "api_token": "short"}, "8 or more"),
        ({"name": "ops", "api_token": "with blanks in it"}, "without blanks"),
        ({"name": "ops", "api_token": 3}, "api_token must be a text"),
        ({"name": "ops", "admin": "yes"}, "admin must be True or False"),
    ],
)
def test_a_wrong_service_is_told(item: Any, why: str) -> None:
    (text,) = parse_services([item]).mistakes
    assert text.startswith("c.JupyterHub.services[0]")
    assert why in text
    assert TOKEN not in text


def test_names_and_tokens_belong_to_one_service_each() -> None:
    parsed = parse_services([{"name": "a", "api_token": TOKEN}, {"name": "a"}, {"name": "b", "api_token": TOKEN}])
    assert len(parsed.mistakes) == 2
    assert "another service of that name" in parsed.mistakes[0]
    assert "the service a has the same api_token" in parsed.mistakes[1]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(parse_services([{"nam": "x", "admin": 3}, 4]).mistakes) == 4
