from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi import Request
from starlette.responses import Response

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.site import Site
from perijove.hub.testing.running import ORIGIN, RunningHub
from perijove.hub.web import security
from perijove.hub.web.state import WebSettings

SITES = [None, "same-origin", "same-site", "cross-site", "none"]
ORIGINS = [None, ORIGIN, "null", "https://evil.example", "http://hub.test.evil.example", "http://hub.test:8080"]
MODES = [None, "navigate", "same-origin", "cors", "no-cors", "websocket"]


def request_with(method: str = "GET", scheme: str = "http", query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "scheme": scheme,
            "path": "/",
            "query_string": query.encode(),
            "headers": raw,
        }
    )


def fetch(**values: str | None) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in values.items() if value is not None}


@pytest.fixture
def settings(hub: RunningHub) -> WebSettings:
    return hub.state.settings


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"host": "hub.test"}, "http://hub.test"),
        ({"host": "hub.test", "x_forwarded_proto": "https"}, "https://hub.test"),
        ({"host": "hub.test", "x_forwarded_proto": "https,http"}, "https://hub.test"),
        ({"host": "hub.test", "x_forwarded_proto": "HTTPS, http"}, "https://hub.test"),
        ({"host": "hub.test", "x_forwarded_proto": "javascript"}, "http://hub.test"),
        ({"host": "127.0.0.1:8081", "x_forwarded_host": "hub.test:8443"}, "http://hub.test:8443"),
        ({"host": "inner", "x_forwarded_host": "hub.test,inner"}, "http://hub.test"),
        ({"host": "inner", "x_forwarded_host": "[::1]:80"}, "http://[::1]:80"),
        ({"host": "inner", "x_forwarded_host": "evil/@x"}, "http://inner"),
        ({"host": "inner", "x_forwarded_host": ""}, "http://inner"),
    ],
)
def test_the_origin_is_the_one_that_the_browser_sees(headers: dict[str, str], origin: str) -> None:
    assert security.browser_origin(request_with(**headers)) == origin


def test_a_configured_public_address_goes_before_all_others(settings: WebSettings) -> None:
    from msgspec.structs import replace

    public = replace(settings, site=Site("/jh/", "https://jupyter.example"))
    request = request_with(host="127.0.0.1:8081")
    assert security.own_origin(request, public) == "https://jupyter.example"
    assert security.is_secure(request, public)
    assert not security.is_secure(request, settings)
    assert security.check_origin(request_with(host="x", origin="https://jupyter.example"), public)
    # Whoever reaches the hub by another name is on its own origin there, too.
    assert security.check_origin(request_with(host="127.0.0.1:8081", origin="http://127.0.0.1:8081"), public)


@pytest.mark.parametrize(
    ("host", "origin"),
    [("hub.test:80", "http://hub.test"), ("HUB.test", "http://hub.test"), ("hub.test", "HTTP://HUB.TEST:80")],
)
def test_a_port_that_says_nothing_makes_no_other_origin(settings: WebSettings, host: str, origin: str) -> None:
    assert security.check_origin(request_with(host=host, origin=origin), settings)


def test_cve_2026_40864_a_form_counts_by_site_and_origin_whatever_the_mode(settings: WebSettings) -> None:
    for site, origin, mode in product(SITES, ORIGINS, MODES):
        given = fetch(sec_fetch_site=site, origin=origin, sec_fetch_mode=mode)
        request = request_with("POST", host="hub.test", **{name.replace("-", "_"): given[name] for name in given})
        if site in {"same-site", "cross-site"} or origin not in {None, ORIGIN}:
            with pytest.raises(PerijoveError) as refused:
                security.check_origin(request, settings)
            assert refused.value.code is Code.FORBIDDEN, given
        else:
            proven = origin is not None or site == "same-origin"
            assert security.check_origin(request, settings) is proven, given


@pytest.mark.parametrize("site", SITES)
async def test_cve_2026_40864_the_api_by_cookie_in_every_combination(hub: RunningHub, site: str | None) -> None:
    browser = await hub.browser("ada")
    token = form_token(await browser.get(f"{hub.prefix}home"))
    for mode, origin in product(MODES, [None, ORIGIN, "https://evil.example"]):
        headers = fetch(sec_fetch_site=site, sec_fetch_mode=mode, origin=origin)
        ours = site in {None, "same-origin", "none"} and origin in {None, ORIGIN}
        navigates = mode in {None, "navigate"}
        bare = await browser.get(f"{hub.api}/user", headers=headers)
        assert bare.status_code == (200 if navigates else 403), headers
        with_token = await browser.get(f"{hub.api}/user?_xsrf={token}", headers=headers)
        assert with_token.status_code == (200 if navigates or ours else 403), headers
        posted = await browser.post(f"{hub.api}/users/ada/tokens", headers=headers, json={})
        assert posted.status_code == 403, headers
        with_token = await browser.post(f"{hub.api}/users/ada/tokens?_xsrf={token}", headers=headers, json={})
        assert with_token.status_code == (201 if ours else 403), headers


@pytest.mark.parametrize("destination", ["iframe", "embed", "object", "frame", "empty", "script", "image"])
async def test_the_api_by_cookie_is_no_part_of_other_pages(hub: RunningHub, destination: str) -> None:
    browser = await hub.browser("ada")
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": destination, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.get(f"{hub.api}/user", headers=headers)).status_code == 403


async def test_t14_reading_the_api_by_cookie_needs_the_token_unless_a_person_navigates(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    token = form_token(await browser.get(f"{hub.prefix}home"))
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    refused = await browser.get(f"{hub.api}/user", headers=script)
    assert (refused.status_code, refused.json()["message"]) == (403, "'_xsrf' argument missing from GET")
    wrong = await browser.get(f"{hub.api}/user?_xsrf=nonsense", headers=script)
    assert (wrong.status_code, wrong.json()["message"]) == (403, "XSRF cookie does not match GET argument")
    assert (await browser.get(f"{hub.api}/user?_xsrf={token}", headers=script)).status_code == 200
    for header in ("X-XSRFToken", "X-CSRFToken"):
        assert (await browser.get(f"{hub.api}/user", headers=script | {header: token})).status_code == 200
    assert (await browser.get(f"{hub.api}/user", headers={"Sec-Fetch-Mode": "navigate"})).status_code == 200
    assert (await browser.get(f"{hub.api}/user")).status_code == 200


async def test_a_call_with_a_token_needs_nothing_else_wherever_it_comes_from(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    headers = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
    assert (await client.get(f"{hub.api}/user", headers=headers)).status_code == 200
    assert (await client.post(f"{hub.api}/users/ada/tokens", headers=headers)).status_code == 201


async def test_the_token_of_another_session_is_refused(hub: RunningHub) -> None:
    mine, other = await hub.browser("ada"), await hub.browser("ada")
    foreign = form_token(await other.get(f"{hub.prefix}home"))
    own = form_token(await mine.get(f"{hub.prefix}home"))
    assert own != foreign
    answer = await mine.post(f"{hub.api}/users/ada/tokens?_xsrf={foreign}", json={})
    assert answer.status_code == 403
    answer = await mine.post(f"{hub.prefix}spawn/ada", data={"_xsrf": foreign})
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)  # it only asks whether to go on
    assert await hub.server("ada") is None
    assert (await mine.post(f"{hub.prefix}spawn/ada", data={"_xsrf": own})).status_code == 303


async def test_the_token_of_nobody_is_refused_for_somebody(hub: RunningHub) -> None:
    anonymous = form_token(await hub.client().get(f"{hub.prefix}login"))
    browser = await hub.browser("ada")
    answer = await browser.post(f"{hub.prefix}spawn/ada", data={"_xsrf": anonymous}, headers={"Origin": ORIGIN})
    assert answer.status_code == 403


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin", "websocket"])
async def test_code_in_a_server_cannot_get_a_token_from_a_page(hub: RunningHub, mode: str) -> None:
    browser = await hub.browser("ada")
    script = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    own = f"{hub.prefix}user/ada/lab"
    for path in ("home", "login", "spawn/ada", "spawn-pending/ada", "token", "admin", "account", "signup", "setup", ""):
        answer = await browser.get(f"{hub.prefix}{path}", headers=script)
        assert answer.status_code in {403, 404}, path
        assert "_xsrf" not in answer.text, path
    assert "_xsrf" not in (await browser.get(own, headers=script)).text
    assert await hub.server("ada") is None


@pytest.mark.parametrize("destination", ["iframe", "frame", "embed", "object"])
async def test_pages_are_no_part_of_other_pages(hub: RunningHub, destination: str) -> None:
    browser = await hub.browser("ada")
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": destination, "Sec-Fetch-Site": "same-origin"}
    for path in ("home", "spawn/ada", "login", "user/ada/lab", "api/docs"):
        answer = await browser.get(f"{hub.prefix}{path}", headers=headers)
        assert answer.status_code == (302 if path == "user/ada/lab" else 403), path
        assert "_xsrf" not in answer.text, path
    assert await hub.server("ada") is None


async def test_no_script_can_read_the_cookies_and_other_sites_cannot_post_with_them(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    await hub.add_user("ada")
    client = hub.client()
    page = await client.get(f"{hub.prefix}login")
    data = {"_xsrf": form_token(page), "username": "ada", "password": "correct horse"}
    answer = await client.post(f"{hub.prefix}login", data=data)
    cookies = answer.headers.get_list("set-cookie") + page.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {
        "jupyterhub-hub-login",
        "jupyterhub-session-id",
        "_xsrf",
        "perijove-device",
    }
    base = hub.state.settings.base_url
    for cookie in cookies:
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        if not cookie.startswith('_xsrf="";'):
            assert "HttpOnly" in cookie
        path = base if cookie.startswith("jupyterhub-session-id") else hub.prefix
        assert f"Path={path};" in f"{cookie};"


async def test_t9_the_session_id_reaches_servers_and_is_not_the_secret(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    session = await hub.session("ada")
    response = Response()
    security.begin(request_with(host="hub.test"), hub.state.settings, response, session)
    cookies = dict(cookie.partition(";")[::2] for cookie in response.headers.getlist("set-cookie"))
    assert (
        f"Path={hub.state.settings.base_url};" in cookies[f"jupyterhub-session-id={session.session.session_id}"] + ";"
    )
    assert session.key not in session.session.session_id
    assert f"Path={hub.prefix};" in cookies[f"jupyterhub-hub-login={session.key}"] + ";"


@pytest.mark.parametrize("headers", [{"x_forwarded_proto": "https"}, {"x_forwarded_proto": "https,http"}])
async def test_cookies_are_secure_where_browsers_come_by_https(hub: RunningHub, headers: dict[str, str]) -> None:
    response = Response()
    session = await hub.session("ada")
    security.begin(request_with(host="hub.test", **headers), hub.state.settings, response, session)
    made = [cookie for cookie in response.headers.getlist("set-cookie") if "Max-Age=0" not in cookie]
    assert len(made) == 2
    assert all("Secure" in cookie for cookie in made)


async def test_a_form_behind_a_proxy_with_tls_comes_from_our_origin(hub: RunningHub) -> None:
    browser = await hub.browser("ada", **{"X-Forwarded-Proto": "https,http"})
    browser.cookies.set(f"__Http-{security.SESSION_COOKIE}", browser.cookies[security.SESSION_COOKIE])
    token = form_token(await browser.get(f"{hub.prefix}home"))
    headers = {"Origin": "https://hub.test", "Sec-Fetch-Site": "same-origin"}
    answer = await browser.post(f"{hub.prefix}spawn/ada", data={"_xsrf": token}, headers=headers)
    assert answer.status_code == 303


def test_an_anonymous_token_counts_by_origin_or_by_cookie(settings: WebSettings) -> None:
    token, set_it = security.form_token(request_with(host="hub.test"), settings, None)
    assert set_it
    security.check_form(request_with("POST", host="hub.test", origin=ORIGIN), settings, None, token)
    security.check_form(request_with("POST", host="hub.test", sec_fetch_site="same-origin"), settings, None, token)
    security.check_form(request_with("POST", host="hub.test", cookie=f"_xsrf={token}"), settings, None, token)
    other, _ = security.form_token(request_with(host="hub.test"), settings, None)
    assert other != token
    for refused in ({}, {"cookie": f"_xsrf={other}"}, {"sec_fetch_site": "none"}):
        with pytest.raises(PerijoveError, match="Login form invalid"):
            security.check_form(request_with("POST", host="hub.test", **refused), settings, None, token)


def test_a_held_anonymous_token_goes_into_the_next_form(settings: WebSettings) -> None:
    token, _ = security.form_token(request_with(host="hub.test"), settings, None)
    again = security.form_token(request_with(host="hub.test", cookie=f"_xsrf={token}"), settings, None)
    assert again == (token, False)


@pytest.mark.parametrize(
    "forged", ["", "x", "x" * 64, "a.b", ".", f"{'n' * 32}.{'s' * 43}", "\u20ac" * 30, "x" * 10_000]
)
def test_an_anonymous_token_that_we_did_not_sign_is_nothing(settings: WebSettings, forged: str) -> None:
    request = request_with("POST", host="hub.test", origin=ORIGIN)
    with pytest.raises(PerijoveError):
        security.check_form(request, settings, None, forged)


def test_a_cookie_that_another_page_tossed_in_becomes_no_token(settings: WebSettings) -> None:
    tossed = "x" * 40
    token, set_it = security.form_token(request_with(host="hub.test", cookie=f"_xsrf={tossed}"), settings, None)
    assert token != tossed
    assert set_it
    with pytest.raises(PerijoveError):
        security.check_form(request_with("POST", host="hub.test", cookie=f"_xsrf={tossed}"), settings, None, tossed)


async def test_tokens_of_another_secret_do_not_count(hub: RunningHub, settings: WebSettings) -> None:
    from msgspec.structs import replace

    token, _ = security.form_token(request_with(host="hub.test"), settings, None)
    other = replace(settings, cookie_secret=b"another")
    with pytest.raises(PerijoveError):
        security.check_form(request_with("POST", host="hub.test", origin=ORIGIN), other, None, token)


async def test_ending_a_session_clears_all_cookies(settings: WebSettings) -> None:
    response = Response()
    security.end(request_with(host="hub.test"), settings, response)
    cookies = response.headers.getlist("set-cookie")
    assert len(cookies) == 3
    assert all("Max-Age=0" in cookie for cookie in cookies)


def test_the_session_cookie_lives_as_long_as_the_session(settings: WebSettings) -> None:
    assert settings.session_lifetime == timedelta(days=14)


async def test_a_session_that_is_over_is_nobody(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    assert (await browser.get(f"{hub.api}/user")).status_code == 200
    hub.clock.advance(14 * 86400 + 1)
    assert (await browser.get(f"{hub.api}/user")).status_code == 403
    assert (await browser.get(f"{hub.prefix}home")).status_code == 302


@pytest.mark.parametrize("key", ["", "x", "x" * 5000, "%00"])
async def test_a_made_up_session_is_nobody(hub: RunningHub, key: str) -> None:
    answer: Any = await hub.client().get(f"{hub.api}/user", headers={"Cookie": f"jupyterhub-hub-login={key}"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("host_cookies", "origin", "name", "path"),
    [
        (False, "", "jupyterhub-hub-login", "/jh/hub/"),
        (False, "https://hub.test", "__Http-jupyterhub-hub-login", "/jh/hub/"),
        (True, "https://hub.test", "__Host-jupyterhub-hub-login", "/"),
    ],
)
def test_cve_2024_28233_where_browsers_can_help_nobody_else_can_set_our_cookies(
    settings: WebSettings, host_cookies: bool, origin: str, name: str, path: str
) -> None:
    from msgspec.structs import replace

    settings = replace(settings, host_cookies=host_cookies, site=Site("/jh/", origin))
    request = request_with(host="hub.test")
    assert security.cookie_place(request, settings, security.SESSION_COOKIE) == (name, path)
    assert security.cookie_place(request, settings, security.FORM_COOKIE) == ("_xsrf", "/jh/hub/")
    response = Response()
    security.end(request, settings, response)
    ended = next(cookie for cookie in response.headers.getlist("set-cookie") if cookie.startswith(f"{name}="))
    assert f"Path={path};" in ended
    assert ("Secure" in ended) == bool(origin)


def test_cve_2024_28233_all_cookies_of_one_name_are_seen(settings: WebSettings) -> None:
    request = request_with(host="hub.test", cookie='a=1; _xsrf=one; _xsrf="two"; _xsrf=one; x_xsrf=no; _xsrf')
    assert security.cookie_values(request, settings, "_xsrf") == ["one", "two", ""]
    many = "; ".join(f"_xsrf={number}" for number in range(1000))
    assert len(security.cookie_values(request_with(host="hub.test", cookie=many), settings, "_xsrf")) == 8


@pytest.mark.parametrize(
    ("site", "one_origin", "own_hosts"),
    [("same-origin", True, True), ("none", True, True), ("same-site", False, True), ("cross-site", False, False)],
)
def test_a_server_on_its_own_host_may_lead_to_signing_out(
    settings: WebSettings, site: str, one_origin: bool, own_hosts: bool
) -> None:
    from msgspec.structs import replace

    hosts = replace(settings, site=Site("/", ORIGIN, lambda name, domain, _: f"{name}.{domain}"))
    request = request_with(host="hub.test", sec_fetch_site=site)
    assert security.is_led_here(request, settings) is one_origin
    assert security.is_led_here(request, hosts) is own_hosts
