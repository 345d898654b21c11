from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Request
from msgspec.structs import replace

import perijove
from perijove.hub.testing.running import RunningHub
from perijove.hub.web import rendering
from perijove.hub.web.rendering import render

HOME: dict[str, Any] = {
    "servers": [],
    "named_servers": False,
    "named_server_limit": 0,
    "may_share": False,
    "shared": [],
    "error": "",
    "typed": "",
    "facts_url": "",
}


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
    page = render(page_request(hub), "home.html", visitor=visitor, **HOME)
    text = bytes(page.body).decode()
    assert ">ada<" in text
    assert "set-cookie" not in page.headers
    assert "Administration" not in text


async def test_whoever_was_found_for_the_request_sees_the_page(hub: RunningHub) -> None:
    request = page_request(hub)
    await hub.add_user("ada", admin=True)
    request.state.visitor = await hub.state.identities.by_session((await hub.session("ada")).key)
    page = render(request, "home.html", **HOME)
    assert "Administration" in bytes(page.body).decode()


async def test_the_version_in_the_footer_is_ours(hub: RunningHub) -> None:
    page = render(page_request(hub), "signup.html", error="", username="", done=True)
    assert f"Perijove {perijove.__version__}" in bytes(page.body).decode()


async def test_everything_is_escaped(hub: RunningHub) -> None:
    hostile = '"><script>alert(1)</script>'
    page = render(page_request(hub), "signup.html", error=hostile, username=hostile, done=False)
    assert "<script>alert" not in bytes(page.body).decode()


async def shown(hub: RunningHub, path: str = "login", **variables: Any) -> str:
    """Return the page at *path* of a hub whose operator has set *variables*."""
    hub.app.state.hub = replace(hub.state, template_vars=variables)
    browser = await hub.browser("ada") if path != "login" else hub.client()
    return str((await browser.get(f"{hub.prefix}{path}")).text)


async def test_an_announcement_is_html_and_for_all_pages_or_one(hub: RunningHub) -> None:
    assert "<b>Closed</b> on Monday" in await shown(hub, announcement="<b>Closed</b> on Monday")
    for path, there in (("login", True), ("home", False)):
        page = await shown(hub, path, announcement="Everywhere", announcement_login="Here only")
        assert ("Here only" in page) is there
        assert ("Everywhere" in page) is not there


async def test_terms_are_to_be_accepted(hub: RunningHub) -> None:
    page = await shown(hub, login_term_url="/terms.html")
    assert 'href="/terms.html"' in page
    assert 'id="accept-terms-checkbox"' in page


async def test_functions_are_asked_for_whoever_sees_the_page(hub: RunningHub) -> None:
    assert "For ada" in await shown(hub, "home", announcement=lambda user: f"For {user.name}")

    async def later(user: Any) -> str:
        return "nobody" if user is None else "somebody"

    assert "nobody" in await shown(hub, announcement=later)


async def test_a_function_that_breaks_or_hangs_costs_nobody_the_page(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "FUNCTION_SECONDS", 0.01)

    async def hangs(user: Any) -> str:
        await asyncio.Event().wait()
        return "never"

    page = await shown(hub, announcement=lambda user: user.name, other=hangs, announcement_login="")
    assert "<h1" in page
