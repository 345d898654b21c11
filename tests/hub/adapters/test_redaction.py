from __future__ import annotations

import pytest

from perijove.hub.adapters.redaction import REMOVED, is_secret_name, without_secrets


@pytest.mark.parametrize(
    "text",
    [
        "GET /user/a/lab?token=s3cr3t-value HTTP/1.1",
        "GET /?a=b&token=s3cr3t-value&c=d",
        "Authorization: token s3cr3t-value",
        "{'Authorization': 'token s3cr3t-value', 'Accept': '*/*'}",
        "authorization=Bearer s3cr3t-value",
        "sent Bearer s3cr3t-value",
        "Cookie: _xsrf=2|a; session=s3cr3t-value",
        "Set-Cookie: jupyterhub-session-id=s3cr3t-value; HttpOnly",
        "JUPYTERHUB_API_TOKEN=s3cr3t-value",
        'password: "s3cr3t-value"',
        '{"client_secret": "s3cr3t-value"}',
        "api_key=s3cr3t-value",
        "GET /oauth_callback?code=s3cr3t-value&state=s3cr3t-value",
        "postgresql://hub:s3cr3t-value@db/hub",
        "known s3cr3t-value anywhere",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    cleaned = without_secrets(text, ["s3cr3t-value"] if text.startswith("known") else [])
    assert "s3cr3t-value" not in cleaned
    assert REMOVED in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Serving notebooks from local directory: /home/alice",
        "http://127.0.0.1:8888/user/alice/lab",
        "the process ended with exit code=1",
        "Using token authentication",
        "No password set",
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert without_secrets(text, ["", "lab", "short"]) == text


def test_a_known_secret_that_holds_another_goes_whole() -> None:
    assert without_secrets("x abcdefgh-ijkl x", ["abcdefgh", "abcdefgh-ijkl"]) == f"x {REMOVED} x"


@pytest.mark.parametrize(
    "name",
    ["token", "api_token", "JUPYTERHUB_API_TOKEN", "password", "client_secret", "Cookie", "authorization", "xsrf"],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["user", "server", "tokenizer", "seconds", "code", "event"])
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)
