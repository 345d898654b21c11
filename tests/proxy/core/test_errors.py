"""The proxy's own answers."""

from __future__ import annotations

import json

import pytest

from perijove.proxy.core.errors import Fault, error_page_path, html_page, json_page, render_answer, wants_json

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "accept", "wanted"),
    [
        ("/user/a/lab", BROWSER, False),
        ("/user/a/lab", b"", False),
        ("/user/a/lab", b"*/*", False),
        ("/user/a/lab", b"application/json", True),
        ("/user/a/lab", b"Application/JSON, text/plain, */*", True),
        ("/user/a/lab", b"text/html;q=0.5, application/json;q=0.9", True),
        ("/user/a/lab", b"text/html, application/json;q=0.9", False),
        ("/user/a/lab", b"application/json;q=0", False),
        ("/user/a/lab", b"application/json;q=high", False),
        ("/user/a/api/kernels", BROWSER, True),
        ("/hub/api", b"", True),
        ("/apis", b"", False),
    ],
)
def test_who_gets_json(path: str, accept: bytes, wanted: bool) -> None:
    assert wants_json(path, accept) is wanted


def test_each_fault_has_a_status_and_a_message() -> None:
    statuses = {fault.name: fault.status for fault in Fault}
    assert statuses == {
        "MALFORMED_BODY": 400,
        "NO_ROUTE": 404,
        "INVALID_ANSWER": 502,
        "UNREACHABLE": 503,
        "TOO_SLOW": 504,
        "INTERNAL": 500,
    }
    assert all(fault.message.endswith(".") for fault in Fault)


def test_pages() -> None:
    content_type, body = json_page(404, "Nothing.")
    assert content_type == b"application/json"
    assert json.loads(body) == {"status": 404, "message": "Nothing."}
    content_type, body = html_page(503, "<b>", "id&" + "x" * 500)
    assert content_type.startswith(b"text/html")
    assert b"&lt;b&gt;" in body
    assert b"id&amp;" in body
    assert b'<a href="">Try again</a>' in body
    assert len(body) < 1500
    assert b"<a " not in html_page(404, "Nothing.", "id")[1]


def test_the_error_target_is_asked_for_the_escaped_url() -> None:
    assert (
        error_page_path(b"/hub/error", 503, b"/user/a/?x=1&y=/")
        == b"/hub/error/503?url=%2Fuser%2Fa%2F%3Fx%3D1%26y%3D%2F"
    )


def test_rendering() -> None:
    whole = render_answer(404, b"text/plain", b"gone", close=True, content_encoding=b"gzip")
    assert whole.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n")
    assert whole.endswith(b"Content-Encoding: gzip\r\nConnection: close\r\n\r\ngone")
    assert render_answer(404, b"text/plain", b"gone", head_only=True).endswith(b"\r\n\r\n")
    assert b"Content-Length" not in render_answer(204, b"", b"")
