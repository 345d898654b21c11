from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Request

from perijove.hub.core.servers import Failure, Server, State
from perijove.hub.testing.running import ORIGIN, RunningHub
from perijove.hub.web.pages import common


def request_for(path: bytes, query: bytes = b"", method: str = "GET") -> Request:
    return Request(
        {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/decoded path",
            "raw_path": path,
            "query_string": query,
            "headers": [(b"host", b"hub.test")],
        }
    )


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/hub/user/a%20b/x%2Fy", "/hub/user/a%20b/x%2Fy"),
        (b"/hub/a+b@c~d", "/hub/a+b@c~d"),
        (b'/hub/\xff"<>', "/hub/%FF%22%3C%3E"),
        (b"", "/decoded%20path"),
    ],
)
def test_a_path_stays_as_it_came(raw: bytes, path: str) -> None:
    assert common.raw_path(request_for(raw)) == path


@pytest.mark.parametrize(
    ("raw", "query"), [(b"", ""), (b"a=%2F&b", "?a=%2F&b"), (b"\xff <", "?%FF%20%3C"), (b"next=/x?y=1", "?next=/x?y=1")]
)
def test_a_query_stays_as_it_came(raw: bytes, query: str) -> None:
    assert common.raw_query(request_for(b"/", raw)) == query


@pytest.mark.parametrize(
    ("method", "again", "target"),
    [
        ("GET", None, "/hub/user/a%20b/lab?x=%2F"),
        ("POST", None, ""),
        ("POST", True, "/hub/user/a%20b/lab?x=%2F"),
    ],
)
async def test_the_sign_in_page_leads_back(hub: RunningHub, method: str, again: bool | None, target: str) -> None:
    request, home = request_for(b"/hub/user/a%20b/lab", b"x=%2F", method), f"{hub.prefix}home"
    url = urlsplit(common.login_url(hub.state, request, again=again))
    assert url.path == f"{hub.prefix}login"
    assert parse_qs(url.query) == {"next": [target or home]}
    for option in ("auto_login", "auto_login_oauth2_authorize"):
        hub.state.authenticator.set_trait(option, True)
        asked = parse_qs(urlsplit(common.login_url(hub.state, request, again=again)).query)
        # A browser lets no form that was sent to us lead to another site.
        assert asked == {"next": [target or home]} | ({} if method == "GET" else {"ask": ["1"]})
        hub.state.authenticator.set_trait(option, False)


def test_where_to_go_on_is_added_if_known() -> None:
    assert common.with_next("/hub/login", "") == "/hub/login"
    assert common.with_next("/hub/login", "/a?b=c&d") == "/hub/login?next=%2Fa%3Fb%3Dc%26d"
    assert common.with_next("/hub/x?y=z", "/a", ask="1") == "/hub/x?y=z&next=%2Fa&ask=1"


def test_every_state_has_words() -> None:
    assert common.STATE_TEXT.keys() == set(State)


@pytest.mark.parametrize(("name", "path"), [("", "a%20b@c"), ("x", "a%20b@c/x")])
def test_what_pages_show_of_a_server(hub: RunningHub, name: str, path: str) -> None:
    failure = Failure("It broke.")
    server = Server(1, 1, "a b@c", name, state=State.FAILED, failure=failure)
    view = common.server_view(hub.state, server)
    base, prefix = hub.state.settings.base_url, hub.prefix
    assert view["url"] == f"{base}user/{path}/"
    assert view["start_action"] == f"{prefix}spawn/{path}"
    assert view["stop_action"] == f"{prefix}stop/{path}"
    assert view["pending_url"] == f"{prefix}spawn-pending/{path}"
    assert (view["state"], view["state_text"], view["failure"]) == ("failed", "Failed", failure)
    assert (view["owner"], view["active"], view["ready"]) == ("a b@c", False, False)
    assert view["title"] == name
    assert (view["share_url"], view["delete_action"]) == (f"{prefix}share/{path}", f"{prefix}delete/{path}")


EVIL = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/%5Cevil.example/",
    "/%2Fevil.example/",
    "%2F%2Fevil.example/",
    "http:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " https://evil.example/",
    "\thttps://evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example/",
    "https://hub.test@evil.example/",
    "https://hub.test.evil.example/",
    "http://hub.test:80@evil.example/",
    "/hub/..//evil.example/",
    "/hub/%2e%2e//evil.example/",
    "/.//evil.example",
    "/\u0000/evil.example/",
    "\u3002\u3002/evil.example",
    "x" * 5000,
]


@pytest.mark.parametrize("target", EVIL)
def test_cve_2019_10255_a_target_elsewhere_is_not_gone_to(hub: RunningHub, target: str) -> None:
    assert common.next_target(request_for(b"/"), hub.state, target, default="/home") == "/home"


def test_three_slashes_lead_to_a_path_of_our_own_at_most(hub: RunningHub) -> None:
    found = common.next_target(request_for(b"/"), hub.state, "///evil.example/", default="/home")
    assert found in {"/home", "/evil.example/"}


def test_our_own_targets_are_gone_to(hub: RunningHub) -> None:
    base = hub.state.settings.base_url
    for target in (f"{base}hub/home", f"{base}user/a%20b/lab?x=%2F#y"):
        assert common.next_target(request_for(b"/"), hub.state, target) == target
        assert common.next_target(request_for(b"/"), hub.state, f"{ORIGIN}{target}") == target


@pytest.mark.parametrize(
    "path", ["home", "spawn", "spawn/ada", "spawn-pending/ada/x?next=%2Fy", "admin?offset=5", "user-redirect/lab?a=b"]
)
async def test_a_page_for_nobody_leads_to_signing_in_and_back(hub: RunningHub, path: str) -> None:
    answer = await hub.client().get(f"{hub.prefix}{path}")
    assert answer.status_code == 302
    url = urlsplit(answer.headers["Location"])
    assert url.path == f"{hub.prefix}login"
    assert parse_qs(url.query) == {"next": [f"{hub.prefix}{path}"]}


@pytest.mark.parametrize("path", ["spawn/ada", "stop/ada", "admin/users", "admin/accounts/x/approve"])
async def test_a_form_of_nobody_leads_to_signing_in_and_home(hub: RunningHub, path: str) -> None:
    answer = await hub.client().post(f"{hub.prefix}{path}", data={"_xsrf": "x"})
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {"next": [f"{hub.prefix}home"]}
