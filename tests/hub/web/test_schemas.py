from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import pytest
from fastapi import Response
from fastapi.responses import JSONResponse

from perijove.hub.web.permissions import Router, public
from perijove.hub.web.schemas import (
    COMPONENTS,
    component,
    gives,
    gives_pages,
    returned,
    says_of,
    schema_of,
    takes,
)
from perijove.wire import models


class Stranger(TypedDict):
    """No model of the API."""

    name: str


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (Any, {}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Annotated[str, "date-time"], {"type": "string", "format": "date-time"}),
        (
            Annotated[str, "date-time"] | None,
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        ),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, Any], {"type": "object", "additionalProperties": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (list[models.UserModel], {"type": "array", "items": {"$ref": "#/components/schemas/User"}}),
    ],
)
def test_each_type_has_its_schema(hint: Any, schema: dict[str, Any]) -> None:
    assert schema_of(hint) == schema


@pytest.mark.parametrize("hint", [bytes, set[str], Stranger, dict, object])
def test_what_has_no_form_in_json_is_refused(hint: Any) -> None:
    with pytest.raises(TypeError, match="no form in JSON"):
        schema_of(hint)


def test_what_is_always_there_is_required_and_what_may_be_null_says_so() -> None:
    token = component(models.TokenModel)
    assert token["required"] == [
        "id",
        "kind",
        "roles",
        "scopes",
        "created",
        "last_activity",
        "expires_at",
        "note",
        "session_id",
        "oauth_client",
    ]
    assert set(token["properties"]) == {*token["required"], "user", "service", "token"}
    assert token["properties"]["expires_at"]["anyOf"][1] == {"type": "null"}
    assert token["properties"]["kind"] == {"type": "string", "enum": ["api_token"]}
    assert token["description"].startswith("One API token of a user or a service; `token`, its value")


def test_every_model_has_a_name_of_its_own_and_a_schema() -> None:
    assert {"User", "Server", "Token", "Group", "Service", "Share", "ShareCode", "Error", "UserPage"} <= set(COMPONENTS)
    for name, model in COMPONENTS.items():
        assert not name.startswith("_")
        assert component(model)["properties"], name
        assert component(model)["description"], name


def test_a_list_may_come_as_a_page() -> None:
    told = gives_pages(list[models.GroupModel], models.GroupPageModel, "Groups")
    assert {media: content["schema"] for media, content in told["content"].items()} == {
        "application/json": {"type": "array", "items": {"$ref": "#/components/schemas/Group"}},
        "application/jupyterhub-pagination+json": {"$ref": "#/components/schemas/GroupPage"},
    }


async def model() -> models.VersionModel:
    """Return a model."""
    return {"version": "1"}


async def response() -> JSONResponse:
    """Return a response."""
    return JSONResponse({})


async def nothing():  # type: ignore[no-untyped-def]
    """Say nothing of what it returns."""


def test_a_handler_says_by_its_annotation_what_it_returns() -> None:
    assert returned(model) is models.VersionModel
    assert returned(response) is None
    assert returned(nothing) is None


def test_what_a_handler_returns_stands_on_its_route_beside_what_else_is_said() -> None:
    router, free = Router(), [public("It is a test")]
    conflict: dict[int | str, dict[str, Any]] = {409: {"description": "It exists"}}
    router.post("/model", dependencies=free, status_code=201, responses=conflict)(model)
    router.get("/own", dependencies=free, responses={200: gives(models.VersionModel, "A version")})(response)
    router.get("/empty", dependencies=free, response_class=Response)(response)
    told = {route.path: route.responses for _, route in router.operations()}
    assert told == {
        "/model": {201: gives(models.VersionModel, "Done"), **conflict},
        "/own": {200: gives(models.VersionModel, "A version")},
        "/empty": {},
    }


def test_the_description_of_a_body_is_openapi() -> None:
    assert takes("What", required=True, must=("name",), name={"type": "string"}) == {
        "requestBody": {
            "description": "What",
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}},
                        "required": ["name"],
                        "additionalProperties": False,
                    }
                }
            },
        }
    }
    options = takes("Anything", closed=False)["requestBody"]["content"]["application/json"]["schema"]
    assert options == {"type": "object", "properties": {}}


def test_a_parameter_may_be_told_in_fewer_words_than_it_is_understood_in() -> None:
    assert says_of("integer", minimum=1).json_schema == {"type": "integer", "minimum": 1}
