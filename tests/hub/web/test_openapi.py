from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from perijove.hub.testing.running import RunningHub
from perijove.hub.web.app import api_document
from perijove.hub.web.openapi import TAGS, document
from perijove.wire import models

Operation = dict[str, Any]
HOW = (
    "let the handler's annotation be a model of wire.models, or say gives(Model, …) under responses, or, if it has no "
    "body, response_class=Response"
)
ENVELOPE = "application/jupyterhub-pagination+json"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return api_document("/hub/")


def each(told: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def is_typed(schema: dict[str, Any]) -> bool:
    """Say whether a schema tells a client anything: an object without keys of its own does not."""
    if "anyOf" in schema:
        return all(is_typed(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return is_typed(schema["items"])
    if schema.get("type") == "object":
        return bool(schema.get("properties")) or isinstance(schema.get("additionalProperties"), dict)
    return "$ref" in schema or "type" in schema


def untyped(told: dict[str, Any]) -> list[str]:
    """Return the answers of which nothing is told."""
    return [
        f"{where}, {status}, {media_type}"
        for where, operation in each(told)
        for status, answer in operation["responses"].items()
        for media_type, content in answer.get("content", {}).items()
        if not is_typed(content.get("schema", {}))
    ]


def test_every_operation_says_what_it_answers(told: dict[str, Any]) -> None:
    assert untyped(told) == [], HOW
    for where, operation in each(told):
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), where


def test_every_operation_tells_errors_in_the_one_form(told: dict[str, Any]) -> None:
    others = {"GET /hub/api/oauth2/authorize", "POST /hub/api/oauth2/token"}
    for where, operation in each(told):
        bad = {status: answer for status, answer in operation["responses"].items() if not status.startswith(("2", "3"))}
        assert "default" in bad, where
        for status, answer in bad.items():
            if where not in others:
                assert answer["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}, (
                    f"{where}, {status}"
                )


def test_every_body_says_what_may_stand_in_it(told: dict[str, Any]) -> None:
    for where, operation in each(told):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            assert schema["type"] == "object", where
            assert set(schema.get("required", ())) <= set(schema["properties"]), where
            for key, value in schema["properties"].items():
                assert value, f"{where}: {key} has no type"
    without = {where for where, operation in each(told) if "requestBody" not in operation}
    assert {where for where in without if re.match("POST|PUT|PATCH", where)} == {"POST /hub/api/proxy"}


def test_every_operation_has_an_id_a_summary_a_description_and_a_group(told: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in each(told)]
    assert len(ids) == len(set(ids))
    for where, operation in each(told):
        assert re.fullmatch("[a-z]+(_[a-z]+)*", operation["operationId"]), where
        assert operation["summary"], where
        assert operation["description"], where
        assert len(operation["tags"]) == 1, where
        assert operation["tags"][0] in TAGS, f"{where}: describe the group in web.openapi.TAGS"
    assert [tag["name"] for tag in told["tags"]] == [name for name in TAGS if name in {t["name"] for t in told["tags"]}]


def test_no_parameter_is_null(told: dict[str, Any]) -> None:
    for where, operation in each(told):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            assert schema["type"] in {"string", "integer", "boolean"}, f"{where}: {parameter['name']}"
            assert "anyOf" not in schema


def test_lists_of_users_and_groups_come_in_pages(told: dict[str, Any]) -> None:
    for noun, page in (("users", "UserPage"), ("groups", "GroupPage")):
        operation = told["paths"][f"/hub/api/{noun}"]["get"]
        content = operation["responses"]["200"]["content"]
        assert content[ENVELOPE]["schema"] == {"$ref": f"#/components/schemas/{page}"}
        assert {"offset", "limit"} <= {parameter["name"] for parameter in operation["parameters"]}
    pagination = told["components"]["schemas"]["Pagination"]
    assert pagination["properties"]["next"]["anyOf"][1] == {"type": "null"}


def test_a_stream_names_the_model_of_its_events(told: dict[str, Any]) -> None:
    for path in ("server", "servers/{server_name}"):
        operation = told["paths"][f"/hub/api/users/{{user_name}}/{path}/progress"]["get"]
        (content,) = operation["responses"]["200"]["content"].items()
        assert content[0] == "text/event-stream"
        assert content[1]["schema"]["contentSchema"] == {"$ref": "#/components/schemas/Progress"}


def test_components_are_those_that_are_referred_to(told: dict[str, Any]) -> None:
    named = set(re.findall(r"'#/components/schemas/(\w+)'", str(told)))
    assert set(told["components"]["schemas"]) == named
    assert {"User", "Server", "Failure", "Token", "Group", "Error"} <= named
    assert "HTTPValidationError" not in named


def test_the_running_hub_tells_the_same_under_its_own_prefix(hub: RunningHub) -> None:
    assert hub.app.openapi() == api_document(hub.prefix)


def test_a_function_without_a_declared_answer_is_found() -> None:
    app = FastAPI()
    app.get("/secrets", tags=["hub"])(says_nothing)
    app.get("/lists", tags=["hub"], response_model=list[dict[str, Any]])(says_nothing)
    assert untyped(document(app)) == ["GET /secrets, 200, application/json", "GET /lists, 200, application/json"]


async def says_nothing() -> dict[str, Any]:
    """Return anything."""
    return {}


def test_models_are_told_as_they_are_declared(told: dict[str, Any]) -> None:
    server = told["components"]["schemas"]["Server"]
    assert set(server["properties"]) - set(server["required"]) == {"state", "queue", "stops", "usage"}
    assert server["properties"]["failure"]["anyOf"][0] == {"$ref": "#/components/schemas/Failure"}
    assert set(server["properties"]) == set(models.ServerModel.__annotations__)
