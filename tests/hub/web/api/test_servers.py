from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.hub.core.admission import Limits
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.progress import ProgressEvent
from perijove.hub.core.servers import Server
from perijove.hub.core.user_options import MAX_LENGTH
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.api.servers import event_text, ready_body, remove_request, start_request
from perijove.wire.prefixes import server_prefix

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ready(server: Server | None) -> bool:
    return server is not None and server.ready


def starting(server: Server | None) -> bool:
    return server is not None and bool(server.spawner_state)


def events(text: str) -> list[dict[str, Any]]:
    """Return the JSON of the events in *text*, checking the form of the stream on the way."""
    found = []
    for block in text.split("\n\n")[:-1]:
        if block == ":":
            continue
        number, data = block.split("\n")
        assert number.startswith("id: ")
        assert int(number[4:]) >= 0
        assert data.startswith("data: ")
        found.append(json.loads(data[6:]))
    assert text.endswith("\n\n")
    return found


async def follow(hub: RunningHub, exchange: Any, path: str, seen: str = "") -> tuple[Any, asyncio.Task[Any]]:
    """Return a stream of ada's that has begun, and the task that ends with it."""
    headers = {"Authorization": f"token {await hub.token('ada')}", "Last-Event-ID": seen}
    stream = exchange(hub, f"{hub.api}/users/ada/{path}", headers=headers)
    following = asyncio.create_task(stream())
    async with asyncio.timeout(10):
        await stream.answered.wait()
    return stream, following


@pytest.mark.parametrize("name", ["server", "servers/", "servers/other"])
async def test_a_server_is_started_shown_and_stopped(waiting_hub: RunningHub, name: str) -> None:
    hub = waiting_hub
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/{name}"
    started = await client.post(url)
    assert (started.status_code, started.content) == (201, b"")
    assert started.headers["Content-Type"].startswith("text/plain")
    model = (await client.get(url)).json()
    assert (model["ready"], model["pending"], model["stopped"]) == (True, None, False)
    assert model["full_name"] == ("ada/other" if "other" in name else "ada/")
    again = await client.post(url)
    assert (again.status_code, again.json()["message"]) == (400, f"{model['full_name']} is already running")
    stopped = await client.delete(url)
    assert (stopped.status_code, stopped.content) == (204, b"")
    assert (await client.get(url)).json()["stopped"] is True
    assert (await client.delete(url)).status_code == 204


async def test_a_start_that_takes_long_is_202_and_so_is_asking_again(hub: RunningHub) -> None:
    hub.world.hang_start = True
    client = hub.client(await hub.token("ada"))
    for _ in range(2):
        answer = await client.post(f"{hub.api}/users/ada/server")
        assert (answer.status_code, answer.content) == (202, b"")
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await client.get(f"{hub.api}/users/ada/server")).json()["pending"] == "spawn"


async def test_a_stop_that_takes_long_is_202_and_a_start_meanwhile_is_400(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    await client.post(f"{hub.api}/users/ada/server")
    await hub.until(ready, "ada")
    hub.world.hang_stop = True
    for _ in range(2):
        answer = await client.delete(f"{hub.api}/users/ada/server")
        assert (answer.status_code, answer.content) == (202, b"")
    answer = await client.post(f"{hub.api}/users/ada/server")
    assert (answer.status_code, answer.json()["message"]) == (400, "ada/ is pending stop")


async def test_a_start_under_way_is_cancelled_by_stopping(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    hub.world.hang_start = True
    client = hub.client(await hub.token("ada"))
    waiting = asyncio.create_task(client.post(f"{hub.api}/users/ada/server"))
    await hub.until(starting, "ada")
    assert (await client.delete(f"{hub.api}/users/ada/server")).status_code == 204
    answer = await waiting
    assert (answer.status_code, answer.json()["message"]) == (409, "The server was stopped before it was ready.")


async def test_a_start_that_fails_is_5xx_and_says_why(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    hub.world.start_failure = PerijoveError(Code.FAILED, "No more memory on any node.")
    client = hub.client(await hub.token("ada"))
    answer = await client.post(f"{hub.api}/users/ada/server")
    assert answer.status_code == 500
    assert answer.json()["message"].startswith("No more memory on any node.")
    failure = (await client.get(f"{hub.api}/users/ada/server")).json()["failure"]
    assert failure["reason"] == "No more memory on any node."
    assert failure["at"] == "2026-01-01T00:00:00Z"


async def test_too_many_servers_are_429() -> None:
    async with running_hub(limits=Limits(active_servers=1)) as hub:
        await hub.client(await hub.token("ada")).post("/hub/api/users/ada/server")
        answer = await hub.client(await hub.token("bob")).post("/hub/api/users/bob/server")
        assert answer.status_code == 429
        assert answer.json()["message"] == "Active user limit exceeded. Try again in a few minutes."


async def test_whose_servers_may_be_started(hub: RunningHub) -> None:
    await hub.add_user("bob")
    ada, root = hub.client(await hub.token("ada")), hub.client(await hub.token("root", admin=True))
    reader = hub.client(await hub.token("ada", "read:servers!user"))
    for method in ("GET", "POST", "DELETE"):
        assert (await ada.request(method, f"{hub.api}/users/bob/server")).status_code == 404
        assert (await ada.request(method, f"{hub.api}/users/nobody/server")).status_code == 404
        assert (await root.request(method, f"{hub.api}/users/nobody/server")).status_code == 404
    assert (await reader.get(f"{hub.api}/users/ada/server")).status_code == 200
    assert (await reader.post(f"{hub.api}/users/ada/server")).status_code == 403
    assert (await reader.delete(f"{hub.api}/users/ada/server")).status_code == 403
    assert (await root.post(f"{hub.api}/users/bob/server")).status_code in {201, 202}


@pytest.mark.parametrize("name", ["Upper", "1st", "a--b", "a-", "x" * 31, "a.b", "\u00e4", "%2e%2e"])
async def test_t16_names_of_servers_are_narrow(hub: RunningHub, name: str) -> None:
    client = hub.client(await hub.token("ada"))
    assert (await client.post(f"{hub.api}/users/ada/servers/{name}")).status_code == 400
    assert (await client.get(f"{hub.api}/users/ada/servers/{name}")).status_code == 404


async def test_t16_what_people_call_a_server_is_free_text(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    body = {"display_name": "M\u00fcnchen \u2014 GPU <1>", "user_options": {"gpu": 1}}
    assert (await client.post(f"{hub.api}/users/ada/servers/gpu", json=body)).status_code in {201, 202}
    model = (await client.get(f"{hub.api}/users/ada/servers/gpu")).json()
    assert model["display_name"] == body["display_name"]
    assert model["user_options"] == {"gpu": 1}


async def test_named_servers_may_be_off() -> None:
    async with running_hub(named_servers=False) as hub:
        client = hub.client(await hub.token("ada"))
        assert (await client.post("/hub/api/users/ada/servers/other")).status_code == 400
        assert (await client.get("/hub/api/users/ada/servers/other")).status_code == 404


@pytest.mark.parametrize(
    ("body", "options", "display_name"),
    [
        (None, None, None),
        ({}, None, None),
        ({"user_options": {"a": 1}}, {"a": 1}, None),
        ({"user_options": {}}, {}, None),
        ({"user_options": None}, None, None),
        ({"display_name": "x"}, None, "x"),
        ({"user_options": {"a": 1}, "display_name": "x"}, {"a": 1}, "x"),
        ({"image": "scipy", "cpu": 2}, {"image": "scipy", "cpu": 2}, None),
    ],
)
def test_t17_options_come_in_a_key_or_bare(body: Any, options: Any, display_name: str | None) -> None:
    assert start_request(body) == (options, display_name)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        1,
        True,
        {"user_options": [1]},
        {"user_options": "x"},
        {"display_name": 5},
    ],
)
def test_hx46_options_that_are_none_are_refused(body: Any) -> None:
    with pytest.raises(PerijoveError) as refused:
        start_request(body)
    assert refused.value.code is Code.INVALID


async def test_t17_options_stay_until_others_are_chosen(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/server"

    async def options_after(body: Any) -> Any:
        assert (await client.post(url, json=body)).status_code == 201
        options = (await client.get(url)).json()["user_options"]
        assert (await client.delete(url)).status_code == 204
        return options

    assert await options_after({"cpu": 2}) == {"cpu": 2}
    assert await options_after({}) == {"cpu": 2}
    assert await options_after({"user_options": None}) == {"cpu": 2}
    assert await options_after({"user_options": {"cpu": 3}}) == {"cpu": 3}
    assert await options_after({"user_options": {}}) == {}


async def test_t12_a_server_is_stopped_and_removed_by_delete_with_a_body(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/servers/other"
    await client.post(url)
    answer = await client.request("DELETE", url, json={"remove": True})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(url)).status_code == 404
    assert (await client.request("DELETE", url, json={"remove": True})).status_code == 404


async def test_t12_a_server_that_stops_slowly_is_removed_after_that(hub: RunningHub) -> None:
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/servers/other"
    await client.post(url)
    await hub.until(ready, "ada", "other")
    answer = await client.request("DELETE", url, json={"remove": True})
    assert answer.status_code in {202, 204}
    await hub.until(lambda server: server is None, "ada", "other")
    assert (await client.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("body", "remove"), [(None, False), ({}, False), ({"remove": False}, False), ({"remove": True}, True)]
)
def test_what_a_stop_asks_for(body: Any, remove: bool) -> None:
    assert remove_request(body) is remove


@pytest.mark.parametrize("body", [{"remove": True}, {"remove": "yes"}, [], "x"])
async def test_the_default_server_is_not_removed(hub: RunningHub, body: Any) -> None:
    client = hub.client(await hub.token("ada"))
    answer = await client.request("DELETE", f"{hub.api}/users/ada/server", json=body)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["server/progress", "servers//progress", "servers/other/progress"])
async def test_progress_tells_each_step_and_ends_with_the_address(hub: RunningHub, exchange: Any, path: str) -> None:
    client = hub.client(await hub.token("ada"))
    name = "other" if "other" in path else ""
    hub.world.hang_start = True
    await client.post(f"{hub.api}/users/ada/servers/{name}")
    await hub.until(starting, "ada", name)
    stream, following = await follow(hub, exchange, path)
    hub.world.hang_start = False
    await client.delete(f"{hub.api}/users/ada/servers/{name}")
    await following
    told = events(stream.body.decode())
    assert told[0]["message"] == "Server requested"
    assert (told[-1]["progress"], told[-1]["failed"], told[-1]["message"]) == (100, True, "Spawn cancelled")
    await hub.until(lambda server: server is not None and not server.active, "ada", name)
    await client.post(f"{hub.api}/users/ada/servers/{name}")
    answer = await client.get(f"{hub.api}/users/ada/{path}")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"
    told = events(answer.text)
    url = server_prefix(hub.state.settings.base_url, "ada", name)
    assert told[-1] == {
        "progress": 100,
        "ready": True,
        "url": url,
        "message": f"Server ready at {url}",
        "html_message": f'Server ready at <a href="{url}">{url}</a>',
    }
    assert all(0 <= event["progress"] <= 100 for event in told)
    assert [event["progress"] for event in told] == sorted(event["progress"] for event in told)


async def test_progress_of_a_server_that_is_ready_is_one_event(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client = hub.client(await hub.token("ada"))
    await client.post(f"{hub.api}/users/ada/server")
    (only,) = events((await client.get(f"{hub.api}/users/ada/server/progress")).text)
    assert only["ready"] is True


async def test_progress_of_a_start_that_failed_is_one_event(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    hub.world.start_failure = PerijoveError(Code.FAILED, "Because <b>so</b>.")
    client = hub.client(await hub.token("ada"))
    await client.post(f"{hub.api}/users/ada/server")
    (only,) = events((await client.get(f"{hub.api}/users/ada/server/progress")).text)
    assert only == {"progress": 100, "failed": True, "message": "Spawn failed: Because <b>so</b>."}


async def test_progress_of_what_is_not_starting_is_400_and_of_nothing_404(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    assert (await client.get(f"{hub.api}/users/ada/server/progress")).status_code == 400
    assert (await client.get(f"{hub.api}/users/ada/servers/other/progress")).status_code == 404
    assert (await client.get(f"{hub.api}/users/bob/server/progress")).status_code == 404


@pytest.mark.parametrize("seen", ["", "x", "-1", "1.5", "9" * 50])
async def test_a_last_event_id_that_is_none_starts_from_the_beginning(
    hub: RunningHub, exchange: Any, seen: str
) -> None:
    client = hub.client(await hub.token("ada"))
    hub.world.hang_start = True
    await client.post(f"{hub.api}/users/ada/server")
    await hub.until(starting, "ada")
    stream, following = await follow(hub, exchange, "server/progress", seen)
    await client.delete(f"{hub.api}/users/ada/server")
    await following
    assert events(stream.body.decode())[0]["message"] == "Server requested"


async def test_a_client_that_comes_again_is_told_only_what_is_new(hub: RunningHub, exchange: Any) -> None:
    client = hub.client(await hub.token("ada"))
    hub.world.hang_start = True
    await client.post(f"{hub.api}/users/ada/server")
    server = await hub.until(starting, "ada")
    assert server is not None
    known = await hub.state.servers.history(server)
    stream, following = await follow(hub, exchange, "server/progress", str(known[-1].id))
    await client.delete(f"{hub.api}/users/ada/server")
    await following
    (only,) = events(stream.body.decode())
    assert only["message"] == "Spawn cancelled"


async def test_a_stream_begins_at_once_and_leaves_nothing_behind_when_the_client_goes(
    hub: RunningHub, exchange: Any
) -> None:
    token = await hub.token("ada")
    hub.world.hang_start = True
    await hub.client(token).post(f"{hub.api}/users/ada/server")
    await hub.until(starting, "ada")
    before = asyncio.all_tasks()
    stream = exchange(hub, f"{hub.api}/users/ada/server/progress", headers={"Authorization": f"token {token}"})
    running = asyncio.create_task(stream())
    async with asyncio.timeout(5):
        await stream.answered.wait()
        assert stream.body.startswith(b":\n\n")
        stream.left.set()
        await running
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before
    assert not hub.state.servers._signals._waiting


async def test_a_stream_ends_quietly_when_the_database_goes_away(hub: RunningHub, exchange: Any) -> None:
    token = await hub.token("ada")
    hub.world.hang_start = True
    await hub.client(token).post(f"{hub.api}/users/ada/server")
    await hub.until(starting, "ada")
    stream = exchange(hub, f"{hub.api}/users/ada/server/progress", headers={"Authorization": f"token {token}"})
    running = asyncio.create_task(stream())
    async with asyncio.timeout(5):
        await stream.answered.wait()
        hub.store.away = True
        await running
    assert stream.status == 200
    assert b"failed" not in stream.body


async def test_the_stream_by_cookie_needs_the_forms_token(hub: RunningHub) -> None:
    hub.world.hang_start = True
    browser = await hub.browser("ada")
    await hub.client(await hub.token("ada")).post(f"{hub.api}/users/ada/server")
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    answer = await browser.get(f"{hub.api}/users/ada/server/progress", headers=script)
    assert answer.status_code == 403


names = st.text(min_size=1, max_size=40).filter(lambda name: not any("\ud800" <= c <= "\udfff" for c in name))


@given(user=names, server=names)
def test_x7xh_the_html_of_the_last_event_cannot_hold_markup_of_a_name(user: str, server: str) -> None:
    url = server_prefix("/", user, server)
    step = ProgressEvent(3, 1, 1, NOW, 100, "Server ready", "ready")
    text = event_text(step, ready_body(step, url))
    (event,) = events(text)
    assert event["html_message"] == f'Server ready at <a href="{event["url"]}">{event["url"]}</a>'
    assert not set(event["url"]) & set("<>\"'&` \t\r\n\\")


@given(message=st.text(max_size=80).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_no_message_can_end_an_event_or_begin_another(message: str) -> None:
    step = ProgressEvent(3, 1, 1, NOW, 10, message)
    (event,) = events(event_text(step, step.as_wire("/user/ada/")))
    assert event == {"progress": 10, "message": message}


async def test_a_server_is_created_changed_and_renamed_before_it_is_started(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client, servers = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/servers"
    made = await client.put(f"{servers}/lab", json={"display_name": "Lab", "user_options": {"size": 2}})
    assert made.status_code == 201
    assert made.json()["stopped"]
    assert (made.json()["name"], made.json()["display_name"], made.json()["user_options"]) == (
        "lab",
        "Lab",
        {"size": 2},
    )
    assert (await client.put(f"{servers}/lab")).status_code == 409
    changed = await client.patch(f"{servers}/lab", json={"name": "den", "display_name": "Den"})
    assert changed.status_code == 200
    assert changed.json()["url"].endswith("/user/ada/den/")
    assert (await client.get(f"{servers}/lab")).status_code == 404
    assert (await client.post(f"{servers}/den")).status_code == 201
    assert (await client.patch(f"{servers}/den", json={"display_name": "x"})).status_code == 400


@pytest.mark.parametrize("path", ["server", "servers/"])
async def test_the_default_server_is_always_there(waiting_hub: RunningHub, path: str) -> None:
    hub = waiting_hub
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/{path}"
    assert (await client.put(url)).status_code == 409
    assert (await client.patch(url, json={"display_name": "Mine"})).json()["display_name"] == "Mine"
    assert (await client.post(url)).status_code == 201
    assert (await client.get(url)).json()["display_name"] == "Mine"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Nothing to change"),
        ({"nonsense": 1}, "nonsense"),
        ({"name": 5}, "name must be str"),
        ({"user_options": None}, "user_options must be dict"),
        ({"user_options": {"x": "y" * MAX_LENGTH}}, "at most"),
        ({"display_name": "x" * 256}, "at most 255"),
        ([], "JSON object"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(waiting_hub: RunningHub, body: Any, told: str) -> None:
    hub = waiting_hub
    client, url = hub.client(await hub.token("ada")), f"{hub.api}/users/ada/servers/lab"
    await client.put(url)
    refused = await client.patch(url, json=body)
    assert refused.status_code == 400
    assert told in refused.json()["message"]
