from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from perijove.client.auth import HubAuth, HubOAuth, Visitor, origin_of
from perijove.client.environment import InvalidEnvironment, ServiceEnvironment
from perijove.client.messages import WebAnswer, WebRequest
from perijove.client.oauth import MAX_SIGN_IN_AGE, MAX_STATE_BYTES
from perijove.client.resolver import STALE_LIMIT, IdentityResolver

PREFIX = "/services/whoami/"
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """Keeps cookies, as browsers do for one path, and asks for pages."""

    def __init__(self, auth: HubOAuth, session: str = "") -> None:
        self.auth = auth
        self.jar: dict[str, str] = {"jupyterhub-session-id": session} if session else {}

    def request(self, target: str = PREFIX, method: str = "GET", **headers: str) -> WebRequest:
        cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return WebRequest(method, target, {"host": "h", **PAGE, **named, "cookie": cookie})

    def take(self, answer: WebAnswer) -> WebAnswer:
        for cookie in answer.cookies:
            if cookie.max_age:
                self.jar[cookie.name] = cookie.value
            else:
                self.jar.pop(cookie.name, None)
        return answer

    async def open(self, target: str = PREFIX) -> Visitor | WebAnswer:
        outcome = await self.auth.enter(self.request(target))
        return self.take(outcome) if isinstance(outcome, WebAnswer) else outcome

    async def come_back(self, query: dict[str, str]) -> WebAnswer:
        return self.take(await self.auth.finish(self.request(f"{PREFIX}oauth_callback?{urlencode(query)}")))

    async def sign_in(self, hub: Any, name: str = "alice", target: str = PREFIX) -> WebAnswer:
        answer = await self.open(target)
        assert isinstance(answer, WebAnswer)
        return await self.come_back(hub.authorize(answer.location, name))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(environment: ServiceEnvironment, hub: Any, clock: Clock) -> HubOAuth:
    return HubOAuth(environment, hub=hub, resolver=IdentityResolver(hub, clock=clock), clock=clock)


def bearer(token: str, target: str = PREFIX, **headers: str) -> WebRequest:
    return WebRequest("POST", target, {"host": "h", "authorization": f"Bearer {token}", **headers})


def status(outcome: Visitor | WebAnswer) -> int:
    return outcome.status if isinstance(outcome, WebAnswer) else 200


@pytest.mark.parametrize("kind", [HubAuth, HubOAuth])
async def test_tokens(environment: ServiceEnvironment, hub: Any, kind: type[HubAuth]) -> None:
    auth = kind(environment, hub=hub)
    token = hub.token_for("alice")
    for shown in (f"token {token}", f"Bearer {token}", f"bearer   {token} "):
        visitor = await auth.enter(WebRequest("POST", PREFIX, {"authorization": shown}))
        assert isinstance(visitor, Visitor)
        assert (visitor.identity.name, visitor.token, visitor.by_cookie) == ("alice", token, False)
        assert token not in repr(visitor)
    for shown in ("", "Basic YTph", "Bearer", f"Bearer {token} more", "Bearer made-up"):
        assert status(await auth.enter(WebRequest("POST", PREFIX, {"authorization": shown}))) == 403
    assert status(await auth.enter(bearer(hub.token_for("bob")))) == 403
    auth.close()


async def test_who_may_enter_is_for_the_service_to_say(auth: HubOAuth, hub: Any) -> None:
    token = hub.token_for("carol", "custom:report:read")
    assert status(await auth.enter(bearer(token))) == 403
    assert status(await auth.enter(bearer(token), admits=lambda who: who.holds("custom:report:read"))) == 200
    refused = await auth.enter(bearer(token), admits=lambda who: False)
    assert isinstance(refused, WebAnswer) and refused.message == "user carol is not allowed."


async def test_tokens_in_the_address_only_where_wanted(environment: ServiceEnvironment, hub: Any) -> None:
    target = f"{PREFIX}?token={hub.token_for('alice')}"
    http, websocket = WebRequest("GET", target, {}), WebRequest("GET", target, {}, websocket=True)
    expected = {"never": (403, 403), "websockets": (403, 200), "always": (200, 200)}
    for where, statuses in expected.items():
        auth = HubAuth(environment, hub=hub, token_in_url=where)  # type: ignore[arg-type]
        assert (status(await auth.enter(http)), status(await auth.enter(websocket))) == statuses, where
    assert HubAuth(environment).shown_token(http) == ""
    assert HubAuth(replace(environment, allow_token_in_url=True)).shown_token(http) != ""


def test_from_the_environment(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    auth = HubOAuth.from_environ(environ)
    assert auth.environment.name == "whoami"  # type: ignore[attr-defined]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert isinstance(HubAuth.from_environ(), HubAuth)
    with pytest.raises(InvalidEnvironment):
        HubAuth.from_environ({})


async def test_signing_in(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth, "session-1")
    answer = await browser.sign_in(hub, target=f"{PREFIX}page?x=1")
    assert (answer.status, answer.location) == (302, f"{PREFIX}page?x=1")
    assert list(browser.jar) == ["jupyterhub-session-id", "service-whoami"], "the state's cookie is gone"
    visitor = await browser.open()
    assert isinstance(visitor, Visitor)
    assert (visitor.identity.name, visitor.by_cookie) == ("alice", True)


async def test_ten_tabs_at_once(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth)
    started = []
    for tab in range(10):
        answer = await browser.open(f"{PREFIX}{tab}")
        assert isinstance(answer, WebAnswer)
        started.append((f"{PREFIX}{tab}", answer.location))
    for target, location in reversed(started):
        answer = await browser.come_back(hub.authorize(location))
        assert (answer.status, answer.location) == (302, target)


async def test_hundreds_of_tabs_leave_room_for_other_cookies(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth)
    first = last = WebAnswer(0)
    for tab in range(100):
        outcome = await browser.open(f"{PREFIX}{tab}?{'x' * 100}")
        assert isinstance(outcome, WebAnswer)
        first, last = first if tab else outcome, outcome
    assert sum(len(name) + len(value) for name, value in browser.jar.items()) < 2 * MAX_STATE_BYTES
    assert (await browser.come_back(hub.authorize(last.location))).location.startswith(f"{PREFIX}99")
    stale = await browser.come_back(hub.authorize(first.location))
    assert (stale.status, stale.location) == (302, PREFIX), "a stale tab goes on, and shows no error"


async def test_another_process_of_the_same_service_finishes(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth)
    answer = await browser.open(f"{PREFIX}page")
    assert isinstance(answer, WebAnswer)
    browser.auth = HubOAuth(auth.environment, hub=hub, clock=auth._clock)
    assert (await browser.come_back(hub.authorize(answer.location))).location == f"{PREFIX}page"
    assert isinstance(await browser.open(), Visitor)


async def test_a_sign_in_that_began_elsewhere(auth: HubOAuth, hub: Any) -> None:
    mallory, victim = Browser(auth), Browser(auth)
    begun = await mallory.open()
    assert isinstance(begun, WebAnswer)
    query = hub.authorize(begun.location, "mallory")
    answer = await victim.come_back(query)
    assert answer.location.startswith("/hub/api/oauth2/authorize?"), "begins again, as the victim's own"
    assert query["code"] in hub.codes, "the code must not even be used"
    assert "service-whoami" not in victim.jar


async def test_a_state_that_is_too_old(auth: HubOAuth, hub: Any, clock: Clock) -> None:
    browser = Browser(auth)
    begun = await browser.open(f"{PREFIX}page")
    assert isinstance(begun, WebAnswer)
    clock.now += MAX_SIGN_IN_AGE
    assert (await browser.come_back(hub.authorize(begun.location))).location.startswith("/hub/api/oauth2/authorize?")


async def test_a_browser_without_cookies_is_not_sent_round_for_ever(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth)
    answer, hops = await browser.open(), 0
    while isinstance(answer, WebAnswer) and answer.location and hops < 10:
        hops += 1
        browser.jar.clear()
        answer = await browser.come_back(hub.authorize(answer.location))
    assert isinstance(answer, WebAnswer)
    assert (answer.status, hops) == (400, 3)
    assert "cookies" in answer.message


async def test_what_the_hub_may_say_at_the_end(auth: HubOAuth, hub: Any) -> None:
    assert (await Browser(auth).sign_in(hub, "bob")).message == "user bob is not allowed."
    browser = Browser(auth)
    begun = await browser.open(f"{PREFIX}page")
    assert isinstance(begun, WebAnswer)
    query = hub.authorize(begun.location)
    refused = await browser.come_back({"error": "access_denied" + "x" * 500, "state": query["state"]})
    assert (refused.status, len(refused.message) < 300) == (403, True)

    begun = await browser.open(f"{PREFIX}page")
    assert isinstance(begun, WebAnswer)
    again = await browser.come_back({**hub.authorize(begun.location), "code": "used"})
    assert (await browser.come_back(hub.authorize(again.location))).location == f"{PREFIX}page"

    browser = Browser(auth)
    hub.knows_client = False
    assert (await browser.sign_in(hub)).status == 500
    hub.away = True
    away = await browser.sign_in(hub)
    assert (away.status, away.retry_after) == (503, 10)


async def test_the_hub_is_away(auth: HubOAuth, hub: Any, clock: Clock) -> None:
    known, stranger = Browser(auth, "s"), Browser(auth)
    await known.sign_in(hub)
    hub.away = True
    clock.now += 3600
    assert isinstance(await known.open(), Visitor), "whom the hub vouched for goes on"
    answer = await auth.enter(bearer("new"))
    assert isinstance(answer, WebAnswer)
    assert (answer.status, answer.retry_after) == (503, 10)
    assert (await auth.login(bearer("new"))).status == 503
    assert status(await stranger.open()) == 302, "to ask who is there takes no hub"
    clock.now += STALE_LIMIT
    assert status(await known.open()) == 503


async def test_a_session_that_is_over(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth, "first")
    await browser.sign_in(hub)
    browser.jar["jupyterhub-session-id"] = "second"
    assert status(await browser.open()) == 302, "somebody signed in anew at the hub"
    await browser.sign_in(hub)
    assert isinstance(await browser.open(), Visitor)
    del browser.jar["jupyterhub-session-id"]
    hub.tokens.clear()
    assert status(await browser.open()) == 302, "signed out at the hub: the token is gone, and no cache hides it"


async def test_a_planted_login_of_another_person(auth: HubOAuth, hub: Any) -> None:
    mallory, victim = Browser(auth, "session-of-mallory"), Browser(auth, "session-of-the-victim")
    await mallory.sign_in(hub, "mallory")
    victim.jar["service-whoami"] = mallory.jar["service-whoami"]
    assert status(await victim.open()) == 302

    sly = Browser(auth)  # signs in without showing a session, so that the cookie names none
    await sly.sign_in(hub, "mallory")
    hub.tokens = {token: replace(who, session_id="session-of-mallory") for token, who in hub.tokens.items()}
    auth.resolver = IdentityResolver(hub)
    assert isinstance(await sly.open(), Visitor)
    victim.jar["service-whoami"] = sly.jar["service-whoami"]
    assert status(await victim.open()) == 302


async def test_answers_are_kept_for_a_while(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth, "s")
    await browser.sign_in(hub)
    asked = len(hub.asked)
    for _ in range(5):
        assert isinstance(await browser.open(), Visitor)
    assert len(hub.asked) == asked


async def test_requests_that_a_visitor_did_not_mean(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth, "s")
    await browser.sign_in(hub)
    visitor = await browser.open()
    assert isinstance(visitor, Visitor)
    token = auth.xsrf_token(visitor)
    post = browser.request(method="POST", origin="http://h", sec_fetch_site="same-origin")
    assert status(await auth.enter(post)) == 403
    assert status(await auth.enter(post, form_token=token)) == 200
    assert status(await auth.enter(browser.request(method="POST", x_xsrftoken=token))) == 200
    assert status(await auth.enter(browser.request(method="POST", x_xsrftoken=token, origin="http://evil"))) == 403
    public = HubOAuth(
        replace(auth.environment, public_url="https://a.example/x"), resolver=auth.resolver, clock=auth._clock
    )
    named = browser.request(method="POST", x_xsrftoken=token, origin="https://a.example")
    assert (status(await auth.enter(named)), status(await public.enter(named))) == (403, 200)
    assert origin_of("") == ""


async def test_cve_2024_28179_websockets_are_no_side_door(auth: HubOAuth, hub: Any) -> None:
    """CVE-2024-28179: a WebSocket is let in like any other request, and never redirected."""
    browser = Browser(auth, "s")
    headers = {"origin": "http://h", "sec-fetch-mode": "websocket"}
    assert status(await auth.enter(WebRequest("GET", PREFIX, headers, websocket=True))) == 403
    await browser.sign_in(hub)
    visitor = await browser.open()
    assert isinstance(visitor, Visitor)
    own = replace(browser.request(f"{PREFIX}?_xsrf={auth.xsrf_token(visitor)}", **headers), websocket=True)
    foreign = replace(own, headers={**own.headers, "origin": "http://evil"})
    assert (status(await auth.enter(own)), status(await auth.enter(foreign))) == (200, 403)


async def test_only_pages_lead_to_the_sign_in(auth: HubOAuth) -> None:
    browser = Browser(auth)
    for request in (
        browser.request(method="POST"),
        browser.request(sec_fetch_mode="cors"),
        browser.request(sec_fetch_dest="image", sec_fetch_mode="no-cors"),
        browser.request(accept="application/json"),
    ):
        assert status(await auth.enter(request)) == 403
    assert status(await auth.enter(WebRequest("GET", PREFIX, {}))) == 302


async def test_login_goes_nowhere_else(auth: HubOAuth, hub: Any) -> None:
    """CVE-2019-10255, CVE-2026-33709: one function decides where a browser may be sent."""
    browser = Browser(auth)
    begun = await auth.login(browser.request(f"{PREFIX}login?next={PREFIX}page"))
    browser.take(begun)
    assert (await browser.come_back(hub.authorize(begun.location))).location == f"{PREFIX}page"
    for target in ("//evil.example", "https://evil.example", "/services/other/", f"{PREFIX}../other/", "\\\\evil"):
        answer = await auth.login(browser.request(f"{PREFIX}login?{urlencode({'next': target})}"))
        assert (answer.status, answer.location) == (302, PREFIX), target


async def test_signing_out(auth: HubOAuth, hub: Any) -> None:
    browser = Browser(auth, "s")
    await browser.sign_in(hub)
    old = dict(browser.jar)
    hub.tokens.clear()
    answer = browser.take(auth.sign_out(browser.request(f"{PREFIX}logout")))
    assert (answer.status, answer.location) == (302, "/hub/logout")
    assert "service-whoami" not in browser.jar
    browser.jar = old
    assert status(await browser.open()) == 302, "not even a copy of the cookie is worth anything"
    assert (auth.sign_out(WebRequest("GET", PREFIX, {}))).location == "/hub/logout"
