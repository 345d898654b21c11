from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from tests.support.permissions import COLUMNS, Row, rows

from perijove.hub.core.principals import OUT_OF_REACH, Principal
from perijove.hub.core.services import Service
from perijove.hub.testing.running import RunningHub, running_hub
from perijove.hub.web import app, permissions
from perijove.hub.web.callers import needs, needs_identity
from perijove.hub.web.pages.common import PageVisitor
from perijove.hub.web.permissions import Access, PlacedRoute, Router, Who, access_of, included, public


async def undeclared() -> None:
    """Forget to say who may ask."""


async def undeclared_socket(socket: WebSocket) -> None:
    """Forget it, too."""


def test_an_operation_that_does_not_say_who_may_ask_cannot_be_registered() -> None:
    router = Router()
    with pytest.raises(TypeError, match="GET /secrets does not say who may ask for it"):
        router.get("/secrets")(undeclared)
    with pytest.raises(TypeError, match="does not say who may ask"):
        router.add_api_route("/secrets", undeclared)
    assert not router.routes


def test_a_dependency_of_another_kind_is_no_declaration() -> None:
    with pytest.raises(TypeError, match="does not say who may ask"):
        Router().get("/secrets", dependencies=[Depends(undeclared)])(undeclared)


def test_a_router_that_does_not_look_is_not_taken() -> None:
    with pytest.raises(TypeError, match=r"no Router of web\.permissions"):
        included(APIRouter(), "")
    router = Router()
    router.add_websocket_route("/secrets", undeclared_socket)
    with pytest.raises(TypeError, match="does not say who may ask"):
        included(router, "")


def test_the_hub_does_not_come_up_with_an_undeclared_operation(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = APIRouter()
    secret.get("/secrets")(undeclared)
    for place in ("API", "RESOURCES", "PAGES"):
        with monkeypatch.context() as patch, pytest.raises(TypeError, match="who may ask"):
            patch.setattr(app, place, (*getattr(app, place), secret))
            app.create_app(hub.state)


def test_each_way_to_declare_is_known_on_the_route() -> None:
    router = Router()

    @router.get("/holders")
    async def holders(principal: Annotated[Principal, needs("list:users", "users")]) -> None: ...

    @router.get("/known")
    async def known(principal: Annotated[Principal, needs_identity()]) -> None: ...

    @router.get("/page")
    async def page(visitor: PageVisitor) -> None: ...

    @router.get("/public", dependencies=[public("It is a test")])
    async def open_to_all() -> None: ...

    declared = {route.path: route.access for _, route in router.operations()}
    assert declared == {
        "/holders": Access(Who.HOLDER, ("list:users", "users")),
        "/known": Access(Who.IDENTIFIED),
        "/page": Access(Who.SIGNED_IN),
        "/public": Access(Who.ANYBODY, reason="It is a test"),
    }


def test_needs_without_a_scope_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="needs_identity"):
        needs()


def test_two_declarations_contradict_each_other() -> None:
    with pytest.raises(TypeError, match="more than one declaration"):

        @Router().get("/both", dependencies=[public("It is a test")])
        async def both(principal: Annotated[Principal, needs("users")]) -> None: ...


def test_what_a_plain_route_declares_can_be_asked() -> None:
    plain = FastAPI()
    plain.get("/secrets")(undeclared)
    routes: list[Any] = [route for route in plain.routes if getattr(route, "path", "") == "/secrets"]
    assert [access_of(route) for route in routes] == [None]


# -- the table


FILTERS = {
    "all": "",
    "user": "!user={user}",
    "user'": "!user=otto",
    "group": "!group=team",
    "group'": "!group=rest",
    "server": "!server={user}/{server}",
    "server'": "!server={user}/elsewhere",
}
RENAMED = {"display_name": "Laboratory"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    **{
        ("PATCH", f"/users/{{user_name}}/{which}"): RENAMED for which in ("server", "servers/", "servers/{server_name}")
    },
    ("POST", "/users"): {"usernames": ["new"]},
    **{
        (method, "/shares/{user_name}/{server_name:path}"): {"user": "otto", "scopes": ["access:servers"]}
        for method in ("POST", "PATCH")
    },
    ("POST", "/groups"): {"groups": ["team"]},
    ("POST", "/groups/{group_name:path}/users"): {"users": []},
    ("DELETE", "/groups/{group_name:path}/users"): {"users": []},
    ("PUT", "/groups/{group_name:path}/properties"): {},
    ("POST", "/users/{user_name}/activity"): {"last_activity": "2026-01-01T00:00:00Z"},
}
PUBLIC = {
    ("GET", ""),
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/oauth2/authorize"),
    ("POST", "/oauth2/authorize"),
    ("POST", "/oauth2/token"),
}
"""What everybody may ask the API for, without credentials."""

PUBLIC_PAGES = {
    ("POST", "/preferences"),
    *(("GET", f"/{page}") for page in ("login", "logout", "signup", "setup", "logo", "health", "api/docs")),
    *(("POST", f"/{page}") for page in ("login", "signup", "setup")),
    ("GET", "/error/{status}"),
    *((method, "/user/{path:path}") for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
}
"""Pages for everybody: before somebody is signed in, or where a server is not there."""


def operations(routers: Iterable[Router]) -> dict[tuple[str, str], Access]:
    return {
        (method, route.path): route.access
        for router in routers
        for method, route in router.operations()
        if method != "HEAD"
    }


def test_every_operation_of_the_api_stands_in_the_table_with_all_its_scopes() -> None:
    declared = operations((*app.API, *app.RESOURCES))
    listed: dict[tuple[str, str], set[str]] = {}
    for row in rows():
        listed.setdefault((row.method, row.path), set()).add(row.scope)
    assert listed == {key: set(access.scopes) or {"-"} for key, access in declared.items() if key not in PUBLIC}
    assert all(len(row.expected) == len(COLUMNS) for row in rows())


def test_what_is_public_is_listed_by_name_and_has_a_reason() -> None:
    for routers, public_ones in (((*app.API, *app.RESOURCES), PUBLIC), (app.PAGES, PUBLIC_PAGES)):
        found = {key: access for key, access in operations(routers).items() if access.who is Who.ANYBODY}
        assert set(found) == public_ones
        assert all(access.reason for access in found.values())


def test_openapi_states_the_scopes_of_each_operation(hub: RunningHub) -> None:
    schema = hub.app.openapi()
    stated = {
        (method.upper(), path.removeprefix(hub.api)): {scope for each in security for scope in each.get("token", ())}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if (security := operation.get("security"))
    }
    declared = {
        (method, path.replace(":path", "")): access
        for (method, path), access in operations((*app.API, *app.RESOURCES)).items()
    }
    hidden = {key for key in declared if key not in stated and key not in PUBLIC}
    assert all(path.endswith(("/servers/", "/servers//progress", "/server")) for _, path in hidden)
    assert stated == {key: set(access.scopes) for key, access in declared.items() if key not in PUBLIC | hidden}


async def target(hub: RunningHub, name: str) -> str:
    """Make a target of that name, and a service called so too; return the id of a token of theirs."""
    user = await hub.add_user(name)
    async with hub.store.transaction() as tx:
        team = await tx.groups.get("team") or await tx.groups.add("team")
        await tx.groups.add_members(team.id, [user.id])
        for server in ("", "lab"):
            await tx.servers.add(user.id, server)
        await tx.services.put(Service(0, name, from_config=False))
    await hub.token(name)
    async with hub.store.transaction() as tx:
        (token,) = await tx.tokens.list_of("user", user.id)
    return token.api_id


async def token_for(hub: RunningHub, row: Row, column: str, user: str) -> str:
    match column:
        case "own":
            return await hub.token(user)
        case "other":
            return await hub.token("otto")
        case "admin":
            return await hub.token("root", admin=True)
        case "none":
            return await hub.token("svc", "read:hub" if row.scope == "shutdown" else "shutdown", service=True)
        case _:
            scope = "shutdown" if row.scope == "-" else row.scope
            limit = FILTERS[column].format(user=user, server=row.server)
            return await hub.token("svc", scope + limit, service=True)


def outcome(status: int, text: str) -> str:
    if status == 403:
        return "403"
    return "404" if status == 404 and OUT_OF_REACH in text else "yes"


@pytest.mark.parametrize("row", rows(), ids=str)
async def test_the_table_holds(row: Row) -> None:
    async with running_hub(slow_start=0.0, slow_stop=0.0) as hub:
        found = []
        for number, column in enumerate(COLUMNS):
            user = f"target{number}"
            token_id = await target(hub, user)
            path = row.path.replace(":path", "").format(
                group_name="team",
                service_name=user,
                user_name=user,
                owner_name=user,
                server_name=row.server,
                token_id=token_id,
            )
            client = hub.client(await token_for(hub, row, column, user))
            body = BODIES.get((row.method, row.path))
            async with client.stream(row.method, f"{hub.api}{path}", json=body) as answer:
                # A stream of events has no end.
                text = "" if answer.is_success else (await answer.aread()).decode()
                found.append(outcome(answer.status_code, text))
    assert dict(zip(COLUMNS, found, strict=True)) == dict(zip(COLUMNS, row.expected, strict=True))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"usernames": ["mallory"], "admin": True}),
        ("POST", "/users/mallory", {"admin": True}),
        ("DELETE", "/users/root", None),
        ("POST", "/users/root/tokens", None),
        ("POST", "/users/root/tokens", {"scopes": ["shutdown"]}),
        ("POST", "/users/root/tokens", {"roles": ["admin"]}),
    ],
)
async def test_cve_2024_41942_a_part_of_an_administrators_scopes_leads_to_no_more(
    hub: RunningHub, method: str, path: str, body: dict[str, Any] | None
) -> None:
    await hub.add_user("root", admin=True)
    for scopes in (("admin:users", "tokens"), ("admin:users", "tokens", "admin:servers", "list:services")):
        client = hub.client(await hub.token("part", *scopes, service=True))
        assert (await client.request(method, f"{hub.api}{path}", json=body)).status_code == 403
    async with hub.store.transaction() as tx:
        root, mallory = await tx.users.get("root"), await tx.users.get("mallory")
    assert root is not None
    assert root.admin
    assert mallory is None


async def test_ghsa_69wv_an_administrators_scopes_for_a_group_reach_nobody_else(hub: RunningHub) -> None:
    await target(hub, "member")
    await hub.add_user("eve")
    scopes = [f"{base}!group=team" for base in ("admin:users", "admin:servers", "tokens", "list:users", "admin:groups")]
    client = hub.client(await hub.token("part", *scopes, service=True))
    assert [user["name"] for user in (await client.get(f"{hub.api}/users")).json()] == ["member"]
    for method, path in (
        ("GET", "/users/{}"),
        ("DELETE", "/users/{}"),
        ("POST", "/users/{}/server"),
        ("GET", "/users/{}/tokens"),
    ):
        assert (await client.request(method, f"{hub.api}{path.format('eve')}")).status_code == 404
    assert (await client.post(f"{hub.api}/users", json={"usernames": ["new"]})).status_code == 403
    assert (await client.post(f"{hub.api}/users/new")).status_code == 404
    model = (await client.get(f"{hub.api}/users/member")).json()
    assert model["groups"] == ["team"]


async def test_whoever_may_read_one_server_sees_its_owner_with_that_server_alone(hub: RunningHub) -> None:
    await target(hub, "member")
    client = hub.client(await hub.token("part", "read:servers!server=member/lab", service=True))
    model = (await client.get(f"{hub.api}/users/member", params={"include_stopped_servers": "1"})).json()
    assert model.keys() == {"kind", "name", "servers"}
    assert list(model["servers"]) == ["lab"]
    assert (await client.get(f"{hub.api}/users/nobody")).status_code == 404


@pytest.mark.parametrize("row", rows(), ids=str)
async def test_nobody_may_do_anything(row: Row) -> None:
    async with running_hub() as hub:
        path = row.path.replace(":path", "").format(
            user_name="ada",
            server_name="lab",
            token_id="a1",
            group_name="team",
            service_name="wiki",
            owner_name="ada",
        )
        for client in (hub.client(), hub.client("no-such-token")):
            answer = await client.request(row.method, f"{hub.api}{path}")
            assert (answer.status_code, answer.json()["message"]) == (403, "Missing or invalid credentials.")


async def test_a_route_is_taken_apart_when_it_is_asked_for_and_not_before(hub: RunningHub) -> None:
    addresses = [f"{hub.api}{path}" for path in ("/info", "/groups")]
    about, groups = (
        next(route for route in hub.app.routes if isinstance(route, PlacedRoute) and route.path == address)
        for address in addresses
    )
    assert "made" not in vars(about)
    async with hub.client() as client:
        await client.get(about.path)
    assert "made" in vars(about)
    assert "made" not in vars(groups)


def test_a_route_of_which_fastapi_sees_another_declaration_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router()
    router.get("/public", dependencies=[public("It is a test")])(undeclared)
    (placed,) = included(router, "/hub")
    monkeypatch.setattr(permissions, "access_of", lambda _: None)
    with pytest.raises(TypeError, match="another declaration"):
        _ = placed.made


MAKES_A_ROUTE = """
import sys
from perijove.hub.web.api import hub, users
from perijove.hub.web.permissions import included, load_what_routes_need
if sys.argv[1] == "before":
    load_what_routes_need()
known = set(sys.modules)
for router in (hub.router, users.router):
    for route in included(router, "/hub/api"):
        route.made
print(sorted(name for name in sys.modules.keys() - known if name.startswith("pydantic.")))
"""


@pytest.mark.parametrize("when", ["before", "never"])
def test_what_fastapi_needs_for_its_first_route_is_loaded_before_any_request(when: str) -> None:
    command = [sys.executable, "-c", MAKES_A_ROUTE, when]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    loaded = ast.literal_eval(done.stdout)
    assert not loaded if when == "before" else "pydantic.v1" in loaded
