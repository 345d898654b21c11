from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog
from tornado.web import RequestHandler, url

from perijove.hub.core.errors import Code, PerijoveError, forbidden
from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.sign_in import BeginAgain, SignInExchange, SignInWay, WayKind
from perijove.hub.usecases import entrance as use_case
from perijove.hub.usecases.entrance import Entrance, ask_handler, check_takes_form, entrance_of, ways_of

SITE = Site("/jh/")


class Oldfashioned(RequestHandler):
    def get(self) -> None:
        pass


class Given(Authenticator):
    handlers: Any = ()
    login = logout = ""

    def get_handlers(self, app: Site) -> Any:
        return self.handlers

    def login_url(self, base_url: str) -> Any:
        return self.login or super().login_url(base_url)

    def logout_url(self, base_url: str) -> Any:
        return self.logout or super().logout_url(base_url)

    def answer(self, exchange: SignInExchange) -> Any:
        return BeginAgain()


def test_without_anything_of_its_own_the_hubs_pages_are_used() -> None:
    assert entrance_of(Authenticator(), SITE) == Entrance("/jh/hub/login", "/jh/hub/logout")


def test_handlers_are_known_by_their_path() -> None:
    given = Given()
    given.handlers = [("/oauth_login", given.answer), ["/a/b.c~d-e_f", given.answer]]
    given.login = "/jh/hub/oauth_login"
    found = entrance_of(given, SITE)
    assert found.login_url == "/jh/hub/oauth_login"
    assert dict(found.handlers) == {"/oauth_login": given.answer, "/a/b.c~d-e_f": given.answer}


@pytest.mark.parametrize(
    ("handlers", "reason"),
    [
        ([("/oauth_login", Oldfashioned)], "the Tornado handler Oldfashioned for /oauth_login, which this hub cannot"),
        ([(r"/x/(.*)", Oldfashioned)], "docs/authenticators.md"),
        ([("/x", Oldfashioned, {})], "pairs of a path and a function"),
        ([url("/x", Oldfashioned)], "pairs of a path and a function"),
        ([("/x/(.*)", print)], "no pattern"),
        ([("x", print)], "'/oauth_callback'"),
        ([("/x/", print)], "no pattern"),
        ([("/../x", print)], "no pattern"),
        ([("/x/..", print)], "no pattern"),
        ([(7, print)], "no pattern"),
        ([("/x", "handler")], "it must be a function"),
        ([("/x", dict)], "it must be a function"),
        ([("/x", print), ("/x", print)], "gives /x twice"),
    ],
)
def test_what_the_hub_cannot_use_is_refused_with_the_reason(handlers: Any, reason: str) -> None:
    given = Given()
    given.handlers = handlers
    with pytest.raises(PerijoveError) as told:
        entrance_of(given, SITE)
    assert told.value.code is Code.INVALID
    assert told.value.message.startswith("Given.get_handlers() gives ")
    assert reason in told.value.message


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "/jh/user/x", "login", 7, "/jh/hub/../x"]
)
@pytest.mark.parametrize("which", ["login", "logout"])
def test_addresses_lie_below_the_hubs(address: Any, which: str) -> None:
    given = Given()
    setattr(given, which, address)
    with pytest.raises(PerijoveError, match=rf"Given.{which}_url\(\) gives .* begins with /jh/hub/"):
        entrance_of(given, SITE)


def test_a_form_is_taken_where_there_is_one() -> None:
    link, request = SignInWay(WayKind.LINK, "/x"), SignInWay(WayKind.REQUEST, "/x")
    check_takes_form([link, SignInWay(WayKind.FORM, "/x")])
    check_takes_form([SignInWay(WayKind.HTML, "/x")])
    for ways in ([], [link, request]):
        with pytest.raises(PerijoveError, match="Invalid username or password"):
            check_takes_form(ways)


async def test_an_authenticator_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Authenticator):
        async def sign_in_ways(self, base_url: str) -> Any:  # type: ignore[override]
            await asyncio.Event().wait()

        async def answer(self, exchange: SignInExchange) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(use_case, "WAYS_SECONDS", 0.01)
    slow = Slow()
    slow.set_trait("sign_in_timeout", 1.0)
    with structlog.testing.capture_logs(), pytest.raises(PerijoveError) as told:
        await ways_of(slow, SITE)
    assert told.value.code is Code.UNAVAILABLE
    with structlog.testing.capture_logs(), pytest.raises(PerijoveError) as told:
        await ask_handler(slow, slow.answer, exchange())
    assert told.value.code is Code.UNAVAILABLE


def exchange() -> SignInExchange:
    async def begin(data: Any) -> str:
        return "state"

    async def resume(state: str) -> None:
        return None

    return SignInExchange(SignInRequest(), "GET", {}, {}, "http://hub.test", "/hub", begin, resume)


async def test_a_handler_says_what_is_to_happen() -> None:
    given = Given()
    assert await ask_handler(given, given.answer, exchange()) == BeginAgain()

    def refuses(exchange: SignInExchange) -> Any:
        raise forbidden("No.")

    with pytest.raises(PerijoveError, match=r"^No\.$"):
        await ask_handler(given, refuses, exchange())
    with structlog.testing.capture_logs() as logs, pytest.raises(PerijoveError, match="does not work at the moment"):
        await ask_handler(given, lambda exchange: "ada", exchange())
    assert "the handler gave a str" in repr(logs[0]["exc_info"])
