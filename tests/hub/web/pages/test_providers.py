from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import structlog
from tests.support.page_rules import check

from perijove.hub.core.errors import PerijoveError, forbidden
from perijove.hub.core.events import SignedIn, SignInRefused
from perijove.hub.core.guessing import GuessLimits
from perijove.hub.core.pending_sign_ins import LIFETIME, MAX_ATTEMPTS, PER_BROWSER
from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.sign_in import BeginAgain, Complete, LeadTo, Refused, SignedOut, SignInExchange
from perijove.hub.testing.identity_provider import FakeProvider
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub

COOKIE = "perijove-sign-in"
SESSION = "jupyterhub-hub-login"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
async def hub(provider: FakeProvider, base_url: str) -> AsyncIterator[RunningHub]:
    authenticator = provider.authenticator(allow_all=True, login_service="The University", blocked_users={"bob"})
    async with running_hub(base_url=base_url, authenticator=authenticator) as running:
        yield running


async def led_away(hub: RunningHub, browser: httpx.AsyncClient, target: str = "", **more: str) -> str:
    """Press the button of the sign-in page; return the provider's page that the browser is led to."""
    query = urlencode({**({"next": target} if target else {}), **more})
    answer = await browser.get(f"{hub.prefix}provider_login{'?' if query else ''}{query}")
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith("http://provider.test/authorize?")
    return str(answer.headers["Location"])


def below(hub: RunningHub, answer: httpx.Response) -> str:
    """Where an answer leads, below the hub's prefix."""
    assert answer.status_code in {302, 303}, answer.text
    return str(answer.headers["Location"]).removeprefix(hub.prefix)


def again(hub: RunningHub, answer: httpx.Response) -> dict[str, list[str]]:
    """The query of the address at which a sign-in begins again by itself."""
    url = urlsplit(below(hub, answer))
    assert url.path == "provider_login"
    assert SESSION not in answer.headers.get("set-cookie", "")
    return parse_qs(url.query)


async def is_signed_in(hub: RunningHub, browser: httpx.AsyncClient) -> bool:
    return (await browser.get(f"{hub.prefix}home")).status_code == 200


async def test_the_page_has_a_button_that_keeps_where_to_go(hub: RunningHub) -> None:
    target = f"{hub.prefix}token?x=%2F&y"
    page = await hub.client().get(f"{hub.prefix}login?{urlencode({'next': target})}")
    assert "Sign in with The University" in page.text
    assert f'href="{hub.prefix}provider_login?{urlencode({"next": target})}"' in page.text
    assert 'type="password"' not in page.text


async def test_somebody_signs_in_elsewhere_and_goes_on(hub: RunningHub, provider: FakeProvider) -> None:
    browser, target = hub.client(), f"{hub.prefix}token?x=%2F&y"
    away = await led_away(hub, browser, target)
    asked = parse_qs(urlsplit(away).query)
    assert asked["redirect_uri"] == [f"{ORIGIN}{hub.prefix}provider_callback"]
    answer = await browser.get(provider.approve(away, "ada"))
    assert (answer.status_code, answer.headers["Location"]) == (302, target)
    assert await is_signed_in(hub, browser)
    assert hub.telemetry.of(SignedIn) == [SignedIn("ada")]


async def test_what_is_set_and_kept_tells_nothing(hub: RunningHub) -> None:
    answer = await hub.client().get(f"{hub.prefix}provider_login")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=lax", f"path={hub.prefix}"} <= {part.strip().lower() for part in cookie.split(";")}
    secret = cookie.split("=")[1].partition(";")[0]
    (state,) = parse_qs(urlsplit(answer.headers["Location"]).query)["state"]
    async with hub.store.transaction() as tx:
        (kept,) = tx.pending_sign_ins.all.pending_sign_ins.values()
    assert secret not in repr(kept)
    assert state not in repr(kept)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/hub/..//evil.example"]
)
async def test_signing_in_elsewhere_never_leads_to_another_site(
    hub: RunningHub, provider: FakeProvider, target: str
) -> None:
    browser = hub.client()
    answer = await browser.get(provider.approve(await led_away(hub, browser, target), "ada"))
    assert below(hub, answer) == ""


async def test_ghsa_cw7p_ten_tabs_sign_in_elsewhere_at_once(hub: RunningHub, provider: FakeProvider) -> None:
    browser = hub.client()
    await led_away(hub, browser)
    targets = [f"{hub.prefix}spawn/ada/{number}" for number in range(10)]
    pages = await asyncio.gather(*(led_away(hub, browser, target) for target in targets))
    answers = await asyncio.gather(*(browser.get(provider.approve(page, "ada")) for page in pages))
    assert [answer.headers["Location"] for answer in answers] == targets
    assert await is_signed_in(hub, browser)


async def test_tabs_whose_cookies_overtook_each_other_begin_again_and_arrive(
    hub: RunningHub, provider: FakeProvider
) -> None:
    # Each of them came without a cookie; the browser keeps the last.
    tabs = [hub.client() for _ in range(10)]
    targets = [f"{hub.prefix}spawn/ada/{number}" for number in range(10)]
    pages = [await led_away(hub, tab, target) for tab, target in zip(tabs, targets, strict=True)]
    browser = tabs[-1]
    answers = [await browser.get(provider.approve(page, "ada")) for page in pages]
    assert answers[-1].headers["Location"] == targets[-1]
    # Signed in by the last tab or not yet, each gets where it wanted to go.
    for answer, target in zip(answers[:-1], targets, strict=False):
        query = again(hub, answer)
        assert query == {"next": [target], "attempt": ["2"]}
    answer = await browser.get(answers[0].headers["Location"])
    assert (answer.status_code, answer.headers["Location"]) == (303, targets[0])


async def test_a_sign_in_that_another_browser_began_is_nobodys_here(hub: RunningHub, provider: FakeProvider) -> None:
    mallory, victim = hub.client(), hub.client()
    callback = provider.approve(await led_away(hub, mallory), "mallory")
    for _ in range(2):
        answer = await victim.get(callback)
        again(hub, answer)
        assert not await is_signed_in(hub, victim)
        # Neither if the victim was about to sign in.
        await led_away(hub, victim)
    assert not hub.telemetry.of(SignedIn)


async def test_a_cookie_that_somebody_planted_beside_the_own_helps_nobody(
    hub: RunningHub, provider: FakeProvider
) -> None:
    mallory, victim = hub.client(), hub.client()
    callback = provider.approve(await led_away(hub, mallory), "mallory")
    await led_away(hub, victim)
    both = f"{COOKIE}={victim.cookies[COOKIE]}; {COOKIE}={mallory.cookies[COOKIE]}"
    answer = await hub.client(Cookie=both).get(callback)
    again(hub, answer)
    assert answer.headers["Clear-Site-Data"] == '"cookies"'


async def test_a_state_is_good_once(hub: RunningHub, provider: FakeProvider) -> None:
    browser, target = hub.client(), f"{hub.prefix}token"
    callback = provider.approve(await led_away(hub, browser, target), "ada")
    first, second = await asyncio.gather(browser.get(callback), browser.get(callback))
    assert sorted([below(hub, first).partition("?")[0], below(hub, second).partition("?")[0]]) == [
        "provider_login",
        "token",
    ]
    # Whoever is signed in goes where they wanted to go, as with "back" and "reload".
    assert below(hub, await browser.get(callback)) == "token"
    browser.cookies.delete(SESSION)
    assert again(hub, await browser.get(callback)) == {"next": [target], "attempt": ["2"]}


async def test_a_state_expires(hub: RunningHub, provider: FakeProvider) -> None:
    browser, target = hub.client(), f"{hub.prefix}token"
    callback = provider.approve(await led_away(hub, browser, target, attempt="2"), "ada")
    hub.clock.advance(LIFETIME.total_seconds())
    assert again(hub, await browser.get(callback)) == {"next": [target], "attempt": ["1"]}


@pytest.mark.parametrize("query", ["", "?state=", "?state=unknown&code=x", f"?state={'x' * 10_000}", "?state=%FF%00"])
async def test_a_wrong_or_missing_state_begins_again(hub: RunningHub, query: str) -> None:
    browser, target = hub.client(), f"{hub.prefix}token"
    await led_away(hub, browser, target)
    answer = await browser.get(f"{hub.prefix}provider_callback{query}")
    assert again(hub, answer) == {"next": [target], "attempt": ["2"]}
    # A browser of which nothing is known could go round for ever, so a person is asked.
    answer = await hub.client().get(f"{hub.prefix}provider_callback{query}")
    assert below(hub, answer) == "login?ask=1"


async def test_a_browser_that_keeps_no_cookies_is_told_so_in_the_end(hub: RunningHub, provider: FakeProvider) -> None:
    address, rounds = f"{hub.prefix}provider_login?{urlencode({'next': f'{hub.prefix}token'})}", 0
    while True:
        away = await hub.client().get(address)
        answer = await hub.client().get(provider.approve(away.headers["Location"], "ada"))
        rounds += 1
        if answer.status_code != 302:
            break
        address = answer.headers["Location"]
    assert rounds == MAX_ATTEMPTS
    assert answer.status_code == 403
    assert "Does your browser accept cookies" in answer.text
    assert urlencode({"next": f"{hub.prefix}token"}) in answer.text


async def test_what_the_provider_says_is_bounded_and_escaped(hub: RunningHub, provider: FakeProvider) -> None:
    browser = hub.client()
    reason = "<script>alert(1)</script>\x1b[31m" + "x" * 10_000
    away = await led_away(hub, browser, f"{hub.prefix}token")
    answer = await browser.get(provider.deny(away, reason))
    assert answer.status_code == 403
    assert "You were not signed in." in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "<script>alert" not in answer.text
    assert "\x1b" not in answer.text
    assert "x" * 300 not in answer.text
    assert urlencode({"next": f"{hub.prefix}token"}) in answer.text
    # Whoever chooses another language comes back to a page, not to an address that is used up.
    (back,) = [field["value"] for field in check(answer.text).select(".choices input[name=next]")]
    assert back == f"{hub.prefix}login?{urlencode({'next': f'{hub.prefix}token', 'ask': '1'})}"
    (fact,) = hub.telemetry.of(SignInRefused)
    assert len(fact.reason) < 300
    # The same words from a stranger's link are not shown.
    stranger = await hub.client().get(provider.deny(await led_away(hub, hub.client()), "Call 0900-SCAM"))
    assert "SCAM" not in stranger.text


async def test_whoever_may_not_come_in_learns_no_more(hub: RunningHub, provider: FakeProvider) -> None:
    browser = hub.client()
    blocked = await browser.get(provider.approve(await led_away(hub, browser), "bob"))
    assert blocked.status_code == 403
    assert "or you may not sign in here" in blocked.text
    assert 'type="password"' not in blocked.text
    assert SESSION not in browser.cookies
    callback = provider.approve(await led_away(hub, browser), "ada").replace("code=", "code=wrong")
    unknown = await browser.get(callback)
    assert (unknown.status_code, "or you may not sign in here" in unknown.text) == (403, True)


async def test_a_form_is_no_way_past_the_handlers(hub: RunningHub) -> None:
    client = hub.client()
    page = await client.get(f"{hub.prefix}login")
    token = page.headers["set-cookie"].partition("_xsrf=")[2].partition(";")[0]
    data = {"_xsrf": token, "username": "ada", "code": "x", "verifier": "y", "redirect_uri": "z"}
    answer = await client.post(f"{hub.prefix}login", data=data, headers={"Origin": ORIGIN})
    assert answer.status_code == 403
    api = await client.post(f"{hub.api}/users/ada/tokens", json={"auth": {"username": "ada"}})
    assert api.status_code == 403


async def test_scripts_and_frames_begin_nothing(hub: RunningHub) -> None:
    for headers in ({"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}):
        answer = await hub.client().get(f"{hub.prefix}provider_login", headers=headers)
        assert answer.status_code == 403


async def test_the_sign_ins_of_one_browser_are_bounded(hub: RunningHub, provider: FakeProvider) -> None:
    browser = hub.client()
    pages = []
    for _ in range(PER_BROWSER + 1):
        pages.append(await led_away(hub, browser))
        hub.clock.advance(1)
    again(hub, await browser.get(provider.approve(pages[0], "ada")))
    assert below(hub, await browser.get(provider.approve(pages[1], "ada"))) == ""


async def test_tries_that_fail_are_counted(provider: FakeProvider) -> None:
    authenticator = provider.authenticator(allow_all=True)
    async with running_hub(authenticator=authenticator, guess_limits=GuessLimits(per_address=2)) as hub:
        browser, codes = hub.client(), []
        for _ in range(3):
            callback = provider.approve(await led_away(hub, browser), "ada").replace("code=", "code=wrong")
            codes.append((await browser.get(callback)).status_code)
        assert codes == [403, 403, 429]


async def test_whoever_is_signed_in_when_they_come_back_stays_who_they_are(
    hub: RunningHub, provider: FakeProvider
) -> None:
    browser, target = hub.client(), f"{hub.prefix}token"
    first, second = await led_away(hub, browser), await led_away(hub, browser, target)
    await browser.get(provider.approve(first, "ada"))
    answer = await browser.get(provider.approve(second, "carl"))
    assert (answer.status_code, answer.headers["Location"]) == (303, target)
    assert SESSION not in answer.headers.get("set-cookie", "")
    assert hub.telemetry.of(SignedIn) == [SignedIn("ada")]


async def test_somebody_signed_in_is_led_nowhere(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    answer = await browser.get(f"{hub.prefix}provider_login?{urlencode({'next': f'{hub.prefix}token'})}")
    assert (answer.status_code, below(hub, answer)) == (303, "token")


class Odd(Authenticator):
    """Its one handler gives what a test wants it to."""

    outcome: Any = None
    exchange: SignInExchange

    def login_url(self, base_url: str) -> str:
        return f"{base_url}odd/login"

    def logout_url(self, base_url: str) -> str:
        return f"{base_url}odd/logout"

    def get_handlers(self, app: Site) -> list[Any]:
        return [("/odd/login", self.answer), ("/odd/logout", self.answer)]

    def answer(self, exchange: SignInExchange) -> Any:
        self.exchange = exchange
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def odd() -> Odd:
    return Odd(allow_all=True)


@pytest.fixture
async def odd_hub(odd: Odd, base_url: str) -> AsyncIterator[RunningHub]:
    async with running_hub(base_url=base_url, authenticator=odd) as running:
        yield running


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        "https://provider.test",
        {"name": "ada"},
        Complete({"name": "ada"}),
        LeadTo("javascript:alert(1)"),
        LeadTo("//evil.example"),
        LeadTo("https://user:s3cret@provider.test/"),
        LeadTo("https://provider.test/\r\nSet-Cookie: a=b"),
        BeginAgain("javascript:alert(1)"),
        RuntimeError("the client secret is s3cret"),
    ],
)
async def test_a_handler_that_breaks_or_lies_signs_nobody_in(odd_hub: RunningHub, odd: Odd, outcome: Any) -> None:
    odd.outcome, browser = outcome, odd_hub.client()
    with structlog.testing.capture_logs() as logs:
        answer = await browser.get(f"{odd_hub.prefix}odd/login")
    # What begins again without anything known of the browser leads to the page.
    assert answer.status_code == (302 if isinstance(outcome, BeginAgain) else 503)
    assert "s3cret" not in answer.text
    assert "javascript" not in answer.headers.get("Location", "")
    if answer.status_code == 503:
        assert any(entry["log_level"] == "error" for entry in logs)
    assert SESSION not in browser.cookies


async def test_a_refusal_of_the_handlers_own_is_shown_on_the_page(odd_hub: RunningHub, odd: Odd) -> None:
    odd.outcome = forbidden("Come back on Monday.")
    answer = await odd_hub.client().get(f"{odd_hub.prefix}odd/login")
    assert (answer.status_code, "Come back on Monday." in answer.text) == (403, True)
    odd.outcome = Refused("Call 0900-SCAM")
    answer = await odd_hub.client().get(f"{odd_hub.prefix}odd/login")
    assert (answer.status_code, "SCAM" in answer.text) == (403, False)


async def test_a_handler_is_told_what_came(odd_hub: RunningHub, odd: Odd) -> None:
    odd.outcome = LeadTo(f"{odd_hub.prefix}api/docs")
    files = {"file": ("x.txt", b"y")}
    headers = {"Sec-Fetch-Mode": "navigate", "X-Remote-User": "ada"}
    answer = await odd_hub.client().post(
        f"{odd_hub.prefix}odd/login?a=b", data={"c": "d"}, files=files, headers=headers
    )
    assert below(odd_hub, answer) == "api/docs"
    exchange = odd.exchange
    assert (exchange.method, exchange.query, exchange.form) == ("POST", {"a": "b"}, {"c": "d"})
    assert exchange.request.headers["x-remote-user"] == "ada"
    assert exchange.request.completed_by == "/odd/login"
    assert exchange.url_of("/odd/login") == f"{ORIGIN}{odd_hub.prefix}odd/login"
    too_long = await odd_hub.client().post(f"{odd_hub.prefix}odd/login", data={"c": "d" * 70_000}, headers=headers)
    assert too_long.status_code == 400


async def test_signing_out_elsewhere_ends_the_session_here(odd_hub: RunningHub, odd: Odd) -> None:
    browser = await odd_hub.browser("ada")
    page = await browser.get(f"{odd_hub.prefix}home")
    assert f'href="{odd_hub.prefix}odd/logout"' in page.text
    odd.outcome = SignedOut("https://provider.test/logout")
    linked = await browser.get(f"{odd_hub.prefix}odd/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert below(odd_hub, linked) == "home"
    assert await is_signed_in(odd_hub, browser)
    answer = await browser.get(f"{odd_hub.prefix}odd/logout")
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://provider.test/logout")
    assert not await is_signed_in(odd_hub, browser)
    odd.outcome = SignedOut()
    assert below(odd_hub, await browser.get(f"{odd_hub.prefix}odd/logout")) == "login"


@pytest.mark.parametrize("path", ["/login", "/home", "/api/users", "/static/x"])
async def test_an_address_of_the_hubs_own_cannot_be_taken(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "get_handlers", lambda self, app: [(path, self.answer)])
    with pytest.raises(PerijoveError, match=f"Odd.get_handlers.. gives {path}, which is an address of the hub's own"):
        async with running_hub(authenticator=Odd()):
            pass
