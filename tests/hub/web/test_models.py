from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perijove.hub.core.admission import Place
from perijove.hub.core.culling import Ending
from perijove.hub.core.principals import Principal, Target
from perijove.hub.core.scopes import Holder, expand
from perijove.hub.core.servers import Failure, Server, State
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import Token
from perijove.hub.core.usage import Usage
from perijove.hub.core.users import User
from perijove.hub.core.visibility import user_fields
from perijove.hub.testing.running import RunningHub
from perijove.hub.usecases.tokens import TokenView
from perijove.hub.usecases.users import UserView
from perijove.hub.web import models
from perijove.hub.web.state import WebSettings
from perijove.wire.models import ServerModel, TokenModel, UserModel

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
USER = User(1, "ada", False, NOW, NOW)
RUNNING = Server(
    id=7,
    user_id=1,
    user_name="ada",
    name="",
    display_name="Work",
    state=State.READY,
    spawner_state={"pid": 3},
    user_options={"cpu": 2},
    started=NOW,
    last_activity=NOW,
)
PAGED = {"Accept": "application/jupyterhub-pagination+json"}

ALL = {"kind", "name", "admin", "user_info", "roles", "groups", "server", "pending", "created", "last_activity"}


@pytest.fixture
def settings(hub: RunningHub) -> WebSettings:
    return hub.state.settings


def principal(*scopes: str) -> Principal:
    return Principal("user", "caller", expand(scopes, Holder(user="caller")))


def seen(who: Principal, settings: WebSettings, *servers: Server, **options: Any) -> UserModel:
    return models.user_model(
        UserView(USER, ["user"], servers, user_fields(who, Target("ada"))), who, settings, **options
    )


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (NOW, "2026-03-01T12:00:00.123456Z"),
        (NOW.replace(microsecond=0), "2026-03-01T12:00:00Z"),
        (NOW.astimezone(timezone(timedelta(hours=2))), "2026-03-01T12:00:00.123456Z"),
    ],
)
def test_t11_times_are_utc_with_a_z(moment: datetime | None, text: str | None) -> None:
    assert models.timestamp(moment) == text


@pytest.mark.parametrize(
    ("scope", "keys"),
    [
        ("read:users", ALL),
        ("read:users:name", {"kind", "name", "admin", "user_info"}),
        ("read:users:groups", {"kind", "name", "groups"}),
        ("read:users:activity", {"kind", "name", "last_activity"}),
        ("read:roles:users", {"kind", "name", "roles", "admin"}),
        ("admin:auth_state", {"kind", "name", "auth_state"}),
        ("list:users", {"kind", "name", "admin", "user_info"}),
        ("read:servers", {"kind", "name", "admin", "user_info", "servers"}),
        ("servers", {"kind", "name", "admin", "user_info", "servers"}),
        ("admin:users", ALL | {"auth_state"}),
        ("read:hub", set()),
        ("read:users!user=bob", set()),
        ("read:users!user=ada", ALL),
        ("read:servers!server=ada/", {"kind", "name", "servers"}),
        ("read:servers!server=ada/other", {"kind", "name", "servers"}),
        ("read:servers!server=bob/", set()),
    ],
)
def test_a_user_has_the_fields_that_the_scope_gives(settings: WebSettings, scope: str, keys: set[str]) -> None:
    assert seen(principal(scope), settings, RUNNING).keys() == keys


def test_a_user_with_all_fields(settings: WebSettings) -> None:
    base = settings.base_url
    model = seen(principal("admin:users", "admin:servers"), settings, RUNNING)
    servers = model.pop("servers")
    assert model == {
        "kind": "user",
        "name": "ada",
        "admin": False,
        "user_info": None,
        "roles": ["user"],
        "groups": [],
        "server": f"{base}user/ada/",
        "pending": None,
        "created": "2026-03-01T12:00:00.123456Z",
        "last_activity": "2026-03-01T12:00:00.123456Z",
        "auth_state": None,
    }
    assert servers.keys() == {""}


@pytest.mark.parametrize(
    ("state", "server", "pending"),
    [
        (State.STOPPED, False, None),
        (State.FAILED, False, None),
        (State.QUEUED, False, "spawn"),
        (State.STARTING, False, "spawn"),
        (State.ANSWERING, False, "spawn"),
        (State.ROUTING, False, "spawn"),
        (State.READY, True, None),
        (State.STOPPING, False, "stop"),
    ],
)
def test_server_and_pending_of_a_user_tell_of_the_default_server(
    settings: WebSettings, state: State, server: bool, pending: str | None
) -> None:
    named = replace(RUNNING, id=8, name="other")
    model = seen(principal("read:users"), settings, named, replace(RUNNING, state=state))
    assert model["server"] == (f"{settings.base_url}user/ada/" if server else None)
    assert model["pending"] == pending


def test_a_user_without_servers_has_none(settings: WebSettings) -> None:
    model = seen(principal("read:users", "read:servers"), settings)
    assert (model["server"], model["pending"], model["servers"]) == (None, None, {})


def test_servers_at_rest_are_shown_if_asked_for(settings: WebSettings) -> None:
    stopped = replace(RUNNING, id=8, name="other", state=State.STOPPED)
    who = principal("read:servers")
    assert seen(who, settings, RUNNING, stopped)["servers"].keys() == {""}
    assert seen(who, settings, RUNNING, stopped, stopped_servers=True)["servers"].keys() == {"", "other"}


def test_servers_are_filtered_one_by_one(settings: WebSettings) -> None:
    other = replace(RUNNING, id=8, name="other")
    assert seen(principal("read:servers!server=ada/other"), settings, RUNNING, other)["servers"].keys() == {"other"}


def test_a_server_with_all_fields(settings: WebSettings) -> None:
    base = settings.base_url
    model = models.server_model(RUNNING, settings, state=True)
    assert model == {
        "name": "",
        "display_name": "Work",
        "full_name": "ada/",
        "last_activity": "2026-03-01T12:00:00.123456Z",
        "started": "2026-03-01T12:00:00.123456Z",
        "pending": None,
        "ready": True,
        "stopped": False,
        "url": f"{base}user/ada/",
        "user_options": {"cpu": 2},
        "progress_url": f"{base}hub/api/users/ada/server/progress",
        "full_url": None,
        "full_progress_url": None,
        "failure": None,
        "state": {"pid": 3},
    }


@pytest.mark.parametrize(
    ("scope", "shown"),
    [("read:servers", False), ("servers", False), ("admin:servers", True), ("admin:server_state!user=ada", True)],
)
def test_the_spawners_state_is_for_those_who_may_see_it(settings: WebSettings, scope: str, shown: bool) -> None:
    assert "state" not in models.server_model(RUNNING, settings)
    model = seen(principal("read:servers", scope), settings, RUNNING)
    assert ("state" in model["servers"][""]) is shown


def test_full_addresses_where_the_public_one_is_configured(settings: WebSettings) -> None:
    public = replace(settings, site=Site(settings.base_url, "https://jupyter.example"))
    model = models.server_model(RUNNING, public)
    assert model["full_url"] == f"https://jupyter.example{settings.base_url}user/ada/"
    assert model["full_progress_url"] == f"https://jupyter.example{model['progress_url']}"


@given(
    name=st.text(min_size=1, max_size=20).filter(
        lambda name: "/" not in name and not any("\ud800" <= c <= "\udfff" for c in name)
    )
)
def test_addresses_of_servers_need_no_escaping_in_html(name: str) -> None:
    settings: Any = type("Settings", (), {"site": Site(), "prefix": "/hub/"})()
    server = replace(RUNNING, user_name=name, name="x-1")
    model = models.server_model(server, settings)
    for address in (model["url"], model["progress_url"]):
        assert not set(address) & set("<>\"'&\\` \t\r\n")
        assert address.isascii()


def test_why_a_server_failed_is_told(settings: WebSettings) -> None:
    failed = replace(RUNNING, state=State.FAILED, failure=Failure("It broke.", "Mend it.", "line", NOW))
    model = models.server_model(failed, settings)
    assert model["failure"] == {
        "reason": "It broke.",
        "advice": "Mend it.",
        "log": "line",
        "at": "2026-03-01T12:00:00.123456Z",
    }
    assert (model["stopped"], model["ready"], model["pending"]) == (True, False, None)


TOKEN = Token(5, "hash", "user", 1, "ada", ("inherit",), NOW, note="mine", session_id="s1")


def test_a_token_with_all_fields() -> None:
    model = models.token_model(TokenView(TOKEN, ("read:users!user=ada",)))
    assert model == {
        "id": "a5",
        "kind": "api_token",
        "user": "ada",
        "roles": [],
        "scopes": ["read:users!user=ada"],
        "created": "2026-03-01T12:00:00.123456Z",
        "last_activity": None,
        "expires_at": None,
        "note": "mine",
        "session_id": "s1",
        "oauth_client": "JupyterHub",
    }


def test_a_token_of_a_service_and_of_a_client_and_a_new_one() -> None:
    of_service = replace(TOKEN, owner_kind="service", owner_name="ops")
    assert models.token_model(TokenView(of_service, ()))["service"] == "ops"
    assert "user" not in models.token_model(TokenView(of_service, ()))
    of_client = replace(TOKEN, client_id="jupyterhub-user-ada", expires_at=NOW, last_activity=NOW)
    model = models.token_model(TokenView(of_client, ()))
    assert (model["oauth_client"], model["expires_at"]) == ("jupyterhub-user-ada", "2026-03-01T12:00:00.123456Z")
    assert models.token_model(TokenView(TOKEN, (), "secret"))["token"] == "secret"
    assert "hash" not in str(model)


def test_models_have_no_field_that_the_wire_does_not_know(settings: WebSettings) -> None:
    who = principal("admin:users", "admin:servers")
    everything = models.server_model(
        RUNNING, settings, state=True, place=Place(1), ending=Ending(NOW, None), usage=Usage(7, 8)
    )
    assert everything["stops"] == {"if_idle": models.timestamp(NOW), "at_latest": None}
    assert everything["usage"] == {"memory": 7, "memory_limit": 8}
    assert everything.keys() == ServerModel.__annotations__.keys()
    assert seen(who, settings, RUNNING).keys() == UserModel.__annotations__.keys()
    known = TokenModel.__annotations__.keys()
    assert models.token_model(TokenView(TOKEN, (), "secret")).keys() == known - {"service"}


async def people(hub: RunningHub, count: int) -> None:
    for number in range(count):
        await hub.add_user(f"user-{number:03}")


async def test_lists_are_bare_unless_pages_are_asked_for(hub: RunningHub) -> None:
    token = await hub.token("admin", admin=True)
    await people(hub, 4)
    bare = (await hub.client(token).get(f"{hub.api}/users?limit=2")).json()
    assert [model["name"] for model in bare] == ["admin", "user-000"]
    paged = (await hub.client(token, **PAGED).get(f"{hub.api}/users?limit=2")).json()
    assert [model["name"] for model in paged["items"]] == ["admin", "user-000"]
    assert paged["_pagination"] | {"next": None} == {"offset": 0, "limit": 2, "total": 5, "next": None}


@pytest.mark.parametrize(
    ("accept", "paged"),
    [
        ("application/jupyterhub-pagination+json", True),
        ("application/json, application/jupyterhub-pagination+json;q=0.9", True),
        ("application/jupyterhub-pagination+jsonx", False),
        ("application/json", False),
        ("", False),
    ],
)
async def test_exactly_one_media_type_asks_for_pages(hub: RunningHub, accept: str, paged: bool) -> None:
    answer = await hub.client(await hub.token("admin", admin=True), Accept=accept).get(f"{hub.api}/users")
    assert isinstance(answer.json(), dict) is paged
    assert answer.headers["Content-Type"].startswith(
        "application/jupyterhub-pagination+json" if paged else "application/json"
    )


@pytest.mark.parametrize(
    ("query", "paged", "plain"),
    [("", 50, 200), ("?limit=3", 3, 3), ("?limit=-3", 3, 3), ("?limit=0", 1, 1), ("?limit=999999999999", 200, 200)],
)
async def test_how_long_a_page_is(hub: RunningHub, query: str, paged: int, plain: int) -> None:
    token = await hub.token("admin", admin=True)
    await people(hub, 205)
    assert len((await hub.client(token).get(f"{hub.api}/users{query}")).json()) == plain
    answer = (await hub.client(token, **PAGED).get(f"{hub.api}/users{query}")).json()
    assert (len(answer["items"]), answer["_pagination"]["limit"], answer["_pagination"]["total"]) == (paged, paged, 206)


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, "http://hub.test"),
        ({"Host": "jupyter.example:8443"}, "http://jupyter.example:8443"),
        ({"X-Forwarded-Proto": "https"}, "https://hub.test"),
        ({"X-Forwarded-Proto": "https,http", "X-Forwarded-Host": "jupyter.example"}, "https://jupyter.example"),
    ],
)
async def test_t10_the_next_page_has_an_absolute_address_as_the_browser_sees_it(
    hub: RunningHub, headers: dict[str, str], origin: str
) -> None:
    await people(hub, 5)
    client = hub.client(await hub.token("admin", admin=True), **PAGED, **headers)
    answer = (await client.get(f"{hub.api}/users?name_filter=user-&limit=2&state=inactive")).json()
    following = answer["_pagination"]["next"]
    assert (following["offset"], following["limit"]) == (2, 2)
    url = urlsplit(following["url"])
    assert f"{url.scheme}://{url.netloc}" == origin
    assert url.path == f"{hub.api}/users"
    assert parse_qs(url.query) == {"name_filter": ["user-"], "limit": ["2"], "offset": ["2"], "state": ["inactive"]}


async def test_t10_a_client_that_follows_next_sees_everybody_once(hub: RunningHub) -> None:
    await people(hub, 7)
    client = hub.client(await hub.token("admin", admin=True), **PAGED)
    url, names = f"{hub.api}/users?limit=3", []
    while url:
        answer = (await client.get(url)).json()
        names += [model["name"] for model in answer["items"]]
        url = (answer["_pagination"]["next"] or {}).get("url", "")
    assert sorted(names) == sorted(["admin", *(f"user-{number:03}" for number in range(7))])


async def test_the_next_page_stands_under_the_public_address(base_url: str) -> None:
    from perijove.hub.testing.running import running_hub

    async with running_hub(site=Site(base_url, "https://jupyter.example")) as hub:
        await people(hub, 3)
        client = hub.client(await hub.token("admin", admin=True), **PAGED)
        answer = (await client.get(f"{hub.api}/users?limit=1")).json()
        assert answer["_pagination"]["next"]["url"].startswith(f"https://jupyter.example{hub.api}/users?")
