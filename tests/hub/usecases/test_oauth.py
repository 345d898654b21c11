from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import TokenCreated, TokenRevoked
from perijove.hub.core.oauth import CODE_LIFETIME, AuthorizeRequest, OAuthClient, OAuthError
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import hash_token
from perijove.hub.usecases import oauth
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.oauth import Consent
from perijove.hub.usecases.sign_in import sign_out

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
    assert asked == Consent(client, client.required_scopes)
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


async def test_a_code_that_comes_twice_ends_the_token_it_was_traded_for(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    other = await oauth.exchange(house.ctx, form(client, await code_for(house, visitor, client)), lifetime=LIFE)
    code = await code_for(house, visitor, client)
    granted = await oauth.exchange(house.ctx, form(client, code), lifetime=LIFE)
    known = Identities(house.ctx, Activity(house.ctx))
    assert await known.by_token(granted.access_token) is not None
    mallory = await client_of(house, "mallory")
    assert await error_of(house, form(mallory, code)) == "invalid_grant"
    assert await error_of(house, form(client, code, client_secret="wrong")) == "invalid_client"
    assert await known.by_token(granted.access_token) is not None, "only the client itself can do that"
    assert await error_of(house, form(client, code)) == "invalid_grant"
    assert await known.by_token(granted.access_token) is None
    assert await known.by_token(other.access_token) is not None
    made = house.telemetry.of(TokenCreated)[-1]
    assert house.telemetry.of(TokenRevoked) == [TokenRevoked("ada", client.client_id, made.token, client.client_id)]


async def test_ghsa_cw7p_signing_out_ends_what_every_tab_was_given(house: House, client: OAuthClient) -> None:
    await client_of(house, "bob")
    ada = await house.visitor()
    tabs = [await code_for(house, ada, client) for _ in range(3)]
    open_tab, elsewhere = tabs.pop(), await house.visitor()
    tokens = [(await oauth.exchange(house.ctx, form(client, code), lifetime=LIFE)).access_token for code in tabs]
    kept = await oauth.exchange(house.ctx, form(client, await code_for(house, elsewhere, client)), lifetime=LIFE)
    known = Identities(house.ctx, Activity(house.ctx))
    assert all([await known.by_token(token) for token in tokens])
    await sign_out(house.ctx, ada)
    assert [await known.by_token(token) for token in tokens] == [None, None]
    assert await error_of(house, form(client, open_tab)) == "invalid_grant", "a tab in the middle of signing in too"
    assert await known.by_token(kept.access_token) is not None, "another browser stays signed in"


async def wiki(house: House, **values: Any) -> tuple[Service, OAuthClient]:
    async with house.store.transaction() as tx:
        service = await tx.services.put(Service(0, "wiki", **values))
        return service, await oauth.put_service_client(house.ctx, tx, service, secret="secret-of-the-wiki", site=Site())


async def test_a_service_asks_each_person_once_and_only_those_who_may_use_it(house: House) -> None:
    _, client = await wiki(house, oauth_client_allowed_scopes=("read:users!user",))
    with pytest.raises(PerijoveError, match="The service wiki") as caught:
        await oauth.authorize(house.ctx, await house.visitor("eve"), asking(client), consented=True)
    assert caught.value.code is Code.FORBIDDEN
    root = await house.visitor("root", admin=True)
    asked = await oauth.authorize(house.ctx, root, asking(client), consented=False)
    assert asked == Consent(client, (*client.required_scopes, "read:users!user"))
    code = await code_for(house, root, client, consented=True)
    fields = form(client, code) | {"client_secret": "secret-of-the-wiki"}
    granted = await oauth.exchange(house.ctx, fields, lifetime=LIFE)
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token(granted.access_token)
    assert principal is not None
    assert principal.may("access:services", service="wiki")
    assert not principal.may("access:services", service="other")
    assert not principal.may("access:servers", user="root", server="")
    assert isinstance(await oauth.authorize(house.ctx, root, asking(client), consented=False), str)


async def test_a_person_may_give_less_than_is_asked_for(house: House) -> None:
    _, client = await wiki(house, oauth_client_allowed_scopes=("read:users!user", "tokens!user"))
    root = await house.visitor("root", admin=True)
    uri = await oauth.authorize(house.ctx, root, asking(client), consented=True, shown=("tokens!user", "shutdown"))
    assert isinstance(uri, str)
    fields = form(client, parse_qs(urlsplit(uri).query)["code"][0]) | {"client_secret": "secret-of-the-wiki"}
    granted = await oauth.exchange(house.ctx, fields, lifetime=LIFE)
    assert granted.scopes == (*client.required_scopes, "tokens!user")


async def test_an_operator_can_spare_people_the_question(house: House) -> None:
    _, client = await wiki(house, oauth_no_confirm=True)
    root = await house.visitor("root", admin=True)
    assert isinstance(await oauth.authorize(house.ctx, root, asking(client), consented=False), str)


async def test_a_service_takes_nobody_elses_client(house: House, client: OAuthClient) -> None:
    service, first = await wiki(house)
    async with house.store.transaction() as tx:
        again = await oauth.put_service_client(house.ctx, tx, service, secret="another-secret-of-it", site=Site())
        other = await tx.services.put(Service(0, "other", oauth_client_id="service-wiki"))
        with pytest.raises(PerijoveError) as caught:
            await oauth.put_service_client(house.ctx, tx, other, secret="secret-of-the-other", site=Site())
        assert await tx.oauth.client("service-wiki") == again
    assert caught.value.code is Code.CONFLICT
    assert again.client_id == first.client_id


async def test_names_of_roles_are_understood_as_scopes(house: House, client: OAuthClient) -> None:
    visitor = await house.visitor()
    uri = await oauth.authorize(house.ctx, visitor, asking(client, scope="identify server"), consented=False)
    assert isinstance(uri, str)
    assert parse_qs(urlsplit(uri).query)["error"] == ["invalid_scope"], "the role has more than this client may ask for"
    uri = await oauth.authorize(house.ctx, visitor, asking(client, scope="no-such-role"), consented=False)
    assert isinstance(uri, str)
    assert parse_qs(urlsplit(uri).query)["error"] == ["invalid_scope"]
