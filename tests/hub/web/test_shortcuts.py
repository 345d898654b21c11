from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from perijove.hub.testing.running import RunningHub, running_hub

NOT_COMPARED = {"x-request-id"}
USUAL_WAY = "way=usual"
"""A query that means nothing; no shortcut is taken for a request with one."""


def comparable(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in NOT_COMPARED}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "user", None),
        ("POST", "users/ada/activity", {"last_activity": "2020-01-01T00:00:00Z"}),
        ("POST", "users/ada/activity", {"last_activity": "never"}),
        ("POST", "users/ada/activity", {}),
        ("POST", "users/ADA/activity", {"last_activity": "2030-01-01T00:00:00Z"}),
        ("POST", "users/ada/activity", {"servers": {"no such": {"last_activity": "2030-01-01T00:00:00Z"}}}),
        ("POST", "users/bob/activity", {"last_activity": "2030-01-01T00:00:00Z"}),
        ("POST", "users//activity", {}),
        ("GET", "users/ada/activity", None),
        ("GET", "users", None),
        ("GET", "users?limit=1", None),
        ("GET", "users?offset=1&limit=1&limit=7", None),
        ("GET", "users?state=active&sort=-name", None),
        ("GET", "users?state=asleep", None),
        ("GET", "users?sort=created", None),
    ],
)
@pytest.mark.parametrize(
    "who", ["ada", "an administrator", "a service that may nothing", "nobody", "a token that is none"]
)
async def test_a_shortcut_answers_as_the_way_around_it(who: str, method: str, path: str, body: Any) -> None:
    async with running_hub() as hub:
        token = await _token(hub, who)
        client = hub.client(token)

        short = await client.request(method, f"{hub.api}/{path}", json=body)
        around = f"{path}&{USUAL_WAY}" if "?" in path else f"{path}?{USUAL_WAY}"
        usual = await client.request(method, f"{hub.api}/{around}", json=body)

        assert comparable(short) == comparable(usual)


async def _token(hub: RunningHub, who: str) -> str:
    if who == "ada":
        return await hub.token("ada")
    if who == "nobody":
        return ""
    if who == "an administrator":
        await hub.add_user("bob")
        return await hub.token("root", admin=True)
    return await hub.token("idle", service=True) if "service" in who else "x" * 40


async def test_what_changed_shows_in_the_next_answer() -> None:
    async with running_hub() as hub:
        client = hub.client(await hub.token("ada"))
        assert not (await client.get(f"{hub.api}/user")).json()["admin"]

        await hub.add_user("ada", admin=True)

        assert (await client.get(f"{hub.api}/user")).json()["admin"]


async def test_a_time_that_was_written_shows_in_the_next_answer() -> None:
    async with running_hub() as hub:
        client = hub.client(await hub.token("ada"))
        assert (await client.get(f"{hub.api}/user")).json()["last_activity"] is None

        await hub.state.activity.flush()

        assert (await client.get(f"{hub.api}/user")).json()["last_activity"] is not None


async def test_a_token_that_is_over_ends_with_its_time() -> None:
    async with running_hub() as hub:
        token = await hub.token("ada", expires_at=hub.clock.now() + timedelta(seconds=60))
        client = hub.client(token)
        assert (await client.get(f"{hub.api}/user")).status_code == 200

        hub.clock.advance(61)

        assert (await client.get(f"{hub.api}/user")).status_code == 403


async def test_a_report_is_refused_with_a_page_of_the_same_form_when_the_store_is_away() -> None:
    async with running_hub() as hub:
        client = hub.client(await hub.token("ada"))
        hub.store.away = True

        answer = await client.post(f"{hub.api}/users/ada/activity", json={"last_activity": "2030-01-01T00:00:00Z"})

        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"


async def test_a_break_in_a_shortcut_is_told_with_an_error_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_hub() as hub:
        client = hub.client(await hub.token("ada"))

        async def broken(*args: object, **values: object) -> None:
            raise LookupError("no")

        monkeypatch.setattr(hub.state.activity, "report", broken)
        answer = await client.post(f"{hub.api}/users/ada/activity", json={"last_activity": "2020-01-01T00:00:00Z"})

        assert answer.status_code == 500
        assert "error id" in answer.json()["message"]


async def test_a_body_that_is_too_long_is_refused() -> None:
    async with running_hub() as hub:
        client = hub.client(await hub.token("ada"))

        answer = await client.post(f"{hub.api}/users/ada/activity", content=b" " * (8 * 1024 * 1024 + 1))

        assert answer.status_code == 413
