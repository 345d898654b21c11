"""From the types of ``wire.models`` to JSON Schema, in the dialect of OpenAPI 3.1, and what operations say with it.

A handler that returns a model says so by its annotation. One that makes its `Response` itself says with `gives` or
`gives_pages`, under ``responses``, what stands in it; one whose answer has no body has the ``response_class`` Response.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import WithJsonSchema
from starlette.responses import Response

from perijove.wire import models

JSON_TYPE: Final = "application/json"
PAGINATION_TYPE: Final = "application/jupyterhub-pagination+json"
REFERENCE: Final = "#/components/schemas/"
_PLAIN: Final = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def component_name(model: type) -> str:
    """Return the name of *model* among the components."""
    return model.__name__.removesuffix("Model")


COMPONENTS: Final[Mapping[str, Any]] = {
    component_name(model): model
    for model in vars(models).values()
    if is_typeddict(model) and not model.__name__.startswith("_")
}
"""Every model by its name among the components."""

_NAMES: Final = {model: name for name, model in COMPONENTS.items()}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the schema of *hint*; models are referred to by name. Raises TypeError for what has no form in JSON."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in _NAMES:
        return {"$ref": REFERENCE + _NAMES[hint]}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Annotated:
        return {**schema_of(arguments[0]), "format": arguments[1]}
    if origin in {Union, UnionType}:
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1]) or True}
    raise TypeError(f"{hint!r} has no form in JSON that OpenAPI could tell of")


def component(model: Any) -> dict[str, Any]:
    """Return the schema of the class *model* itself. Other keys than it names may come with later versions."""
    hints = get_type_hints(model, include_extras=True)
    return {
        "type": "object",
        "description": inspect.cleandoc(model.__doc__ or "").replace("``", "`"),
        "properties": {key: schema_of(hint) for key, hint in hints.items()},
        "required": [key for key in hints if key in model.__required_keys__],
    }


def gives(hint: Any, description: str, media_type: str = JSON_TYPE) -> dict[str, Any]:
    """Return what OpenAPI says of an answer that holds a value of the type *hint*."""
    return {"description": description, "content": {media_type: {"schema": schema_of(hint)}}}


def gives_pages(hint: Any, page: Any, description: str) -> dict[str, Any]:
    """Return what OpenAPI says of a list of the type *hint* that is given as a *page* to whoever asks for that."""
    content = {JSON_TYPE: {"schema": schema_of(hint)}, PAGINATION_TYPE: {"schema": schema_of(page)}}
    return {"description": description, "content": content}


def says_of(kind: str, **values: Any) -> WithJsonSchema:
    """Return the annotation of a parameter of which OpenAPI says less than what its handler understands."""
    return WithJsonSchema({"type": kind, **values})


def returned(endpoint: Callable[..., Any]) -> Any:
    """Return the type of the values that *endpoint* returns; None if it makes a response itself."""
    hint = get_type_hints(endpoint, include_extras=True).get("return", NoneType)
    is_response = hint is NoneType or (isinstance(hint, type) and issubclass(hint, Response))
    return None if is_response else hint


def takes(
    description: str,
    /,
    *,
    required: bool = False,
    must: tuple[str, ...] = (),
    closed: bool = True,
    **properties: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what OpenAPI says of an operation that takes a JSON object.

    Args:
        description: what it is for.
        required: whether the request must have a body. Where it need not, null is as good as none.
        must: the keys that must be there.
        closed: whether other keys than those of *properties* are refused.
        properties: the schema of each key.
    """
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if must:
        schema["required"] = list(must)
    if closed:
        schema["additionalProperties"] = False
    return {
        "requestBody": {"description": description, "required": required, "content": {JSON_TYPE: {"schema": schema}}}
    }
