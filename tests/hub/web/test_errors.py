from __future__ import annotations

from typing import Any

import pytest
import structlog
from fastapi import Request

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.testing.running import RunningHub
from perijove.hub.web import errors


def test_every_code_has_a_status_and_every_status_a_title() -> None:
    assert errors.STATUS.keys() == set(Code)
    assert set(errors.STATUS.values()) <= errors.TITLES.keys()


def test_t1_nobody_signed_in_is_403() -> None:
    assert errors.STATUS[Code.UNAUTHENTICATED] == 403


@pytest.fixture
def failing(hub: RunningHub) -> RunningHub:
    """A hub whose addresses ``…/fail/<code>`` raise that code."""

    async def fails(code: Code, retry: int | None = None) -> None:
        raise PerijoveError(code, "Because <b>so</b>.", retry_after=retry)

    for where in (f"{hub.api}/fail/{{code}}", f"{hub.prefix}fail/{{code}}"):
        hub.app.add_api_route(where, fails, methods=["GET"])
    return hub


@pytest.mark.parametrize("code", list(Code))
async def test_the_api_tells_an_expected_error_as_json(failing: RunningHub, code: Code) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await failing.client().get(f"{failing.api}/fail/{code.value}")
    status = errors.STATUS[code]
    assert answer.status_code == status
    told = answer.json()
    assert told["status"] == status
    assert told["message"].startswith("Because <b>so</b>.")
    entries = [entry for entry in logs if entry["event"] == "request failed"]
    assert len(entries) == (1 if status >= 500 else 0)
    for entry in entries:
        assert entry["error_id"] in told["message"]


@pytest.mark.parametrize("code", list(Code))
async def test_a_page_tells_an_expected_error_in_words(failing: RunningHub, code: Code) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await failing.client().get(f"{failing.prefix}fail/{code.value}")
    assert answer.status_code == errors.STATUS[code]
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Because &lt;b&gt;so&lt;/b&gt;." in answer.text
    for entry in logs:
        if entry["event"] == "request failed":
            assert entry["error_id"] in answer.text


@pytest.mark.parametrize(
    ("code", "retry", "header"),
    [
        (Code.LIMITED, 42, "42"),
        (Code.LIMITED, None, None),
        (Code.UNAVAILABLE, None, "5"),
        (Code.UNAVAILABLE, 17, "17"),
        (Code.FAILED, None, None),
        (Code.NOT_FOUND, None, None),
    ],
)
async def test_retry_after_says_when_to_try_again(
    failing: RunningHub, code: Code, retry: int | None, header: str | None
) -> None:
    query = f"?retry={retry}" if retry else ""
    for base in (f"{failing.api}/", failing.prefix):
        answer = await failing.client().get(f"{base}fail/{code.value}{query}")
        assert answer.headers.get("Retry-After") == header


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/json, text/plain", "application/json"),
        ("text/html,application/json", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
    ],
)
async def test_outside_the_api_the_caller_chooses_the_form(failing: RunningHub, accept: str, kind: str) -> None:
    answer = await failing.client(Accept=accept).get(f"{failing.prefix}fail/not_found")
    assert answer.headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("path", "is_api"),
    [("api", True), ("api/", True), ("api/users", True), ("apiary", False), ("user/x/api", False), ("", False)],
)
def test_what_belongs_to_the_api(path: str, is_api: bool) -> None:
    for prefix in ("/hub/", "/jh/hub/"):
        assert errors.is_api(prefix + path, prefix) is is_api


@pytest.mark.parametrize(
    ("query", "message"),
    [("limit=x", "limit: "), ("offset=1.5", "offset: "), ("offset=99999999999999999999", "offset: ")],
)
async def test_a_malformed_parameter_is_named(hub: RunningHub, query: str, message: str) -> None:
    answer = await hub.client(await hub.token("ada", admin=True)).get(f"{hub.api}/users?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)


async def test_handlers_take_only_what_they_are_for(hub: RunningHub) -> None:
    request = Request({"type": "http", "path": "/", "app": hub.app, "headers": []})
    handlers: list[Any] = [errors._expected, errors._malformed, errors._http]
    for handler in handlers:
        with pytest.raises(TypeError):
            await handler(request, RuntimeError("another"))


def test_error_ids_differ() -> None:
    assert len({errors.new_error_id() for _ in range(100)}) == 100
