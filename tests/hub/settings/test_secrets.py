from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.settings.secrets import is_secret, masked


@pytest.mark.parametrize(
    "name",
    [
        "api_token",
        "auth_token",
        "cookie_secret",
        "password",
        "user_password",
        "client_secret",
        "api_tokens",
        "AWS_SECRET_KEY",
    ],
)
def test_these_names_hold_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["cookie_secret_file", "ssl_key", "ssl_cert", "server_token_scopes", "name", "authenticator_class", "keyboard"],
)
def test_these_names_do_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("services", [{"name": "ops", "api_token": "abc"}], [{"name": "ops", "api_token": "***"}]),
        ("api_tokens", {"abc": "anna"}, "***"),
        ("environment", {"API_KEY": "abc", "LANG": "C"}, {"API_KEY": "***", "LANG": "C"}),
        ("db_url", "postgresql://me:abc@host/db", "postgresql://me:***@host/db"),
        ("args", ["--ServerApp.token=abc", "--debug"], ["--ServerApp.token=***", "--debug"]),
        ("cookie_secret", b"abc", "***"),
        ("cookie_secret", "", ""),
        ("token_expires_in_max_seconds", 7, 7),
        ("admin_users", {"anna"}, {"anna"}),
    ],
)
def test_secrets_are_masked_and_nothing_else(name: str, value: Any, expected: Any) -> None:
    assert masked(value, name) == expected
