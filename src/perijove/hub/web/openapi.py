"""The OpenAPI document: what FastAPI knows of the routes, with the types of all answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from perijove.hub.web.permissions import PlacedRoute
from perijove.hub.web.schemas import COMPONENTS, JSON_TYPE, REFERENCE, component, schema_of
from perijove.wire.models import ErrorModel
from perijove.wire.versions import PROTOCOL_VERSION

TITLE: Final = "Perijove hub"
SUMMARY: Final = "The REST API of the hub, compatible with JupyterHub's."
DESCRIPTION: Final = """\
Send a token as `Authorization: token <token>`. The scopes under `security` are those of which an operation needs one;
what a token reaches with it is narrowed by the filters of its scopes, and so are the fields that stand in an answer.

Lists come in parts, by `offset` and `limit`. With `Accept: application/jupyterhub-pagination+json` an answer says how
long the list is and where it goes on.
"""
TAGS: Final = {
    "hub": "The hub itself: version, health, metrics, the proxy's routes.",
    "users": "Users, and who asks.",
    "servers": "Servers of users: start, stop, follow, change.",
    "tokens": "API tokens of users.",
    "groups": "Groups of users.",
    "services": "Services beside the hub.",
    "shares": "Access to other users' servers, given to users and groups or by code.",
    "oauth": "The OAuth 2 provider, for servers and services.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of *app*."""
    told = get_openapi(
        title=TITLE,
        summary=SUMMARY,
        description=DESCRIPTION,
        version=PROTOCOL_VERSION,
        routes=[route.made if isinstance(route, PlacedRoute) else route for route in app.routes],
    )
    used: set[str] = set()
    for operation in operations(told):
        operation["responses"] = dict(_answers(operation["responses"]))
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _never_null(parameter["schema"])
        used.update(operation["tags"])
    told["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    told.setdefault("components", {})["schemas"] = _components(told["paths"])
    return told


def operations(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations of a document."""
    for methods in told["paths"].values():
        yield from methods.values()


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    error = {JSON_TYPE: {"schema": schema_of(ErrorModel)}}
    responses.setdefault("default", {"description": "Any other error"})
    for status, response in responses.items():
        if status == "default" or int(status) >= 400:
            response.setdefault("content", error)
        for media_type in response.get("content", {}).values():
            # What FastAPI calls the answers of functions is no name for a type.
            media_type.get("schema", {}).pop("title", None)
        yield status, response


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter without the null that stands for its absence in Python."""
    others = [part for part in schema.pop("anyOf", []) if part != {"type": "null"}]
    return {key: value for part in (*others, schema) for key, value in part.items() if key != "title"}


def _components(paths: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of all models that are referred to, directly or by others."""
    found: dict[str, Any] = {}
    left = list(_references(paths))
    while left:
        name = left.pop()
        if name not in found:
            found[name] = component(COMPONENTS[name])
            left.extend(_references(found[name]))
    return dict(sorted(found.items()))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str) and reference.startswith(REFERENCE):
            yield reference.removeprefix(REFERENCE)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _references(inner)
