from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.sign_in import Complete, LeadTo, SignedOut, SignInExchange, SignInWay, WayKind


class Elsewhere(Authenticator):
    def login_url(self, base_url: str) -> str:
        return f"{base_url}begin"


@pytest.mark.parametrize(
    ("made", "kind", "url"),
    [
        (Authenticator(login_service="X"), WayKind.FORM, "/hub/login"),
        (Authenticator(login_service="X", auto_login=True), WayKind.REQUEST, "/hub/login"),
        (Elsewhere(login_service="X"), WayKind.LINK, "/hub/begin"),
        (Elsewhere(login_service="X", auto_login=True), WayKind.LINK, "/hub/begin"),
    ],
)
def test_what_the_page_offers_follows_from_the_options(made: Authenticator, kind: WayKind, url: str) -> None:
    assert made.sign_in_ways("/hub/") == [SignInWay(kind, url, "X")]


@pytest.mark.parametrize("html", ["<b>x</b>", lambda base_url: f"<b>{base_url}</b>"])
def test_html_of_the_operators_takes_their_place(html: Any) -> None:
    (way,) = Elsewhere(custom_html=html).sign_in_ways("/hub/")
    assert way.kind is WayKind.HTML
    assert way.html == ("<b>x</b>" if isinstance(html, str) else "<b>/hub/</b>")


def test_an_authenticator_has_no_handlers_of_its_own() -> None:
    assert list(Authenticator().get_handlers(Site())) == []
    assert Authenticator().logout_url("/jh/hub/") == "/jh/hub/logout"


def test_secrets_on_their_way_stand_in_no_log() -> None:
    for outcome in (
        LeadTo("https://p.test/?s3cret"),
        Complete({"code": "s3cret"}),
        SignedOut("https://p.test/?s3cret"),
    ):
        assert "s3cret" not in repr(outcome)


def test_a_handler_learns_its_full_address() -> None:
    async def begin(data: Any) -> str:
        return ""

    async def resume(state: str) -> None:
        return None

    exchange = SignInExchange(SignInRequest(), "GET", {}, {}, "https://hub.test", "/jh/hub/github", begin, resume)
    assert exchange.url_of("/oauth_callback") == "https://hub.test/jh/hub/github/oauth_callback"
