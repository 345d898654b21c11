from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.sign_in import BeginAgain, Complete, LeadTo, Refused, SignInExchange, SignInRequest
from perijove.hub.testing.authenticator_contract import HandlerContract
from perijove.hub.testing.identity_provider import FakeProvider, ProviderAuthenticator

CALLBACK = "http://hub.test/hub/provider_callback"
AUTHORIZE = {"redirect_uri": CALLBACK, "state": "s", "code_challenge": "c"}


class TestProviderAuthenticator(HandlerContract):
    @pytest.fixture
    def provider(self) -> Iterator[FakeProvider]:
        yield FakeProvider()

    @pytest.fixture
    def authenticator(self, provider: FakeProvider) -> Authenticator:
        return provider.authenticator(allow_all=True)

    async def come_back(self, authenticator: Authenticator, provider: FakeProvider, url: str) -> str:
        return provider.approve(url, "ada")


def page() -> str:
    return f"http://provider.test/authorize?{urlencode(AUTHORIZE)}"


async def test_a_browser_finds_a_link_for_everybody_and_one_to_refuse() -> None:
    provider = FakeProvider()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=provider)) as browser:
        answer = await browser.get(page())
        assert [f'id="{name}"' in answer.text for name in ("ada", "bob", "deny", "eve")] == [True, True, True, False]
        provider.remembers = "bob"
        at_once = await browser.get(page())
    assert at_once.headers["Location"].startswith(f"{CALLBACK}?code=")
    assert provider.begun == [page(), page()]


async def test_a_code_is_for_whoever_asked_for_it_and_good_once() -> None:
    provider = FakeProvider()
    authenticator = provider.authenticator(allow_all=True)
    begun: list[dict[str, Any]] = []

    async def begin(data: Any) -> str:
        begun.append(dict(data))
        return "s"

    async def resume(state: str) -> dict[str, Any] | None:
        return begun[0] if state == "s" else None

    def exchange(**query: str) -> SignInExchange:
        return SignInExchange(SignInRequest(), "GET", query, {}, "http://hub.test", "/hub", begin, resume)

    led = await authenticator.begin(exchange())
    assert isinstance(led, LeadTo)
    back = dict(parse_qsl(urlsplit(provider.approve(led.url, "ada")).query))
    done = await authenticator.finish(exchange(**back))
    assert isinstance(done, Complete)
    asked = SignInRequest(completed_by="/provider_callback")
    assert await authenticator.authenticate(asked, {**done.data, "verifier": "another"}) is None
    back = dict(parse_qsl(urlsplit(provider.approve(led.url, "ada")).query))
    done = await authenticator.finish(exchange(**back))
    assert isinstance(done, Complete)
    assert await authenticator.authenticate(asked, done.data) == "ada"
    assert await authenticator.authenticate(asked, done.data) is None
    denied = dict(parse_qsl(urlsplit(provider.deny(led.url, "No.")).query))
    assert await authenticator.finish(exchange(**denied)) == Refused("No.")
    assert await authenticator.finish(exchange(state="x")) == BeginAgain()


def test_its_options_are_those_of_any_authenticator() -> None:
    made = ProviderAuthenticator(provider_url="http://p.test", login_service="P")
    (way,) = made.sign_in_ways("/hub/")
    assert (way.url, way.service) == ("/hub/provider_login", "P")
