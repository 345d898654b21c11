from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import structlog

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import SignInRefused
from perijove.hub.core.guessing import GuessLimits
from perijove.hub.settings.landing import Landing
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.testing.running import ORIGIN, PASSWORD, RunningHub, running_hub
from perijove.hub.usecases.servers import Servers

FROM_US = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


async def sign_in(
    hub: RunningHub, client: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD, query: str = ""
) -> httpx.Response:
    page = await client.get(f"{hub.prefix}login{query}")
    data = {"_xsrf": form_token(page), "username": name, "password": password}
    return await client.post(f"{hub.prefix}login{query}", data=data, headers=FROM_US)


async def test_somebody_signs_in_and_out(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    answer = await sign_in(hub, client)
    assert (answer.status_code, answer.headers["Location"]) == (302, hub.prefix)
    assert (await client.get(f"{hub.prefix}home")).status_code == 200
    assert (await client.get(f"{hub.prefix}login")).headers["Location"] == hub.prefix
    key = client.cookies["jupyterhub-hub-login"]
    out = await client.get(f"{hub.prefix}logout")
    assert (out.status_code, out.headers["Location"]) == (302, f"{hub.prefix}login")
    assert "jupyterhub-hub-login" not in client.cookies
    assert "jupyterhub-session-id" not in client.cookies
    # The session is over on the server, not only forgotten by the browser.
    stolen = hub.client(Cookie=f"jupyterhub-hub-login={key}")
    assert (await stolen.get(f"{hub.prefix}home")).status_code == 302


async def test_a_wrong_password_shows_the_form_again_with_the_name(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    answer = await sign_in(hub, client, password="wrong")
    assert answer.status_code == 403
    assert "Invalid username or password" in answer.text
    assert 'value="ada"' in answer.text
    assert "wrong" not in answer.text
    assert "jupyterhub-hub-login" not in client.cookies


async def test_a_name_that_cannot_exist_is_told_apart_by_nobody(hub: RunningHub) -> None:
    await hub.add_user("ada")
    texts = set()
    for name in ("nobody", "a/b", "..", ""):
        answer = await sign_in(hub, hub.client(), name=name)
        assert answer.status_code == 403
        texts.add("Invalid username or password" in answer.text)
    assert texts == {True}


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5cevil.example",
        "/%2fevil.example",
        "%68ttps://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
        "/\t/evil.example",
        "//hub.test@evil.example/",
        "http://hub.test.evil.example/",
        "/hub/../..//evil.example",
        "/hub/%2e%2e//evil.example",
    ],
)
@pytest.mark.parametrize("again", [1, 2])
async def test_cve_2026_33709_signing_in_never_leads_elsewhere(hub: RunningHub, target: str, again: int) -> None:
    from urllib.parse import quote

    await hub.add_user("ada")
    encoded = target
    for _ in range(again):
        encoded = quote(encoded, safe="")
    client = hub.client()
    page = await client.get(f"{hub.prefix}login?next={encoded}")
    if again == 1:
        assert f'action="{hub.prefix}login"' in page.text
    data = {"_xsrf": form_token(page), "username": "ada", "password": PASSWORD}
    answer = await client.post(f"{hub.prefix}login?next={encoded}", data=data, headers=FROM_US)
    assert (answer.status_code, answer.headers["Location"]) == (302, hub.prefix)
    signed_in = await client.get(f"{hub.prefix}login?next={encoded}")
    assert signed_in.headers["Location"] == hub.prefix


async def test_signing_in_leads_to_where_one_wanted(hub: RunningHub) -> None:
    await hub.add_user("ada")
    base = hub.state.settings.base_url
    for target in (f"{base}user/a%20b/lab/tree/x%2Fy?a=%26&b", f"{ORIGIN}{base}hub/home"):
        client = hub.client()
        answer = await sign_in(hub, client, query=f"?{urlencode({'next': target})}")
        assert answer.headers["Location"] == target.removeprefix(ORIGIN)


async def test_ghsa_cw7p_ten_tabs_sign_in_at_once(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    pages = await asyncio.gather(*(hub.client().get(f"{hub.prefix}login") for _ in range(10)))
    for page in pages:
        client.cookies.update(page.cookies)
    tokens = [form_token(page) for page in pages]
    assert len(set(tokens)) == 10
    answers = await asyncio.gather(
        *(
            client.post(
                f"{hub.prefix}login?next={hub.state.settings.base_url}user/ada/{number}",
                data={"_xsrf": token, "username": "ada", "password": PASSWORD},
                headers=FROM_US,
            )
            for number, token in enumerate(tokens)
        )
    )
    assert {answer.status_code for answer in answers} <= {302, 303}
    assert [answer.headers["Location"] for answer in answers] == [
        f"{hub.state.settings.base_url}user/ada/{number}" for number in range(10)
    ]
    assert (await client.get(f"{hub.prefix}home")).status_code == 200


async def test_a_tab_from_before_signing_in_goes_on_silently(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    stale = form_token(await client.get(f"{hub.prefix}login"))
    await sign_in(hub, client)
    for token in (stale, "", "nonsense"):
        data = {"_xsrf": token, "username": "ada", "password": "whatever"}
        answer = await client.post(f"{hub.prefix}login", data=data, headers=FROM_US)
        assert (answer.status_code, answer.headers["Location"]) == (303, hub.prefix)


@pytest.mark.parametrize("token", [None, "", "nonsense"])
async def test_a_stale_form_is_shown_again_with_the_name(hub: RunningHub, token: str | None) -> None:
    await hub.add_user("ada")
    data = {"username": "ada", "password": PASSWORD} | ({"_xsrf": token} if token is not None else {})
    answer = await hub.client().post(f"{hub.prefix}login", data=data, headers=FROM_US)
    assert answer.status_code == 403
    assert "Login form invalid or expired. Try again." in answer.text
    assert 'value="ada"' in answer.text


async def test_another_site_signs_nobody_in(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    token = form_token(await client.get(f"{hub.prefix}login"))
    data = {"_xsrf": token, "username": "ada", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = await client.post(f"{hub.prefix}login", data=data, headers=headers)
        assert answer.status_code == 403
    assert "jupyterhub-hub-login" not in client.cookies


@pytest.mark.parametrize("length", [300, 5000, 500_000])
async def test_cve_2026_54338_a_very_long_name_is_cut_in_logs_and_page(hub: RunningHub, length: int) -> None:
    client = hub.client()
    token = form_token(await client.get(f"{hub.prefix}login"))
    data = {"_xsrf": token, "username": "x" * length, "password": "y" * 10}
    with structlog.testing.capture_logs() as logs:
        answer = await client.post(f"{hub.prefix}login", data=data, headers=FROM_US)
    assert answer.status_code == 403
    assert "x" * 256 not in answer.text
    assert all("x" * 256 not in str(entry) for entry in logs)
    assert all(len(fact.name) <= 80 for fact in hub.telemetry.of(SignInRefused))


async def test_a_name_with_line_breaks_cannot_forge_a_line_of_the_log(hub: RunningHub) -> None:
    await sign_in(hub, hub.client(), name="ada\n2026 signed in root\x1b[31m")
    (fact,) = hub.telemetry.of(SignInRefused)
    assert fact.name == "ada?2026 signed in root?[31m"


async def test_very_long_passwords_never_reach_the_authenticator(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def authenticate(self: Any, handler: Any, data: Any) -> None:
        asked.append(data)

    monkeypatch.setattr(FakeAuthenticator, "authenticate", authenticate)
    assert (await sign_in(hub, hub.client(), password="x" * 5000)).status_code == 403
    assert asked == []
    assert (await sign_in(hub, hub.client(), password="x" * 4096)).status_code == 403
    assert asked == [{"username": "ada", "password": "x" * 4096}]


async def test_files_in_the_form_are_ignored(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    token = form_token(await client.get(f"{hub.prefix}login"))
    data = {"_xsrf": token, "username": "ada"}
    files = {"password": ("x.txt", PASSWORD.encode()), "other": ("y", b"z")}
    refused = await client.post(f"{hub.prefix}login", data=data, files=files, headers=FROM_US)
    assert refused.status_code == 403
    data["password"] = PASSWORD
    answer = await client.post(f"{hub.prefix}login", data=data, files={"other": ("y", b"z")}, headers=FROM_US)
    assert answer.status_code == 302


async def test_a_form_with_countless_fields_is_refused(hub: RunningHub) -> None:
    data = {f"field-{number}": "x" for number in range(100)}
    assert (await hub.client().post(f"{hub.prefix}login", data=data, headers=FROM_US)).status_code == 400


async def test_an_authenticator_that_breaks_is_503_with_an_id(hub: RunningHub) -> None:
    authenticator = hub.state.authenticator
    assert isinstance(authenticator, FakeAuthenticator)
    for failure in (RuntimeError("the directory's password is s3cret"), PerijoveError(Code.UNAVAILABLE, "Away.")):
        authenticator.failure = failure
        with structlog.testing.capture_logs() as logs:
            answer = await sign_in(hub, hub.client())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        (entry,) = [entry for entry in logs if entry["event"] == "request failed"]
        assert entry["error_id"] in answer.text
        assert "s3cret" not in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_on_another_site_signs_nobody_out(hub: RunningHub, site: str) -> None:
    browser = await hub.browser("ada")
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = await browser.get(f"{hub.prefix}logout", headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{hub.prefix}home")
    assert "set-cookie" not in answer.headers
    assert (await browser.get(f"{hub.prefix}home")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_a_picture_or_script_signs_nobody_out(hub: RunningHub, headers: dict[str, str]) -> None:
    browser = await hub.browser("ada")
    assert (await browser.get(f"{hub.prefix}logout", headers=headers)).status_code == 403
    assert (await browser.get(f"{hub.prefix}home")).status_code == 200


@pytest.mark.parametrize("stops", [True, False])
async def test_servers_of_whoever_signs_out_stop_if_configured_so(stops: bool) -> None:
    async with running_hub(landing=Landing(stop_servers=stops)) as hub:
        for name in ("ada", "bob"):
            await hub.client(await hub.token(name)).post(f"{hub.api}/users/{name}/server")
            await hub.until(lambda server: server is not None and server.ready, name, "")
        await (await hub.browser("ada")).get("/hub/logout")
        await hub.until(lambda server: server is not None and server.ready != stops, "ada", "")
        async with hub.store.transaction() as tx:
            left = {server.user_name: server.target for server in await tx.servers.list_active()}
        assert left.get("ada", "stopped") == ("stopped" if stops else "running")
        assert left["bob"] == "running"


async def test_a_server_that_cannot_be_stopped_keeps_nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_given: object) -> None:
        raise PerijoveError(Code.CONFLICT, "Somebody else changes it.")

    monkeypatch.setattr(Servers, "stop_all_of", fails)
    async with running_hub(landing=Landing(stop_servers=True)) as hub:
        browser = await hub.browser("ada")
        assert (await browser.get("/hub/logout")).status_code == 409
        assert (await browser.get("/hub/home")).headers["Location"].startswith("/hub/login")


async def test_signing_out_of_nothing_clears_what_is_left(hub: RunningHub) -> None:
    answer = await hub.client(Cookie="jupyterhub-hub-login=old").get(f"{hub.prefix}logout")
    assert answer.status_code == 302
    cleared = [cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie") if "Max-Age=0" in cookie]
    assert sorted(cleared) == ["_xsrf", "jupyterhub-hub-login", "jupyterhub-session-id"]


async def test_without_accounts_there_are_no_pages_for_them(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    for path in ("signup", "setup", "account"):
        assert (await browser.get(f"{hub.prefix}{path}")).status_code == 404
    assert "signup" not in (await hub.client().get(f"{hub.prefix}login")).text


async def test_the_first_administrator_is_made_once(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    assert hub.state.accounts is not None
    code = await hub.state.accounts.invite_first_administrator()
    assert code
    client = hub.client()
    wrong = await client.get(f"{hub.prefix}setup?code=wrong")
    assert (wrong.status_code, "no longer valid" in wrong.text) == (403, True)
    page = await client.get(f"{hub.prefix}setup?code={code}")
    assert page.status_code == 200
    data = {
        "_xsrf": form_token(page),
        "code": code,
        "username": "Root",
        "password": "long enough",
        "password_again": "x",
    }
    differ = await client.post(f"{hub.prefix}setup", data=data, headers=FROM_US)
    assert (differ.status_code, "The two passwords differ." in differ.text) == (400, True)
    data["password_again"] = data["password"]
    stale = await client.post(f"{hub.prefix}setup", data=data | {"_xsrf": "x"}, headers=FROM_US)
    assert (stale.status_code, 'value="Root"' in stale.text) == (403, True)
    made = await client.post(f"{hub.prefix}setup", data=data, headers=FROM_US)
    assert (made.status_code, made.headers["Location"]) == (303, f"{hub.prefix}home")
    assert "Administration" in (await client.get(f"{hub.prefix}home")).text
    again = await hub.client().post(
        f"{hub.prefix}setup",
        data=data | {"_xsrf": form_token(await hub.client().get(f"{hub.prefix}login"))},
        headers=FROM_US,
    )
    assert (again.status_code, "no longer valid" in again.text) == (403, True)


async def test_somebody_signs_up_and_nobody_learns_which_names_are_taken(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    await hub.add_user("taken")
    client = hub.client()
    page = await client.get(f"{hub.prefix}signup")
    base = {"_xsrf": form_token(page), "password": "long enough", "password_again": "long enough"}
    texts = []
    for name in ("newer", "taken"):
        answer = await client.post(f"{hub.prefix}signup", data=base | {"username": name}, headers=FROM_US)
        assert answer.status_code == 200
        texts.append(answer.text.replace(name, "NAME"))
    assert texts[0] == texts[1]
    short = await client.post(
        f"{hub.prefix}signup", data=base | {"username": "x", "password": "s", "password_again": "s"}, headers=FROM_US
    )
    assert (short.status_code, 'value="x"' in short.text) == (400, True)
    stale = await client.post(f"{hub.prefix}signup", data=base | {"_xsrf": "", "username": "y"}, headers=FROM_US)
    assert stale.status_code == 403
    long = await client.post(f"{hub.prefix}signup", data=base | {"username": "z" * 5000}, headers=FROM_US)
    assert long.status_code == 400
    assert "z" * 256 not in long.text


async def test_cve_2026_40934_a_new_password_ends_all_other_sessions(waiting_hub: RunningHub) -> None:
    hub = waiting_hub
    client, other = await hub.browser("ada"), await hub.browser("ada")
    url = f"{hub.prefix}account"
    data = {"_xsrf": form_token(await client.get(url)), "old_password": "wrong"}
    data |= {"password": "another one", "password_again": "another one"}
    wrong = await client.post(url, data=data, headers=FROM_US)
    assert (wrong.status_code, "The old password is not right." in wrong.text) == (403, True)
    changed = await client.post(url, data=data | {"old_password": PASSWORD}, headers=FROM_US)
    assert (changed.status_code, "Your password is changed." in changed.text) == (200, True)
    assert (await other.get(f"{hub.prefix}home")).status_code == 302
    fresh = hub.client()
    fresh.cookies.set(
        "jupyterhub-hub-login", _cookie(changed, "jupyterhub-hub-login"), domain="hub.test", path=hub.prefix
    )
    assert (await fresh.get(f"{hub.prefix}home")).status_code == 200
    # The form in the answer belongs to the new session: it can be sent again.
    data |= {
        "_xsrf": form_token(changed),
        "old_password": "another one",
        "password": PASSWORD,
        "password_again": PASSWORD,
    }
    assert (await fresh.post(url, data=data, headers=FROM_US)).status_code == 200


def _cookie(answer: httpx.Response, name: str) -> str:
    (value,) = [c.partition(";")[0] for c in answer.headers.get_list("set-cookie") if c.startswith(f"{name}=")]
    return value.partition("=")[2]


async def test_failed_sign_ins_are_limited_with_a_word_on_the_page(hub: RunningHub) -> None:
    await hub.add_user("ada")
    for name in ("ada", "nobody"):
        client = hub.client()
        answers = [await sign_in(hub, client, name, "wrong") for _ in range(12)]
        assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
        assert answers[-1].headers["Retry-After"] == "600"
        assert "Too many failed attempts. Try again in 10 minutes." in answers[-1].text
        assert f'value="{name}"' in answers[-1].text
    assert (await sign_in(hub, hub.client())).status_code == 429
    hub.clock.advance(600)
    assert (await sign_in(hub, hub.client())).status_code == 302


async def test_a_known_browser_signs_in_while_somebody_guesses(hub: RunningHub) -> None:
    await hub.add_user("ada")
    own = hub.client()
    assert (await sign_in(hub, own)).status_code == 302
    await own.get(f"{hub.prefix}logout")
    for _ in range(12):
        await sign_in(hub, hub.client(), password="wrong")
    assert (await sign_in(hub, hub.client())).status_code == 429
    # The mark of the browser counts for the name that it was made for.
    await hub.add_user("bob")
    for _ in range(11):
        await sign_in(hub, hub.client(), "bob", "wrong")
    assert (await sign_in(hub, own, "bob")).status_code == 429
    assert (await sign_in(hub, own)).status_code == 302


async def test_a_mark_of_a_browser_cannot_be_made_up(hub: RunningHub) -> None:
    await hub.add_user("ada")
    statuses = []
    for number in range(11):
        client = hub.client()
        client.cookies.set("perijove-device", f"nonce{number}.signature", domain="hub.test", path=hub.prefix)
        statuses.append((await sign_in(hub, client, password="wrong")).status_code)
    assert statuses == [403] * 10 + [429]


async def test_the_mark_of_a_browser_is_for_the_hub_alone(hub: RunningHub) -> None:
    await hub.add_user("ada")
    answer = await sign_in(hub, hub.client())
    (mark,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith("perijove-device=")]
    assert "HttpOnly" in mark
    assert f"Path={hub.prefix}" in mark
    assert "SameSite=lax" in mark


async def test_sign_ups_from_one_address_are_limited() -> None:
    async with running_hub(keeps_accounts=True, guess_limits=GuessLimits(per_address=3)) as hub:
        client, statuses = hub.client(), []
        for number in range(5):
            page = await client.get(f"{hub.prefix}signup")
            data = {"_xsrf": form_token(page), "username": f"user{number}"}
            data |= {"password": PASSWORD, "password_again": PASSWORD}
            statuses.append((await client.post(f"{hub.prefix}signup", data=data, headers=FROM_US)).status_code)
        assert statuses == [200, 200, 200, 429, 429]
