from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import SignedOut
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web.callers import MAX_DEPTH, parse_json, token_of


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("token abc", "abc"),
        ("Token abc", "abc"),
        ("bearer abc", "abc"),
        ("Bearer   abc  ", "abc"),
        ("BEARER abc", "abc"),
        ("token", ""),
        ("token ", ""),
        ("token a b", ""),
        ("Basic YTpi", None),
        ("tokens abc", None),
        ("", None),
    ],
)
def test_tokens_stand_behind_one_of_two_words(header: str, token: str | None) -> None:
    assert token_of(Headers({"Authorization": header})) == token


def test_no_header_is_no_token() -> None:
    assert token_of(Headers({})) is None


async def test_a_broken_token_is_refused_even_beside_a_session(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    for header in ("token", "token nobodys", "bearer a b"):
        assert (await browser.get(f"{hub.api}/user", headers={"Authorization": header})).status_code == 403


async def test_credentials_for_somebody_else_do_not_hide_the_session(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    answer = await browser.get(f"{hub.api}/user", headers={"Authorization": "Basic cHJveHk6cGFzc3dvcmQ="})
    assert answer.json()["name"] == "ada"


async def test_tokens_in_the_address_are_no_tokens(hub: RunningHub) -> None:
    token = await hub.token("ada")
    for name in ("token", "access_token", "api_token"):
        assert (await hub.client().get(f"{hub.api}/user?{name}={token}")).status_code == 403


async def test_nobody_is_told_so_with_403(hub: RunningHub) -> None:
    answer = await hub.client().get(f"{hub.api}/users")
    assert (answer.status_code, answer.json()) == (403, {"status": 403, "message": "Missing or invalid credentials."})


async def test_a_token_without_the_scope_is_403_and_for_others_only_is_404(hub: RunningHub) -> None:
    await hub.add_user("bob")
    client = hub.client(await hub.token("ada", "read:users!user=ada"))
    missing = await client.get(f"{hub.api}/users/ada/tokens")
    assert missing.status_code == 403
    assert missing.json()["message"] == ("Action is not authorized with current scopes; requires any of [read:tokens]")
    for name in ("bob", "nobody"):
        elsewhere = await client.get(f"{hub.api}/users/{name}")
        assert elsewhere.status_code == 404
        assert elsewhere.json()["message"] == "No access to resources or resources not found"


async def test_an_expired_token_is_unknown(hub: RunningHub) -> None:
    from datetime import timedelta

    token = await hub.token("ada", expires_at=hub.clock.now() + timedelta(seconds=60))
    assert (await hub.client(token).get(f"{hub.api}/user")).status_code == 200
    hub.clock.advance(60)
    assert (await hub.client(token).get(f"{hub.api}/user")).status_code == 403


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "nonsense"])
async def test_a_post_by_cookie_that_a_form_could_send_is_nobodys(hub: RunningHub, kind: str) -> None:
    browser = await hub.browser("ada")
    answer = await browser.post(f"{hub.api}/users/ada/tokens", content=b"{}", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["message"]) == (403, "Missing or invalid credentials.")


@pytest.mark.parametrize(
    "kind", [None, "application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "?"]
)
async def test_a_request_with_a_token_is_json_whatever_it_says_it_is(hub: RunningHub, kind: str | None) -> None:
    client = hub.client(await hub.token("ada"))
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.post(f"{hub.api}/users/ada/tokens", content=b'{"note": "by curl"}', headers=headers)
    assert (answer.status_code, answer.json()["note"]) == (201, "by curl")
    wrong = await client.post(f"{hub.api}/users/ada/tokens", content=b'{"note"', headers=headers)
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Invalid JSON in body of request")


@pytest.mark.parametrize("empty", [b"", b"  \r\n"])
def test_no_body_is_none(empty: bytes) -> None:
    assert parse_json(empty) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"{]",
        b"nul",
        b"{'a': 1}",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'"\xff"',
        b"\xc3\x28",
        b'"\\ud800"',
        b'{"\\uDfff": 1}',
        b"1" * 5000,
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_what_is_no_json_or_cannot_be_answered_is_refused(raw: bytes) -> None:
    with pytest.raises(PerijoveError, match="Invalid JSON in body of request") as refused:
        parse_json(raw)
    assert refused.value.code is Code.INVALID


def test_nesting_ends_where_it_is_said_to() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json.dumps(parse_json(deepest)).encode() == deepest
    with pytest.raises(PerijoveError):
        parse_json(b"[" + deepest + b"]")


def test_a_whole_surrogate_pair_is_text() -> None:
    assert parse_json(b'"\\ud83e\\ude90"') == "\U0001fa90"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_invalid(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except PerijoveError as error:
        assert error.code is Code.INVALID
    else:
        assert json.loads(json.dumps(value, allow_nan=False)) == value


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_every_value_that_json_has_is_understood(value: Any) -> None:
    if not any("\ud800" <= character <= "\udfff" for character in str(value)):
        assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "path", ["users", "users/bob", "users/ada/activity", "users/ada/server", "users/ada/servers/x", "users/ada/tokens"]
)
@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b'"text"', b"17", b"[[]]", b"[NaN]"])
async def test_no_body_makes_an_operation_break(hub: RunningHub, path: str, body: bytes) -> None:
    client = hub.client(await hub.token("ada", admin=True))
    answer = await client.post(f"{hub.api}/{path}", content=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == 400


async def test_options_as_deep_as_allowed_come_back_whole(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    value: Any = 1
    for _ in range(MAX_DEPTH - 2):
        value = {"a": value}
    assert (await client.post(f"{hub.api}/users/ada/server", json={"user_options": value})).status_code in {201, 202}
    assert (await client.get(f"{hub.api}/users/ada/server")).json()["user_options"] == value


async def test_a_session_counts_as_activity_of_its_user(hub: RunningHub) -> None:
    browser = await hub.browser("ada")
    hub.clock.advance(100)
    await browser.get(f"{hub.api}/user")
    await hub.state.activity.flush()
    assert (await browser.get(f"{hub.api}/user")).json()["last_activity"] == "2026-01-01T00:01:40Z"


async def test_cve_2024_28233_a_sign_in_planted_beside_ones_own_counts_for_nobody(hub: RunningHub) -> None:
    await hub.add_user("mallory")
    ada, mallory = await hub.browser("ada"), await hub.browser("mallory")
    name = "jupyterhub-hub-login"
    both = f"{name}={mallory.cookies[name]}; {name}={ada.cookies[name]}"
    answer = await hub.client(Cookie=both).get(f"{hub.prefix}home")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{hub.prefix}login?")
    assert answer.headers["Clear-Site-Data"] == '"cookies"'
    assert (await hub.client(Cookie=both).get(f"{hub.api}/user")).status_code == 403
    stale = await hub.client(Cookie=f"{name}=over; {name}={ada.cookies[name]}").get(f"{hub.prefix}home")
    assert stale.status_code == 200
    assert "Clear-Site-Data" not in stale.headers


class Refreshing(FakeAuthenticator):
    """Answers every refresh with `answer`."""

    answer: Any = True
    asked: Any = None

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:
        self.asked = handler
        return self.answer


@contextlib.asynccontextmanager
async def refreshing_hub(answer: Any, **options: Any) -> AsyncIterator[tuple[RunningHub, Refreshing]]:
    authenticator = Refreshing(allow_all=True, **options)
    async with running_hub(authenticator=authenticator) as hub:
        authenticator.answer = answer
        yield hub, authenticator


async def test_a_session_ends_when_the_authenticator_says_so() -> None:
    async with refreshing_hub(True) as (hub, authenticator):
        browser = await hub.browser("ada")
        assert (await browser.get(f"{hub.api}/user")).status_code == 200
        assert authenticator.asked.headers["host"] == "hub.test"
        authenticator.answer = False
        assert (await browser.get(f"{hub.api}/user")).status_code == 200
        hub.clock.advance(300)
        assert (await browser.get(f"{hub.api}/user")).status_code == 403
        answer = await browser.get(f"{hub.prefix}home")
        assert answer.headers["Location"].startswith(f"{hub.prefix}login")
        assert hub.telemetry.of(SignedOut) == [SignedOut("ada")]
        # It is over on the server: a later yes does not bring it back.
        authenticator.answer = True
        hub.clock.advance(300)
        assert (await browser.get(f"{hub.api}/user")).status_code == 403


async def test_tokens_go_on_unless_refreshes_are_strict() -> None:
    for strict, status in ((False, 200), (True, 403)):
        async with refreshing_hub(False, auth_refresh_strict=strict) as (hub, _):
            client = hub.client(await hub.token("ada"))
            assert (await client.get(f"{hub.api}/user")).status_code == status
            service = hub.client(await hub.token("ops", "list:users", service=True))
            assert (await service.get(f"{hub.api}/user")).status_code == 200


async def test_what_a_server_does_by_itself_asks_nobody() -> None:
    async with refreshing_hub(True) as (hub, authenticator):
        ada = await hub.add_user("ada")
        async with hub.store.transaction() as tx:
            server = await tx.servers.add(ada.id, "")
        client = hub.client(await hub.token("ada", server_id=server.id))
        assert (await client.get(f"{hub.api}/user")).status_code == 200
        assert authenticator.asked is None


async def test_what_a_refresh_takes_away_is_gone_in_the_same_request() -> None:
    async with refreshing_hub({"admin": False}) as (hub, _):
        await hub.add_user("root", admin=True)
        browser = await hub.browser("root")
        assert (await browser.get(f"{hub.api}/users")).status_code == 403
        client = hub.client(await hub.token("root2", admin=True))
        assert (await client.get(f"{hub.api}/users")).status_code == 403


async def test_an_authenticator_that_fails_signs_nobody_out() -> None:
    async with refreshing_hub(RuntimeError("no")) as (hub, authenticator):
        authenticator.answer = "nonsense"
        browser = await hub.browser("ada")
        assert (await browser.get(f"{hub.api}/user")).status_code == 200
