from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import SignedIn, SignedOut, SignInRefused, UserCreated
from perijove.hub.core.oauth import AuthorizeRequest, OAuthClient, OAuthError
from perijove.hub.core.tokens import hash_token
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases import oauth
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.people import ensure_user, set_admin
from perijove.hub.usecases.sign_in import REFUSED, NewSession, sign_in, sign_out

House = Any
LIFETIME = timedelta(days=14)


@pytest.fixture
def authenticator() -> FakeAuthenticator:
    return FakeAuthenticator({"ada": "right", "eve": "right", "new": "right"}, allow_all=True, blocked_users={"eve"})


async def enter(house: House, authenticator: Authenticator, name: str = "ada", password: str = "right") -> NewSession:
    data = {"username": name, "password": password}
    return await sign_in(house.ctx, authenticator, SignInRequest(), data, lifetime=LIFETIME)


async def refusal(house: House, authenticator: Authenticator, name: str, password: str = "right") -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await enter(house, authenticator, name, password)
    return caught.value


async def test_somebody_comes_in(house: House, authenticator: FakeAuthenticator) -> None:
    session = await enter(house, authenticator)
    visitor = await Identities(house.ctx, Activity(house.ctx)).by_session(session.key)
    assert visitor is not None
    assert (visitor.user.name, visitor.principal.session_id) == ("ada", session.session.session_id)
    assert session.session.key_hash == hash_token(session.key)
    assert house.telemetry.of(SignedIn) == [SignedIn("ada")]
    assert house.telemetry.of(UserCreated) == []


async def test_a_new_user_gets_what_every_user_has(house: House, authenticator: FakeAuthenticator) -> None:
    session = await enter(house, authenticator, "new")
    visitor = await Identities(house.ctx, Activity(house.ctx)).by_session(session.key)
    assert visitor is not None
    assert visitor.principal.may("start:servers", user="new", server="")
    assert not visitor.principal.may("start:servers", user="ada", server="")
    assert house.telemetry.of(UserCreated) == [UserCreated("new", "new")]


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("nobody", "right"), ("eve", "right"), ("a/b", "right"), ("", "")]
)
async def test_every_refusal_reads_the_same(
    house: House, authenticator: FakeAuthenticator, name: str, password: str
) -> None:
    error = await refusal(house, authenticator, name, password)
    assert (error.code, error.message) == (Code.FORBIDDEN, REFUSED)
    async with house.store.transaction() as tx:
        assert await tx.users.count() == 1


async def test_who_is_not_allowed_is_told_no_more(house: House) -> None:
    closed = FakeAuthenticator({"ada": "right"})
    assert (await refusal(house, closed, "ada")).message == REFUSED


async def test_blocked_beats_every_way_in(house: House) -> None:
    both = FakeAuthenticator(
        {"eve": "right"}, allow_all=True, allowed_users={"eve"}, admin_users={"eve"}, blocked_users={"eve"}
    )
    assert (await refusal(house, both, "eve")).message == REFUSED


async def test_a_hook_cannot_lead_a_blocked_name_in(house: House, authenticator: FakeAuthenticator) -> None:
    def rename(authenticator: Any, handler: Any, model: dict[str, Any]) -> dict[str, Any]:
        return model | {"name": "EVE"}

    authenticator.post_auth_hook = rename
    assert (await refusal(house, authenticator, "ada")).message == REFUSED


async def test_a_name_from_a_hook_gets_its_one_spelling(house: House, authenticator: FakeAuthenticator) -> None:
    authenticator.post_auth_hook = lambda auth, handler, model: model | {"name": "Grace"}
    assert (await enter(house, authenticator)).user.name == "grace"


async def test_a_hook_that_gives_nothing_refuses(house: House, authenticator: FakeAuthenticator) -> None:
    authenticator.post_auth_hook = lambda auth, handler, model: None
    error = await refusal(house, authenticator, "ada")
    assert (error.code, error.message) == (Code.FORBIDDEN, REFUSED)


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        ({"name": None}, "post_auth_hook gave no name"),
        ({"name": 7}, "post_auth_hook gave no name"),
        ({"admin": "False"}, "post_auth_hook gave 'admin' as str"),
    ],
)
async def test_an_authenticator_that_lies_is_told_apart_in_the_log(
    house: House, authenticator: FakeAuthenticator, lie: dict[str, Any], complaint: str
) -> None:
    authenticator.post_auth_hook = lambda auth, handler, model: model | lie
    with capture_logs() as logs:
        assert (await refusal(house, authenticator, "ada")).code is Code.UNAVAILABLE
    assert [line["event"] for line in logs] == ["the authenticator failed"]
    async with house.store.transaction() as tx:
        assert not (await tx.users.get("ada")).admin


async def test_one_that_replaces_the_whole_order_is_checked_all_the_same(house: House) -> None:
    class Own(FakeAuthenticator):
        answer: Any = None

        async def get_authenticated_user(self, handler: Any, data: Any, *, existing: Any) -> Any:
            return self.answer

    own = Own(allow_all=True, blocked_users={"eve"})
    for answer, code in ((None, Code.FORBIDDEN), ({"name": "EVE"}, Code.FORBIDDEN), (["ada"], Code.UNAVAILABLE)):
        own.answer = answer
        assert (await refusal(house, own, "ada")).code is code
    own.answer = "Ada"
    assert (await enter(house, own)).user.name == "ada"


async def test_one_that_hangs_is_given_up(house: House, authenticator: FakeAuthenticator) -> None:
    hangs = asyncio.Event()

    async def hook(*_: Any) -> None:
        await hangs.wait()

    authenticator.post_auth_hook = hook
    authenticator.sign_in_timeout = 1.0
    with capture_logs() as logs:
        assert (await refusal(house, authenticator, "ada")).code is Code.UNAVAILABLE
    assert [line["event"] for line in logs] == ["the authenticator did not answer in time"]


@pytest.mark.parametrize("typed", ["ADA", "Ada", "aDA"])
async def test_ghsa_r764_every_spelling_is_one_user(house: House, typed: str) -> None:
    """Where one password is everybody's, another spelling of an administrator's name must not be another user."""
    shared = DummyAuthenticator(password="shared", admin_users={"ada"}, blocked_users={"eve"})
    session = await enter(house, shared, typed, "shared")
    assert (session.user.name, session.user.admin) == ("ada", True)
    assert (await refusal(house, shared, "EVE", "shared")).message == REFUSED
    async with house.store.transaction() as tx:
        assert await tx.users.count() == 1


async def test_an_authenticator_that_breaks_tells_nothing(house: House, authenticator: FakeAuthenticator) -> None:
    authenticator.failure = RuntimeError("ldap://user:hunter2@directory refused")
    with capture_logs() as logs:
        error = await refusal(house, authenticator, "ada")
    assert error.code is Code.UNAVAILABLE
    assert "hunter2" not in error.message
    assert [line["event"] for line in logs] == ["the authenticator failed"]
    assert "right" not in str(logs)


async def test_an_authenticator_may_say_why(house: House, authenticator: FakeAuthenticator) -> None:
    authenticator.failure = PerijoveError(Code.FORBIDDEN, "Your account waits for approval.")
    assert (await refusal(house, authenticator, "ada")).message == "Your account waits for approval."
    (fact,) = house.telemetry.of(SignInRefused)
    assert fact.reason == "Your account waits for approval."


async def test_what_was_typed_is_shortened(house: House, authenticator: FakeAuthenticator) -> None:
    await refusal(house, authenticator, "x\n" * 5000)
    (fact,) = house.telemetry.of(SignInRefused)
    assert len(fact.name) <= 80
    assert "\n" not in fact.name


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_administrators_are_made_and_unmade_by_the_authenticators_word_only(
    house: House, authenticator: FakeAuthenticator
) -> None:
    authenticator.admins = {"ada"}
    assert (await enter(house, authenticator)).user.admin
    visitor = await Identities(house.ctx, Activity(house.ctx)).by_session((await enter(house, authenticator)).key)
    assert visitor is not None
    assert visitor.principal.may("admin:users")
    authenticator.admins = set()
    assert (await enter(house, authenticator)).user.admin
    authenticator.post_auth_hook = lambda auth, handler, model: model | {"admin": False}
    session = await enter(house, authenticator)
    visitor = await Identities(house.ctx, Activity(house.ctx)).by_session(session.key)
    assert visitor is not None
    assert not visitor.user.admin
    assert not visitor.principal.may("admin:users")


async def test_a_session_ends_by_itself(house: House, authenticator: FakeAuthenticator) -> None:
    session = await enter(house, authenticator)
    house.clock.advance(LIFETIME.total_seconds() - 1)
    assert await Identities(house.ctx, Activity(house.ctx)).by_session(session.key) is not None
    house.clock.advance(1)
    assert await Identities(house.ctx, Activity(house.ctx)).by_session(session.key) is None


async def test_ensuring_a_user_twice_changes_nothing(house: House) -> None:
    async with house.store.transaction() as tx:
        user, created = await ensure_user(house.ctx, tx, "ada", admin=None)
        assert not created
        await set_admin(tx, user, True)
        again, _ = await ensure_user(house.ctx, tx, "ada", admin=None)
        assert again.admin
        await set_admin(tx, user, False)
        assert [role.name for role in await tx.roles.of("user", user.id)] == ["user"]


async def server_token(house: House, visitor: Any, secret: str = "secret") -> str:
    """Sign in to ada's server as its page does; return the token that its cookie stands for."""
    async with house.store.transaction() as tx:
        user = await tx.users.get("ada")
        server = await tx.servers.get(user.id, "") or await tx.servers.add(user.id, "")
        await tx.oauth.put_client(OAuthClient("c", hash_token(secret), "/user/ada/cb", "ada's", server.id, "ada/"))
    uri = await oauth.authorize(house.ctx, visitor, AuthorizeRequest("c", response_type="code"), consented=False)
    code = str(uri).partition("code=")[2].partition("&")[0]
    form = {"client_id": "c", "client_secret": secret, "grant_type": "authorization_code", "code": code}
    return (await oauth.exchange(house.ctx, form, lifetime=LIFETIME)).access_token


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_signing_out_ends_every_token_of_that_session_ghsa_cw7p_q79f_m2v7(house: House) -> None:
    here, elsewhere = await house.visitor(), await house.visitor()
    tabs = [await server_token(house, here) for _ in range(3)]
    other = await server_token(house, elsewhere)
    activity = Activity(house.ctx)
    assert all([await Identities(house.ctx, activity).by_token(token) for token in [*tabs, other]])
    await sign_out(house.ctx, here)
    assert [await Identities(house.ctx, activity).by_token(token) for token in tabs] == [None, None, None]
    assert await Identities(house.ctx, activity).by_token(other) is not None
    assert house.telemetry.of(SignedOut) == [SignedOut("ada")]


@pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)
async def test_signing_out_between_code_and_token_leaves_nothing_ghsa_cw7p_q79f_m2v7(house: House) -> None:
    visitor = await house.visitor()
    await server_token(house, visitor)
    uri = await oauth.authorize(house.ctx, visitor, AuthorizeRequest("c", response_type="code"), consented=False)
    await sign_out(house.ctx, visitor)
    form = {"client_id": "c", "client_secret": "secret", "grant_type": "authorization_code"}
    with pytest.raises(OAuthError, match="invalid_grant"):
        await oauth.exchange(house.ctx, form | {"code": str(uri).partition("code=")[2]}, lifetime=LIFETIME)
    async with house.store.transaction() as tx:
        assert await tx.tokens.list_of("user", visitor.user.id) == []


async def test_signing_out_twice_is_no_error(house: House) -> None:
    visitor = await house.visitor()
    await sign_out(house.ctx, visitor)
    await sign_out(house.ctx, visitor)
