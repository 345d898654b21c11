from __future__ import annotations

from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.oauth import (
    CODE_LIFETIME,
    MAX_SCOPES,
    MAX_STATE_LENGTH,
    MAX_VERIFIER_LENGTH,
    AuthorizeRequest,
    Grantor,
    OAuthClient,
    OAuthCode,
    OAuthError,
    answer_uri,
    check_client,
    check_code,
    check_request,
    grant,
    metadata,
    origin_of,
    server_client_id,
    service_client,
    token_for,
)
from perijove.hub.core.roles import ADMIN_SCOPES
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import hash_token

# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

CLIENT = OAuthClient(
    "jupyterhub-user-alice", "hash", "/user/alice/oauth_callback", "Server at /user/alice/", 1, "alice/"
)
EVERYTHING = Grantor("ada", expand((*ADMIN_SCOPES, "self"), Holder("ada")))
REQUEST = AuthorizeRequest(CLIENT.client_id, response_type="code")
REQUIRED = ("read:users:name!user", "read:users:groups!user", "access:servers!server=alice/")
NAMES = st.text(st.sampled_from("ab-~%7E2./!@+é "), min_size=1, max_size=6)


@pytest.fixture(scope="session")
def code(now: datetime) -> OAuthCode:
    return OAuthCode("hash", CLIENT.client_id, 1, "session", REQUIRED, CLIENT.redirect_uri, now + CODE_LIFETIME)


@given(st.tuples(NAMES, st.just("") | NAMES), st.tuples(NAMES, st.just("") | NAMES))
@example(("a-b", ""), ("a", "b"))
@example(("a~~b", ""), ("a", "b"))
@example(("a", "~b"), ("a~", "b"))
@example(("a%7E", ""), ("a~", ""))
def test_cve_2020_15110_no_two_servers_share_a_client_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (server_client_id(*one) == server_client_id(*other)) == (one == other)


def test_client_ids_of_plain_names_are_those_that_people_know() -> None:
    assert server_client_id("alice", "") == "jupyterhub-user-alice"
    assert server_client_id("a-b", "") == "jupyterhub-user-a-b"
    assert server_client_id("a", "b") == "jupyterhub-user-a~~b"


@given(NAMES, st.just("") | NAMES)
@example("alice@example.org", "")
def test_a_client_id_can_be_the_name_of_a_cookie(user: str, server: str) -> None:
    name = f"{server_client_id(user, server)}-oauth-state"
    cookies = SimpleCookie()
    cookies[name] = "x"
    assert list(cookies) == [name]


def test_a_known_client_may_leave_the_redirect_uri_out_or_repeat_it() -> None:
    assert check_client(CLIENT, REQUEST) is CLIENT
    assert check_client(CLIENT, replace(REQUEST, redirect_uri=CLIENT.redirect_uri)) is CLIENT


@pytest.mark.parametrize(
    "redirect_uri",
    ["/user/bob/oauth_callback", "/user/alice/oauth_callback/", "https://evil.example/user/alice/oauth_callback", "/"],
)
def test_another_redirect_uri_is_refused(redirect_uri: str) -> None:
    with pytest.raises(PerijoveError, match="Mismatching redirect URI") as caught:
        check_client(CLIENT, replace(REQUEST, redirect_uri=redirect_uri))
    assert caught.value.code is Code.INVALID


def test_an_unknown_client_is_refused() -> None:
    with pytest.raises(PerijoveError, match="Invalid client_id") as caught:
        check_client(None, REQUEST)
    assert caught.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("asked", "allowed", "granted"),
    [
        ("", (), REQUIRED),
        ("", ("shares",), (*REQUIRED, "shares")),
        ("identify", (), REQUIRED),
        ("identify shares", ("shares", "tokens"), (*REQUIRED, "shares")),
        ("shares shares", ("shares",), (*REQUIRED, "shares")),
        (REQUIRED[0], ("shares",), REQUIRED),
        ("shares", ("shares", REQUIRED[0]), (*REQUIRED, "shares")),
    ],
)
def test_a_code_carries_what_was_asked_for_and_what_is_always_there(
    asked: str, allowed: tuple[str, ...], granted: tuple[str, ...]
) -> None:
    assert grant(replace(CLIENT, allowed_scopes=allowed), replace(REQUEST, scope=asked), EVERYTHING) == granted


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "tokens"}, "invalid_scope"),
        ({"scope": "shares tokens"}, "invalid_scope"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "a" * 129}, "invalid_request"),
        ({"code_challenge": "é" * 43}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "invalid_request"),
        ({"state": "s" * (MAX_STATE_LENGTH + 1)}, "invalid_request"),
    ],
)
def test_a_request_that_cannot_be_granted_names_its_error(change: dict[str, str], error: str) -> None:
    with pytest.raises(OAuthError) as caught:
        request = replace(REQUEST, **change)
        check_request(request)
        grant(replace(CLIENT, allowed_scopes=("shares",)), request, EVERYTHING)
    assert caught.value.error == error


@pytest.mark.parametrize("method", ["", "plain", "S256"])
def test_a_challenge_of_either_method_is_accepted(method: str) -> None:
    request = replace(REQUEST, code_challenge=CHALLENGE, code_challenge_method=method, state="s" * MAX_STATE_LENGTH)
    check_request(request, require_pkce=True)
    with pytest.raises(OAuthError, match="Code challenge required"):
        check_request(replace(request, code_challenge=""), require_pkce=True)


def test_a_request_without_parameters_asks_for_nothing() -> None:
    assert AuthorizeRequest("c") == AuthorizeRequest("c", "", "", "", "", "", "")


def test_clients_read_the_descriptions_they_know(code: OAuthCode, now: datetime) -> None:
    with pytest.raises(OAuthError, match=r"^Missing response_type parameter\.$"):
        check_request(replace(REQUEST, response_type=""))
    with pytest.raises(OAuthError, match=r"^Mismatching redirect URI\.$"):
        check_code(code, CLIENT, "/elsewhere", "", now)


def test_the_limits_are_those_of_the_standards() -> None:
    assert timedelta(seconds=300) == CODE_LIFETIME  # at most ten minutes: RFC 6749, section 4.1.2
    assert MAX_VERIFIER_LENGTH == 128  # RFC 7636, section 4.1
    assert MAX_STATE_LENGTH == 2048


def test_an_error_says_what_is_wrong_or_at_least_its_name() -> None:
    assert str(OAuthError("invalid_grant")) == "invalid_grant"
    assert str(OAuthError("invalid_request", "Too long.")) == "Too long."
    assert OAuthError("invalid_grant").description == ""


def refusal(
    code: OAuthCode | None, now: datetime, *, verifier: str = "", redirect_uri: str = CLIENT.redirect_uri
) -> str:
    with pytest.raises(OAuthError) as caught:
        check_code(code, CLIENT, redirect_uri, verifier, now)
    return caught.value.error


def test_a_code_is_good_until_it_expires(code: OAuthCode, now: datetime) -> None:
    last_moment = code.expires_at - timedelta(microseconds=1)
    assert check_code(code, CLIENT, CLIENT.redirect_uri, "", last_moment) is code
    assert refusal(code, code.expires_at) == "invalid_grant"


def test_an_unknown_or_used_code_is_refused(now: datetime) -> None:
    assert refusal(None, now) == "invalid_grant"


def test_a_code_of_another_client_is_refused(code: OAuthCode, now: datetime) -> None:
    assert refusal(replace(code, client_id="jupyterhub-user-bob"), now) == "invalid_grant"


@pytest.mark.parametrize("redirect_uri", ["", "/user/bob/oauth_callback"])
def test_a_code_is_bound_to_its_redirect_uri(code: OAuthCode, now: datetime, redirect_uri: str) -> None:
    assert refusal(code, now, redirect_uri=redirect_uri) == "invalid_request"


def test_the_verifier_of_rfc_7636_appendix_b_fits_its_challenge(code: OAuthCode, now: datetime) -> None:
    hashed = replace(code, code_challenge=CHALLENGE, code_challenge_method="S256")
    assert check_code(hashed, CLIENT, CLIENT.redirect_uri, VERIFIER, now) is hashed


@pytest.mark.parametrize("method", ["", "plain"])
def test_a_plain_challenge_is_its_own_verifier(code: OAuthCode, now: datetime, method: str) -> None:
    plain = replace(code, code_challenge=VERIFIER, code_challenge_method=method)
    assert check_code(plain, CLIENT, CLIENT.redirect_uri, VERIFIER, now) is plain
    assert refusal(plain, now, verifier=CHALLENGE) == "invalid_grant"


@pytest.mark.parametrize("method", ["plain", "S256"])
@pytest.mark.parametrize(
    "verifier", [CHALLENGE, VERIFIER[:-1], VERIFIER + "k", "é" * 43, "a" * 129, "\ud800" * 43], ids=range(6)
)
def test_a_wrong_or_malformed_verifier_is_refused(code: OAuthCode, now: datetime, method: str, verifier: str) -> None:
    challenge = CHALLENGE if method == "S256" else VERIFIER
    challenged = replace(code, code_challenge=challenge, code_challenge_method=method)
    assert refusal(challenged, now, verifier=verifier) == "invalid_grant"


def test_the_end_of_a_verifier_that_is_too_long_is_not_ignored(code: OAuthCode, now: datetime) -> None:
    challenged = replace(code, code_challenge="a" * 128, code_challenge_method="plain")
    assert check_code(challenged, CLIENT, CLIENT.redirect_uri, "a" * 128, now) is challenged
    assert refusal(challenged, now, verifier="a" * 129) == "invalid_grant"


def test_a_challenged_code_needs_its_verifier(code: OAuthCode, now: datetime) -> None:
    assert refusal(replace(code, code_challenge=CHALLENGE, code_challenge_method="S256"), now) == "invalid_request"


def test_a_verifier_without_a_challenge_shows_that_somebody_took_the_challenge_out(
    code: OAuthCode, now: datetime
) -> None:
    assert refusal(code, now, verifier=VERIFIER) == "invalid_grant"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.sampled_from(["/cb", "/cb?x=1"]))
def test_an_answer_carries_its_parameters_unharmed(state: str, redirect_uri: str) -> None:
    uri = answer_uri(redirect_uri, code="c", state=state, error="")
    parts = urlsplit(uri)
    assert parts.path == "/cb"
    assert parts.fragment == ""
    own = {"x": ["1"]} if "?" in redirect_uri else {}
    assert parse_qs(parts.query, strict_parsing=True) == own | {"code": ["c"], "state": [state]}


ROLES = {"viewer": ("read:users:groups", "tokens"), "lost": ("custom:gone", "tokens")}


def granted(allowed: tuple[str, ...], asked: str, *own: str) -> tuple[str, ...]:
    """Return what ada's server is given beside what it always is, if ada holds the scopes *own*."""
    grantor = Grantor("ada", expand(own, Holder("ada")) or EVERYTHING.scopes, ROLES)
    client = replace(CLIENT, allowed_scopes=allowed)
    scopes = grant(client, replace(REQUEST, scope=asked), grantor)
    assert scopes[: len(REQUIRED)] == REQUIRED
    return scopes[len(REQUIRED) :]


@pytest.mark.parametrize(
    ("allowed", "asked", "own", "given"),
    [
        (("users",), "read:users:activity", (), ("read:users:activity",)),
        (("read:users!user=bob",), "read:users:activity", (), ("read:users:activity!user=bob",)),
        (("read:users!user",), "read:users:activity!user=ada", (), ("read:users:activity!user=ada",)),
        (("tokens", "read:users"), "viewer", (), ("read:users:groups", "tokens")),
        (("tokens",), "lost", (), ("tokens",)),
        (("inherit",), "inherit", (), ("inherit",)),
        (("inherit",), "tokens", (), ("tokens",)),
        (("inherit", "shares"), "", (), ()),
        (("tokens", "shutdown"), "", ("tokens!user",), ("tokens",)),
        (("tokens", "shutdown"), "shutdown", ("tokens!user",), ()),
        (("custom:gone", "tokens"), "", (), ("tokens",)),
        (("tokens",), "identify", (), ()),
        (("tokens",), "(no_scope)", (), ()),
    ],
)
def test_a_grant_is_what_is_asked_for_as_far_as_client_and_user_may(
    allowed: tuple[str, ...], asked: str, own: tuple[str, ...], given: tuple[str, ...]
) -> None:
    assert granted(allowed, asked, *own) == given


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ((), "tokens"),
        ((), "admin:users"),
        ((), "self"),
        (("read:users:name",), "read:users"),
        (("tokens!user=bob",), "tokens!user=ada"),
        (("tokens",), "inherit"),
        (("tokens",), "no-such-thing"),
        (("tokens",), "viewer no-such-role"),
        (("tokens",), "tokens!nobody"),
        ((), "viewer"),
        (("tokens",), " ".join(f"tokens!user=u{number}" for number in range(MAX_SCOPES + 1))),
    ],
)
def test_what_a_client_may_not_ask_for_is_refused(allowed: tuple[str, ...], asked: str) -> None:
    with pytest.raises(OAuthError) as caught:
        granted(allowed, asked)
    assert caught.value.error == "invalid_scope"


WIKI = Service(7, "wiki", oauth_client_allowed_scopes=("read:users!user",))
SECRET = "the-secret-of-the-wiki"


def test_a_service_has_a_client_of_its_own() -> None:
    client = service_client(WIKI, SECRET, Site("/jh/"))
    assert (client.client_id, client.redirect_uri) == ("service-wiki", "/jh/services/wiki/oauth_callback")
    assert client.required_scopes[-1] == "access:services!service=wiki"
    assert client.secret_hash == hash_token(SECRET)
    assert (client.service_id, client.server_id) == (7, None)
    hosts = Site("/", "https://hub.example", lambda name, domain, _: f"{name}.{domain}")
    assert service_client(WIKI, SECRET, hosts).redirect_uri == "https://wiki.hub.example/services/wiki/oauth_callback"


@pytest.mark.parametrize(
    "redirect_uri",
    ["https://wiki.example/callback", "http://127.0.0.1:5000/back?x=1", "/jh/services/wiki/back", "/jh/elsewhere"],
)
def test_a_service_says_where_its_codes_go(redirect_uri: str) -> None:
    assert service_client(replace(WIKI, oauth_redirect_uri=redirect_uri), SECRET, Site("/jh/")).redirect_uri == (
        redirect_uri
    )


@pytest.mark.parametrize(
    ("change", "secret", "named"),
    [
        ({"oauth_client_id": "jupyterhub-user-ada"}, SECRET, "oauth_client_id"),
        ({"oauth_client_id": "service-"}, SECRET, "oauth_client_id"),
        ({"oauth_client_id": "service-a b"}, SECRET, "oauth_client_id"),
        ({}, "", "api_token"),
        ({}, "short", "api_token"),
        ({"oauth_client_allowed_scopes": ("everything",)}, SECRET, "everything"),
        *(
            ({"oauth_redirect_uri": uri}, SECRET, "oauth_redirect_uri")
            for uri in (
                "//evil.example/back",
                "/\\evil.example",
                "javascript:alert(1)",
                "https:wiki.example",
                "https://user@wiki.example/",
                "https://wiki.example\\@evil.example/",
                "https://wiki.example/#fragment",
                "/jh/back#fragment",
                "/other/back",
                "back",
                "https://wiki.example/a b",
            )
        ),
    ],
)
def test_a_service_with_a_wrong_client_is_refused(change: dict[str, Any], secret: str, named: str) -> None:
    with pytest.raises(PerijoveError, match=named) as caught:
        service_client(replace(WIKI, **change), secret, Site("/jh/"))
    assert caught.value.code is Code.INVALID


def test_the_token_for_a_code_follows_from_both_secrets() -> None:
    tokens = {token_for(code, secret) for code in ("a", "b", "") for secret in ("x", "y", "\ud800")}
    assert len(tokens) == 9
    assert all(len(token) == 43 for token in tokens)
    assert token_for("a", "x") == token_for("a", "x")


def test_metadata_has_what_rfc_8414_asks_for() -> None:
    told = metadata("https://hub.example/jh", "https://hub.example/jh/hub/api/oauth2", ["tokens", "read:hub"])
    assert told["issuer"] == "https://hub.example/jh"
    assert told["token_endpoint"] == "https://hub.example/jh/hub/api/oauth2/token"
    assert told["scopes_supported"] == ["read:hub", "tokens"]
    assert told["response_types_supported"] == ["code"]


@pytest.mark.parametrize(
    ("uri", "origin"), [("/services/wiki/back", ""), ("https://wiki.example:1/back", "https://wiki.example:1")]
)
def test_the_origin_of_a_redirect_uri(uri: str, origin: str) -> None:
    assert origin_of(uri) == origin
