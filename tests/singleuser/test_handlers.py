"""Signing in and out, at a real server."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

PREFIX = "/user/alice/"
COOKIE = "jupyterhub-user-alice"
AUTHORIZE = "/hub/api/oauth2/authorize?"


def test_foreign_state_starts_again(hub: Any, server: Any) -> None:
    with server.client() as mallory, server.client() as victim:
        code, state = hub.authorize(mallory.get(f"{PREFIX}lab").headers["location"], "alice")
        answer = victim.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
        assert COOKIE not in victim.cookies
        assert code in hub.codes, "the code must not even be used"


def test_browser_without_cookies_is_not_sent_round_for_ever(hub: Any, server: Any) -> None:
    with server.client() as client:
        answer, hops = client.get(f"{PREFIX}lab"), 0
        while answer.status_code == 302 and hops < 10:
            hops += 1
            code, state = hub.authorize(answer.headers["location"], "alice")
            client.cookies.clear()
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert (answer.status_code, hops) == (400, 3)
        assert "cookies" in answer.text


def test_many_tabs_at_once(hub: Any, server: Any) -> None:
    with server.client() as client:
        started = [(page, client.get(PREFIX + page).headers["location"]) for page in ("lab", "tree", "lab/tree/x")]
        for page, location in reversed(started):
            code, state = hub.authorize(location, "alice")
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
            assert (answer.status_code, answer.headers["location"]) == (302, PREFIX + page)
        used = parse_qs(urlsplit(started[0][1]).query)["state"][0]
        again = client.get(f"{PREFIX}oauth_callback", params={"code": "used", "state": used})
        assert (again.status_code, again.headers["location"]) == (302, PREFIX), "a used state is no error"


def test_hub_says_no(server: Any) -> None:
    with server.client() as client:
        state = parse_qs(urlsplit(client.get(f"{PREFIX}lab").headers["location"]).query)["state"][0]
        params = {"error": "<script>" + "x" * 500, "state": state}
        answer = client.get(f"{PREFIX}oauth_callback", params=params)
        assert answer.status_code == 403
        assert "<script>x" not in answer.text and "x" * 300 not in answer.text


def test_login_goes_nowhere_else(sign_in: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(client)
        for target in ("//evil.example", "https://evil.example/", "/user/bob/lab", f"{PREFIX}../bob/"):
            answer = client.get(f"{PREFIX}login", params={"next": target})
            assert (answer.status_code, answer.headers["location"]) == (302, PREFIX)
        assert client.get(f"{PREFIX}login", params={"next": f"{PREFIX}tree"}).headers["location"] == f"{PREFIX}tree"


def test_logout(sign_in: Any, hub: Any, server: Any) -> None:
    with server.client() as client:
        sign_in(client)
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        asked = len(hub.asked)
        assert client.get(f"{PREFIX}api/contents").status_code == 200
        assert len(hub.asked) == asked, "an answer is kept for a while"
        answer = client.get(f"{PREFIX}logout")
        assert (answer.status_code, answer.headers["location"]) == (302, "/hub/logout")
        assert COOKIE not in client.cookies
        assert client.get(f"{PREFIX}api/contents").status_code == 403


def test_code_that_the_hub_refuses_starts_again(hub: Any, server: Any) -> None:
    with server.client() as client:
        code, state = hub.authorize(client.get(f"{PREFIX}tree").headers["location"], "alice")
        del hub.codes[code]
        answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(AUTHORIZE)
        code, state = hub.authorize(answer.headers["location"], "alice")
        answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert answer.headers["location"] == f"{PREFIX}tree", "where one wanted to go is not forgotten"


def test_code_without_its_verifier_is_worth_nothing(hub: Any, server: Any) -> None:
    with server.client() as client, server.client() as mallory:
        code, _ = hub.authorize(client.get(f"{PREFIX}lab").headers["location"], "alice")
        _, state = hub.authorize(mallory.get(f"{PREFIX}lab").headers["location"], "bob")
        answer = mallory.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        assert answer.headers["location"].startswith(AUTHORIZE)
        assert COOKIE not in mallory.cookies


def test_callback_while_the_hub_is_away(hub: Any, hub_thread: Any, server: Any) -> None:
    with server.client() as client:
        code, state = hub.authorize(client.get(f"{PREFIX}lab").headers["location"], "alice")
        hub_thread.stop()
        try:
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        finally:
            hub_thread.start()
        assert answer.status_code == 503
        assert "The hub does not answer" in answer.text
        assert code not in answer.text and state not in answer.text


def test_server_that_the_hub_forgot(hub: Any, server: Any) -> None:
    with server.client() as client:
        code, state = hub.authorize(client.get(f"{PREFIX}lab").headers["location"], "alice")
        hub.knows_client = False
        try:
            answer = client.get(f"{PREFIX}oauth_callback", params={"code": code, "state": state})
        finally:
            hub.knows_client = True
        assert answer.status_code == 500
        assert "Stop it and start it again." in answer.text


def test_answers_are_kept_nowhere(server: Any) -> None:
    with server.client() as client:
        for page in ("login", "logout", "oauth_callback"):
            answer = client.get(PREFIX + page)
            assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store"), page
