from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.oauth import CODE_LIFETIME, AuthorizeRequest, OAuthClient, OAuthError
from perijove.hub.core.tokens import hash_token
from perijove.hub.usecases import oauth
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.oauth import Consent

House = Any
LIFE = timedelta(days=14)
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

pytestmark = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


@pytest.fixture
async def client(house: House) -> OAuthClient:
    return await client_of(house, "ada")


async def client_of(house: House, owner: str, secret: str = "secret") -> OAuthClient:
    """Return the client that stands for a user's server."""
    user = await house.user(owner)
    async with house.store.transaction() as tx:
        server = await tx.servers.get(user.id, "") or await tx.servers.add(user.id, "")
        made = OAuthClient(
            f"jupyterhub-user-{owner}",
            hash_token(secret),
            f"/user/{owner}/oauth_callback",
            f"Server at /user/{owner}/",
            server.id,
            f"{owner}/",
        )
        await tx.oauth.put_client(made)
    return made


def asking(client: OAuthClient, **values: str) -> AuthorizeRequest:
    return AuthorizeRequest(client.client_id, response_type="code", **values)


async def code_for(house: House, visitor: Any, client: OAuthClient, *, consented: bool = False, **values: str) -> str:
    uri = await oauth.authorize(house.ctx, visitor, asking(client, **values), consented=consented)
    assert isinstance(uri, str)
    return parse_qs(urlsplit(uri).query)["code"][0]


def form(client: OAuthClient, code: str, **values: str) -> dict[str, str]:
    return {
        "client_id": client.client_id,
        "client_secret": "secret",
        "grant_type": "authorization_code",
        "code": code,
    } | values


async def error_of(house: House, fields: dict[str, str]) -> str:
    with pytest.raises(OAuthError) as caught:
        await oauth.exchange(house.ctx, fields, lifetime=LIFE)
    return caught.value.error


async def test_the_owner_is_not_asked_and_gets_a_token(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    uri = await oauth.authorize(house.ctx, visitor, asking(client, state="s&t"), consented=False)
    assert isinstance(uri, str)
    assert uri.startswith("/user/ada/oauth_callback?")
    answer = parse_qs(urlsplit(uri).query)
    assert answer["state"] == ["s&t"]
    granted = await oauth.exchange(house.ctx, form(client, answer["code"][0]), lifetime=LIFE)
    assert granted.expires_in == LIFE.total_seconds()
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token(granted.access_token)
    assert principal is not None
    assert principal.session_id == visitor.session.session_id
    assert principal.may("access:servers", user="ada", server="")
    assert not principal.may("start:servers", user="ada", server="")


async def test_a_code_works_once(house: House, client: OAuthClient) -> None:
    code = await code_for(house, await house.visitor(), client)
    await oauth.exchange(house.ctx, form(client, code), lifetime=LIFE)
    assert await error_of(house, form(client, code)) == "invalid_grant"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"code": "guess"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "unauthorized_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
async def test_what_is_refused(house: House, client: OAuthClient, values: dict[str, str], error: str) -> None:
    code = await code_for(house, await house.visitor(), client)
    assert await error_of(house, form(client, code) | values) == error


async def test_a_wrong_try_uses_the_code_up(house: House, client: OAuthClient) -> None:
    code = await code_for(house, await house.visitor(), client, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert await error_of(house, form(client, code, code_verifier="w" * 43)) == "invalid_grant"
    assert await error_of(house, form(client, code, code_verifier=VERIFIER)) == "invalid_grant"


async def test_the_verifier_is_needed_where_there_was_a_challenge(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    code = await code_for(house, visitor, client, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert await error_of(house, form(client, code)) == "invalid_request"
    code = await code_for(house, visitor, client, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert await oauth.exchange(house.ctx, form(client, code, code_verifier=VERIFIER), lifetime=LIFE)
    code = await code_for(house, visitor, client)
    assert await error_of(house, form(client, code, code_verifier=VERIFIER)) == "invalid_grant"


async def test_a_code_is_good_for_the_client_it_was_made_for_only(house: House, client: OAuthClient) -> None:
    mallory = await client_of(house, "mallory")
    code = await code_for(house, await house.visitor(), client)
    assert await error_of(house, form(mallory, code)) == "invalid_grant"


async def test_a_code_is_over_soon(house: House, client: OAuthClient) -> None:
    code = await code_for(house, await house.visitor(), client)
    house.clock.advance(CODE_LIFETIME.total_seconds())
    assert await error_of(house, form(client, code)) == "invalid_grant"


async def test_a_code_of_a_deleted_user_is_worth_nothing(house: House, client: OAuthClient) -> None:
    root = await house.visitor("root", admin=True)
    code = await code_for(house, root, client, consented=True)
    async with house.store.transaction() as tx:
        await tx.users.delete(root.user.id)
    assert await error_of(house, form(client, code)) == "invalid_grant"


async def test_another_persons_server_is_closed_without_the_right_and_asks_with_it(
    house: House, client: OAuthClient
) -> None:
    with pytest.raises(PerijoveError) as caught:
        await oauth.authorize(house.ctx, await house.visitor("eve"), asking(client), consented=True)
    assert caught.value.code is Code.FORBIDDEN
    root = await house.visitor("root", admin=True)
    asked = await oauth.authorize(house.ctx, root, asking(client), consented=False)
    assert asked == Consent("Server at /user/ada/", client.required_scopes)
    code = await code_for(house, root, client, consented=True)
    granted = await oauth.exchange(house.ctx, form(client, code), lifetime=timedelta(hours=1))
    assert isinstance(await oauth.authorize(house.ctx, root, asking(client), consented=False), str)
    # Once that token is over, the person is asked again.
    house.clock.advance(granted.expires_in)
    assert isinstance(await oauth.authorize(house.ctx, root, asking(client), consented=False), Consent)


async def test_one_persons_consent_is_not_anothers(house: House, client: OAuthClient) -> None:
    root, boss = await house.visitor("root", admin=True), await house.visitor("boss", admin=True)
    code = await code_for(house, root, client, consented=True)
    await oauth.exchange(house.ctx, form(client, code), lifetime=LIFE)
    assert isinstance(await oauth.authorize(house.ctx, boss, asking(client), consented=False), Consent)


async def test_nobody_is_sent_to_an_address_that_is_not_the_clients(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    for request in (asking(client, redirect_uri="https://evil.example/"), AuthorizeRequest("nobody")):
        with pytest.raises(PerijoveError) as caught:
            await oauth.authorize(house.ctx, visitor, request, consented=True)
        assert caught.value.code is Code.INVALID


async def test_an_error_that_is_the_clients_goes_back_to_it(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    uri = await oauth.authorize(
        house.ctx, visitor, asking(client, scope="admin:users", state="x" * 9000), consented=True
    )
    assert isinstance(uri, str)
    answer = parse_qs(urlsplit(uri).query)
    assert "code" not in answer
    assert answer["error"]
    assert len(uri) < 4000
