from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.support.page_rules import MAX_WEIGHT, weight

from perijove.hub.testing.running import RunningHub
from perijove.hub.web.pages.various import documented
from perijove.hub.web.state import Logo


@pytest.mark.parametrize("status", [404, 502, 503, 504])
async def test_the_proxys_error_pages_are_200(hub: RunningHub, status: int) -> None:
    answer = await hub.client().get(f"{hub.prefix}error/{status}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_an_error_page_for_a_status_that_has_none(hub: RunningHub) -> None:
    assert "Something went wrong" in (await hub.client().get(f"{hub.prefix}error/599")).text
    assert (await hub.client().get(f"{hub.prefix}error/x")).status_code == 400


async def test_the_proxys_error_pages_are_shown_while_the_database_is_away(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    assert "ada" in (await browser.get(f"{hub.prefix}error/503")).text
    hub.store.away = True
    assert (await browser.get(f"{hub.prefix}error/503")).status_code == 200


async def test_the_logo(hub: RunningHub) -> None:
    answer = await hub.client().get(f"{hub.prefix}logo")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.headers["Cache-Control"] == "max-age=3600"
    assert b"<svg" in answer.content


async def test_an_operators_own_logo(hub: RunningHub) -> None:
    hub.app.state.hub = replace(hub.state, logo=Logo(b"GIF89a", "image/gif"))
    answer = await hub.client().get(f"{hub.prefix}logo")
    assert (answer.headers["Content-Type"], answer.content) == ("image/gif", b"GIF89a")
    assert f'<img class="logo" src="{hub.prefix}logo"' in (await hub.client().get(f"{hub.prefix}login")).text


async def test_the_documentation_of_the_api_shows_every_operation(hub: RunningHub) -> None:
    page = await hub.client().get(f"{hub.prefix}api/docs")
    assert page.status_code == 200
    assert weight(page.text) < MAX_WEIGHT
    schema = hub.app.openapi()
    for path, operations in schema["paths"].items():
        assert path in page.text
        for operation in operations.values():
            assert operation["summary"].replace("'", "&#39;") in page.text
    assert "<code>Authorization: token &lt;token&gt;</code>" in page.text
    assert "`" not in page.text


def test_what_the_page_shows_of_an_operation() -> None:
    schema = {
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/x/{a}": {
                "post": {
                    "tags": ["things"],
                    "summary": "Do",
                    "security": [{"token": ["one", "two"]}],
                    "parameters": [{"name": "a", "in": "path", "required": True}],
                    "requestBody": {},
                    "responses": {"201": {"description": "Done"}},
                },
                "get": {},
            }
        },
    }
    shown = documented(schema)
    assert (shown["title"], shown["version"], shown["description"]) == ("T", "1", "")
    things, other = shown["groups"]
    assert (things["name"], other["name"]) == ("things", "other")
    assert things["operations"] == [
        {
            "method": "POST",
            "path": "/x/{a}",
            "summary": "Do",
            "description": "",
            "scopes": ["one", "two"],
            "parameters": [{"name": "a", "where": "path", "required": True, "description": ""}],
            "request": "JSON",
            "responses": [{"status": "201", "description": "Done"}],
        }
    ]
    assert other["operations"][0]["request"] == ""
