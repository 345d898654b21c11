from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from tests.support.page_rules import check
from tornado.web import RequestHandler

from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import SignedIn
from perijove.hub.core.site import Site
from perijove.hub.plugins.multi_authenticator import MultiAuthenticator, parse_parts
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.spawner import SpawnerUser
from perijove.hub.testing.authenticator_contract import AuthenticatorContract
from perijove.hub.testing.identity_provider import FakeProvider, ProviderAuthenticator
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub
from perijove.hub.usecases.entrance import entrance_of


class Knows(Authenticator):
    """Knows passwords: everybody's is their name backwards. Notes what it is asked."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asked: list[Any] = []
        self.answer: Any = True

    def authenticate(self, handler: SignInRequest, data: Mapping[str, Any]) -> Any:
        name = data.get("username", "")
        if not name or data.get("password") != name[::-1]:
            return None
        return {"name": name, "groups": ["readers"], "auth_state": {"of": name}} if self.manage_groups else name

    def refresh_user(self, user: SpawnerUser, handler: SignInRequest | None = None) -> Any:
        self.asked.append(("refresh", user.name))
        return self.answer

    def add_user(self, user: SpawnerUser) -> None:
        self.asked.append(("add", user.name))

    def delete_user(self, user: SpawnerUser) -> None:
        self.asked.append(("delete", user.name))

    def load_managed_roles(self) -> Any:
        return [{"name": "helpers", "users": ["ada"]}, {"name": "none"}]


def entry(cls: Any = Knows, url: str = "/staff", prefix: str | None = None, **config: Any) -> dict[str, Any]:
    made = {"authenticator_class": cls, "url_prefix": url, "config": config}
    return made if prefix is None else {**made, "username_prefix": prefix}


def provided(name: str, provider: FakeProvider, **config: Any) -> dict[str, Any]:
    return entry(ProviderAuthenticator, f"/{name}", provider_url=f"http://{name}.test", **config)


def multi(*entries: Any, **options: Any) -> MultiAuthenticator:
    return MultiAuthenticator(authenticators=list(entries), **options)


class TestMultiAuthenticator(AuthenticatorContract):
    @pytest.fixture
    def authenticator(self) -> Authenticator:
        return multi(entry(allow_all=True, prefix=""), entry(url="/guests"))

    @pytest.fixture
    def credentials(self) -> dict[str, str]:
        return {"username": "ada", "password": "ada"[::-1], "authenticator": "staff"}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (["github"], "number 1 must be a dictionary with authenticator_class, url_prefix"),
        ([{"authenticator_class": Knows}], "number 1 must be a dictionary"),
        ([entry() | {"name": "x"}], "number 1 must be a dictionary"),
        ([(Knows, "/a")], "number 1 must be a dictionary"),
        ([entry(), entry(url="GitHub")], "number 2: url_prefix must be like '/github'"),
        ([entry(url="/a/b")], "url_prefix must be like"),
        ([entry(), entry()], "two have the url_prefix /staff"),
        ([entry(prefix="a"), entry(url="/b", prefix="ab")], "the users of /staff and /b could have the same names"),
        ([entry(prefix=""), entry(url="/b", prefix="")], "only one be empty"),
        ([entry(prefix="GitHub:")], "username_prefix must be text that a user name may begin with, in lower case"),
        ([entry(prefix="a/")], "username_prefix must be text"),
        ([entry("GitHubOAuthenticator")], "/staff: the authenticator 'GitHubOAuthenticator' signs in with"),
        ([entry(7)], "/staff: authenticator_class must be a class or the name of one"),
        ([entry(allow_al=True)], "there is no option c.Knows.allow_al"),
        ([entry(allow_all="s3cret")], "c.Knows.allow_all: must be True or False"),
        ([entry() | {"config": ["x"]}], "config must be a dictionary of options"),
        ([entry(auto_login=True)], "a person has to choose one"),
        ([entry(MultiAuthenticator)], "a MultiAuthenticator cannot be part of another"),
        ([entry(PasswordAuthenticator)], 'write "username_prefix": ""'),
    ],
)
def test_mistakes_are_told(entries: Any, reason: str) -> None:
    with pytest.raises(PerijoveError) as told:
        parse_parts(entries)
    assert told.value.code is Code.INVALID
    assert reason in told.value.message


def test_what_holds_for_one_part_is_written_there() -> None:
    rules: list[dict[str, Any]] = [{"allow_all": True}, {"allowed_users": {"ada"}}, {"allow_existing_users": True}]
    for rule in rules:
        with pytest.raises(PerijoveError, match="in the config of its entry"):
            multi(entry(), **rule)
    for option in ("auto_login", "auto_login_oauth2_authorize"):
        with pytest.raises(PerijoveError, match="a person has to choose one"):
            multi(entry(), **{option: True})


def test_tuples_and_names_of_classes_do_too() -> None:
    (one, other) = parse_parts([("dummy", "/trial", {"password": "x"}), (Knows, "/staff", {})])
    assert (one.name, one.prefix, other.prefix) == ("trial", "trial:", "staff:")
    assert type(one.authenticator).__name__ == "DummyAuthenticator"


def test_whole_names_are_known_from_the_start_on() -> None:
    made = multi(
        entry(admin_users={"root"}, allowed_users={"ada"}, blocked_users={"eve"}, manage_groups=True),
        entry(url="/b", prefix="", allowed_users={"bob"}),
        admin_users={"boss"},
    )
    assert made.admin_users == {"staff:root", "boss"}
    assert made.allowed_users == {"staff:ada", "bob"}
    assert made.blocked_users == {"staff:eve"}
    assert (made.manage_groups, made.manage_roles) == (True, False)
    assert made.any_allow_config
    assert not multi(entry(allow_existing_users=False)).any_allow_config
    assert [type(part) for part in made.parts()] == [Knows, Knows]


async def signs_in(made: MultiAuthenticator, name: str, part: str = "", known: tuple[str, ...] = ()) -> Any:
    async def existing(name: str) -> bool:
        return name in known

    data = {"username": name, "password": name[::-1], **({"authenticator": part} if part else {})}
    return await made.get_authenticated_user(SignInRequest(), data, existing=existing)


async def test_each_part_decides_by_its_own_rules() -> None:
    made = multi(
        entry(allowed_users={"ada", "root"}, allow_existing_users=True, admin_users={"root"}),
        entry(url="/guests", allowed_users={"gus"}, manage_groups=True, enable_auth_state=True),
        username_pattern="[a-z:]+",
        blocked_users={"guests:bad"},
    )
    assert await signs_in(made, "ada", "staff") == {"name": "staff:ada", "admin": None, "groups": None}
    assert (await signs_in(made, "root", "staff"))["admin"] is True
    assert await signs_in(made, "ada", "guests") is None
    assert await signs_in(made, "bob", "staff") is None
    assert (await signs_in(made, "bob", "staff", known=("staff:bob",)))["name"] == "staff:bob"
    assert await signs_in(made, "bob", "staff", known=("bob", "guests:bob")) is None
    gus = await signs_in(made, "gus", "guests")
    assert (gus["name"], gus["groups"], gus["auth_state"]) == ("guests:gus", ["readers"], {"of": "gus"})
    # Without a word about which part, nobody is asked; nor is one that does not exist.
    assert await signs_in(made, "ada") is None
    assert await signs_in(made, "ada", "nobody") is None


async def test_the_hub_wide_rules_hold_for_whole_names() -> None:
    made = multi(
        entry(allow_all=True), admin_users={"staff:ada"}, blocked_users={"staff:eve"}, username_pattern=".{,9}"
    )
    assert (await signs_in(made, "ada"))["admin"] is True
    assert await signs_in(made, "eve") is None
    assert await signs_in(made, "long-name") is None
    assert not made.validate_username("staff:long-name")
    made.post_auth_hook = lambda authenticator, handler, model: {**model, "name": "staff:eve"}
    assert await signs_in(made, "ada") is None


async def test_nobody_of_one_part_is_somebody_of_another() -> None:
    made = multi(entry(prefix="", allow_all=True), entry(url="/b", prefix="b:", allow_all=True))
    assert (await signs_in(made, "ada", "staff"))["name"] == "ada"
    assert (await signs_in(made, "ada", "b"))["name"] == "b:ada"
    assert await signs_in(made, "b:ada", "staff") is None
    assert made.part_of("b:") is not None
    assert [part.name for name in ("ada", "b:ada") if (part := made.part_of(name))] == ["staff", "b"]


async def test_whose_user_it_is_is_asked_about_them() -> None:
    made = multi(entry(allow_all=True, enable_auth_state=True), entry(url="/b", allow_all=True))
    staff, other = made.parts()
    assert isinstance(staff, Knows)
    assert isinstance(other, Knows)
    ada = SpawnerUser(1, "staff:ada", admin=False)
    assert await made.get_refreshed_user(ada, None) is True
    staff.answer = False
    assert await made.get_refreshed_user(ada, None) is False
    staff.answer = {"name": "ada", "auth_state": {"a": 1}}
    model = await made.get_refreshed_user(ada, None)
    assert model == {"name": "staff:ada", "admin": None, "auth_state": {"a": 1}}
    await made.add_user(ada)
    await made.delete_user(ada)
    nobodys = SpawnerUser(2, "nobody", admin=False)
    assert await made.refresh_user(nobodys) is True
    for method in (made.add_user, made.delete_user):
        await method(nobodys)
    await made.pre_spawn_start(nobodys, None)
    await made.post_spawn_stop(nobodys, None)
    assert staff.asked == [("refresh", "ada")] * 3 + [("add", "ada"), ("delete", "ada")]
    assert other.asked == []
    assert await made.load_managed_roles() == [
        {"name": "helpers", "users": ["staff:ada"]},
        {"name": "none"},
        {"name": "helpers", "users": ["b:ada"]},
        {"name": "none"},
    ]


def test_a_handler_of_tornado_in_a_part_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Knows, "get_handlers", lambda self, app: [("/x", RequestHandler)])
    with pytest.raises(PerijoveError, match="the Tornado handler RequestHandler for /staff/x"):
        entrance_of(multi(entry()), Site())


@pytest.fixture
def providers() -> dict[str, FakeProvider]:
    return {name: FakeProvider() for name in ("github", "campus")}


@pytest.fixture
async def hub(providers: dict[str, FakeProvider]) -> AsyncIterator[RunningHub]:
    made = multi(
        entry(prefix="", allow_all=True),
        provided("github", providers["github"], allow_all=True, login_service="GitHub"),
        provided("campus", providers["campus"], allowed_users={"ada"}),
    )
    for part in made.parts():
        if isinstance(part, ProviderAuthenticator):
            name = part.provider_url.removeprefix("http://").removesuffix(".test")
            part.transport = httpx.ASGITransport(app=providers[name])
    async with running_hub(base_url="/jh/", authenticator=made) as running:
        yield running


async def test_a_form_and_two_providers_on_one_page(hub: RunningHub, providers: dict[str, FakeProvider]) -> None:
    page = check((await hub.client().get("/jh/hub/login?next=%2Fjh%2Fhub%2Ftoken")).text)
    assert [(link.get_text(), link["href"]) for link in page.select(".ways a")] == [
        ("Sign in with GitHub", "/jh/hub/github/provider_login?next=%2Fjh%2Fhub%2Ftoken"),
        ("Sign in with campus", "/jh/hub/campus/provider_login?next=%2Fjh%2Fhub%2Ftoken"),
    ]
    for name, provider in providers.items():
        browser = hub.client()
        away = await browser.get(f"/jh/hub/{name}/provider_login?next=%2Fjh%2Fhub%2Ftoken")
        assert away.headers["Location"].startswith(f"http://{name}.test/authorize?")
        callback = provider.approve(away.headers["Location"], "ada")
        assert callback.startswith(f"{ORIGIN}/jh/hub/{name}/provider_callback?")
        answer = await browser.get(callback)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/jh/hub/token")
    assert [fact.user for fact in hub.telemetry.of(SignedIn)] == ["github:ada", "campus:ada"]


async def test_the_form_leads_to_its_own_part_alone(hub: RunningHub) -> None:
    for part, expected in (("staff", 302), ("", 302), ("github", 403), ("campus", 403)):
        browser = hub.client()
        page = await browser.get("/jh/hub/login")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert found is not None
        data = {"_xsrf": found[1], "username": "ada", "password": "ada"[::-1], "code": "x", "verifier": "y"}
        answer = await browser.post("/jh/hub/login", data={**data, "authenticator": part} if part else data)
        assert answer.status_code == expected, part


async def test_what_one_part_began_is_nothing_to_another(hub: RunningHub, providers: dict[str, FakeProvider]) -> None:
    browser = hub.client()
    away = await browser.get("/jh/hub/github/provider_login?next=%2Fjh%2Fhub%2Ftoken")
    callback = providers["github"].approve(away.headers["Location"], "ada").replace("/github/", "/campus/")
    answer = await browser.get(callback)
    assert answer.headers["Location"] == "/jh/hub/campus/provider_login?next=%2Fjh%2Fhub%2Ftoken&attempt=2"
    assert not hub.telemetry.of(SignedIn)


async def test_a_part_lets_in_whom_its_rules_let_in(hub: RunningHub, providers: dict[str, FakeProvider]) -> None:
    browser = hub.client()
    away = await browser.get("/jh/hub/campus/provider_login")
    answer = await browser.get(providers["campus"].approve(away.headers["Location"], "bob"))
    assert (answer.status_code, "or you may not sign in here" in answer.text) == (403, True)
