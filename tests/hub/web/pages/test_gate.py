"""The sign-in page in all its forms, and signing in without a press of a button."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.support.page_rules import check

from perijove.hub.core.events import SignedIn
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.sign_in import SignInWay, WayKind
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.testing.identity_provider import FakeProvider
from perijove.hub.testing.running import ORIGIN, PASSWORD, RunningHub, running_hub

COOKIE = "perijove-sign-in"


class ByHeader(Authenticator):
    """Believes what a proxy in front says, as one for REMOTE_USER does."""

    def authenticate(self, handler: SignInRequest, data: Mapping[str, Any]) -> str | None:
        assert data == {}
        return handler.headers.get("x-remote-user")


@pytest.fixture
async def remote(base_url: str) -> AsyncIterator[RunningHub]:
    """A hub that signs people in by a header, without anything to press."""
    authenticator = ByHeader(allow_all=True, auto_login=True, login_service="the portal", blocked_users={"eve"})
    async with running_hub(base_url=base_url, authenticator=authenticator) as running:
        yield running


async def following(browser: httpx.AsyncClient, url: str, most: int = 6) -> tuple[httpx.Response, list[str]]:
    """Go to *url* and where it leads on this hub, as a browser does; return the last answer, and the way to it."""
    way: list[str] = []
    for _ in range(most):
        answer = await browser.get(url)
        if answer.status_code not in {302, 303} or not answer.headers["Location"].startswith("/"):
            return answer, way
        url = answer.headers["Location"]
        way.append(url)
    raise AssertionError(f"no end: {way}")


async def test_whoever_the_request_names_is_signed_in_and_goes_on(remote: RunningHub) -> None:
    browser, target = remote.client(**{"X-Remote-User": "Ada"}), f"{remote.prefix}token"
    answer, way = await following(browser, f"{remote.prefix}token")
    assert answer.status_code == 200
    assert way[-1] == target
    assert "ada" in answer.text


async def test_without_cookies_nobody_goes_round_for_ever(remote: RunningHub) -> None:
    first = await remote.client(**{"X-Remote-User": "ada"}).get(f"{remote.prefix}login")
    assert first.status_code == 302
    second = await remote.client(**{"X-Remote-User": "ada"}).get(first.headers["Location"])
    assert (second.status_code, "Does your browser accept cookies" in second.text) == (403, True)
    assert not remote.telemetry.of(SignedIn)


@pytest.mark.parametrize("headers", [{}, {"X-Remote-User": "eve"}, {"X-Remote-User": "a/b"}])
async def test_whoever_is_not_let_in_finds_a_button_and_no_loop(remote: RunningHub, headers: dict[str, str]) -> None:
    answer, _ = await following(remote.client(**headers), f"{remote.prefix}token")
    assert answer.status_code == 403
    page = check(answer.text)
    assert "or you may not sign in here" in answer.text
    (button,) = page.select("#login_submit")
    assert button["href"] == f"{remote.prefix}login?{urlencode({'next': f'{remote.prefix}token'})}"
    assert button.get_text() == "Sign in with the portal"
    assert not page.select("input[type=password]")


async def test_after_signing_out_nobody_is_signed_in_again_by_itself(remote: RunningHub) -> None:
    browser = remote.client(**{"X-Remote-User": "ada"})
    await following(browser, f"{remote.prefix}home")
    for _ in range(2):
        answer, way = await following(browser, f"{remote.prefix}logout")
        assert (answer.status_code, way) == (200, [])
        page = check(answer.text)
        assert "You are signed out" in answer.text
        assert "You may still be signed in at the portal" in answer.text
        assert not page.select("#logout")
        assert [button["href"] for button in page.select("#login_submit")] == [f"{remote.prefix}login"]
    asked = await browser.get(f"{remote.prefix}login?ask=1")
    assert (asked.status_code, "jupyterhub-hub-login" in browser.cookies) == (200, False)


async def test_two_sessions_in_one_browser_are_no_loop(remote: RunningHub) -> None:
    ada, eve = await remote.session("ada"), await remote.session("mallory")
    cookies = f"jupyterhub-hub-login={ada.key}; jupyterhub-hub-login={eve.key}; {COOKIE}=x"
    browser = remote.client(**{"X-Remote-User": "ada", "Cookie": cookies})
    answer, _ = await following(browser, f"{remote.prefix}home")
    assert (answer.status_code, answer.headers["Clear-Site-Data"]) == (200, '"cookies"')
    assert "Sign in with the portal" in answer.text


async def test_a_form_is_no_way_to_be_somebody_by_request(remote: RunningHub) -> None:
    browser = remote.client()
    page = await browser.get(f"{remote.prefix}login?ask=1")
    token = page.headers["set-cookie"].partition("_xsrf=")[2].partition(";")[0]
    data = {"_xsrf": token, "username": "ada"}
    headers = {"Origin": ORIGIN, "X-Remote-User": "ada"}
    assert (await browser.post(f"{remote.prefix}login", data=data, headers=headers)).status_code == 403


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


async def test_sign_in_elsewhere_begins_by_itself(provider: FakeProvider, base_url: str) -> None:
    authenticator = provider.authenticator(allow_all=True, auto_login=True)
    async with running_hub(base_url=base_url, authenticator=authenticator) as hub:
        browser, target = hub.client(), f"{hub.prefix}token?a=%2F"
        answer, _ = await following(browser, target)
        away = answer.headers["Location"]
        assert away.startswith("http://provider.test/authorize?")
        assert (await browser.get(provider.approve(away, "ada"))).headers["Location"] == target
        out, _ = await following(browser, f"{hub.prefix}logout")
        assert (out.status_code, "You are signed out" in out.text) == (200, True)
        # Denied: a page with a button, which does not begin again by itself.
        answer, _ = await following(browser, target)
        denied, way = await following(browser, provider.deny(answer.headers["Location"]))
        assert (denied.status_code, way) == (403, [])
        assert "Continue to sign in" in denied.text
        # A form whose session is over leads to the page, because browsers let no form lead to another site.
        posted = await browser.post(f"{hub.prefix}stop/ada", data={"_xsrf": "x"}, headers={"Origin": ORIGIN})
        assert "ask=1" in posted.headers["Location"]
        page = await browser.get(posted.headers["Location"])
        assert (page.status_code, "Continue to sign in" in page.text) == (200, True)


async def test_only_those_who_come_from_a_server_begin_by_themselves(provider: FakeProvider) -> None:
    authenticator = provider.authenticator(allow_all=True, auto_login_oauth2_authorize=True)
    async with running_hub(authenticator=authenticator) as hub:
        home, _ = await following(hub.client(), f"{hub.prefix}home")
        assert (home.status_code, "Continue to sign in" in home.text) == (200, True)
        address = f"{hub.api}/oauth2/authorize?client_id=x&response_type=code"
        answer, _ = await following(hub.client(), address)
        assert answer.headers["Location"].startswith("http://provider.test/authorize?")
        for other in (f"{hub.api}/oauth2/authorize/x", f"{hub.prefix}home?/hub/api/oauth2/authorize"):
            answer, _ = await following(hub.client(), f"{hub.prefix}login?{urlencode({'next': other})}")
            assert answer.status_code == 200


async def test_one_with_a_form_goes_on_asking_for_a_password() -> None:
    authenticator = FakeAuthenticator(allow_all=True, auto_login_oauth2_authorize=True)
    async with running_hub(authenticator=authenticator) as hub:
        page, _ = await following(hub.client(), f"{hub.api}/oauth2/authorize?client_id=x")
        assert check(page.text).select("input[type=password]")


CUSTOM = """<p class="mine">{{ login_error }}</p>
<form method="post" action="{{ login_url }}?next={{ next|urlencode }}">
<input type="hidden" name="_xsrf" value="{{ xsrf }}"><label for="card">Card</label>
<input id="card" name="username" value="{{ username }}"><input type="hidden" name="password" value="correct horse">
<button>Enter</button></form><a href="{{ authenticator_login_url }}">or so</a>"""


@pytest.mark.parametrize("given", [CUSTOM, lambda base_url: CUSTOM.replace("Enter", base_url)])
async def test_what_the_operator_wrote_takes_the_place_of_the_form(base_url: str, given: Any) -> None:
    async with running_hub(base_url=base_url, authenticator=FakeAuthenticator(custom_html=given)) as hub:
        hub.state.authenticator.allow_all = True
        await hub.add_user("ada")
        browser, target = hub.client(), f"{hub.prefix}token"
        query = urlencode({"next": target})
        page = await browser.get(f"{hub.prefix}login?{query}")
        assert '<p class="mine"></p>' in page.text
        assert f'<a href="{hub.prefix}login?{query}">' in page.text
        (button,) = check(page.text).select(".operators button")
        assert button.get_text() == ("Enter" if given == CUSTOM else hub.prefix)
        assert not check(page.text).select("input[type=password]")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert found is not None
        data = {"_xsrf": found[1], "username": "<b>nobody", "password": PASSWORD}
        wrong = await browser.post(f"{hub.prefix}login?{query}", data=data, headers={"Origin": ORIGIN})
        assert (wrong.status_code, "Invalid username or password</p>" in wrong.text) == (403, True)
        assert 'value="&lt;b&gt;nobody"' in wrong.text
        data["username"] = "ada"
        done = await browser.post(f"{hub.prefix}login?{query}", data=data, headers={"Origin": ORIGIN})
        assert (done.status_code, done.headers["Location"]) == (302, target)


class Offers(FakeAuthenticator):
    """Offers what a test wants it to."""

    ways: Any = ()

    def sign_in_ways(self, base_url: str) -> Any:
        if isinstance(self.ways, Exception):
            raise self.ways
        return self.ways


async def test_a_form_and_several_buttons_on_one_page() -> None:
    authenticator = Offers(allow_all=True)
    async with running_hub(authenticator=authenticator) as hub:
        authenticator.ways = [
            SignInWay(WayKind.FORM, "/hub/login", part="staff"),
            SignInWay(WayKind.LINK, "/hub/github/begin", "GitHub"),
            SignInWay(WayKind.LINK, "/hub/google/begin?hd=x", "Google"),
        ]
        answer = await hub.client().get("/hub/login?next=%2Fhub%2Ftoken")
        page = check(answer.text)
        assert [link["href"] for link in page.select(".ways a")] == [
            "/hub/github/begin?next=%2Fhub%2Ftoken",
            "/hub/google/begin?hd=x&next=%2Fhub%2Ftoken",
        ]
        assert page.select_one("input[name=authenticator]")["value"] == "staff"  # type: ignore[index]
        authenticator.ways = []
        nobody = await hub.client().get("/hub/login")
        assert "Nobody signs in here with a browser" in nobody.text


@pytest.mark.parametrize(
    "ways", [None, "form", [None], [SignInWay(WayKind.LINK, "https://evil.example/")], RuntimeError("s3cret")]
)
async def test_an_authenticator_that_does_not_say_what_it_needs_is_503(ways: Any) -> None:
    authenticator = Offers(allow_all=True)
    async with running_hub(authenticator=authenticator) as hub:
        authenticator.ways = ways
        answer = await hub.client().get("/hub/login")
        assert answer.status_code == 503
        assert "s3cret" not in answer.text
        assert "evil" not in answer.text


async def test_what_was_typed_waits_while_somebody_signs_in_elsewhere(provider: FakeProvider) -> None:
    async with running_hub(authenticator=provider.authenticator(allow_all=True)) as hub:
        browser = hub.client()

        async def sign_in() -> None:
            begun = await browser.get("/hub/provider_login")
            await browser.get(provider.approve(begun.headers["Location"], "ada"))

        await sign_in()
        page = await browser.get("/hub/token")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert found is not None
        browser.cookies.delete("jupyterhub-hub-login")
        data = {"_xsrf": found[1], "note": "a long note"}
        stale = check((await browser.post("/hub/token", data=data, headers={"Origin": ORIGIN})).text)
        (button,) = stale.select(".ways a")
        assert button["target"] == "_blank"
        (form,) = [form for form in stale.select("form") if form.select("#signed-in-now")]
        fields = {str(field["name"]): str(field["value"]) for field in form.select("input[type=hidden]")}
        early = await browser.post(str(form["action"]), data=fields, headers={"Origin": ORIGIN})
        assert (early.status_code, fields["held"] in early.text) == (403, True)
        await sign_in()
        waiting = await browser.post(str(form["action"]), data=fields, headers={"Origin": ORIGIN})
        assert (waiting.status_code, "a long note" in waiting.text) == (200, True)
        assert "Go on?" in waiting.text
        # Somebody else's browser does not get to see it.
        other = await hub.browser("bob")
        answer = await other.post(str(form["action"]), data=fields, headers={"Origin": ORIGIN})
        assert answer.status_code == 303
