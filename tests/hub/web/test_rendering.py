from __future__ import annotations

from fastapi import Request

import perijove
from perijove.hub.testing.running import RunningHub
from perijove.hub.web.rendering import render


def page_request(hub: RunningHub) -> Request:
    headers = [(b"host", b"hub.test")]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "headers": headers,
            "app": hub.app,
        }
    )


async def test_a_page_for_nobody_has_a_form_token_that_goes_with_its_cookie(hub: RunningHub) -> None:
    page = render(page_request(hub), "signup.html", error="", username="", done=False)
    cookie = page.headers["set-cookie"].partition(";")[0].removeprefix("_xsrf=")
    assert f'value="{cookie}"' in bytes(page.body).decode()
    assert page.headers["cache-control"] == "no-store"


async def test_a_page_for_somebody_shows_their_name_and_sets_no_cookie(hub: RunningHub) -> None:
    visitor = await hub.state.identities.by_session((await hub.session("ada")).key)
    page = render(page_request(hub), "home.html", visitor=visitor, servers=[], named_servers=False)
    text = bytes(page.body).decode()
    assert ">ada<" in text
    assert "set-cookie" not in page.headers
    assert "Administration" not in text


async def test_whoever_was_found_for_the_request_sees_the_page(hub: RunningHub) -> None:
    request = page_request(hub)
    await hub.add_user("ada", admin=True)
    request.state.visitor = await hub.state.identities.by_session((await hub.session("ada")).key)
    page = render(request, "home.html", servers=[], named_servers=False)
    assert "Administration" in bytes(page.body).decode()


async def test_the_version_in_the_footer_is_ours(hub: RunningHub) -> None:
    page = render(page_request(hub), "signup.html", error="", username="", done=True)
    assert f"Perijove {perijove.__version__}" in bytes(page.body).decode()


async def test_everything_is_escaped(hub: RunningHub) -> None:
    hostile = '"><script>alert(1)</script>'
    page = render(page_request(hub), "signup.html", error=hostile, username=hostile, done=False)
    assert "<script>alert" not in bytes(page.body).decode()
