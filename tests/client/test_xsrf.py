from __future__ import annotations

import pytest

from perijove.client.messages import WebRequest
from perijove.client.xsrf import NO_TOKEN, OTHER_SITE, forgery, is_navigation, sent_token, xsrf_token

TOKEN = xsrf_token(b"k" * 32, "login")
OURS = ("http://h:8000", "https://public.example")


def request(method: str = "GET", *, websocket: bool = False, target: str = "/", **headers: str) -> WebRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebRequest(method, target, {"host": "h:8000", **named}, websocket=websocket)


def problem(asked: WebRequest) -> str:
    return forgery(asked, TOKEN, sent_token(asked), OURS)


def test_tokens_belong_to_one_login() -> None:
    assert xsrf_token(b"k" * 32, "other") != TOKEN != xsrf_token(b"x" * 32, "login")


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request("HEAD"),
        request(sec_fetch_mode="navigate", sec_fetch_dest="document", sec_fetch_site="cross-site"),
        request("POST", x_xsrftoken=TOKEN),
        request("POST", x_csrftoken=TOKEN, origin="http://h:8000", sec_fetch_site="same-origin"),
        request("POST", target=f"/?_xsrf={TOKEN}", origin="https://public.example"),
        request(x_xsrftoken=TOKEN, sec_fetch_mode="cors", sec_fetch_site="same-origin"),
        request(websocket=True, target=f"/?_xsrf={TOKEN}", origin="http://h:8000", sec_fetch_mode="websocket"),
    ],
)
def test_trusted(asked: WebRequest) -> None:
    assert problem(asked) == ""


@pytest.mark.parametrize(
    "asked",
    [
        request("POST"),
        request("POST", x_xsrftoken="wrong"),
        request("POST", x_xsrftoken="ä"),
        request("POST", sec_fetch_site="same-origin", origin="http://h:8000"),
        request("OPTIONS"),
        request(sec_fetch_mode="no-cors", sec_fetch_site="same-origin", sec_fetch_dest="image"),
        request(sec_fetch_mode="cors", sec_fetch_site="same-origin", sec_fetch_dest="empty"),
        request(sec_fetch_mode="navigate", sec_fetch_dest="iframe", sec_fetch_site="same-origin"),
        request(websocket=True, origin="http://h:8000", sec_fetch_mode="websocket"),
    ],
)
def test_without_the_token_of_our_pages(asked: WebRequest) -> None:
    assert problem(asked) == NO_TOKEN


@pytest.mark.parametrize(
    "asked",
    [
        request("POST", x_xsrftoken=TOKEN, origin="http://evil.example"),
        request("POST", x_xsrftoken=TOKEN, origin="null"),
        request("POST", x_xsrftoken=TOKEN, origin="http://h:9000"),
        request("POST", x_xsrftoken=TOKEN, sec_fetch_site="cross-site"),
        request("POST", x_xsrftoken=TOKEN, sec_fetch_site="same-site"),
        request(websocket=True, target=f"/?_xsrf={TOKEN}", origin="http://evil.example"),
    ],
)
def test_from_another_site(asked: WebRequest) -> None:
    assert problem(asked) == OTHER_SITE


def test_no_cors_is_not_same_origin() -> None:
    """CVE-2026-40864: whatever the mode says, a subresource is no navigation and proves nothing."""
    for site in ("cross-site", "same-site"):
        assert problem(request(sec_fetch_mode="no-cors", sec_fetch_site=site)) == OTHER_SITE
    assert problem(request(sec_fetch_mode="no-cors")) == NO_TOKEN
    assert problem(request("POST", sec_fetch_mode="no-cors", sec_fetch_site="same-origin")) == NO_TOKEN


def test_navigation() -> None:
    assert is_navigation(request())
    assert not is_navigation(request("POST"))
    assert not is_navigation(request(websocket=True))
