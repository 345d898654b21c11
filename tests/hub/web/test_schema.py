"""The hub keeps to its OpenAPI document and to the table of permissions, whatever it is sent and whoever sends it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from tests.support.permissions import Row, rows

from perijove.hub.core.scopes import Holder, token_own_scopes
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub
from perijove.hub.web.app import api_document

TIMEOUT = 60.0
EXAMPLES = 8
READS = (
    "list:users",
    "read:users",
    "read:servers",
    "read:tokens",
    "list:groups",
    "read:groups",
    "list:services",
    "read:services",
    "read:roles",
    "read:shares",
    "read:users:shares",
    "read:groups:shares",
    "read:hub",
    "read:metrics",
)
OF_A_SERVER = ("users:activity!user=ada", "access:servers!server=ada/lab")
OF_A_GROUP = tuple(
    f"{scope}!group=team" for scope in ("admin:users", "servers", "tokens", "groups", "users:shares", "groups:shares")
)
THERE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/users", {"usernames": ["ada", "otto"]}),
    ("PUT", "/users/ada/servers/lab", None),
    ("POST", "/users/ada/tokens", None),
    ("POST", "/groups/team", None),
    ("POST", "/groups/team/users", {"users": ["ada", "otto"]}),
    ("POST", "/services/tool", {}),
    ("POST", "/shares/ada/lab", {"user": "otto"}),
    ("POST", "/shares/ada/lab", {"group": "team"}),
    ("POST", "/share-codes/ada/lab", None),
)
"""How an administrator makes what requests may be about."""

KNOWN = {
    "user_name": "ada",
    "owner_name": "ada",
    "server_name": "lab",
    "group_name": "team",
    "service_name": "tool",
    "token_id": "a2",
}
"""What stands in addresses, so that not all of them lead nowhere."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
    "negative_data_rejection",
)
UNDERSTANDS_MORE = {
    "authorize": "people sign in first, whatever the query",
    "list_users": "any value of a flag but 0 and false means yes",
    "get_user": "any value of a flag but 0 and false means yes",
    "start_default_server": "a body with other keys than its own is the options",
    "start_named_server": "a body with other keys than its own is the options",
}
"""Operations that rightly take more than the document says, and why."""

Parameters = Mapping[str, Any]
Send = Callable[[schemathesis.Case[Any]], httpx.Response]


def of_nobody(row: Row, asked: Parameters) -> str:
    return "no"


def of_ada(row: Row, asked: Parameters) -> str:
    return row.gives("own" if asked.get("user_name", "ada").casefold() == "ada" else "other")


def of_an_administrator(row: Row, asked: Parameters) -> str:
    return row.gives("admin")


def of_scopes(holder: Holder, raw: tuple[str, ...], limit: str = "all", **about: set[str]) -> Callable[..., str]:
    """Return the rights of whoever holds the scopes *raw* with the filter *limit*, which reaches what *about* names."""
    held = {scope.base for scope in token_own_scopes(raw, holder)} | {"-"}

    def gives(row: Row, asked: Parameters) -> str:
        reached = all(asked[name].casefold() in names for name, names in about.items() if name in asked)
        return row.gives("none" if row.scope not in held else limit if reached else f"{limit}'")

    return gives


@dataclass(frozen=True)
class Role:
    """Somebody who sends requests, and what a row of the table says of them."""

    name: str
    gives: Callable[[Row, Parameters], str]
    scopes: tuple[str, ...] = ()

    def may(self, method: str, path: str, asked: Parameters) -> bool:
        """Say whether the table lets them through; what does not stand in it, everybody may ask for."""
        table = [row for row in rows() if (row.method, row.path.replace(":path", "")) == (method, path)]
        return not table or any(self.gives(row, asked) == "yes" for row in table)


TOOL = Holder(service="robot")
ROLES = (
    Role("nobody", of_nobody),
    Role("ada", of_ada),
    Role("root", of_an_administrator),
    Role("server", of_scopes(Holder(user="ada"), OF_A_SERVER, "user", user_name={"ada"}), OF_A_SERVER),
    Role("reader", of_scopes(TOOL, READS), READS),
    Role(
        "tutor",
        of_scopes(TOOL, OF_A_GROUP, "group", user_name={"ada", "otto"}, group_name={"team"}),
        OF_A_GROUP,
    ),
)


def closed_document() -> dict[str, Any]:
    """Return the document with its models closed, so that more keys are found, and with what is there in addresses."""
    document = copy.deepcopy(api_document("/hub/"))
    del document["components"]["securitySchemes"]
    for model in document["components"]["schemas"].values():
        model["additionalProperties"] = False
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)  # who asks is up to us
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {"anyOf": [{"const": KNOWN[parameter["name"]]}, parameter["schema"]]}
    return document


load_all_checks()
schema = schemathesis.openapi.from_dict(closed_document(), config=schemathesis.Config())
schema.config.generation.update(max_examples=EXAMPLES, deterministic=True)


class Caller:
    """A hub, and somebody who sends it what schemathesis thinks of."""

    def __init__(self, hub: RunningHub, role: Role, admin: str, token: str) -> None:
        self._admin = hub.client(admin)
        self._client = hub.client(token)
        self._api = hub.api
        self._role = role

    async def prepare(self) -> None:
        """Let everything be there that requests may be about."""
        for method, path, body in THERE:
            answer = await self._admin.request(method, f"{self._api}{path}", json=body)
            assert answer.status_code in {200, 201, 409}, answer.text

    async def __call__(self, case: schemathesis.Case[Any]) -> httpx.Response:
        """Send a request, see whether it was let through rightly, and put right what it spoilt."""
        sent: Any = requests.Request(**case.as_transport_kwargs(base_url=ORIGIN)).prepare()
        method = sent.method
        request = self._client.build_request(method, sent.url, headers=dict(sent.headers), content=sent.body)
        async with asyncio.timeout(TIMEOUT):
            answer = await self._client.send(request)
            if method not in {"GET", "POST"} and answer.is_success:
                await self.prepare()
        path = case.operation.path.removeprefix(self._api)
        if not answer.is_error and not self._role.may(method, path, case.path_parameters):
            raise AssertionError(f"{self._role.name} got {answer.status_code} of {method} {sent.url}")
        return answer


async def token_of(hub: RunningHub, role: Role) -> str:
    match role.name:
        case "nobody":
            return ""
        case "server":
            return await hub.token("ada", *role.scopes)
        case "ada" | "root":
            return await hub.token(role.name, admin=role.name == "root")
    return await hub.token(role.name, *role.scopes, service=True)


@pytest.fixture(scope="module", params=ROLES, ids=lambda role: role.name)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    """Send what schemathesis thinks of to a hub, as somebody."""
    with asyncio.Runner() as runner:
        manager = running_hub(slow_start=0.0, slow_stop=0.0)
        hub = runner.run(manager.__aenter__())
        try:
            admin, token = runner.run(hub.token("chief", admin=True)), runner.run(token_of(hub, request.param))
            caller = Caller(hub, request.param, admin, token)
            runner.run(caller.prepare())
            yield lambda case: runner.run(caller(case))
        finally:
            runner.run(manager.__aexit__(None, None, None))


@schema.parametrize()
@hypothesis.settings(deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_every_answer_is_what_the_document_says_and_nobody_gets_more_than_the_table_says(
    send: Send, case: schemathesis.Case[Any]
) -> None:
    answer = send(case)
    checks: list[Any] = [CHECKS.get_one(name) for name in CHECKED]
    # Where there need be no body, null is as good as none.
    if case.operation.definition.raw["operationId"] in UNDERSTANDS_MORE or case.body is None:
        checks.remove(CHECKS.get_one("negative_data_rejection"))
    case.validate_response(answer, checks=checks)


def test_what_understands_more_than_it_says_is_there() -> None:
    methods = api_document("/hub/")["paths"].values()
    assert {operation["operationId"] for each in methods for operation in each.values()} >= UNDERSTANDS_MORE.keys()


def test_a_role_may_do_what_its_row_says() -> None:
    roles = {role.name: role for role in ROLES}
    tokens = "/users/{user_name}/tokens"
    assert not roles["nobody"].may("GET", tokens, {"user_name": "ada"})
    assert roles["nobody"].may("GET", "/health", {})
    assert roles["ada"].may("GET", tokens, {"user_name": "Ada"})
    assert not roles["ada"].may("GET", tokens, {"user_name": "otto"})
    assert roles["tutor"].may("GET", tokens, {"user_name": "otto"})
    assert not roles["tutor"].may("GET", tokens, {"user_name": "eve"})
    assert not roles["tutor"].may("GET", "/info", {})
    assert not roles["server"].may("POST", tokens, {"user_name": "ada"})
    assert roles["reader"].may("GET", tokens, {"user_name": "eve"})
