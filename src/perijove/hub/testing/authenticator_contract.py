"""What every authenticator must do: one that takes a name and a password, and one that signs people in elsewhere.

Subclass `PasswordContract` or `HandlerContract` in a test module, override its fixtures, and pytest runs the suite.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from perijove.hub.core.auth_models import checked_model, groups_of, info_of, roles_of, state_bytes
from perijove.hub.core.site import Site
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.sign_in import WayKind
from perijove.hub.ports.spawner import Spawner, SpawnerUser
from perijove.hub.ports.traits import call_plugin
from perijove.hub.settings.roles import parse_roles
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.usecases.entrance import entrance_of, ways_of
from perijove.hub.web.security import SESSION_COOKIE

REQUEST = SignInRequest(address="192.0.2.7")


async def sign_in(authenticator: Authenticator, data: Mapping[str, str]) -> dict[str, Any] | None:
    """Return who signs in with *data*, where nobody is a user yet."""

    async def existing(name: str) -> bool:
        return False

    return await authenticator.get_authenticated_user(REQUEST, data, existing=existing)


class _Kept:
    """What a sign-in gave to keep."""

    def __init__(self, state: Mapping[str, Any] | None) -> None:
        self.state = state

    async def get(self) -> dict[str, Any] | None:
        return None if self.state is None else dict(self.state)

    async def put(self, state: Mapping[str, Any] | None) -> None:
        self.state = state


class EntranceContract:
    """What every authenticator keeps to on the sign-in page. Override `authenticator`."""

    @pytest.fixture
    def authenticator(self) -> Authenticator:
        """Return the authenticator under test."""
        pytest.fail("override the fixture 'authenticator'")

    @pytest.mark.parametrize("site", [Site("/"), Site("/jh/lab/")])
    async def test_its_addresses_are_the_hubs(self, authenticator: Authenticator, site: Site) -> None:
        found = entrance_of(authenticator, site)
        for way in await ways_of(authenticator, site):
            path = f"/{way.url.partition('?')[0].removeprefix(site.prefix)}"
            # A button that leads nowhere would be of no use.
            assert path == "/login" or path in dict(found.handlers)
            assert (path == "/login") is (way.kind is not WayKind.LINK)


class AuthenticatorContract(EntranceContract):
    """The suite. Override `authenticator` and `credentials`."""

    @pytest.fixture
    def authenticator(self) -> Authenticator:
        """Return the authenticator under test, configured so that `credentials` let somebody in."""
        pytest.fail("override the fixture 'authenticator'")

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        """Return a form, ``username`` and ``password``, that lets somebody in; the name in its one spelling."""
        pytest.fail("override the fixture 'credentials'")

    async def test_right_credentials_give_the_name(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert model["name"] == credentials["username"]

    async def test_spelling_of_the_name_does_not_make_another_user(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials | {"username": credentials["username"].upper()})
        assert model is None or model["name"] == credentials["username"]

    async def test_nobody_is_administrator_unless_said_so(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert not model["admin"]

    async def test_configured_administrators_are_administrators(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        authenticator.admin_users = {credentials["username"]}
        model = await sign_in(authenticator, credentials)
        assert model is not None
        assert model["admin"] is True

    async def test_blocked_beats_everything(self, authenticator: Authenticator, credentials: dict[str, str]) -> None:
        authenticator.admin_users = authenticator.blocked_users = {credentials["username"]}
        assert await sign_in(authenticator, credentials) is None

    async def test_whom_it_has_prepared_it_prepares_again(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        for number in (0, 0, 7):
            await call_plugin(authenticator.add_user, SpawnerUser(number, credentials["username"], admin=False))

    @pytest.mark.parametrize("missing", [{"username": ""}, {"username": "", "password": ""}])
    async def test_without_a_name_nobody_signs_in(
        self, authenticator: Authenticator, credentials: dict[str, str], missing: dict[str, str]
    ) -> None:
        assert await sign_in(authenticator, credentials | missing) is None

    async def test_an_empty_form_is_refused_without_an_error(self, authenticator: Authenticator) -> None:
        assert await sign_in(authenticator, {}) is None

    async def test_what_is_told_can_be_taken_in(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        source = type(authenticator).__name__
        assert checked_model(model, source) == model
        managed = authenticator.manage_groups
        groups_of(model, source, managed=managed, required=managed)
        roles_of(model, source, managed=authenticator.manage_roles)
        info_of(model)
        if model.get("auth_state") is not None:
            state_bytes(model["auth_state"])

    async def test_whoever_has_just_signed_in_is_still_good(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        model = await sign_in(authenticator, credentials)
        assert model is not None
        kept = _Kept(model.get("auth_state"))
        person = SpawnerUser(1, model["name"], bool(model["admin"]), auth_state=kept)
        answer = await authenticator.get_refreshed_user(person, REQUEST)
        assert answer is True or (isinstance(answer, dict) and answer["name"] == model["name"])
        # There is not always a request of theirs, and not always something kept.
        bare = await authenticator.get_refreshed_user(SpawnerUser(1, model["name"], False), None)
        assert isinstance(bare, (bool, dict))

    async def test_roles_at_the_start_are_a_list(self, authenticator: Authenticator) -> None:
        if authenticator.manage_roles:
            roles = await call_plugin(authenticator.load_managed_roles)
            assert parse_roles(roles, (), managed=True).mistakes == ()

    async def test_a_server_may_start_and_stop_without_anything_kept(
        self, authenticator: Authenticator, credentials: dict[str, str]
    ) -> None:
        person = SpawnerUser(1, credentials["username"], False)
        spawner = Spawner()
        spawner.user = person
        await call_plugin(authenticator.pre_spawn_start, person, spawner)
        await call_plugin(authenticator.post_spawn_stop, person, spawner)


class PasswordContract(AuthenticatorContract):
    """The suite for authenticators that check passwords."""

    @pytest.mark.parametrize("password", ["", "wrong", "x" * 100_000, "\0", "naïve ☃"])
    async def test_a_wrong_password_is_refused(
        self, authenticator: Authenticator, credentials: dict[str, str], password: str
    ) -> None:
        assert await sign_in(authenticator, credentials | {"password": password}) is None

    @pytest.mark.parametrize("name", ["nobody-of-that-name", "x" * 100_000, "a/b", "\0", ".."])
    async def test_an_unknown_or_impossible_name_is_refused(
        self, authenticator: Authenticator, credentials: dict[str, str], name: str
    ) -> None:
        assert await sign_in(authenticator, credentials | {"username": name}) is None


class HandlerContract(EntranceContract):
    """The suite for authenticators that lead browsers elsewhere. Override `authenticator` and `come_back`."""

    @pytest.fixture
    def provider(self) -> Any:
        """Return what `come_back` needs beside the authenticator."""
        return None

    async def come_back(self, authenticator: Authenticator, provider: Any, url: str) -> str:
        """Return where the provider sends the browser back to that was led to *url*, once a person has agreed."""
        pytest.fail("override 'come_back'")

    @pytest.fixture
    async def hub(self, authenticator: Authenticator) -> AsyncIterator[RunningHub]:
        """A hub in which people sign in so."""
        async with running_hub(authenticator=authenticator) as running:
            yield running

    async def _back(self, hub: RunningHub, browser: httpx.AsyncClient, provider: Any) -> str:
        page = await browser.get(f"{hub.state.entrance.login_url}?next={hub.prefix}token")
        assert page.status_code == 302
        return await self.come_back(hub.state.authenticator, provider, page.headers["Location"])

    async def test_a_person_signs_in_and_goes_where_they_wanted(self, hub: RunningHub, provider: Any) -> None:
        browser = hub.client()
        answer = await browser.get(await self._back(hub, browser, provider))
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{hub.prefix}token")
        assert (await browser.get(f"{hub.prefix}home")).status_code == 200

    async def test_nobody_signs_in_with_what_another_browser_began(self, hub: RunningHub, provider: Any) -> None:
        callback, victim = await self._back(hub, hub.client(), provider), hub.client()
        for _ in range(2):
            assert (await victim.get(callback)).status_code in {302, 403}
            assert (await victim.get(f"{hub.prefix}home")).status_code == 302
            await self._back(hub, victim, provider)

    async def test_nobody_signs_in_twice_with_the_same(self, hub: RunningHub, provider: Any) -> None:
        browser = hub.client()
        callback = await self._back(hub, browser, provider)
        await browser.get(callback)
        browser.cookies.delete(SESSION_COOKIE)
        assert (await browser.get(callback)).status_code in {302, 403}
        assert (await browser.get(f"{hub.prefix}home")).status_code == 302

    async def test_every_handler_bears_requests_without_anything(self, hub: RunningHub) -> None:
        for path, _ in hub.state.entrance.handlers:
            for method in ("GET", "POST"):
                answer = await hub.client().request(method, f"{hub.prefix.rstrip('/')}{path}")
                assert answer.status_code < 500, f"{method} {path}"
                assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")

    async def test_a_form_is_no_way_past_the_handlers(self, authenticator: Authenticator) -> None:
        assert all(way.kind is WayKind.LINK for way in await ways_of(authenticator, Site()))
