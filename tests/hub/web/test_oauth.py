from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client

from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.core.services import Service
from perijove.hub.core.tokens import hash_token
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub
from perijove.hub.usecases import oauth
from perijove.hub.web.oauth import described
from perijove.wire.prefixes import server_prefix

SECRET = "the-secret-of-the-server"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
async def redirect_uri(hub: RunningHub) -> str:
    """Where codes for ada's server go; the server and its client exist."""
    uri = f"{server_prefix(hub.state.settings.base_url, 'ada')}oauth_callback"
    ada = await hub.add_user("ada")
    async with hub.store.transaction() as tx:
        server = await tx.servers.add(ada.id, "")
        await tx.oauth.put_client(
            OAuthClient("jupyterhub-user-ada", hash_token(SECRET), uri, "Server at /user/ada/", server.id, "ada/")
        )
    return uri


def authorize_url(hub: RunningHub, uri: str, /, **changes: str | None) -> str:
    query = {
        "client_id": "jupyterhub-user-ada",
        "redirect_uri": uri,
        "response_type": "code",
        "state": "st/a+te=",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    kept = {key: value for key, value in (query | changes).items() if value is not None}
    return f"{hub.api}/oauth2/authorize?{urlencode(kept)}"


async def code_for(hub: RunningHub, browser: httpx.AsyncClient, redirect_uri: str) -> str:
    answer = await browser.get(authorize_url(hub, redirect_uri))
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def trade(issued: str, uri: str, /, **changes: str | None) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": issued,
        "client_id": "jupyterhub-user-ada",
        "client_secret": SECRET,
        "redirect_uri": uri,
        "code_verifier": VERIFIER,
    }
    return {key: value for key, value in (form | changes).items() if value is not None}


async def test_t7_a_server_signs_its_user_in(hub: RunningHub, redirect_uri: str) -> None:
    browser = await hub.browser("ada")
    answer = await browser.get(authorize_url(hub, redirect_uri))
    assert answer.status_code == 302
    location = urlsplit(answer.headers["Location"])
    assert (location.scheme, location.netloc, location.path) == ("", "", redirect_uri)
    told = parse_qs(location.query)
    assert told.keys() == {"code", "state"}
    assert told["state"] == ["st/a+te="]
    assert answer.headers["Cache-Control"] == "no-store"
    granted = await hub.client().post(f"{hub.api}/oauth2/token", data=trade(told["code"][0], redirect_uri))
    assert granted.status_code == 200
    assert (granted.headers["Cache-Control"], granted.headers["Pragma"]) == ("no-store", "no-cache")
    body = granted.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 1209600)
    assert body["scope"] == "read:users:name!user read:users:groups!user access:servers!server=ada/"
    model = (await hub.client(body["access_token"]).get(f"{hub.api}/user")).json()
    assert model["name"] == "ada"
    assert model["scopes"] == ["access:servers!server=ada/", "read:users:groups!user=ada", "read:users:name!user=ada"]
    session = (await browser.get(f"{hub.api}/user")).json()["session_id"]
    assert model["session_id"] == session


async def test_t9_signing_out_ends_the_tokens_of_servers(hub: RunningHub, redirect_uri: str) -> None:
    browser = await hub.browser("ada")
    code = await code_for(hub, browser, redirect_uri)
    later = await code_for(hub, browser, redirect_uri)
    granted = await hub.client().post(f"{hub.api}/oauth2/token", data=trade(code, redirect_uri))
    client = hub.client(granted.json()["access_token"])
    assert (await client.get(f"{hub.api}/user")).status_code == 200
    await browser.get(f"{hub.prefix}logout")
    assert (await client.get(f"{hub.api}/user")).status_code == 403
    after = await hub.client().post(f"{hub.api}/oauth2/token", data=trade(later, redirect_uri))
    assert (after.status_code, after.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"client_secret": "wrong"}, 401, {"error": "invalid_client"}),
        ({"client_secret": None}, 401, {"error": "invalid_client"}),
        ({"client_id": "jupyterhub-user-bob"}, 401, {"error": "invalid_client"}),
        ({"client_id": None, "client_secret": None}, 401, {"error": "invalid_client"}),
        ({"client_id": "x" * 10_000}, 401, {"error": "invalid_client"}),
        (
            {"redirect_uri": "/user/bob/oauth_callback"},
            400,
            {"error": "invalid_request", "error_description": "Mismatching redirect URI."},
        ),
        ({"code": "another"}, 400, {"error": "invalid_grant"}),
        ({"code": None}, 400, {"error": "invalid_grant"}),
        ({"code_verifier": "w" * 50}, 400, {"error": "invalid_grant"}),
        (
            {"code_verifier": None},
            400,
            {"error": "invalid_request", "error_description": "Code verifier required."},
        ),
        ({"grant_type": "password"}, 400, {"error": "unsupported_grant_type"}),
        ({"grant_type": None}, 400, {"error": "unsupported_grant_type"}),
        ({"grant_type": "refresh_token"}, 400, {"error": "unauthorized_client"}),
        ({"code": "x" * 20_000}, 400, {"error": "invalid_request", "error_description": "The form is too long."}),
    ],
)
async def test_errors_of_the_token_endpoint(
    hub: RunningHub, redirect_uri: str, changes: dict[str, str | None], status: int, body: dict[str, str]
) -> None:
    code = await code_for(hub, await hub.browser("ada"), redirect_uri)
    answer = await hub.client().post(f"{hub.api}/oauth2/token", data=trade(code, redirect_uri, **changes))
    assert (answer.status_code, answer.json()) == (status, body)
    challenge = 'Bearer error="invalid_client"' if status == 401 else None
    assert answer.headers.get("WWW-Authenticate") == challenge


async def test_t7_credentials_in_a_header_are_not_taken(hub: RunningHub, redirect_uri: str) -> None:
    code = await code_for(hub, await hub.browser("ada"), redirect_uri)
    form = trade(code, redirect_uri, client_id=None, client_secret=None)
    answer = await hub.client().post(f"{hub.api}/oauth2/token", data=form, auth=("jupyterhub-user-ada", SECRET))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_a_code_is_for_one_try_and_for_five_minutes(hub: RunningHub, redirect_uri: str) -> None:
    browser = await hub.browser("ada")
    code, late, spoilt = [await code_for(hub, browser, redirect_uri) for _ in range(3)]
    url = f"{hub.api}/oauth2/token"
    assert (await hub.client().post(url, data=trade(code, redirect_uri))).status_code == 200
    assert (await hub.client().post(url, data=trade(code, redirect_uri))).json() == {"error": "invalid_grant"}
    assert (await hub.client().post(url, data=trade(spoilt, redirect_uri, code_verifier="w" * 50))).status_code == 400
    assert (await hub.client().post(url, data=trade(spoilt, redirect_uri))).json() == {"error": "invalid_grant"}
    hub.clock.advance(300)
    assert (await hub.client().post(url, data=trade(late, redirect_uri))).json() == {"error": "invalid_grant"}


async def test_the_token_endpoint_is_for_post_and_forms(hub: RunningHub) -> None:
    url = f"{hub.api}/oauth2/token"
    assert (await hub.client().get(url)).status_code == 405
    for body in (b"", b"{}", b"\xff\xfe", b"a" * 1000, b"&&&==="):
        answer = await hub.client().post(url, content=body)
        assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "//evil.example/user/ada/oauth_callback"},
        {"redirect_uri": "/user/bob/oauth_callback"},
        {"redirect_uri": "/user/ada/oauth_callback/../../bob"},
    ],
)
async def test_authorize_never_redirects_to_where_no_client_is(
    hub: RunningHub, redirect_uri: str, changes: dict[str, str | None]
) -> None:
    answer = await (await hub.browser("ada")).get(authorize_url(hub, redirect_uri, **changes))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scope": "admin:users"}, {"error": ["invalid_scope"]}),
        ({"scope": "no-such-scope"}, {"error": ["invalid_scope"]}),
        ({"response_type": "token"}, {"error": ["unsupported_response_type"]}),
        (
            {"response_type": None},
            {"error": ["invalid_request"], "error_description": ["Missing response_type parameter."]},
        ),
    ],
)
async def test_authorize_tells_the_client_its_errors(
    hub: RunningHub, redirect_uri: str, changes: dict[str, str | None], told: dict[str, list[str]]
) -> None:
    answer = await (await hub.browser("ada")).get(authorize_url(hub, redirect_uri, **changes))
    assert answer.status_code == 302
    location = urlsplit(answer.headers["Location"])
    assert location.path == redirect_uri
    assert parse_qs(location.query) == told | {"state": ["st/a+te="]}


async def test_authorize_takes_the_registered_uri_if_none_is_given(hub: RunningHub, redirect_uri: str) -> None:
    answer = await (await hub.browser("ada")).get(authorize_url(hub, redirect_uri, redirect_uri=None, scope="identify"))
    assert answer.headers["Location"].startswith(f"{redirect_uri}?code=")


async def test_nobody_signed_in_is_led_to_the_sign_in_page_and_back(hub: RunningHub, redirect_uri: str) -> None:
    url = authorize_url(hub, redirect_uri)
    answer = await hub.client().get(url)
    assert answer.status_code == 302
    location = urlsplit(answer.headers["Location"])
    assert location.path == f"{hub.prefix}login"
    assert parse_qs(location.query)["next"] == [url]


async def test_whoever_may_not_use_a_server_gets_403(hub: RunningHub, redirect_uri: str) -> None:
    answer = await (await hub.browser("bob")).get(authorize_url(hub, redirect_uri))
    assert answer.status_code == 403
    assert "You do not have permission to access Server at /user/ada/" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


def form_token(page: Any) -> str:
    return str(page.text.split('name="_xsrf" value="')[1].split('"')[0])


async def test_somebody_elses_server_is_asked_about_once(hub: RunningHub, redirect_uri: str) -> None:
    await hub.add_user("root", admin=True)
    browser, url = await hub.browser("root"), authorize_url(hub, redirect_uri)
    page = await browser.get(url)
    assert page.status_code == 200
    assert "A server that belongs to" in page.text
    assert "access:servers!server=ada/" in page.text
    refused = await browser.post(url, data={"_xsrf": "wrong"})
    assert refused.status_code == 403
    foreign = await browser.post(url, data={"_xsrf": form_token(page)}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    answer = await browser.post(url, data={"_xsrf": form_token(page)}, headers={"Origin": ORIGIN})
    assert answer.status_code == 302
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    assert (await hub.client().post(f"{hub.api}/oauth2/token", data=trade(code, redirect_uri))).status_code == 200
    assert (await browser.get(url)).status_code == 302
    await browser.get(f"{hub.prefix}logout")
    assert (await (await hub.browser("root")).get(url)).status_code == 200


async def test_a_consent_after_the_session_ended_starts_again_where_it_was(hub: RunningHub, redirect_uri: str) -> None:
    await hub.add_user("root", admin=True)
    browser, url = await hub.browser("root"), authorize_url(hub, redirect_uri)
    page = await browser.get(url)
    hub.clock.advance(15 * 86400)
    answer = await browser.post(url, data={"_xsrf": form_token(page)}, headers={"Origin": ORIGIN})
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["next"] == [url]


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin"])
async def test_a_script_gets_no_code(hub: RunningHub, redirect_uri: str, mode: str) -> None:
    browser = await hub.browser("ada")
    headers = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    answer = await browser.get(authorize_url(hub, redirect_uri), headers=headers)
    assert answer.status_code == 403
    assert "Location" not in answer.headers


async def test_a_token_is_no_person(hub: RunningHub, redirect_uri: str) -> None:
    answer = await hub.client(await hub.token("ada")).get(authorize_url(hub, redirect_uri))
    assert urlsplit(answer.headers["Location"]).path == f"{hub.prefix}login"


@pytest.mark.parametrize(
    ("scope", "words", "limit", "much"),
    [
        ("access:servers!server=ada/", "Let you in and recognise you when you come back", "", False),
        ("access:servers!server=ada/lab", "Use servers.", "ada/lab", False),
        ("access:servers!server", "Let you in and recognise you when you come back", "", False),
        ("read:users:name!user", "Know your user name", "", False),
        ("access:services!service", "Use services.", "", False),
        ("read:hub", "Read what the hub is made of.", "", False),
        ("inherit", "Do everything here that you may do", "", True),
    ],
)
def test_scopes_in_words(scope: str, words: str, limit: str, much: bool) -> None:
    told = described(scope, OAuthClient("id", "", "/", "", 1, "ada/"), BUILT_IN)
    assert told == {"scope": scope, "description": words, "limit": limit, "much": much}


async def test_a_hub_may_insist_on_pkce(base_url: str) -> None:
    async with running_hub(base_url=base_url, require_pkce=True) as hub:
        uri = f"{server_prefix(base_url, 'ada')}oauth_callback"
        ada = await hub.add_user("ada")
        async with hub.store.transaction() as tx:
            server = await tx.servers.add(ada.id, "")
            await tx.oauth.put_client(
                OAuthClient("jupyterhub-user-ada", hash_token(SECRET), uri, "Server", server.id, "ada/")
            )
        browser = await hub.browser("ada")
        plain = await browser.get(authorize_url(hub, uri, code_challenge=None, code_challenge_method=None))
        told = parse_qs(urlsplit(plain.headers["Location"]).query)
        assert (told["error"], told["error_description"]) == (["invalid_request"], ["Code challenge required."])
        assert await code_for(hub, browser, uri)


async def test_standard_clients_find_the_endpoints(hub: RunningHub, base_url: str) -> None:
    places = [f"{base_url}.well-known/oauth-authorization-server", f"/.well-known/oauth-authorization-server{base_url}"]
    for place in (*places, places[1].rstrip("/")):
        answer = await hub.client().get(place)
        assert answer.status_code == 200, place
        told = answer.json()
        assert told["issuer"] == f"{ORIGIN}{base_url.rstrip('/')}"
        assert told["authorization_endpoint"] == f"{ORIGIN}{hub.api}/oauth2/authorize"
        assert told["token_endpoint"] == f"{ORIGIN}{hub.api}/oauth2/token"
        assert "access:services" in told["scopes_supported"]
        assert "self" not in told["scopes_supported"]
    other = await hub.client().get("/.well-known/oauth-authorization-server/other/")
    assert other.status_code == 404


async def test_a_service_on_another_host_is_reached_only_after_the_question(hub: RunningHub) -> None:
    await hub.add_user("root", admin=True)
    site = hub.state.settings.site
    async with hub.store.transaction() as tx:
        service = await tx.services.put(Service(0, "wiki", oauth_redirect_uri="https://wiki.example/back"))
        await oauth.put_service_client(hub.state.ctx, tx, service, secret=SECRET, site=site)
    browser = await hub.browser("root")
    url = authorize_url(hub, "https://wiki.example/back", client_id="service-wiki")
    page = await browser.get(url)
    assert page.status_code == 200
    assert "The service" in page.text
    assert "form-action 'self' https://wiki.example;" in page.headers["Content-Security-Policy"]
    shown = re.findall(r'name="scopes" value="([^"]+)"', page.text)
    assert shown[-1] == "access:services!service=wiki"
    form = {"_xsrf": form_token(page), "scopes": shown}
    answer = await browser.post(url, data=form, headers={"Origin": ORIGIN})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://wiki.example/back?code=")
    forged = await browser.post(url, data=form | {"_xsrf": "x"}, headers={"Origin": ORIGIN})
    assert forged.status_code == 403
    elsewhere = await browser.post(url, data=form, headers={"Origin": "https://wiki.example"})
    assert elsewhere.status_code == 403


async def test_a_standard_client_library_does_the_whole_flow(hub: RunningHub, base_url: str) -> None:
    await hub.add_user("root", admin=True)
    uri = "https://wiki.example/back"
    async with hub.store.transaction() as tx:
        service = await tx.services.put(Service(0, "wiki", oauth_redirect_uri=uri))
        await oauth.put_service_client(hub.state.ctx, tx, service, secret=SECRET, site=hub.state.settings.site)
    async with AsyncOAuth2Client(
        "service-wiki",
        SECRET,
        redirect_uri=uri,
        scope="read:users:name!user access:services!service=wiki",
        token_endpoint_auth_method="client_secret_post",
        code_challenge_method="S256",
        transport=httpx.ASGITransport(app=hub.app),
        base_url=ORIGIN,
    ) as client:
        told = (await hub.client().get(f"{base_url}.well-known/oauth-authorization-server")).json()
        url, state = client.create_authorization_url(told["authorization_endpoint"], code_verifier=VERIFIER)
        browser = await hub.browser("root")
        page = await browser.get(url)
        form = {"_xsrf": form_token(page), "scopes": re.findall(r'name="scopes" value="([^"]+)"', page.text)}
        back = await browser.post(url, data=form, headers={"Origin": ORIGIN})
        token = await client.fetch_token(
            told["token_endpoint"],
            authorization_response=back.headers["Location"],
            state=state,
            code_verifier=VERIFIER,
        )
        assert token["token_type"] == "Bearer"
        model = (await client.get(f"{hub.api}/user")).json()
        assert model["name"] == "root"
        assert "access:services!service=wiki" in model["scopes"]
        await browser.get(f"{hub.prefix}logout")
        assert (await client.get(f"{hub.api}/user")).status_code == 403


@pytest.mark.parametrize("holder", [{"user": "bob"}, {"group": "staff"}])
async def test_d9_a_token_opens_a_server_that_is_shared_with_a_person_or_with_their_group(
    hub: RunningHub, redirect_uri: str, holder: dict[str, str]
) -> None:
    bob = await hub.add_user("bob")
    async with hub.store.transaction() as tx:
        staff = await tx.groups.add("staff")
        await tx.groups.add_members(staff.id, [bob.id])
    root, browser, url = hub.client(await hub.token("root", admin=True)), await hub.browser("bob"), redirect_uri
    assert (await browser.get(authorize_url(hub, url))).status_code == 403
    assert (await root.post(f"{hub.api}/shares/ada/", json=holder)).status_code == 200
    asked = await browser.get(authorize_url(hub, url))
    assert "A server that belongs to" in asked.text
    answer = await browser.post(authorize_url(hub, url), data={"_xsrf": form_token(asked)}, headers={"Origin": ORIGIN})
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    granted = await hub.client().post(f"{hub.api}/oauth2/token", data=trade(code, url))
    client = hub.client(granted.json()["access_token"])
    assert "access:servers!server=ada/" in (await client.get(f"{hub.api}/user")).json()["scopes"]
    # Taken back, it opens nothing with the next question.
    assert (await root.patch(f"{hub.api}/shares/ada/", json=holder)).json() == {}
    assert "access:servers!server=ada/" not in (await client.get(f"{hub.api}/user")).json()["scopes"]
    assert (await browser.get(authorize_url(hub, url))).status_code == 403
