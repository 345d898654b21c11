"""HTTP ⇄ use cases: the REST API (one file a resource), the OAuth provider, the pages, a table of errors."""

from pydantic import BaseModel

_config = BaseModel.model_config
try:
    # FastAPI has a model for each part of an OpenAPI document. Only who asks for that document needs them, and making
    # them is a fifteenth of a start; so each is made where it is used first.
    BaseModel.model_config = {**_config, "defer_build": True}
    import fastapi.openapi.models  # noqa: F401 - loaded here so that it is loaded this way
finally:
    BaseModel.model_config = _config
